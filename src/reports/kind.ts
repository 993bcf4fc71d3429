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

/**
 * A kind of report. To add one: a file in kinds/, and a line in kinds.ts.
 *
 * Every kind takes `from`, `to` and `status`; areas and clients that the viewer may not see are left out by the
 * query that all kinds share, so a kind cannot forget it.
 */
export type ReportKind = {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly audience: Audience;
  /** Needed. */
  readonly required: readonly ParameterName[];
  /** At least one of these is needed. */
  readonly oneOf?: readonly ParameterName[];
  readonly optional?: readonly ParameterName[];
  readonly includesCurrent: boolean;
  /** Absent: one row for each order. */
  readonly each?: (context: EachContext) => Each;
  readonly columns: readonly KindColumn[];
};
