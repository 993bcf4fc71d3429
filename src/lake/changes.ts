import { randomUUID } from 'node:crypto';
import type { Store } from '../platform/store/store.ts';
import { parseTableName, type TableName } from './catalog/catalog.ts';
import { type CurrentTable, commitTable, loadCurrent, TableNotFoundError } from './commit.ts';
import { readManifestList } from './lake-files.ts';
import { ancestry, currentSnapshot, type Snapshot, type TableMetadata } from './metadata.ts';
import { buildOnBranch, tableAt } from './refs.ts';
import { type FileToAdd, type Operation, stageFiles, TableConflictError, withSnapshot } from './snapshots.ts';
import type { CommitOptions, Committed, Lake, Replacement, Table } from './tables.ts';

/** The machinery behind the changes of `tables.ts`: stage once, decide what leaves at every attempt, commit. */

export const toTable = (name: TableName, { entry, metadata }: CurrentTable): Table => ({
  name,
  metadata,
  metadataLocation: entry.metadataLocation,
});

export type Change = {
  readonly operation: Operation;
  readonly add: readonly FileToAdd[];
  /** What leaves the table, decided anew for every attempt. @throws TableConflictError */
  readonly remove: (metadata: TableMetadata) => Promise<ReadonlySet<string>>;
};

/**
 * Commits a change under its id, once: a snapshot of the current line that has the id is the answer already.
 * @throws TableNotFoundError; what `change.remove` throws
 */
export const commitChange = async (
  lake: Lake,
  name: string,
  change: Change,
  options: CommitOptions,
): Promise<Committed> => {
  const parsed = parseTableName(name);
  const commitId = options.commitId ?? randomUUID();
  const loaded = await loadCurrent(lake, parsed, options.tx);
  if (!loaded) throw new TableNotFoundError(parsed);
  const before = tableAt(toTable(parsed, loaded), options.branch);
  const found = committedAs(before.metadata, commitId);
  if (found) return { snapshotId: found['snapshot-id'], commitId, already: true, table: before };
  const staged = await stageFiles(lake.store, before.metadata, change.add);
  const done = await commitTable(lake, parsed, options.tx, ({ metadata }) =>
    buildOnBranch(metadata, options.branch, async (view) => {
      if (committedAs(view, commitId)) return null;
      const remove = await change.remove(view);
      const { operation } = change;
      return withSnapshot(lake, view, {
        operation,
        staged,
        remove,
        commitId,
        summary: options.summary ?? {},
        ...(options.forgetBounds ? { forgetBounds: true } : {}),
      });
    }),
  );
  const after = tableAt(toTable(parsed, done), options.branch);
  const snapshot = committedAs(after.metadata, commitId);
  return {
    snapshotId: snapshot?.['snapshot-id'] ?? staged.snapshotId,
    commitId,
    // Another process may have committed the same id between our look and our swap.
    already: snapshot !== undefined && snapshot['snapshot-id'] !== staged.snapshotId,
    table: after,
  };
};

/** The snapshot of a commit, if the state that is current (of the table, or a branch) contains it (one that was rolled back may be done again). */
export const committedAs = (metadata: TableMetadata, commitId: string): Snapshot | undefined =>
  ancestry(metadata, metadata['current-snapshot-id']).find(
    (snapshot) => snapshot.summary['lastro.commit-id'] === commitId,
  );

export const removeNothing = async (): Promise<ReadonlySet<string>> => new Set();

export const rewriteFiles = async (
  lake: Lake,
  name: string,
  operation: Operation,
  { basis, remove, add }: Replacement,
  options: CommitOptions,
): Promise<Committed> => {
  const sequence = currentSnapshot(basis.metadata)?.['sequence-number'] ?? 0;
  const paths = new Set(remove.map((file) => file.path));
  // The rows are as old as the basis: a delete that another engine commits meanwhile must still apply to them.
  const aged = add.map((file) => ({ ...file, dataSequenceNumber: sequence }));
  const check = async (metadata: TableMetadata): Promise<ReadonlySet<string>> => {
    await requireNoNewDeletes(lake.store, metadata, sequence);
    return paths;
  };
  return commitChange(lake, name, { operation, add: aged, remove: check }, options);
};

/** Row deletes of other engines that came after `sequence` may name rows that were copied before. */
const requireNoNewDeletes = async (
  store: Store,
  metadata: TableMetadata,
  sequence: number,
): Promise<void> => {
  const snapshot = currentSnapshot(metadata);
  const manifests = snapshot ? await readManifestList(store, snapshot) : [];
  if (manifests.some(({ content, sequenceNumber }) => content === 'deletes' && sequenceNumber > sequence)) {
    throw new TableConflictError(`rows of ${metadata.location} were deleted while its files were rewritten`);
  }
};
