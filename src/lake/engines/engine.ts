import type { Store } from '../../platform/store/store.ts';

/** A column of an answer. `type` is in Trino's spelling, lower case: `bigint`, `decimal(12, 2)`, `array(varchar)`. */
export type Column = { readonly name: string; readonly type: string };

/**
 * A value as every engine gives it, ready for JSON. Nothing loses digits:
 *
 * - integers are numbers up to 2^53 − 1 in magnitude, text beyond; decimals are text with their scale
 * - doubles are numbers; `NaN`, `Infinity` and `-Infinity` are text
 * - dates are `2026-01-31`; timestamps `2026-01-31T23:59:59.123456`, with `Z` (UTC) where the type has a time zone;
 *   the fraction has 0, 3 or 6 digits
 * - binary is base64; JSON columns are their text; intervals and the like are the engine's text
 * - lists are arrays; rows and maps are objects (a map's key that is not text is its JSON)
 */
export type SqlValue = null | boolean | number | string | SqlValue[] | { [key: string]: SqlValue };

export type Batch = {
  readonly columns: readonly Column[];
  /** Values in the columns' order. */
  readonly rows: readonly SqlValue[][];
  /** Rows were left out because of `maxRows`; only on the last batch. */
  readonly truncated: boolean;
};

export type QueryOptions = {
  /** Ends the query in the engine too. */
  readonly signal?: AbortSignal;
  /** Default: no limit. */
  readonly timeoutMs?: number;
  readonly maxRows?: number;
  /** Texts for the `?` of the query, in their order: values beside the query, never a part of it. */
  readonly parameters?: readonly string[];
  /** For an engine that keeps answers as objects. Absent: where its own settings say, and they stay there. */
  readonly scratch?: Scratch;
};

/**
 * A place for one query's own objects: a prefix of the store that ends with `/` and that nothing else uses. The engine
 * removes what it put there when the query is over; who hands the place out removes what a killed process left.
 */
export type Scratch = { readonly store: Store; readonly prefix: string };

export type CopyOptions = Omit<QueryOptions, 'maxRows'> & {
  /** Rows that are to come, where they are known: by them an engine may choose its way. */
  readonly expectedRows?: number;
};

/** Where an export goes: a local file that is created, or replaced. */
export type CopyTarget = { readonly file: string; readonly format: 'parquet' | 'csv' | 'ndjson' };

/**
 * SQL over the lake's tables, on one engine. Queries are read-only, in the engine's own dialect; table names are
 * `namespace.table`. On DuckDB the name alone does where one table has it.
 */
export type LakeEngine = {
  /**
   * Streams the answer; there is always a first batch, so that the columns are known. Leaving the loop early
   * ends the query.
   * @throws QueryError the query is wrong, not allowed, or failed in the engine; QueryTimeoutError; the signal's reason
   */
  readonly query: (sql: string, options?: QueryOptions) => AsyncIterable<Batch>;
  /** Writes the answer to a file; on failure no file is left. `maxRows` is not for exports. */
  readonly copyTo: (
    sql: string,
    target: CopyTarget,
    options?: CopyOptions,
  ) => Promise<{ rows: number; bytes: number }>;
  readonly close: () => Promise<void>;
};

/**
 * The query cannot be answered. `fault` says where to look: at the query (its text is wrong or not allowed), or at
 * the engine (it is not there, or the query needs more than it may have).
 */
export class QueryError extends Error {
  readonly fault: 'query' | 'engine';

  constructor(
    message: string,
    { cause, fault = 'query' }: { cause?: unknown; fault?: 'query' | 'engine' } = {},
  ) {
    super(message, cause === undefined ? {} : { cause });
    this.name = 'QueryError';
    this.fault = fault;
  }
}

/** The query was ended after its time. */
export class QueryTimeoutError extends Error {
  constructor(timeoutMs: number) {
    super(
      `the query was ended after ${timeoutMs / 1000} s; narrow it (a filter on the partition helps most) or give it more time`,
    );
    this.name = 'QueryTimeoutError';
  }
}

/** The signal that ends a query: the caller's abort or the end of its time, whose reason is a QueryTimeoutError. */
export const querySignal = ({
  signal,
  timeoutMs,
}: QueryOptions): { signal: AbortSignal; clear: () => void } => {
  const timeout = new AbortController();
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => timeout.abort(new QueryTimeoutError(timeoutMs)), timeoutMs);
  return {
    signal: signal ? AbortSignal.any([signal, timeout.signal]) : timeout.signal,
    clear: () => clearTimeout(timer),
  };
};
