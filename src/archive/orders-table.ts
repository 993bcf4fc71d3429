import type { Attributes, AttributeValue, Item } from './item.ts';

/** What `plan` and the selection know of the table before they read it. Counts are DynamoDB's own, up to six hours old. */
export type TableFacts = {
  readonly name: string;
  readonly items: number;
  readonly bytes: number;
  /** The index by area and creation, where there is one; `whole`: it holds all that the choice of due orders needs. */
  readonly index: { readonly whole: boolean } | null;
};

/** Where a page ended: opaque, plain JSON. */
export type PagePosition = Record<string, { S: string }>;

export type PageRequest =
  /** The whole table in `of` parts that can be read side by side. Consistent. */
  | { readonly kind: 'scan'; readonly segment: number; readonly of: number; readonly from?: PagePosition }
  /** An area's orders in order of creation, from the index: a moment old, and perhaps without all attributes. */
  | {
      readonly kind: 'area';
      readonly areaId: string;
      readonly createdBefore: string;
      readonly from?: PagePosition;
    }
  /** The next order of the index after the last one of `after`: how areas are found without reading them. */
  | { readonly kind: 'next area'; readonly after?: PagePosition };

export type Page = {
  readonly items: readonly Item[];
  readonly next?: PagePosition;
  /** Read units consumed. */
  readonly units: number;
};

export type Removal =
  /** It was exactly as the condition says; `old` is what was removed. */
  | { readonly outcome: 'removed'; readonly old: Item; readonly units: number }
  /** `repeated`: not at the first try, so that an earlier one may have removed it. */
  | { readonly outcome: 'absent'; readonly units: number; readonly repeated?: boolean }
  | { readonly outcome: 'changed'; readonly found: Item; readonly units: number };

/** The table of orders in DynamoDB, as the archive uses it. Every method may be repeated. */
export type OrdersTable = {
  /** @throws OrdersTableError where there is no such table */
  readonly describe: () => Promise<TableFacts>;
  readonly page: (request: PageRequest) => Promise<Page>;
  /** The orders as they are now (consistent), absent ones left out; at most 100. */
  readonly get: (ids: readonly string[]) => Promise<Page>;
  readonly remove: (orderId: string, condition: Condition) => Promise<Removal>;
  /** Puts an order where none of its id is. `taken`: there is one, as it is now. */
  readonly put: (
    item: Item,
  ) => Promise<{ readonly outcome: 'put' | 'taken'; readonly found?: Item; readonly units: number }>;
};

/** DynamoDB asks to be called less. */
export class ThrottledError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ThrottledError';
  }
}

/** DynamoDB refuses, or cannot be reached: then `transient`, and asking again may help. */
export class OrdersTableError extends Error {
  readonly transient: boolean;

  constructor(message: string, cause?: unknown, transient = false) {
    super(message, { cause });
    this.name = 'OrdersTableError';
    this.transient = transient;
  }
}

export type Condition = {
  readonly expression: string;
  readonly names: Readonly<Record<string, string>>;
  readonly values: Attributes;
};

/** DynamoDB takes 300 operators and functions in an expression; a clause is one, and an AND another. */
const mostClauses = 140;

/** First what every write changes, so that it is there also where not all fit. */
const first = ['versao', 'data_atualizacao', 'status_ordem'];

/**
 * A condition that holds only while the order is the archived version: each attribute equals the archived one
 * (DynamoDB compares lists, maps and sets by value), and none of the `known` names that it lacks has appeared. `versao`
 * alone would not do: an order that was deleted and made again begins to count anew.
 *
 * DynamoDB has no condition for "no further attribute". Where `versao` is there every write raises it, so the answer
 * is complete. Without it, a write that only adds an attribute of a name never seen and leaves `data_atualizacao`
 * alone is not excluded; `remove.ts` compares what was removed and puts it back.
 * @returns null where the order cannot be proven unchanged: no `versao`, and more attributes than a condition holds
 */
export const unchangedCondition = (item: Item, known: Iterable<string> = []): Condition | null => {
  const names = Object.keys(item).filter((name) => name !== 'ordem_id');
  const rank = (name: string): number => (first.indexOf(name) + first.length + 1) % (first.length + 1);
  names.sort((one, other) => rank(one) - rank(other));
  if (names.length >= mostClauses && item.versao === undefined) return null;
  const placeholders: Record<string, string> = {};
  const values: Record<string, AttributeValue> = {};
  const clauses: string[] = ['attribute_exists(ordem_id)'];
  for (const name of names.slice(0, mostClauses - 1)) {
    const at = clauses.length;
    placeholders[`#${at}`] = name;
    values[`:${at}`] = item[name] as AttributeValue;
    clauses.push(`#${at}=:${at}`);
  }
  for (const name of new Set(['versao', 'contrato_id', 'participantes', 'regras', 'metadados', ...known])) {
    if (clauses.length >= mostClauses) break;
    if (Object.hasOwn(item, name) || name === 'ordem_id') continue;
    placeholders[`#${clauses.length}`] = name;
    clauses.push(`attribute_not_exists(#${clauses.length})`);
  }
  return { expression: clauses.join(' AND '), names: placeholders, values };
};
