import { planFiles } from '../lake/scan.ts';
import { findTable, overwriteFiles, rollbackTo } from '../lake/tables.ts';
import { UserError } from '../platform/cli.ts';
import { assertFence } from '../platform/leases.ts';
import * as ledger from '../platform/ledger.ts';
import { listIntervals } from '../platform/ledger-views.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import type { Pipeline } from './declaration.ts';
import type { GoldOutcome } from './gold.ts';
import { noteGold } from './gold.ts';
import { followersOf, goldGraph } from './gold-graph.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import { followGold, noteFreshness, underLease } from './run.ts';
import { findRun, type Run, type RunSnapshots, writeSilverState } from './runs.ts';
import { withSession } from './session.ts';
import { historyTable, quarantineTable, silverTable } from './silver-tables.ts';

export type RolledBack = {
  readonly pipeline: string;
  /** The run that the tables stand after now; null: before the first one. */
  readonly to: string | null;
  readonly undone: readonly string[];
  /** Windows that are holes now. */
  readonly windows: readonly { cadence: string; from: string; to: string }[];
  readonly gold: readonly GoldOutcome[];
};

/**
 * Returns silver to how it was after a run (or before one), together with its watermark: later runs are undone, their
 * windows are holes that say so, their captures stay in bronze and out of silver. Gold follows.
 *
 * The holes are not refilled by themselves: what was wrong may still be. `lastro pipeline run --refill` does it.
 * @throws UserError there is no such run, or its snapshot has expired
 */
export const rollbackPipeline = (
  deps: PipelineDeps,
  pipeline: Pipeline,
  { run: id, before, signal }: { run: string; before: boolean; signal: AbortSignal },
): Promise<RolledBack> =>
  withSession(deps, async (session) => {
    const graph = await goldGraph(session.connection, deps.pipelines);
    const undone = await underLease(deps, pipeline, signal, async ({ fence }) => {
      const { target, later } = await chooseRuns(deps, pipeline, id, before);
      return transaction(deps.pool, async (tx) => {
        await assertFence(tx, fence);
        await returnTables(deps, tx, pipeline, target);
        const attempts = later.map(({ attemptId }) => attemptId);
        const windows = await reopenWindows(tx, pipeline, attempts, (interval) =>
          ledger.reopen(tx, {
            id: interval,
            fence,
            to: 'hole',
            reason: `rolled back to ${target?.attemptId ?? 'the beginning'}`,
          }),
        );
        await tx.query(`UPDATE pipeline_sets SET state = 'left' WHERE merged_by = ANY ($1)`, [attempts]);
        await tx.query('DELETE FROM pipeline_replays WHERE attempt_id = ANY ($1)', [attempts]);
        await tx.query(`UPDATE pipeline_runs SET state = 'rolled_back' WHERE attempt_id = ANY ($1)`, [
          attempts,
        ]);
        const followers = followersOf(graph, silverTable(pipeline.name));
        await noteGold(
          tx,
          `rollback-${later[0]?.attemptId ?? ''}`,
          followers.map(({ node }) => ({ gold: node.name, groups: null })),
        );
        return { target, attempts, windows };
      });
    });
    const gold = await followGold(deps, async () => session, pipeline, signal);
    await noteFreshness(deps, async () => session, pipeline, gold);
    const { target, attempts, windows } = undone;
    return { pipeline: pipeline.name, to: target?.attemptId ?? null, undone: attempts, windows, gold };
  });

const chooseRuns = async (
  { pool }: PipelineDeps,
  pipeline: Pipeline,
  id: string,
  before: boolean,
): Promise<{ target: Run | undefined; later: Run[] }> => {
  const named = await findRun(pool, id);
  if (!named || named.pipeline !== pipeline.name) {
    throw new UserError(
      `expected a run of ${pipeline.name}, found none with the id ${id}; see lastro pipeline status`,
    );
  }
  const found = await pool.query<{ attempt_id: string }>(
    `SELECT attempt_id FROM pipeline_runs WHERE pipeline = $1 AND state IN ('done', 'skipped') AND kind <> 'gold' ORDER BY seq`,
    [pipeline.name],
  );
  const order = found.rows.map(({ attempt_id }) => attempt_id);
  const at = order.indexOf(named.attemptId);
  if (at < 0) throw new UserError(`run ${id} is ${named.state}: nothing of it is in silver`, 1);
  const keep = before ? at : at + 1;
  const runs = await Promise.all(order.map((attempt) => findRun(pool, attempt)));
  const known = runs.filter((run) => run !== undefined);
  const later = known.slice(keep);
  if (later.length === 0) throw new UserError(`nothing came after run ${id}: silver stands there already`, 1);
  // A run that found nothing new has no snapshots of its own: those of the one before it hold.
  return { target: known.slice(0, keep).findLast(({ snapshots }) => snapshots !== null), later };
};

const returnTables = async (
  { lake }: PipelineDeps,
  tx: Tx,
  { name }: Pipeline,
  target: Run | undefined,
): Promise<void> => {
  const snapshots: RunSnapshots | null = target?.snapshots ?? null;
  for (const table of [silverTable(name), historyTable(name), quarantineTable(name)]) {
    const found = await findTable(lake, table, tx);
    if (!found?.metadata['current-snapshot-id']) continue;
    const snapshot = snapshots?.tables[table] ?? null;
    if (snapshot === null) {
      const live = (await planFiles(lake, found)).files.map(({ file }) => file);
      if (live.length > 0) await overwriteFiles(lake, table, { basis: found, remove: live, add: [] }, { tx });
      continue;
    }
    try {
      await rollbackTo(lake, table, snapshot, { tx });
    } catch (error) {
      throw new UserError(
        `${table} can't return to snapshot ${snapshot}: ${error instanceof Error ? error.message : String(error)}`,
        1,
      );
    }
  }
  if (!snapshots) {
    await tx.query('DELETE FROM pipeline_silver WHERE pipeline = $1', [name]);
    return;
  }
  await writeSilverState(tx, name, {
    codeHash: snapshots.codeHash,
    seenTo: snapshots.seenTo === null ? null : new Date(snapshots.seenTo),
    changedTo: snapshots.changedTo === null ? null : new Date(snapshots.changedTo),
  });
};

const reopenWindows = async (
  tx: Tx,
  { name }: Pipeline,
  attempts: readonly string[],
  reopen: (interval: string) => Promise<unknown>,
): Promise<RolledBack['windows']> => {
  const windows: { cadence: string; from: string; to: string }[] = [];
  const done = await listIntervals(tx, { pipeline: name, states: ['done'], limit: 100_000 });
  for (const { id, source, runId, from, to } of done) {
    if (runId === null || !attempts.includes(runId)) continue;
    await reopen(id);
    windows.push({ cadence: source, from: from.toISOString(), to: to.toISOString() });
  }
  return windows;
};
