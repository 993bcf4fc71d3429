import type { OrderKey } from '../archive/archive.ts';
import { quoteText } from '../lake/duckdb-session.ts';
import type { Predicate } from '../lake/predicate.ts';
import type { ParameterName } from './contract.ts';

/** What a parameter says about an order's row. All of it holds. */
export type ParameterCondition = {
  /** Conditions that also tell which files of the archive cannot matter. */
  readonly predicate: Predicate;
  /** Further conditions over the columns of `ordens_arquivadas`, as SQL. */
  readonly sql: readonly string[];
  /** Keys in the archive's lookup: a matching order has one of them. Empty: the lookup does not help. */
  readonly keys: readonly OrderKey[];
};

type ParameterRule = {
  readonly about: string;
  readonly condition: (value: string) => ParameterCondition;
};

/** Orders that one of these clients requested or takes part in. */
export const ofClients = (clients: readonly string[]): string => {
  const list = `[${clients.map(quoteText).join(', ')}]::VARCHAR[]`;
  const [only] = clients;
  // The same for one client, and a third faster.
  return clients.length === 1 && only !== undefined
    ? `(cliente_requisitante_id = ${quoteText(only)} OR coalesce(list_contains(cliente_participante_id, ${quoteText(only)}), false))`
    : `(list_contains(${list}, cliente_requisitante_id) OR coalesce(list_has_any(cliente_participante_id, ${list}), false))`;
};

export const parameterRules: { readonly [Name in ParameterName]: ParameterRule } = {
  areaId: {
    about: 'The area that the orders belong to.',
    condition: (value) => ({ predicate: [{ column: 'area_id', op: '=', value }], sql: [], keys: [] }),
  },
  contractId: {
    about: 'The contract that the orders belong to.',
    condition: (value) => ({
      predicate: [{ column: 'contrato_id', op: '=', value }],
      sql: [],
      keys: [{ kind: 'contrato', value }],
    }),
  },
  clientId: {
    about: 'The client who requested the orders or takes part in them.',
    condition: (value) => ({
      predicate: [],
      sql: [ofClients([value])],
      keys: [
        { kind: 'requisitante', value },
        { kind: 'participante', value },
      ],
    }),
  },
  requesterId: {
    about: 'The client who requested the orders.',
    condition: (value) => ({
      predicate: [{ column: 'cliente_requisitante_id', op: '=', value }],
      sql: [],
      keys: [{ kind: 'requisitante', value }],
    }),
  },
  participantId: {
    about: 'A client who takes part in the orders.',
    condition: (value) => ({
      predicate: [],
      sql: [`coalesce(list_contains(cliente_participante_id, ${quoteText(value)}), false)`],
      keys: [{ kind: 'participante', value }],
    }),
  },
  orderId: {
    about: 'The number of the order.',
    condition: (value) => ({
      predicate: [{ column: 'ordem_id', op: '=', value }],
      sql: [],
      keys: [{ kind: 'ordem', value }],
    }),
  },
};
