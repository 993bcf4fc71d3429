import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Tx } from '../platform/postgres.ts';
import type { Store } from '../platform/store/store.ts';
import { type Catalog, type CatalogEntry, formatTableName, type TableName } from './catalog/catalog.ts';
import { readMetadata, writeLocation } from './lake-files.ts';
import { formatMetadata, type TableMetadata } from './metadata.ts';

export type CommitDeps = { readonly store: Store; readonly catalog: Catalog; readonly clock: () => Date };

export type CurrentTable = { readonly entry: CatalogEntry; readonly metadata: TableMetadata };

export class TableNotFoundError extends Error {
  constructor(name: TableName) {
    super(`no table ${formatTableName(name)} in the catalog`);
    this.name = 'TableNotFoundError';
  }
}

const attempts = 30;

export const loadCurrent = async (
  deps: CommitDeps,
  name: TableName,
  tx?: Tx,
): Promise<CurrentTable | null> => {
  const entry = await deps.catalog.load(name, tx);
  return entry ? { entry, metadata: await readMetadata(deps.store, entry.metadataLocation) } : null;
};

/**
 * Commits one change of a table. `build` is given the current metadata and gives the next, or null when there is
 * nothing (left) to do; it prepares files and has no other effect, so that it may run again.
 *
 * The commit point is the catalog's compare-and-set from the old metadata location to the new one. Every attempt
 * has a location of its own, and a swap that lands late finds its `from` gone. So after *any* answer but "done"
 * (also "conflict": a client library may have repeated a request whose first answer was lost) the table is loaded
 * again, and the attempt counts as committed exactly when its location is the current one or in the history.
 * Files of an attempt are never deleted here: those of one that lost are left to `removeOrphans`.
 *
 * With `tx` the swap is part of the caller's transaction. An error then has aborted it: it goes to the caller,
 * who runs the transaction again, under the same commit id.
 */
export const commitTable = async (
  deps: CommitDeps,
  name: TableName,
  tx: Tx | undefined,
  build: (current: CurrentTable) => Promise<TableMetadata | null>,
): Promise<CurrentTable & { readonly changed: boolean }> => {
  let failure: unknown;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    if (attempt > 1) await sleep(Math.random() * Math.min(2_000, 20 * 2 ** Math.min(attempt, 7)));
    const current = await loadCurrent(deps, name, tx);
    if (!current) throw new TableNotFoundError(name);
    const next = await build(current);
    if (!next) return { ...current, changed: false };
    const to = await writeNext(deps, current, next);
    try {
      if ((await deps.catalog.swap(name, { from: current.entry, to }, tx)) === 'done') {
        return { entry: { metadataLocation: to }, metadata: next, changed: true };
      }
      failure = new Error('other commits came first');
    } catch (error) {
      if (tx) throw error;
      failure = error;
    }
    const landed = await findLanded(deps, name, to, tx);
    if (landed) return { ...landed, changed: true };
  }
  const reason = failure instanceof Error ? failure.message : String(failure);
  throw new Error(`could not commit to ${formatTableName(name)} in ${attempts} attempts: ${reason}`, {
    cause: failure,
  });
};

/** Whether the attempt that wrote `location` became part of the table, asked until the catalog answers. */
const findLanded = async (
  deps: CommitDeps,
  name: TableName,
  location: string,
  tx: Tx | undefined,
): Promise<CurrentTable | null> => {
  for (let attempt = 1; ; attempt++) {
    try {
      const current = await loadCurrent(deps, name, tx);
      const history = current?.metadata['metadata-log'].map((entry) => entry['metadata-file']) ?? [];
      return current && [current.entry.metadataLocation, ...history].includes(location) ? current : null;
    } catch (error) {
      if (tx || attempt === 10) {
        throw new Error(
          `the answer to a commit to ${formatTableName(name)} was lost and the catalog cannot be asked; run again with the same commit id: it will find the commit or make it`,
          { cause: error },
        );
      }
      await sleep(Math.random() * 100 * 2 ** attempt);
    }
  }
};

const writeNext = async (
  deps: CommitDeps,
  { entry, metadata }: CurrentTable,
  next: TableMetadata,
): Promise<string> => {
  const kept = Number(next.properties['write.metadata.previous-versions-max'] ?? 100);
  const log = [
    ...metadata['metadata-log'],
    { 'metadata-file': entry.metadataLocation, 'timestamp-ms': metadata['last-updated-ms'] },
  ];
  const version = Number(/\/v?(\d+)[^/]*$/.exec(entry.metadataLocation)?.[1] ?? 0) + 1;
  return writeMetadata(deps.store, version, {
    ...next,
    'last-updated-ms': Math.max(deps.clock().getTime(), metadata['last-updated-ms'], next['last-updated-ms']),
    'metadata-log': log.slice(-Math.max(1, kept)),
  });
};

/** Writes a metadata file under a new name. @returns its location */
export const writeMetadata = async (
  store: Store,
  version: number,
  metadata: TableMetadata,
): Promise<string> => {
  const location = `${metadata.location}/metadata/${String(version).padStart(5, '0')}-${randomUUID()}.metadata.json`;
  await writeLocation(store, location, formatMetadata(metadata));
  return location;
};
