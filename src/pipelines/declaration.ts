import type { z } from 'zod';
import type { PrimitiveType } from '../lake/schema.ts';

/**
 * What a pipeline is, as one TypeScript file declares it. Everything here is data (and a few pure functions), so that
 * it can be shown, planned and hashed without being run. `definePipeline` (define.ts) checks it.
 */

/** A value that is looked up in the environment when a request is made. Its name is kept in bronze, never the value. */
export type Secret = { readonly secret: string; readonly prefix?: string };

/** A base address that the environment may replace, so that the same code runs on the real API and on a stand-in. */
export type BaseUrl = { readonly env: string; readonly default: string };

/**
 * How further pages are asked for. Placeholders of the URL template: `{page}`, `{offset}`, `{limit}`, `{cursor}`.
 *
 * - `none`: one answer is all.
 * - `page`: numbered from `first` (default 1); ends with a page of fewer than `size` records.
 * - `offset`: by number of records; ends with a page of fewer than `size` records.
 * - `cursor`: the next page's cursor is found in the answer at `at` (a path such as `meta.next`); absent ends.
 * - `link`: the next page's address is at the path `at`, or in the `Link` header (rel="next") when `at` is absent.
 * - `odata`: `$top` and `$skip` by `size`, or the answer's `@odata.nextLink` where it has one.
 */
export type Pagination =
  | { readonly kind: 'none' }
  | { readonly kind: 'page'; readonly size: number; readonly first?: number }
  | { readonly kind: 'offset'; readonly size: number }
  | { readonly kind: 'cursor'; readonly at: string }
  | { readonly kind: 'link'; readonly at?: string }
  | { readonly kind: 'odata'; readonly size: number };

export type Retry = {
  /** Tries of one page, the first included. Default 5. */
  readonly tries?: number;
  /** Milliseconds before the second try; doubles each time, up to `maxDelayMs`, with jitter. Default 500. */
  readonly delayMs?: number;
  /** Default 30,000. A `Retry-After` of the API counts, up to this. */
  readonly maxDelayMs?: number;
};

export type HttpSource = {
  readonly kind: 'http';
  readonly base: BaseUrl;
  /**
   * Path and query below the base, with placeholders: `{slice.serie}` (a value of the slice), `{from:dd/MM/yyyy}`
   * (beginning of the request's range), `{to:…}` (its end, exclusive), `{last:…}` (its last day or instant,
   * inclusive), and those of the pagination. Formats: `yyyy MM dd HH mm ss`, or `iso`, `date`, `epoch`, `epoch_ms`;
   * default `iso`. Values are percent-encoded.
   */
  readonly path: string;
  /** Default GET. */
  readonly method?: 'GET' | 'POST';
  /** JSON body template of a POST, with the same placeholders; values are escaped to stand inside JSON's strings. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string | Secret>>;
  /** Default none. */
  readonly pagination?: Pagination;
  /** Path of the list of records in the answer: `value`, `data.items`. Default: the answer is the list, or one record. */
  readonly records?: string;
  /** At most so many requests in so many seconds. Default: no limit. */
  readonly rateLimit?: { readonly requests: number; readonly perSeconds: number };
  readonly retry?: Retry;
  /** Statuses that say "no records", beside 204: some APIs answer 404 to an empty range. */
  readonly emptyOn?: readonly number[];
  /** Longest wait for one answer. Default 30,000 ms. */
  readonly timeoutMs?: number;
  /** Largest answer that is read. Default 64 MiB. */
  readonly maxBytes?: number;
};

/** A page of a source that is not HTTP: its bytes, and what to hand back for the next one (null: the last page). */
export type SourcePage = {
  /** UTF-8 JSON: a list of records, or an object that has it at `records`. */
  readonly body: Uint8Array;
  /** Where it comes from, for people; without secrets. */
  readonly address: string;
  /** What finds the next page, kept between runs; null where this is the last one. */
  readonly next: string | null;
  /** The highest value of the source seen so far, where it has one of its own (a log position, a cursor). */
  readonly watermark?: string;
};

/** Any other source: a function that gives one page at a time, for instance of a database table. */
export type CustomSource = {
  readonly kind: 'custom';
  /** What it is, for people and for the code hash. */
  readonly name: string;
  readonly records?: string;
  /**
   * Gives the page that `next` stands for (null: the first one). `watermark` is that of the last done window. A failed
   * call is tried again.
   */
  readonly read: (request: {
    readonly from: Date;
    readonly to: Date;
    readonly slice: Slice;
    readonly next: string | null;
    readonly watermark: string | null;
    readonly env: NodeJS.ProcessEnv;
    readonly signal: AbortSignal;
  }) => Promise<SourcePage>;
  /** Called after the window that ends with `watermark` is committed: the source may forget what lies before. */
  readonly acknowledge?: (watermark: string, env: NodeJS.ProcessEnv) => Promise<void>;
  /** What the source keeps until this pipeline has read it; null: nothing yet. Status and alerts ask for it. */
  readonly hold?: (env: NodeJS.ProcessEnv) => Promise<SourceHold | null>;
  readonly retry?: Retry;
};

/** Something that a source keeps for a pipeline, and that grows while it is not read: a replication slot. */
export type SourceHold = {
  /** `slot lastro_public_contas` */
  readonly what: string;
  readonly bytes: number;
  /** More than this is an alert. */
  readonly limitBytes: number;
  /** In the source's words: `reserved`, `extended`, `unreserved` (about to be lost), `lost`. */
  readonly state: string;
  /** Since nobody reads it; null: it is read now, or the source does not say. */
  readonly unreadSeconds: number | null;
};

export type Source = HttpSource | CustomSource;

/** Fixed values that a window's requests are repeated for: a series, a state. Part of the keys of what is fetched. */
export type Slice = Readonly<Record<string, string>>;

/**
 * Which windows there are. Windows are whole UTC hours or days; a day stands for the calendar date it is named by.
 * Several cadences of one pipeline may overlap in any order: merging is commutative.
 */
export type Cadence = {
  /** `daily` runs at 02:00 UTC, `hourly` at each full hour. */
  readonly every: 'hour' | 'day';
  /** First window, as a date. Holes are looked for from here on. */
  readonly from: string;
  /** Windows that must have passed before one is due: 1 (default) is D-1, or the last full hour. */
  readonly lag?: number;
  /** Windows before the due one that its request takes in again, for values published late. Default 0. */
  readonly lookback?: number;
  /** Longest range of one request, in windows; a longer one is cut. Default 366. */
  readonly requestSpan?: number;
  /** Most windows that are fetched as one when many are missing (first load, catch-up). Default 366. */
  readonly catchUpSpan?: number;
};

/** The whole source every time: what is absent from a complete answer has been deleted. */
export type FullSnapshot = {
  readonly full: true;
  readonly every: 'hour' | 'day';
  /**
   * A snapshot with fewer rows than this is not believed: an API that says success with half of its list would delete
   * the other half. Default: half of the rows before, and at least one.
   */
  readonly guard?: { readonly minShare?: number; readonly minRows?: number };
};

/** Where a column's value comes from. A string is a path in the record. */
export type ColumnOrigin = string | { readonly slice: string } | { readonly request: 'from' | 'to' };

export type SilverColumn = {
  readonly type: Exclude<PrimitiveType, 'binary' | 'uuid' | 'time' | `fixed[${string}]`>;
  /** Default: the path of the column's own name. */
  readonly from?: ColumnOrigin;
  /** Of dates and timestamps that are not ISO 8601: `dd/MM/yyyy`, `yyyy-MM-dd HH:mm:ss`. */
  readonly format?: string;
  /** Zone of a text without one, for `timestamptz`. Default UTC. */
  readonly zone?: string;
  /** `,`: decimals are written 1.234,56. Default `.`. */
  readonly decimal?: '.' | ',';
  /** A row without it breaks the contract. Key columns are always required. Default false. */
  readonly required?: boolean;
  /** How the API is expected to write it; another JSON type breaks the contract. Default: any that can be read. */
  readonly json?: 'string' | 'number' | 'boolean';
  readonly doc?: string;
};

/**
 * What happens to what does not fit.
 *
 * - `evolve`: taken in. A new field becomes a text column; a value that is not of its column's type goes to a text
 *   column beside it (`valor__texto`), and the column is null.
 * - `freeze`: the run stops; nothing of the window is committed to silver.
 * - `quarantine_row`: the row goes to quarantine.
 * - `quarantine_value`: the value goes to quarantine, the row stays without it (a required column: the row goes).
 */
export type ContractMode = 'evolve' | 'freeze' | 'quarantine_row' | 'quarantine_value';

export type Contract = {
  /** May the silver table be changed (new columns, wider types)? Default evolve. */
  readonly table?: 'evolve' | 'freeze';
  /** Fields that no column names. Default evolve. */
  readonly columns?: ContractMode;
  /** Values that are not of their column's type, required ones that are absent, records against `schema`. Default quarantine_row. */
  readonly types?: ContractMode;
};

/** A JSON Schema, or a zod type, that each record must satisfy as it came. */
export type RecordSchema = z.ZodType | { readonly [keyword: string]: unknown };

export type Silver = {
  readonly columns: Readonly<Record<string, SilverColumn>>;
  /** Columns that tell one row from another. The newest capture of a key wins. */
  readonly key: readonly string[];
  /** Which of two records with one key in one capture wins: the greatest by these columns, in order; then by hash. */
  readonly newest?: readonly string[];
  /** Checked beside the columns. */
  readonly schema?: RecordSchema;
  readonly contract?: Contract;
  /**
   * A SELECT over `registros` (the typed records) that standardises them. It must keep `_registro`, by which a row
   * finds its bronze, and give the key's columns. In the SQL that DuckDB and Trino share.
   */
  readonly sql?: string;
  /**
   * Records of change data capture that mean "this key is gone": those whose `field` is `value`. Where it is `all` (a
   * TRUNCATE), every key that was seen before is gone; what is newer in the same answer is told by `newest`.
   */
  readonly deletes?: { readonly field: string; readonly value: string; readonly all?: string };
  /** For tables of many rows: how silver is partitioned, for instance `{ column: 'data', by: 'year' }`. */
  readonly partition?: { readonly column: string; readonly by: 'day' | 'month' | 'year' | 'identity' };
  /** Rows that may be quarantined in one run before it stops. Default: 5 % of its rows. */
  readonly budget?: { readonly rows: number } | { readonly share: number };
  /** How many records a range must have at least, so that an empty success is not taken for one. Default 0. */
  readonly expects?: (range: { readonly from: Date; readonly to: Date; readonly slice: Slice }) => number;
};

export type Gold = {
  /** Table `gold.<name>`. */
  readonly name: string;
  /** A SELECT over `silver.<pipeline>` and `gold.<name>` tables, in the SQL that DuckDB and Trino share. */
  readonly sql: string;
  /** Columns that tell one row from another, for differences. */
  readonly key: readonly string[];
  /**
   * Computed anew only for the groups that changed: `column` of the result, and `of`, the expression that gives it
   * from a silver row of this pipeline. Only where each group depends on its own rows alone.
   */
  readonly incremental?: { readonly column: string; readonly of: string };
};

/** A rule that the rows or tables are held against; see quality/. */
export type Check =
  | { readonly kind: 'not_null'; readonly column: string; readonly name?: string; readonly onFail?: OnFail }
  | {
      readonly kind: 'unique';
      readonly columns: readonly string[];
      readonly name?: string;
      readonly onFail?: OnFail;
    }
  | {
      readonly kind: 'accepted_values';
      readonly column: string;
      readonly values: readonly string[];
      readonly name?: string;
      readonly onFail?: OnFail;
    }
  | {
      readonly kind: 'range';
      readonly column: string;
      readonly min?: string | number;
      readonly max?: string | number;
      readonly name?: string;
      readonly onFail?: OnFail;
    }
  | {
      readonly kind: 'reference';
      readonly column: string;
      readonly table: string;
      readonly to: string;
      readonly name?: string;
      readonly onFail?: OnFail;
    }
  | {
      readonly kind: 'row_count';
      readonly min?: number;
      readonly max?: number;
      readonly name?: string;
      readonly onFail?: OnFail;
    }
  | {
      readonly kind: 'freshness';
      readonly column: string;
      readonly hours: number;
      readonly name?: string;
      readonly onFail?: OnFail;
    }
  /** A SELECT that gives the rows that are wrong. */
  | { readonly kind: 'sql'; readonly name: string; readonly sql: string; readonly onFail?: OnFail };

/** `quarantine` only for checks of single rows. Default `warn`. */
export type OnFail = 'warn' | 'stop' | 'quarantine';

/** How old the newest row of a table may become, or of each part of it. */
export type TableFreshness = {
  /** `silver.bcb_sgs`, or a gold table of the pipeline: `gold.selic_mensal`. */
  readonly table: string;
  /** A date, which counts to its end, or a timestamp. */
  readonly column: string;
  readonly hours: number;
  /** A column by whose values the table has parts, each with an age of its own: a series, a state. */
  readonly by?: string;
  /** Other hours for some parts, by their value as text. A part that is named has to be there. */
  readonly except?: Readonly<Record<string, number>>;
};

export type PipelineDeclaration = {
  /** `bcb_sgs`: the name of its tables, `bronze.bcb_sgs`, `silver.bcb_sgs`. */
  readonly name: string;
  readonly about: string;
  readonly source: Source;
  readonly windows: readonly Cadence[] | FullSnapshot;
  /** Default: one, without values. */
  readonly slices?: readonly Slice[];
  readonly silver: Silver;
  readonly gold?: readonly Gold[];
  readonly checks?: readonly Check[];
  /** Silver is stale when its newest done window ends longer ago than `hours`; `tables` says it of rows. */
  readonly freshness?: { readonly hours: number; readonly tables?: readonly TableFreshness[] };
  /** Of one API call, in the currency of the contract: shown by `plan`. Default 0. */
  readonly costPerCall?: number;
};

/** A declaration that was checked. */
export type Pipeline = PipelineDeclaration & { readonly checked: true };
