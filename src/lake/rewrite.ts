import type { DataFile } from './data-file.ts';
import { type WriteOptions, type WriterDeps, writeDataFiles } from './data-writer.ts';
import { allRows } from './duckdb-session.ts';
import type { FileCache } from './file-cache.ts';
import { type Predicate, predicateSql } from './predicate.ts';
import { tableAt } from './refs.ts';
import { planFiles, type ScanFile, type ScanPlan, scanLocations, scanSql } from './scan.ts';
import { TableConflictError } from './snapshots.ts';
import {
  type CommitOptions,
  type Committed,
  type Lake,
  loadTable,
  overwriteFiles,
  replaceFiles,
  type Table,
} from './tables.ts';

export type RewriteDeps = WriterDeps & { readonly lake: Lake; readonly files: FileCache };

export type Deleted = { readonly rows: number; readonly files: number; readonly committed: Committed | null };

const tries = 3;

/**
 * Deletes the rows that satisfy the predicate, by writing the files that hold some anew without them. Files
 * appended by others meanwhile are not looked at (snapshot isolation); when others rewrote the same files it
 * begins again, at most three times.
 * The rows stay in older snapshots until these expire: for an erasure, expire them afterwards.
 * @throws TableConflictError after the third time
 */
export const deleteRows = (
  deps: RewriteDeps,
  name: string,
  where: Predicate,
  options: CommitOptions = {},
): Promise<Deleted> =>
  retryConflicts(async () => {
    const basis = tableAt(await loadTable(deps.lake, name, options.tx), options.branch);
    const plan = await planFiles(deps.lake, basis, { filter: where });
    const condition = predicateSql(plan.schema, where);
    const remove: ScanFile[] = [];
    const add: DataFile[] = [];
    let rows = 0;
    // File by file, so that one large delete needs the room of one file.
    for (const file of plan.files) {
      const found = await withRows(deps, plan, [file], async (relation) => {
        const [counted] = await allRows(
          deps.session.connection,
          `SELECT count(*) AS total, count(*) FILTER (${condition}) AS hit FROM ${relation}`,
        );
        const [total, hit] = [Number(counted?.['total']), Number(counted?.['hit'])];
        if (hit > 0 && hit < total) {
          // Null is not true: a row for which the condition is unknown stays.
          add.push(
            ...(await writeDataFiles(
              deps,
              basis,
              `(SELECT * FROM ${relation} WHERE (${condition}) IS NOT TRUE)`,
            )),
          );
        }
        return hit;
      });
      if (found > 0) remove.push(file);
      rows += found;
    }
    if (rows === 0) return { rows, files: 0, committed: null };
    const change = { basis, remove: remove.map(({ file }) => file), add };
    return { rows, files: remove.length, committed: await overwriteFiles(deps.lake, name, change, options) };
  });

export type CompactOptions = WriteOptions &
  CommitOptions & {
    /** Files of a partition that are at most this share of the target are joined. Default 0.75. */
    readonly smallShare?: number;
    /** Whether the small files of a partition are worth joining. Default: where there are two. */
    readonly worth?: (files: readonly DataFile[]) => boolean;
    /** Called before the commit with the files that leave and those in their place: what it throws keeps the table as it was. */
    readonly check?: (remove: readonly DataFile[], add: readonly DataFile[]) => Promise<void>;
    /** Called after each partition, for a progress line. */
    readonly onProgress?: (done: { partitions: number; files: number }) => void;
  };

export type Compacted = {
  readonly partitions: number;
  readonly filesBefore: number;
  readonly filesAfter: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly committed: Committed | null;
};

/**
 * Joins the small files of each partition into files of about the target size, sorted by the table's order; files
 * with row deletes of other engines are rewritten without the deleted rows. One commit for all.
 * @throws TableConflictError when others rewrote the same files three times
 */
export const compactTable = (
  deps: RewriteDeps,
  name: string,
  options: CompactOptions = {},
): Promise<Compacted> =>
  retryConflicts(async () => {
    const basis = tableAt(await loadTable(deps.lake, name, options.tx), options.branch);
    const plan = await planFiles(deps.lake, basis);
    const target =
      options.targetFileBytes ??
      Number(basis.metadata.properties['write.target-file-size-bytes'] ?? 128 * 1024 * 1024);
    const groups = compactionGroups(
      basis,
      plan,
      target * (options.smallShare ?? 0.75),
      options.worth ?? ((files) => files.length >= 2),
    );
    const add: DataFile[] = [];
    for (const [at, group] of groups.entries()) {
      add.push(
        ...(await withRows(deps, plan, group, (relation) => writeDataFiles(deps, basis, relation, options))),
      );
      options.onProgress?.({ partitions: at + 1, files: add.length });
    }
    const remove = groups.flat().map(({ file }) => file);
    const bytes = (files: readonly DataFile[]): number => files.reduce((sum, file) => sum + file.bytes, 0);
    const change = { basis, remove, add };
    if (remove.length > 0) await options.check?.(remove, add);
    return {
      partitions: groups.length,
      filesBefore: remove.length,
      filesAfter: add.length,
      bytesBefore: bytes(remove),
      bytesAfter: bytes(add),
      committed: remove.length === 0 ? null : await replaceFiles(deps.lake, name, change, options),
    };
  });

/** The files to join, by partition; those of an older partitioning are written anew by the current one. */
const compactionGroups = (
  basis: Table,
  plan: ScanPlan,
  smallBytes: number,
  worth: (files: readonly DataFile[]) => boolean,
): ScanFile[][] => {
  const spec = basis.metadata['default-spec-id'];
  const groups = new Map<string, ScanFile[]>();
  for (const each of plan.files) {
    const { file, deletes } = each;
    const isOld = file.specId !== spec;
    if (!isOld && deletes.length === 0 && file.bytes > smallBytes) continue;
    const key = `${file.specId}:${file.partition.map((value) => `${typeof value}${String(value)}`).join('\u0001')}`;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return [...groups.values()].filter(
    (group) =>
      worth(group.map(({ file }) => file)) ||
      group.some(({ file, deletes }) => file.specId !== spec || deletes.length > 0),
  );
};

const withRows = async <T>(
  deps: RewriteDeps,
  plan: ScanPlan,
  files: readonly ScanFile[],
  work: (relation: string) => Promise<T>,
): Promise<T> => {
  const part: ScanPlan = { ...plan, files };
  const held = await deps.files.hold(scanLocations(part));
  try {
    return await work(scanSql(part, held.localPath));
  } finally {
    held.release();
  }
};

const retryConflicts = async <T>(work: () => Promise<T>): Promise<T> => {
  for (let turn = 1; ; turn++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TableConflictError) || turn === tries) throw error;
    }
  }
};
