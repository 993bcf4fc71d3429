import type { DuckDBConnection } from '@duckdb/node-api';
import type { LiveFile } from './data-file.ts';
import type { Predicate } from './predicate.ts';
import type { Schema } from './schema.ts';
import type { Lake, Table } from './tables.ts';

// INTERIM: signatures; the bodies follow.

export type ScanOptions = {
  /** Time travel: the snapshot, or the newest one not younger than `at`. Default: the current one. */
  readonly snapshotId?: string;
  readonly at?: Date;
  /** Used to leave out files that cannot have such a row. Rows are NOT filtered: keep the condition in the SQL. */
  readonly filter?: Predicate;
};
export type ScanFile = {
  readonly file: LiveFile;
  /** Delete files that apply to this file. */
  readonly deletes: readonly LiveFile[];
};
export type ScanPlan = {
  readonly table: Table;
  readonly snapshotId: string | null;
  readonly schema: Schema;
  readonly files: readonly ScanFile[];
  /** All of the snapshot's data files, before pruning. */
  readonly total: { readonly files: number; readonly bytes: number; readonly records: number };
};
export declare const planFiles: (lake: Lake, table: Table, options?: ScanOptions) => Promise<ScanPlan>;

/** Location of a file (data or delete) → path that DuckDB on this machine can open. See file-cache.ts. */
export type LocalPath = (location: string) => string;

/**
 * The relation as SQL text, `(SELECT … )`, with the table's columns by field id, deletes applied: use it as
 * `CREATE TEMP VIEW x AS SELECT * FROM ${sql}` or inline. Always a relation, also with no files.
 */
export declare const scanSql: (plan: ScanPlan, localPath: LocalPath) => string;

/** What has to be local before `scanSql`: data files and their deletes. */
export declare const scanLocations: (plan: ScanPlan) => string[];
export type Connection = DuckDBConnection;
