import { ancestry, type SnapshotRef, snapshotById, type TableMetadata } from './metadata.ts';
import type { Table } from './tables.ts';

/** Branches and tags of a table: names of snapshots in its metadata, moved by the same compare-and-set as the table. */

export const mainBranch = 'main';

/**
 * The metadata as a branch or tag has it: its snapshot is the current one, with the schema that it was written by. What
 * reads or changes the current state of a table so does it for any branch.
 * @throws Error when there is no such branch or tag
 */
export const metadataAt = (metadata: TableMetadata, name: string): TableMetadata => {
  if (name === mainBranch) return metadata;
  const ref = metadata.refs[name];
  if (!ref) {
    const known = [mainBranch, ...Object.keys(metadata.refs).filter((each) => each !== mainBranch)];
    throw new Error(
      `no branch or tag ${JSON.stringify(name)} of ${metadata.location}; there are ${known.join(', ')}`,
    );
  }
  const snapshot = snapshotById(metadata, ref['snapshot-id']);
  return {
    ...metadata,
    'current-snapshot-id': ref['snapshot-id'],
    'current-schema-id': snapshot['schema-id'] ?? metadata['current-schema-id'],
  };
};

/** The table as a branch or tag has it. @throws Error when there is none of this name */
export const tableAt = (table: Table, name: string | undefined): Table =>
  name === undefined ? table : { ...table, metadata: metadataAt(table.metadata, name) };

/**
 * `next`, built on a branch's view of `base`, as a change of that branch alone: the table's own current snapshot, schema
 * and history stay what they are.
 */
export const withBranchHead = (
  base: TableMetadata,
  next: TableMetadata,
  branch: string,
  ref: Partial<SnapshotRef> = {},
): TableMetadata => {
  const head = next['current-snapshot-id'];
  if (head === null || head === undefined) throw new Error(`branch ${branch} would have no snapshot`);
  return {
    ...next,
    'current-snapshot-id': base['current-snapshot-id'] ?? null,
    'current-schema-id': base['current-schema-id'],
    'snapshot-log': base['snapshot-log'],
    refs: { ...base.refs, [branch]: { ...base.refs[branch], ...ref, 'snapshot-id': head, type: 'branch' } },
  };
};

/** Builds a change on a branch; without one, on the table itself. @throws Error for a tag, or no such branch */
export const buildOnBranch = async (
  metadata: TableMetadata,
  branch: string | undefined,
  build: (view: TableMetadata) => Promise<TableMetadata | null>,
): Promise<TableMetadata | null> => {
  if (branch === undefined || branch === mainBranch) return build(metadata);
  const view = metadataAt(metadata, branch);
  if (metadata.refs[branch]?.type !== 'branch')
    throw new Error(`${branch} of ${metadata.location} is a tag, which does not move: expected a branch`);
  const next = await build(view);
  return next && withBranchHead(metadata, next, branch);
};

/** Branches and tags, without main, that are older than their `max-ref-age-ms`, by their snapshots as the spec has it. */
export const expiredRefs = (metadata: TableMetadata, now: Date): string[] =>
  Object.entries(metadata.refs).flatMap(([name, ref]) => {
    const most = ref['max-ref-age-ms'];
    if (name === mainBranch || most === undefined) return [];
    const at = metadata.snapshots.find((snapshot) => snapshot['snapshot-id'] === ref['snapshot-id']);
    return at !== undefined && now.getTime() - at['timestamp-ms'] > most ? [name] : [];
  });

/**
 * The metadata without these branches and tags, the snapshots that only they reach, and the schemas that only those
 * have. Snapshots that were the table's own once stay: they expire by their age.
 */
export const withoutRefs = (metadata: TableMetadata, names: readonly string[]): TableMetadata => {
  const refs = Object.fromEntries(Object.entries(metadata.refs).filter(([name]) => !names.includes(name)));
  const lineOf = (id: string | null | undefined): string[] =>
    ancestry(metadata, id).map((snapshot) => snapshot['snapshot-id']);
  const kept = new Set([
    ...lineOf(metadata['current-snapshot-id']),
    ...Object.values(refs).flatMap((ref) => lineOf(ref['snapshot-id'])),
    ...metadata['snapshot-log'].map((entry) => entry['snapshot-id']),
  ]);
  const gone = new Set(
    names.flatMap((name) => lineOf(metadata.refs[name]?.['snapshot-id'])).filter((id) => !kept.has(id)),
  );
  const left = metadata.snapshots.filter((snapshot) => !gone.has(snapshot['snapshot-id']));
  const used = new Set([metadata['current-schema-id'], ...left.map((snapshot) => snapshot['schema-id'])]);
  const orphaned = new Set(
    metadata.snapshots
      .filter((snapshot) => gone.has(snapshot['snapshot-id']))
      .map((snapshot) => snapshot['schema-id'])
      .filter((id) => !used.has(id)),
  );
  return {
    ...metadata,
    refs,
    snapshots: left,
    schemas: metadata.schemas.filter((schema) => !orphaned.has(schema['schema-id'])),
  };
};
