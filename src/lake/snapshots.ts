import { randomUUID } from 'node:crypto';
import type { Store } from '../platform/store/store.ts';
import type { DataFile } from './data-file.ts';
import { keyOf, mapLimited, readManifest, readManifestList, writeLocation } from './lake-files.ts';
import { hasLiveFiles, manifestsAtOnce } from './live-files.ts';
import {
  encodeManifest,
  encodeManifestList,
  type ManifestFile,
  type ManifestTable,
  type NewEntry,
  specColumns,
  summarizePartitions,
} from './manifests.ts';
import { currentSnapshot, newSnapshotId, type Snapshot, type TableMetadata } from './metadata.ts';

export type FileToAdd = DataFile & {
  /** Explicit for rows that are older than the commit (compaction, undo), so that later deletes apply to them. */
  readonly dataSequenceNumber?: number;
};

/** Manifests of a change's new files: written once, before the commit, and used again in every attempt. */
export type StagedFiles = {
  readonly snapshotId: string;
  readonly files: readonly FileToAdd[];
  /** `sequenceNumber` is set by the attempt that commits. */
  readonly manifests: readonly ManifestFile[];
};

export type Operation = Snapshot['summary']['operation'];

export type SnapshotChange = {
  readonly operation: Operation;
  readonly staged: StagedFiles;
  /** Paths of live data files that leave the table. */
  readonly remove: ReadonlySet<string>;
  readonly commitId: string;
  readonly summary: Readonly<Record<string, string>>;
  /** See `CommitOptions`. */
  readonly forgetBounds?: boolean;
};

const rowsOf = (entries: readonly NewEntry[], status: NewEntry['status']): number =>
  entries.reduce((sum, entry) => (entry.status === status ? sum + entry.file.records : sum), 0);

const countOf = (entries: readonly NewEntry[], status: NewEntry['status']): number =>
  entries.reduce((sum, entry) => (entry.status === status ? sum + 1 : sum), 0);

/** Writes one manifest and says what a manifest list says of it. */
const writeManifest = async (
  store: Store,
  table: ManifestTable & { location: string },
  specId: number,
  snapshotId: string,
  sequenceNumber: number,
  entries: readonly NewEntry[],
): Promise<ManifestFile> => {
  const path = `${table.location}/metadata/${snapshotId}-${randomUUID()}-m.avro`;
  const bytes = encodeManifest(table, specId, 'data', entries);
  const explicit = entries.flatMap((entry) => (entry.sequenceNumber === null ? [] : [entry.sequenceNumber]));
  const length = await writeLocation(store, path, bytes);
  const files = entries.map((entry) => entry.file);
  return {
    path,
    length,
    specId,
    content: 'data',
    sequenceNumber,
    // With an inherited number in it, the least is at most the manifest's own, which `commitAs` puts in.
    minSequenceNumber: explicit.length === 0 ? sequenceNumber : Math.min(...explicit),
    addedSnapshotId: snapshotId,
    addedFiles: countOf(entries, 'added'),
    existingFiles: countOf(entries, 'existing'),
    deletedFiles: countOf(entries, 'deleted'),
    addedRows: rowsOf(entries, 'added'),
    existingRows: rowsOf(entries, 'existing'),
    deletedRows: rowsOf(entries, 'deleted'),
    partitions: summarizePartitions(specColumns(table, specId), files),
  };
};

const unassigned = -1;

/**
 * Writes the manifests of new files, one per partition spec. Nothing refers to them until a commit does.
 * @throws Error for a file that is there twice, lies outside the lake, or does not fit its partition spec
 */
export const stageFiles = async (
  store: Store,
  table: TableMetadata,
  files: readonly FileToAdd[],
): Promise<StagedFiles> => {
  const snapshotId = newSnapshotId();
  const seen = new Set<string>();
  for (const file of files) {
    if (seen.has(file.path)) throw new Error(`${file.path} is added twice in one commit`);
    seen.add(file.path);
    if (file.content !== 'data')
      throw new Error(`${file.path} is a delete file; this code adds data files only`);
    if (keyOf(store, file.path) === null)
      throw new Error(`${file.path} lies outside the lake's store ${store.url}`);
    const { length } = specColumns(table, file.specId);
    if (file.partition.length !== length) {
      throw new Error(
        `${file.path} has ${file.partition.length} partition values, its spec ${file.specId} has ${length}`,
      );
    }
  }
  const specs = [...new Set(files.map((file) => file.specId))];
  const manifests = await mapLimited(specs, 2, (specId) => {
    const entries = files
      .filter((file) => file.specId === specId)
      .map((file) => ({
        status: 'added' as const,
        snapshotId,
        sequenceNumber: file.dataSequenceNumber ?? null,
        fileSequenceNumber: null,
        file,
      }));
    return writeManifest(store, table, specId, snapshotId, unassigned, entries);
  });
  return { snapshotId, files, manifests };
};

const commitAs = (manifest: ManifestFile, sequenceNumber: number): ManifestFile => ({
  ...manifest,
  sequenceNumber,
  minSequenceNumber:
    manifest.minSequenceNumber === unassigned
      ? sequenceNumber
      : Math.min(manifest.minSequenceNumber, sequenceNumber),
});

/** Thrown when a change no longer fits the table: what it was based on was changed by someone else's commit. */
export class TableConflictError extends Error {
  constructor(message: string) {
    super(`${message}. Load the table again and redo the change`);
    this.name = 'TableConflictError';
  }
}

/**
 * The metadata of the table with one more snapshot. Writes the manifests and the manifest list that it needs;
 * the base is not changed and nothing is visible yet.
 * @throws TableConflictError when a file to remove is no longer in the table
 */
export const withSnapshot = async (
  deps: { store: Store; clock: () => Date },
  base: TableMetadata,
  change: SnapshotChange,
): Promise<TableMetadata> => {
  const { store } = deps;
  const { snapshotId, files } = change.staged;
  const sequenceNumber = base['last-sequence-number'] + 1;
  const parent = currentSnapshot(base);
  const before = parent ? (await readManifestList(store, parent)).filter(hasLiveFiles) : [];
  const { kept, removed } = await withoutFiles(store, base, before, change, sequenceNumber);
  const manifests = [
    ...change.staged.manifests.map((manifest) => commitAs(manifest, sequenceNumber)),
    ...kept,
  ];
  const merged = await mergeSmall(store, base, manifests, snapshotId, sequenceNumber);

  const parentId = parent?.['snapshot-id'] ?? null;
  const listPath = `${base.location}/metadata/snap-${snapshotId}-${randomUUID()}.avro`;
  await writeLocation(store, listPath, encodeManifestList(merged, { snapshotId, parentId, sequenceNumber }));
  const timestamp = Math.max(deps.clock().getTime(), base['last-updated-ms']);
  const snapshot: Snapshot = {
    'snapshot-id': snapshotId,
    ...(parentId === null ? {} : { 'parent-snapshot-id': parentId }),
    'sequence-number': sequenceNumber,
    'timestamp-ms': timestamp,
    'manifest-list': listPath,
    summary: {
      operation: change.operation,
      ...change.summary,
      'lastro.commit-id': change.commitId,
      ...countSummary(parent, files, removed),
    },
    'schema-id': base['current-schema-id'],
  };
  return {
    ...base,
    'last-sequence-number': sequenceNumber,
    'last-updated-ms': timestamp,
    'current-snapshot-id': snapshotId,
    snapshots: [...base.snapshots, snapshot],
    'snapshot-log': [...base['snapshot-log'], { 'snapshot-id': snapshotId, 'timestamp-ms': timestamp }],
    refs: { ...base.refs, main: { ...base.refs.main, 'snapshot-id': snapshotId, type: 'branch' } },
  };
};

/** Rewrites the manifests that name files to remove: these become deleted entries, the others existing ones. */
const withoutFiles = async (
  store: Store,
  base: TableMetadata,
  manifests: readonly ManifestFile[],
  { remove, staged, forgetBounds }: SnapshotChange,
  sequenceNumber: number,
): Promise<{ kept: ManifestFile[]; removed: DataFile[] }> => {
  if (remove.size === 0) return { kept: [...manifests], removed: [] };
  const removed: DataFile[] = [];
  const kept = await mapLimited(manifests, manifestsAtOnce, async (manifest) => {
    if (manifest.content !== 'data') return manifest;
    const entries = (await readManifest(store, base, manifest)).filter((entry) => entry.status !== 'deleted');
    const leaving = entries.filter((entry) => remove.has(entry.file.path));
    if (leaving.length === 0) return manifest;
    removed.push(...leaving.map((entry) => entry.file));
    const rewritten = entries.map((entry): NewEntry => {
      const isLeaving = remove.has(entry.file.path);
      return isLeaving
        ? {
            ...entry,
            ...(forgetBounds ? { file: withoutBounds(entry.file) } : {}),
            status: 'deleted',
            snapshotId: staged.snapshotId,
          }
        : { ...entry, status: 'existing' };
    });
    return writeManifest(store, base, manifest.specId, staged.snapshotId, sequenceNumber, rewritten);
  });
  if (removed.length !== remove.size) {
    const found = new Set(removed.map((file) => file.path));
    const missing = [...remove].find((path) => !found.has(path));
    throw new TableConflictError(`${missing} is to be removed from ${base.location}, but is no longer in it`);
  }
  return { kept, removed };
};

const withoutBounds = ({ lowerBounds: _lower, upperBounds: _upper, ...file }: DataFile): DataFile => file;

/** As Java's `commit.manifest.min-count-to-merge` and `commit.manifest.target-size-bytes`. */
const mergeAt = 100;
const mergedBytes = 8 * 1024 * 1024;

/**
 * Joins small manifests once a hundred have gathered, so that a table with a commit every few minutes does not
 * read thousands of them for one query. Deleted entries are of this very commit and stay in their own manifests.
 */
const mergeSmall = async (
  store: Store,
  base: TableMetadata,
  manifests: readonly ManifestFile[],
  snapshotId: string,
  sequenceNumber: number,
): Promise<ManifestFile[]> => {
  const isSmall = (manifest: ManifestFile): boolean =>
    manifest.content === 'data' &&
    manifest.length < mergedBytes / 2 &&
    manifest.deletedFiles === 0 &&
    manifest.addedSnapshotId !== snapshotId;
  const result: ManifestFile[] = [...manifests];
  for (const specId of new Set(manifests.map((manifest) => manifest.specId))) {
    const small = manifests.filter((manifest) => manifest.specId === specId && isSmall(manifest));
    if (small.length < mergeAt) continue;
    let bytes = 0;
    const chosen = small.filter((manifest) => {
      bytes += manifest.length;
      return bytes <= mergedBytes;
    });
    const entries = (
      await mapLimited(chosen, manifestsAtOnce, (manifest) => readManifest(store, base, manifest))
    )
      .flat()
      .filter((entry) => entry.status !== 'deleted')
      .map((entry): NewEntry => ({ ...entry, status: 'existing' }));
    const merged = await writeManifest(store, base, specId, snapshotId, sequenceNumber, entries);
    const gone = new Set(chosen.map((manifest) => manifest.path));
    const at = result.findIndex((manifest) => gone.has(manifest.path));
    result.splice(at, 0, merged);
    result.splice(0, result.length, ...result.filter((manifest) => !gone.has(manifest.path)));
  }
  return result;
};

const countSummary = (
  parent: Snapshot | null,
  added: readonly DataFile[],
  removed: readonly DataFile[],
): Record<string, string> => {
  const sum = (files: readonly DataFile[], of: (file: DataFile) => number): number =>
    files.reduce((total, file) => total + of(file), 0);
  const records = (files: readonly DataFile[]): number => sum(files, (file) => file.records);
  const bytes = (files: readonly DataFile[]): number => sum(files, (file) => file.bytes);
  const partitions = new Set(
    [...added, ...removed].map((file) => `${file.specId}/${file.partition.map(String).join('/')}`),
  );
  const summary: Record<string, string> = { 'changed-partition-count': String(partitions.size) };
  const count = (key: string, value: number): void => {
    if (value > 0) summary[key] = String(value);
  };
  count('added-data-files', added.length);
  count('added-records', records(added));
  count('added-files-size', bytes(added));
  count('deleted-data-files', removed.length);
  count('deleted-records', records(removed));
  count('removed-files-size', bytes(removed));
  const total = (key: string, change: number): void => {
    // A parent of another engine may keep no totals: then they are not known here either.
    const old = parent ? parent.summary[key] : '0';
    if (old !== undefined) summary[key] = String(Number(old) + change);
  };
  total('total-records', records(added) - records(removed));
  total('total-data-files', added.length - removed.length);
  total('total-files-size', bytes(added) - bytes(removed));
  total('total-delete-files', 0);
  total('total-position-deletes', 0);
  total('total-equality-deletes', 0);
  return summary;
};
