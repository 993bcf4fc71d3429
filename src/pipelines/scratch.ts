import { createBranch, dropBranch, dropExpiredBranches } from '../lake/branches.ts';
import { writeDataFiles } from '../lake/data-writer.ts';
import { type DuckSession, quoteName } from '../lake/duckdb-session.ts';
import type { SchemaChange } from '../lake/evolution.ts';
import { planFiles, scanLocations, scanSql } from '../lake/scan.ts';
import { findTable, overwriteFiles, type Table, tableFiles } from '../lake/tables.ts';
import { newId } from '../shared/ids.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import { hourMs } from './windows.ts';

/**
 * How old a scratch branch may become: longer than any plan takes. One that is older was left by a plan that was killed;
 * the next plan of its table, or the expiry of snapshots by any engine, drops it.
 */
export const scratchMaxAgeMs = 6 * hourMs;

/** A table as a plan would leave it. */
export type Proposed = {
  readonly name: string;
  /** The rows, as a SELECT of the session. */
  readonly select: string;
  /** What the table's columns would go through. @throws the error that a run would end with */
  readonly schema: (table: Table) => readonly SchemaChange[];
};

export type Scratch = {
  /**
   * Puts the rows on a scratch branch of the table, and gives both states as relations; no `before`: there is no such
   * table yet, and the rows stay in the session. Later views see the rows that were put.
   */
  readonly put: (proposed: Proposed) => Promise<{ before: string | undefined; after: string }>;
  /** Makes views of tables under their names, scratch or as they are. False: one of them is not there. */
  readonly view: (names: readonly string[]) => Promise<boolean>;
  /** Drops the branches. */
  readonly close: () => Promise<void>;
};

/**
 * Scratch branches for one plan: what a changed model makes of the rows is committed to branches of the tables, where it
 * is what a run would commit, and where any engine can read it. The tables themselves are not touched.
 */
export const openScratch = (deps: PipelineDeps, session: DuckSession): Scratch => {
  const { lake, files, fault } = deps;
  const { connection } = session;
  const branch = newId('scratch', deps.clock());
  const views = new Set<string>();
  const branched: string[] = [];
  const releases: (() => void)[] = [];

  const relationOf = async (table: Table): Promise<string> => {
    const plan = await planFiles(lake, table);
    const held = await files.hold(scanLocations(plan));
    releases.push(held.release);
    return scanSql(plan, held.localPath);
  };
  const show = async (name: string, select: string): Promise<void> => {
    const [namespace = '', table = ''] = name.split('.');
    await connection.run(`CREATE SCHEMA IF NOT EXISTS ${quoteName(namespace)}`);
    await connection.run(`CREATE OR REPLACE VIEW ${quoteName(namespace)}.${quoteName(table)} AS ${select}`);
    views.add(name);
  };

  const put: Scratch['put'] = async ({ name, select, schema }) => {
    const table = await findTable(lake, name);
    if (!table) {
      await show(name, select);
      return { before: undefined, after: `(${select})` };
    }
    const changes = schema(table);
    await dropExpiredBranches(lake, name);
    branched.push(name);
    const basis = await createBranch(lake, name, branch, { maxAgeMs: scratchMaxAgeMs, schema: changes });
    await fault?.('after-branch');
    const add = await writeDataFiles({ lake, session }, basis, `(${select})`);
    const remove = await tableFiles(lake, basis);
    const change = { basis, remove, add };
    const committed = await overwriteFiles(lake, name, change, { branch, commitId: branch });
    await fault?.('after-scratch');
    const after = await relationOf(committed.table);
    await show(name, `SELECT * FROM ${after}`);
    return { before: await relationOf(table), after };
  };

  return {
    put,
    view: async (names) => {
      for (const name of names) {
        if (views.has(name)) continue;
        const table = await findTable(lake, name);
        if (!table) return false;
        await show(name, `SELECT * FROM ${await relationOf(table)}`);
      }
      return true;
    },
    close: async () => {
      for (const release of releases) release();
      await fault?.('before-drop');
      for (const name of branched) {
        // The plan is made, or failed for a reason of its own: a branch that can't be dropped now is dropped by its age.
        await dropBranch(lake, name, branch).catch((error: unknown) => {
          deps.notice?.(
            `${name}: branch ${branch} is left, and dropped once it is 6 h old: ${String(error)}`,
          );
        });
      }
    },
  };
};
