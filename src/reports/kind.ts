import type { Audience, ParameterName, ReportColumnDescription } from './contract.ts';

/**
 * A column of a kind. `sql` is over `o`, the order's row in `ordens_arquivadas`, and `e`, the part of it that the
 * row stands for (see `Each`). JSON columns of `o` come prepared: masked where they have to be.
 */
export type KindColumn = ReportColumnDescription & {
  readonly sql: string;
  /** A key of the bank's domains (area, status), which names no person: never masked. */
  readonly isKey?: boolean;
};

/** How an order becomes several rows: one for each event, participant… */
export type Each = {
  /** A list over `o`; its items are `e`. */
  readonly list: string;
  /** How many items, counted in another way: this is what the written rows are compared with. */
  readonly count: string;
};

/** What a kind needs to know to make its SQL. */
export type EachContext = { readonly participantId: string | undefined };

/** `one-of`: of those that are marked so, at least one is needed. */
export type ParameterNeed = 'required' | 'one-of' | 'optional';

/**
 * A kind of report. To add one: a file in kinds/, and a line in kinds.ts.
 *
 * Every kind takes `from`, `to` and `status`, and holds orders that are not archived yet; areas and clients that the
 * viewer may not see are left out by the query that all kinds share, so a kind cannot forget it.
 */
export type ReportKind = {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly audience: Audience;
  readonly parameters: { readonly [Name in ParameterName]?: ParameterNeed };
  /** Orders that are not archived yet do not count. */
  readonly archivedOnly?: boolean;
  /** Absent: one row for each order. */
  readonly each?: (context: EachContext) => Each;
  readonly columns: readonly KindColumn[];
};
