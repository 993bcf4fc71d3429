import { randomUUID } from 'node:crypto';
import type { Tx } from '../platform/postgres.ts';
import { formatTableName, parseTableName } from './catalog/catalog.ts';
import { toTable } from './changes.ts';
import { commitTable, loadCurrent, TableNotFoundError } from './commit.ts';
import { evolveSchema, type SchemaChange } from './evolution.ts';
import { type Expired, forgetSnapshots } from './maintenance.ts';
import { expiredRefs, mainBranch, tableAt, withBranchHead, withoutRefs } from './refs.ts';
import { stageFiles, withSnapshot } from './snapshots.ts';
import type { Lake, Table } from './tables.ts';

export class BranchExistsError extends Error {
  constructor(table: string, branch: string) {
    super(`${table} has a branch or tag ${branch} already`);
    this.name = 'BranchExistsError';
  }
}

export type NewBranch = {
  readonly tx?: Tx;
  /**
   * The branch may be removed once it is so old (Iceberg's `max-ref-age-ms`): by `dropExpiredBranches`, by the expiry of
   * snapshots here and in other engines. Default: it stays until it is dropped.
   */
  readonly maxAgeMs?: number;
  /** Columns of the branch alone: the table's own stay as they are. */
  readonly schema?: readonly SchemaChange[];
};

const requireBranchName = (branch: string): void => {
  // A text of digits is a snapshot's id wherever a version is named.
  if (!/^[A-Za-z_][A-Za-z0-9_.-]{0,254}$/.test(branch) || branch === mainBranch) {
    throw new Error(
      `expected a branch's name of letters, digits, _, - and ., not ${mainBranch} and beginning with a letter or _, found ${JSON.stringify(branch)}`,
    );
  }
};

/**
 * Makes a branch of the table as it is now. It begins with a snapshot of its own, of the same files: so its age is the
 * branch's, by which `maxAgeMs` is measured (a branch at an old snapshot would be too old at once), it may have columns
 * of its own, and an empty table can have branches.
 * @returns the table as the branch has it: the basis of commits with `branch` @throws BranchExistsError
 */
export const createBranch = async (
  lake: Lake,
  name: string,
  branch: string,
  { tx, maxAgeMs, schema = [] }: NewBranch = {},
): Promise<Table> => {
  requireBranchName(branch);
  const parsed = parseTableName(name);
  const current = await loadCurrent(lake, parsed, tx);
  if (!current) throw new TableNotFoundError(parsed);
  const staged = await stageFiles(lake.store, current.metadata, []);
  const commitId = `branch:${branch}:${randomUUID()}`;
  const done = await commitTable(lake, parsed, tx, async ({ metadata }) => {
    if (metadata.refs[branch]) throw new BranchExistsError(formatTableName(parsed), branch);
    const own = schema.length === 0 ? metadata : evolveSchema(metadata, schema);
    const next = await withSnapshot(lake, own, {
      operation: 'append',
      staged,
      remove: new Set(),
      commitId,
      summary: { 'lastro.branch': branch },
    });
    return withBranchHead(
      metadata,
      next,
      branch,
      maxAgeMs === undefined ? {} : { 'max-ref-age-ms': maxAgeMs },
    );
  });
  return tableAt(toTable(parsed, done), branch);
};

/**
 * Removes a branch with the snapshots that nothing else reaches, and the files of these. Killed half-way it leaves
 * files without a table, for `removeOrphans`. A branch that is not there is no error.
 */
export const dropBranch = (lake: Lake, name: string, branch: string): Promise<Expired> => {
  requireBranchName(branch);
  return forgetSnapshots(lake, name, (metadata) =>
    metadata.refs[branch]?.type === 'branch' ? withoutRefs(metadata, [branch]) : null,
  );
};

/** Drops the branches that are older than they were made to become: what killed processes left. */
export const dropExpiredBranches = (lake: Lake, name: string): Promise<Expired> =>
  forgetSnapshots(lake, name, (metadata) => {
    const expired = expiredRefs(metadata, lake.clock());
    return expired.length === 0 ? null : withoutRefs(metadata, expired);
  });
