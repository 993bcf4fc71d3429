import type { DataFile, PartitionValue } from './data-file.ts';
import type { DuckSession } from './duckdb-session.ts';
import type { Lake, Table } from './tables.ts';

// INTERIM: signatures; the bodies follow.

export type WriteOptions = {
  /** Bytes of Parquet to aim at for one file. Default: the table's `write.target-file-size-bytes`, else 128 MiB. */
  readonly targetFileBytes?: number;
  readonly rowGroupSize?: number;
};
/**
 * Writes the rows of `relation` (a SQL SELECT whose columns carry the table's column names; missing optional ones
 * become null; unknown ones are refused) as Parquet files of the table: split by partition, sorted by the sort order.
 * Nothing is visible before a commit.
 */
export declare const writeDataFiles: (
  deps: { lake: Lake; session: DuckSession },
  table: Table,
  relation: string,
  options?: WriteOptions,
) => Promise<DataFile[]>;

/**
 * Puts a local Parquet file that was written with `copyOptions(table)` into the table's data folder and describes it.
 * Its rows must all be of `partition` (raw values in the spec's order; omit for an unpartitioned table). The local file stays.
 */
export declare const importDataFile: (
  deps: { lake: Lake; session: DuckSession },
  table: Table,
  localFile: string,
  options?: { partition?: readonly PartitionValue[] },
) => Promise<DataFile>;

/** The options of a `COPY … TO … (…)` that writes a file of this table: format, field ids, schema key, compression. */
export declare const copyOptions: (table: Table, options?: { rowGroupSize?: number }) => string;
/** SELECT list that brings `relation`'s columns to the table's names, order and types. */
export declare const projectToTable: (table: Table, relation: string) => string;
