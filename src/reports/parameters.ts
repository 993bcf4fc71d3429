import type { OrderKey } from '../archive/archive.ts';
import { quoteText } from '../lake/duckdb-session.ts';
import type { Predicate } from '../lake/predicate.ts';
import type { ParameterName } from './contract.ts';

/** What a parameter says about an order's row. All of it holds. */
export type ParameterCondition = {
  /** Conditions that also tell which files of the archive cannot matter. */
  readonly predicate: Predicate;
  /** Clients who must have a part in the order. */
  readonly clients: readonly ClientCondition[];
  /** Keys in the archive's lookup: a matching order has one of them. Empty: the lookup does not help. */
  readonly keys: readonly OrderKey[];
};

type ParameterRule = {
  readonly about: string;
  readonly condition: (value: string) => ParameterCondition;
};

/** One of these clients takes part in the order, or (`any`) requested it or takes part in it. */
export type ClientCondition = { readonly part: 'participant' | 'any'; readonly ids: readonly string[] };

/** The condition as SQL of DuckDB. */
export const clientSql = ({ part, ids }: ClientCondition): string => {
  const [only] = ids;
  if (ids.length !== 1 || only === undefined) {
    const list = `[${ids.map(quoteText).join(', ')}]::VARCHAR[]`;
    const takesPart = `coalesce(list_has_any(cliente_participante_id, ${list}), false)`;
    return part === 'participant'
      ? takesPart
      : `(list_contains(${list}, cliente_requisitante_id) OR ${takesPart})`;
  }
  // The same for one client, and a third faster.
  const takesPart = `coalesce(list_contains(cliente_participante_id, ${quoteText(only)}), false)`;
  return part === 'participant'
    ? takesPart
    : `(cliente_requisitante_id = ${quoteText(only)} OR ${takesPart})`;
};

export const parameterRules: { readonly [Name in ParameterName]: ParameterRule } = {
  areaId: {
    about: 'The area that the orders belong to.',
    condition: (value) => ({ predicate: [{ column: 'area_id', op: '=', value }], clients: [], keys: [] }),
  },
  contractId: {
    about: 'The contract that the orders belong to.',
    condition: (value) => ({
      predicate: [{ column: 'contrato_id', op: '=', value }],
      clients: [],
      keys: [{ kind: 'contrato', value }],
    }),
  },
  clientId: {
    about: 'The client who requested the orders or takes part in them.',
    condition: (value) => ({
      predicate: [],
      clients: [{ part: 'any', ids: [value] }],
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
      clients: [],
      keys: [{ kind: 'requisitante', value }],
    }),
  },
  participantId: {
    about: 'A client who takes part in the orders.',
    condition: (value) => ({
      predicate: [],
      clients: [{ part: 'participant', ids: [value] }],
      keys: [{ kind: 'participante', value }],
    }),
  },
  orderId: {
    about: 'The number of the order.',
    condition: (value) => ({
      predicate: [{ column: 'ordem_id', op: '=', value }],
      clients: [],
      keys: [{ kind: 'ordem', value }],
    }),
  },
};
