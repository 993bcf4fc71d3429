import type { Tx } from '../platform/postgres.ts';
import type { Store } from '../platform/store/store.ts';
import type { Catalog, TableName } from './catalog/catalog.ts';
import type { DataFile, LiveFile } from './data-file.ts';
import type { TableMetadata } from './metadata.ts';
import type { Predicate } from './predicate.ts';
import type { Column, Schema } from './schema.ts';

// INTERIM: the signatures that the front door will have; the bodies follow.

/** The lake: where files lie and where tables are registered. Made once at the entry and passed on. */
export type Lake = {
  readonly store: Store;
  readonly catalog: Catalog;
  /** Location under which new tables are put: `<store url>/warehouse`. */
  readonly warehouse: string;
  readonly clock: () => Date;
};

/** A table as it was when it was loaded. Immutable: load again to see later commits. */
export type Table = {
  readonly name: TableName;
  readonly metadata: TableMetadata;
  readonly metadataLocation: string;
};

export declare const openLake: (deps: {
  store: Store;
  catalog: Catalog;
  warehouse?: string;
  clock?: () => Date;
}) => Lake;
export declare const listTables: (lake: Lake, namespace?: string) => Promise<TableName[]>;
/** null when there is no such table. `tx` sees the transaction's own commits. */
export declare const findTable: (lake: Lake, name: string, tx?: Tx) => Promise<Table | null>;
/** @throws TableNotFoundError */
export declare const loadTable: (lake: Lake, name: string, tx?: Tx) => Promise<Table>;

/** `{ column: 'at', transform: 'day' }`, `{ column: 'id', transform: 'bucket[16]' }`, `{ column: 'area', transform: 'identity' }`. */
export type Transform =
  | 'identity'
  | 'year'
  | 'month'
  | 'day'
  | 'hour'
  | `bucket[${number}]`
  | `truncate[${number}]`
  | 'void';
export type PartitionBy = { readonly column: string; readonly transform: Transform; readonly name?: string };
export type SortBy = {
  readonly column: string;
  readonly transform?: Transform;
  readonly direction?: 'asc' | 'desc';
  readonly nulls?: 'first' | 'last';
};
export type TableDefinition = {
  readonly columns: readonly Column[];
  readonly partitionBy?: readonly PartitionBy[];
  readonly sortBy?: readonly SortBy[];
  readonly properties?: Readonly<Record<string, string>>;
};
/** @throws TableExistsError */
export declare const createTable: (
  lake: Lake,
  name: string,
  definition: TableDefinition,
  options?: { tx?: Tx },
) => Promise<Table>;
/** Removes the entry; the files stay until `purge` (or for whoever registers them again). */
export declare const dropTable: (
  lake: Lake,
  name: string,
  options?: { tx?: Tx; purge?: boolean },
) => Promise<void>;

export type CommitOptions = {
  /** The caller's own id of this change: a second commit with the same id changes nothing and answers with the first. */
  readonly commitId?: string;
  /** Joins the caller's transaction: the commit exists when, and only when, the transaction commits. */
  readonly tx?: Tx;
  /** Further keys of the snapshot summary, for example `lastro.run`. */
  readonly summary?: Readonly<Record<string, string>>;
};
export type Committed = {
  readonly snapshotId: string;
  readonly commitId: string;
  /** true: a snapshot with this commit id was there already (an earlier answer was lost); nothing was changed. */
  readonly already: boolean;
  readonly table: Table;
};
export declare const append: (
  lake: Lake,
  name: string,
  change: { add: readonly DataFile[] },
  options?: CommitOptions,
) => Promise<Committed>;
/** Compaction: the same rows in other files. @throws TableConflictError when a removed file is no longer live or had rows deleted since `basis`. */
export declare const replaceFiles: (
  lake: Lake,
  name: string,
  change: { basis: Table; remove: readonly LiveFile[]; add: readonly DataFile[] },
  options?: CommitOptions,
) => Promise<Committed>;
/** Replaces all files of the partitions named. With `basis`: TableConflictError when they changed since. */
export declare const overwritePartition: (
  lake: Lake,
  name: string,
  change: { partitions: readonly (readonly unknown[])[]; add: readonly DataFile[]; basis?: Table },
  options?: CommitOptions,
) => Promise<Committed>;
export declare const rollbackTo: (
  lake: Lake,
  name: string,
  snapshotId: string,
  options?: CommitOptions,
) => Promise<Table>;
/** Undoes one commit: removes the files it added and brings back those it removed. @throws TableConflictError when they are gone. */
export declare const revertCommit: (
  lake: Lake,
  name: string,
  commitId: string,
  options?: CommitOptions,
) => Promise<Committed>;

export type { LiveFile, Predicate, Schema };
