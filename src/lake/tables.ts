import { randomUUID } from 'node:crypto';
import { UserError } from '../platform/cli.ts';
import type { Tx } from '../platform/postgres.ts';
import type { Store } from '../platform/store/store.ts';
import { type Catalog, formatTableName, parseTableName, type TableName } from './catalog/catalog.ts';
import { type Change, commitChange, committedAs, removeNothing, rewriteFiles, toTable } from './changes.ts';
import { commitTable, loadCurrent, TableNotFoundError, writeMetadata } from './commit.ts';
import type { DataFile, LiveFile, PartitionValue } from './data-file.ts';
import { evolveSchema, type SchemaChange } from './evolution.ts';
import { mapLimited, readManifest, readManifestList } from './lake-files.ts';
import { hasLiveFiles, liveFile, liveFiles, manifestsAtOnce } from './live-files.ts';
import { ancestry, currentSnapshot, snapshotById, type TableMetadata } from './metadata.ts';
import { tableAt } from './refs.ts';
import type { Column } from './schema.ts';
import { TableConflictError } from './snapshots.ts';
import { newTableMetadata } from './table-definition.ts';
import { sameValue, type Transform } from './transforms.ts';

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

/** `{ column: 'at', transform: 'day' }`, `{ column: 'id', transform: 'bucket[16]' }`, `{ column: 'area', transform: 'identity' }`. */
export type PartitionBy = {
  readonly column: string;
  readonly transform: Transform;
  /** Default: the column, with `_day`, `_bucket`… behind it where the transform is not identity. */
  readonly name?: string;
};

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

export type CommitOptions = {
  /**
   * The caller's own id of this change: a second commit with the same id changes nothing and answers with the
   * first, as long as its snapshot is kept (see `expireSnapshots`). Default: a new one.
   */
  readonly commitId?: string;
  /** Joins the caller's transaction: the commit exists when, and only when, the transaction commits. */
  readonly tx?: Tx;
  /** Commits to this branch (branches.ts) in place of the table itself; a `basis` is then `tableAt` of it. */
  readonly branch?: string;
  /**
   * The entries of removed files lose their bounds, which hold values of the rows that leave: for an erasure. The change
   * can still be undone while its files are there, but they are then read by every query.
   */
  readonly forgetBounds?: boolean;
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

export const openLake = (deps: {
  store: Store;
  catalog: Catalog;
  warehouse?: string;
  clock?: () => Date;
}): Lake => ({
  store: deps.store,
  catalog: deps.catalog,
  warehouse: deps.warehouse ?? `${deps.store.url}/warehouse`,
  clock: deps.clock ?? (() => new Date()),
});

/** A catalog outside PostgreSQL is named where work needs commits that join a transaction. */
export class AloneCatalogError extends UserError {
  constructor(work: string) {
    super(
      `${work} commits a table together with its books in one transaction of PostgreSQL, which a catalog in Glue ` +
        'alone cannot join: expected LAKE_CATALOG=jdbc or jdbc+glue, found glue; nothing was done',
      1,
    );
    this.name = 'AloneCatalogError';
  }
}

/** To be asked before work that commits with `tx`, so that it is refused before it begins. @throws AloneCatalogError */
export const requireTransactions = ({ catalog }: Lake, work: string): void => {
  if (catalog.alone) throw new AloneCatalogError(work);
};

export const listTables = (lake: Lake, namespace?: string): Promise<TableName[]> =>
  lake.catalog.list(namespace);

/** null when there is no such table. `tx` sees the transaction's own commits. */
export const findTable = async (lake: Lake, name: string, tx?: Tx): Promise<Table | null> => {
  const parsed = parseTableName(name);
  const current = await loadCurrent(lake, parsed, tx);
  return current ? toTable(parsed, current) : null;
};

/** @throws TableNotFoundError */
export const loadTable = async (lake: Lake, name: string, tx?: Tx): Promise<Table> => {
  const table = await findTable(lake, name, tx);
  if (!table) throw new TableNotFoundError(parseTableName(name));
  return table;
};

export class TableExistsError extends Error {
  constructor(name: TableName) {
    super(`table ${formatTableName(name)} is already in the catalog`);
    this.name = 'TableExistsError';
  }
}

/**
 * Makes an empty table in a folder of its own: the folder's name has a random part, so that a table which is
 * dropped and made again never shares files with the old one.
 * @throws TableExistsError
 */
export const createTable = async (
  lake: Lake,
  name: string,
  definition: TableDefinition,
  options: { tx?: Tx } = {},
): Promise<Table> => {
  const parsed = parseTableName(name);
  if (await lake.catalog.load(parsed, options.tx)) throw new TableExistsError(parsed);
  const folder = `${parsed.namespace}/${parsed.name}-${randomUUID().slice(0, 8)}`;
  const metadata = newTableMetadata(definition, `${lake.warehouse}/${folder}`, lake.clock());
  const metadataLocation = await writeMetadata(lake.store, 0, metadata);
  if ((await lake.catalog.swap(parsed, { from: null, to: metadataLocation }, options.tx)) === 'conflict') {
    // A repeated request finds its own entry: then the table is ours.
    const now = await lake.catalog.load(parsed, options.tx);
    if (now?.metadataLocation !== metadataLocation) throw new TableExistsError(parsed);
  }
  return { name: parsed, metadata, metadataLocation };
};

/**
 * Removes the table's entry. Its files stay for time to think (and for whoever registers the last metadata file
 * again); `purgeDroppedTable` in maintenance.ts removes them.
 * @throws TableNotFoundError
 */
export const dropTable = async (lake: Lake, name: string, options: { tx?: Tx } = {}): Promise<Table> => {
  const parsed = parseTableName(name);
  for (let attempt = 1; attempt <= 10; attempt++) {
    const current = await loadCurrent(lake, parsed, options.tx);
    if (!current) throw new TableNotFoundError(parsed);
    const dropped = await lake.catalog.swap(parsed, { from: current.entry, to: null }, options.tx);
    if (dropped === 'done') return toTable(parsed, current);
  }
  throw new Error(`${name} is being written to; stop its writers and drop it again`);
};

/** Adds files. Always possible, whatever others commit meanwhile. */
export const append = (
  lake: Lake,
  name: string,
  change: { add: readonly DataFile[] },
  options: CommitOptions = {},
): Promise<Committed> =>
  commitChange(lake, name, { operation: 'append', add: change.add, remove: removeNothing }, options);

export type Replacement = {
  /** The table that the files to remove were read from. */
  readonly basis: Table;
  readonly remove: readonly LiveFile[];
  readonly add: readonly DataFile[];
};

/**
 * Compaction: the same rows in other files.
 * @throws TableConflictError when a removed file is no longer live or had rows deleted since `basis`
 */
export const replaceFiles = async (
  lake: Lake,
  name: string,
  change: Replacement,
  options: CommitOptions = {},
): Promise<Committed> => {
  const rows = (files: readonly DataFile[]): number => files.reduce((sum, file) => sum + file.records, 0);
  const snapshot = currentSnapshot(change.basis.metadata);
  const manifests = snapshot ? await readManifestList(lake.store, snapshot) : [];
  // With row deletes the files hold more rows than the table: only without them can the counts be compared.
  const isExact = manifests.every(({ content }) => content === 'data');
  if (isExact && rows(change.remove) !== rows(change.add)) {
    throw new Error(
      `compaction of ${name} would replace ${rows(change.remove)} rows by ${rows(change.add)}; nothing was changed`,
    );
  }
  return rewriteFiles(lake, name, 'replace', change, options);
};

/**
 * Replaces files by others with fewer or changed rows (deletion, correction).
 * @throws TableConflictError as replaceFiles
 */
export const overwriteFiles = (
  lake: Lake,
  name: string,
  change: Replacement,
  options: CommitOptions = {},
): Promise<Committed> =>
  rewriteFiles(lake, name, change.add.length === 0 ? 'delete' : 'overwrite', change, options);

/**
 * Replaces all files of the partitions named, given as raw values in the order of the default spec. With `basis`
 * it refuses when these partitions changed since: for new content that was computed from the old.
 * @throws TableConflictError
 */
export const overwritePartition = async (
  lake: Lake,
  name: string,
  change: {
    partitions: readonly (readonly PartitionValue[])[];
    add: readonly DataFile[];
    basis?: Table;
  },
  options: CommitOptions = {},
): Promise<Committed> => {
  const isNamed = (file: DataFile): boolean =>
    change.partitions.some(
      (partition) =>
        partition.length === file.partition.length &&
        partition.every((value, at) => sameValue(value, file.partition[at] ?? null)),
    );
  const stray = change.add.find((file) => !isNamed(file));
  if (stray)
    throw new Error(`${stray.path} is of partition ${stray.partition.join('/')}, which is not overwritten`);
  const pathsIn = async (metadata: TableMetadata): Promise<Set<string>> => {
    const files = await liveFiles(
      lake.store,
      metadata,
      currentSnapshot(metadata),
      ({ content }) => content === 'data',
    );
    const other = files.find((file) => file.specId !== metadata['default-spec-id']);
    if (other) {
      throw new Error(
        `${other.path} has an older partitioning, so its rows cannot be told apart by partition; compact the table first`,
      );
    }
    return new Set(files.filter(isNamed).map((file) => file.path));
  };
  const basis = change.basis ? await pathsIn(change.basis.metadata) : undefined;
  const remove = async (metadata: TableMetadata): Promise<ReadonlySet<string>> => {
    const paths = await pathsIn(metadata);
    if (basis && (paths.size !== basis.size || [...paths].some((path) => !basis.has(path)))) {
      throw new TableConflictError(`the partitions of ${name} that are overwritten have changed`);
    }
    return paths;
  };
  return commitChange(lake, name, { operation: 'overwrite', add: change.add, remove }, options);
};

/**
 * Undoes one commit, wherever it lies in the history: the files it added leave, those it removed come back.
 * Later commits stay. Undoing twice changes nothing.
 * @throws TableConflictError when its files were rewritten since, or the files it removed may be gone (expired)
 */
export const revertCommit = async (
  lake: Lake,
  name: string,
  commitId: string,
  options: CommitOptions = {},
): Promise<Committed> => {
  const { metadata } = tableAt(await loadTable(lake, name, options.tx), options.branch);
  const snapshot = committedAs(metadata, commitId);
  if (!snapshot)
    throw new Error(`${name} has no snapshot of commit ${commitId}; it never was, or has expired`);
  const manifests = (await readManifestList(lake.store, snapshot)).filter(
    (manifest) => manifest.content === 'data' && manifest.addedSnapshotId === snapshot['snapshot-id'],
  );
  const entries = (
    await mapLimited(manifests, manifestsAtOnce, (manifest) => readManifest(lake.store, metadata, manifest))
  )
    .flat()
    .filter((entry) => entry.snapshotId === snapshot['snapshot-id']);
  const added = new Set(entries.filter((entry) => entry.status === 'added').map((entry) => entry.file.path));
  const back = entries
    .filter((entry) => entry.status === 'deleted')
    .map((entry) => ({
      ...liveFile(entry),
      dataSequenceNumber: entry.sequenceNumber,
    }));
  const parent = snapshot['parent-snapshot-id'];
  const remove = async (current: TableMetadata): Promise<ReadonlySet<string>> => {
    // Only a kept snapshot keeps its files: without the parent, those that would come back may be deleted already.
    if (back.length > 0 && !current.snapshots.some((kept) => kept['snapshot-id'] === parent)) {
      throw new TableConflictError(`the state of ${name} before commit ${commitId} has expired`);
    }
    return added;
  };
  const change: Change = { operation: 'overwrite', add: back, remove };
  return commitChange(lake, name, change, { commitId: `revert:${commitId}`, ...options });
};

type PlainCommit = Pick<CommitOptions, 'tx'>;

const commitMetadata = async (
  lake: Lake,
  name: string,
  { tx }: PlainCommit,
  build: (metadata: TableMetadata) => TableMetadata | null,
): Promise<Table> => {
  const parsed = parseTableName(name);
  return toTable(parsed, await commitTable(lake, parsed, tx, async ({ metadata }) => build(metadata)));
};

/** Changes the columns, all changes in one commit. @throws Error as `evolveSchema` */
export const changeSchema = (
  lake: Lake,
  name: string,
  changes: readonly SchemaChange[],
  options: PlainCommit = {},
): Promise<Table> => commitMetadata(lake, name, options, (metadata) => evolveSchema(metadata, changes));

/** Sets table properties; null removes one. */
export const setProperties = (
  lake: Lake,
  name: string,
  properties: Readonly<Record<string, string | null>>,
  options: PlainCommit = {},
): Promise<Table> =>
  commitMetadata(lake, name, options, (metadata) => {
    const merged = Object.entries({ ...metadata.properties, ...properties });
    return {
      ...metadata,
      properties: Object.fromEntries(
        merged.flatMap(([key, value]) => (value === null ? [] : [[key, value]])),
      ),
    };
  });

/**
 * Makes an earlier snapshot of the current line the current one again; later ones stay for time travel until they expire.
 * @throws Error for a snapshot that is not an ancestor of the current one
 */
export const rollbackTo = (
  lake: Lake,
  name: string,
  snapshotId: string,
  options: PlainCommit = {},
): Promise<Table> =>
  commitMetadata(lake, name, options, (metadata) => {
    if (metadata['current-snapshot-id'] === snapshotId) return null;
    snapshotById(metadata, snapshotId);
    if (
      !ancestry(metadata, metadata['current-snapshot-id']).some((line) => line['snapshot-id'] === snapshotId)
    ) {
      throw new Error(`snapshot ${snapshotId} is not an ancestor of the current one of ${name}`);
    }
    const now = Math.max(lake.clock().getTime(), metadata['last-updated-ms']);
    return {
      ...metadata,
      'last-updated-ms': now,
      'current-snapshot-id': snapshotId,
      'snapshot-log': [...metadata['snapshot-log'], { 'snapshot-id': snapshotId, 'timestamp-ms': now }],
      refs: {
        ...metadata.refs,
        main: { ...metadata.refs.main, 'snapshot-id': snapshotId, type: 'branch' },
      },
    };
  });

/** The files of a table's current snapshot. */
export const tableFiles = (lake: Lake, table: Table): Promise<LiveFile[]> =>
  liveFiles(lake.store, table.metadata, currentSnapshot(table.metadata), hasLiveFiles);
