import { formatTableName, parseTableName } from './catalog/catalog.ts';
import { commitTable } from './commit.ts';
import { keyOf, mapLimited, normalLocation, readManifest, readManifestList } from './lake-files.ts';
import { manifestsAtOnce } from './live-files.ts';
import { ancestry, type Snapshot, type TableMetadata } from './metadata.ts';
import { expiredRefs, withoutRefs } from './refs.ts';
import { type Lake, listTables, loadTable, type Table } from './tables.ts';

export type ExpireOptions = {
  /** Snapshots older than this may go. */
  readonly olderThan: Date;
  /** Newest snapshots of the main line that stay, however old. Default 1. */
  readonly keepLast?: number;
};

export type Expired = { readonly snapshots: number; readonly files: number };

/**
 * Forgets old snapshots and deletes the files that no kept one reaches. The current snapshot, branches, tags and
 * their own retention stay, but for branches and tags that are older than their own `max-ref-age-ms`.
 *
 * Commit ids are found in kept snapshots only: keep them for longer than any job may take to ask again.
 * @throws Error as `forgetSnapshots`
 */
export const expireSnapshots = (lake: Lake, name: string, options: ExpireOptions): Promise<Expired> =>
  forgetSnapshots(lake, name, (metadata) => {
    const now = lake.clock();
    const expired = expiredRefs(metadata, now);
    const held = expired.length === 0 ? metadata : withoutRefs(metadata, expired);
    const kept = keptSnapshots(held, options, now);
    const snapshots = held.snapshots.filter((snapshot) => kept.has(snapshot['snapshot-id']));
    if (snapshots.length === metadata.snapshots.length && expired.length === 0) return null;
    return { ...held, snapshots, 'snapshot-log': keptLog(held, kept) };
  });

/**
 * Commits metadata with fewer snapshots and deletes the files that none of its own reaches. The metadata comes first: a
 * crash in between leaves files without a table (for `removeOrphans`), never a table without files.
 * @param build the metadata without them; null: there are none to forget
 * @throws Error when another table shares this one's folder, and with it perhaps its files; nothing is changed then
 */
export const forgetSnapshots = async (
  lake: Lake,
  name: string,
  build: (metadata: TableMetadata) => TableMetadata | null,
): Promise<Expired> => {
  const table = await loadTable(lake, name);
  if (!build(table.metadata)) return { snapshots: 0, files: 0 };
  await requireOwnFolder(lake, table.metadata, formatTableName(table.name));
  let gone: Snapshot[] = [];
  let before: TableMetadata | undefined;
  const done = await commitTable(lake, parseTableName(name), undefined, async ({ metadata }) => {
    const next = build(metadata);
    const kept = new Set(next?.snapshots.map((snapshot) => snapshot['snapshot-id']));
    gone = next ? metadata.snapshots.filter((snapshot) => !kept.has(snapshot['snapshot-id'])) : [];
    before = metadata;
    return next;
  });
  if (gone.length === 0 || !before) return { snapshots: 0, files: 0 };
  const base = before;
  const live = await reachable(lake, done.metadata);
  const dead = new Set<string>();
  for (const snapshot of gone) {
    for (const location of await snapshotFiles(lake, base, snapshot)) {
      if (!live.has(location)) dead.add(location);
    }
  }
  const keys = [...dead].flatMap((location) => keyOf(lake.store, location) ?? []);
  await mapLimited(keys, 16, (key) => lake.store.remove(key));
  return { snapshots: gone.length, files: keys.length };
};

/** A history with a hole would answer time travel wrongly: what lies before the last snapshot that is gone is cut off. */
const keptLog = (metadata: TableMetadata, kept: ReadonlySet<string>): TableMetadata['snapshot-log'] => {
  const log = metadata['snapshot-log'];
  return log.slice(log.findLastIndex((entry) => !kept.has(entry['snapshot-id'])) + 1);
};

const keptSnapshots = (
  metadata: TableMetadata,
  { olderThan, keepLast = 1 }: ExpireOptions,
  now: Date,
): Set<string> => {
  const kept = new Set<string>();
  const current = metadata['current-snapshot-id'];
  const heads = new Map(Object.entries(metadata.refs).map(([name, ref]) => [name, ref]));
  if (current && !heads.has('main')) heads.set('main', { 'snapshot-id': current, type: 'branch' });
  for (const [name, ref] of heads) {
    const line = ancestry(metadata, ref['snapshot-id']);
    if (ref.type === 'tag') {
      for (const snapshot of line.slice(0, 1)) kept.add(snapshot['snapshot-id']);
      continue;
    }
    const least = Math.max(1, ref['min-snapshots-to-keep'] ?? (name === 'main' ? keepLast : 1));
    const maxAge = ref['max-snapshot-age-ms'];
    const limit =
      maxAge === undefined ? olderThan.getTime() : Math.min(olderThan.getTime(), now.getTime() - maxAge);
    line.forEach((snapshot, at) => {
      if (at < least || snapshot['timestamp-ms'] >= limit) kept.add(snapshot['snapshot-id']);
    });
  }
  // Off every line (rolled back), but young: someone may still be reading it.
  for (const snapshot of metadata.snapshots) {
    if (snapshot['timestamp-ms'] >= olderThan.getTime()) kept.add(snapshot['snapshot-id']);
  }
  return kept;
};

/** Every file that a snapshot needs, deleted entries left out: its list, its manifests, its data and delete files. */
const snapshotFiles = async (
  lake: Lake,
  metadata: TableMetadata,
  snapshot: Snapshot,
): Promise<Set<string>> => {
  const manifests = await readManifestList(lake.store, snapshot);
  const found = new Set([normalLocation(snapshot['manifest-list'])]);
  await mapLimited(manifests, manifestsAtOnce, async (manifest) => {
    found.add(normalLocation(manifest.path));
    for (const entry of await readManifest(lake.store, metadata, manifest)) {
      if (entry.status !== 'deleted') found.add(normalLocation(entry.file.path));
    }
  });
  return found;
};

/** Every file that any kept snapshot needs. A manifest that many snapshots share is read once. */
const reachable = async (lake: Lake, metadata: TableMetadata): Promise<Set<string>> => {
  const found = new Set<string>();
  const manifests = new Map<string, Awaited<ReturnType<typeof readManifestList>>[number]>();
  for (const snapshot of metadata.snapshots) {
    found.add(normalLocation(snapshot['manifest-list']));
    for (const manifest of await readManifestList(lake.store, snapshot))
      manifests.set(manifest.path, manifest);
  }
  await mapLimited([...manifests.values()], manifestsAtOnce, async (manifest) => {
    found.add(normalLocation(manifest.path));
    for (const entry of await readManifest(lake.store, metadata, manifest)) {
      if (entry.status !== 'deleted') found.add(normalLocation(entry.file.path));
    }
  });
  return found;
};

export type OrphanOptions = {
  /**
   * Files younger than this stay: they may belong to a commit that is being prepared. Must be longer than the
   * longest job between writing its first file and its commit. Default three days, at least one hour.
   */
  readonly guardMs?: number;
  readonly dryRun?: boolean;
};

export type Orphans = { readonly files: number; readonly bytes: number; readonly keys: readonly string[] };

const hour = 3_600_000;

/**
 * Removes the files in the table's folder that nothing refers to: left by commits that lost, transactions that
 * rolled back, processes that died. Live is what any kept snapshot, the metadata history or a statistics file of
 * the current metadata reaches; when any of it cannot be read, nothing is removed.
 *
 * The folder is listed before the metadata is loaded: a file that is committed in between is then seen as live,
 * and one that is written in between is not in the listing.
 * @throws Error when another table lies in the folder, or shares this one's files
 */
export const removeOrphans = async (
  lake: Lake,
  name: string,
  options: OrphanOptions = {},
): Promise<Orphans> => {
  const guard = options.guardMs ?? 72 * hour;
  if (guard < hour) throw new Error(`expected a guard time of at least one hour, found ${guard} ms`);
  const youngest = lake.clock().getTime() - guard;
  const { metadata: first } = await loadTable(lake, name);
  const prefix = folderKey(lake, first);
  const old: { key: string; size: number }[] = [];
  for await (const { key, size, lastModified } of lake.store.list(prefix)) {
    if (lastModified.getTime() < youngest) old.push({ key, size });
  }
  const table = await loadTable(lake, name);
  if (table.metadata['table-uuid'] !== first['table-uuid'])
    throw new Error(`${name} was replaced by another table`);
  await requireOwnFolder(lake, table.metadata, formatTableName(table.name));
  const live = await liveKeys(lake, table);
  const orphans = old.filter(({ key }) => !live.has(key));
  if (!options.dryRun) await mapLimited(orphans, 16, ({ key }) => lake.store.remove(key));
  return {
    files: orphans.length,
    bytes: orphans.reduce((sum, { size }) => sum + size, 0),
    keys: orphans.map(({ key }) => key),
  };
};

const folderKey = (lake: Lake, metadata: TableMetadata): string => {
  const key = keyOf(lake.store, metadata.location);
  if (key === null || key === '')
    throw new Error(`${metadata.location} is not a folder of its own in ${lake.store.url}`);
  return `${key.replace(/\/+$/, '')}/`;
};

const liveKeys = async (lake: Lake, { metadata, metadataLocation }: Table): Promise<Set<string>> => {
  const statistics = ['statistics', 'partition-statistics'].flatMap((key) => {
    const list =
      (metadata as unknown as Record<string, { 'statistics-path'?: string }[] | undefined>)[key] ?? [];
    return list.flatMap((each) => each['statistics-path'] ?? []);
  });
  const locations = [
    metadataLocation,
    ...metadata['metadata-log'].map((entry) => entry['metadata-file']),
    ...statistics,
    ...(await reachable(lake, metadata)),
    `${metadata.location}/metadata/version-hint.text`,
  ];
  return new Set(locations.flatMap((location) => keyOf(lake.store, location) ?? []));
};

const requireOwnFolder = async (lake: Lake, metadata: TableMetadata, own: string): Promise<void> => {
  const folder = folderKey(lake, metadata);
  for (const other of await listTables(lake)) {
    if (formatTableName(other) === own) continue;
    const entry = await lake.catalog.load(other);
    if (entry && keyOf(lake.store, entry.metadataLocation)?.startsWith(folder)) {
      throw new Error(
        `table ${formatTableName(other)} lies in the folder of ${own} (${metadata.location}); files of one cannot be told from orphans of the other, so nothing was removed`,
      );
    }
  }
};

/**
 * Deletes the files of a table that `dropTable` took out of the catalog. The caller passes what that gave back.
 * @throws Error when a table of the catalog lies in the folder (this one, registered again, for example)
 */
export const purgeDroppedTable = async (lake: Lake, dropped: Table): Promise<{ files: number }> => {
  await requireOwnFolder(lake, dropped.metadata, '');
  const keys: string[] = [];
  for await (const { key } of lake.store.list(folderKey(lake, dropped.metadata))) keys.push(key);
  await mapLimited(keys, 16, (key) => lake.store.remove(key));
  return { files: keys.length };
};
