import { allRows } from '../lake/duckdb-session.ts';
import { findHoles, frontier, listIntervals } from '../platform/ledger-views.ts';
import type { Pipeline, SourceHold } from './declaration.ts';
import { dueWindows } from './due.ts';
import { measureFreshness, type TableAge, tableAges } from './freshness.ts';
import { readOwed } from './gold.ts';
import type { GoldNode } from './gold-graph.ts';
import { silverHash } from './model-hash.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import { withQuarantine } from './quarantine.ts';
import { listRuns, type Run, readSilverState } from './runs.ts';
import { withLazySession, withSession } from './session.ts';
import { askHold, isTooMuch } from './source-hold.ts';
import { type CadenceName, cadencesOf, hourMs } from './windows.ts';

export type CadenceStatus = {
  readonly cadence: CadenceName;
  /** How far it is done without a break. */
  readonly doneTo: string | null;
  readonly watermark: string | null;
  readonly due: number;
  readonly failed: number;
  readonly holes: readonly { from: string; to: string; reason: string }[];
};

export type PipelineStatus = {
  readonly pipeline: string;
  readonly cadences: readonly CadenceStatus[];
  /** Hours since the end of the newest done window, and the target. */
  readonly age: number | null;
  readonly freshness: number | null;
  readonly stale: boolean;
  /** The code has changed since silver was made: a run makes it anew. */
  readonly modelChanged: boolean;
  readonly quarantined: number;
  /** Gold tables that have yet to follow. */
  readonly goldOwed: readonly string[];
  readonly lastRuns: readonly Run[];
  /** Of the tables that have a target, and their parts. */
  readonly tables: readonly TableAge[];
  /** What the source keeps until it is read; null: nothing, or it is of no such kind. */
  readonly hold: SourceHold | null;
  /** The source could not be asked for it. */
  readonly holdError: string | null;
};

/** Anything that people should look at. */
export const isTroubled = ({ cadences, stale, tables, hold }: PipelineStatus): boolean =>
  stale ||
  cadences.some(({ failed, holes }) => failed > 0 || holes.length > 0) ||
  tables.some((table) => table.stale) ||
  (hold !== null && isTooMuch(hold));

export const pipelineStatus = async (
  deps: PipelineDeps,
  pipeline: Pipeline,
  graph: readonly GoldNode[],
): Promise<PipelineStatus> => {
  const { pool } = deps;
  const now = deps.clock();
  const cadences: CadenceStatus[] = [];
  for (const { name } of cadencesOf(pipeline)) {
    const place = { pipeline: pipeline.name, source: name };
    const done = await frontier(pool, place);
    const holes = await findHoles(pool, place);
    cadences.push({
      cadence: name,
      doneTo: done?.to.toISOString() ?? null,
      watermark: done?.watermark ?? null,
      due: (await dueWindows(pool, pipeline, { now, cadence: name })).length,
      failed: (await listIntervals(pool, { ...place, states: ['failed'] })).length,
      holes: holes.map(({ from, to, interval }) => ({
        from: from.toISOString(),
        to: to.toISOString(),
        reason: interval?.error ?? 'never planned',
      })),
    });
  }
  const newest = await pool.query<{ to: Date | null }>(
    `SELECT max(window_to) AS to FROM intervals WHERE pipeline = $1 AND state = 'done'`,
    [pipeline.name],
  );
  const to = newest.rows[0]?.to ?? null;
  const age = to === null ? null : Math.max(0, Math.round((now.getTime() - to.getTime()) / hourMs));
  const freshness = pipeline.freshness?.hours ?? null;
  const state = await readSilverState(pool, pipeline.name);
  const owed: string[] = [];
  for (const node of graph.filter(({ owner }) => owner === pipeline.name)) {
    if (await readOwed(pool, node)) owed.push(node.name);
  }
  await withLazySession(deps, (session) => measureFreshness(deps, session, pipeline));
  const held = await askHold(pipeline, deps.env);
  return {
    pipeline: pipeline.name,
    cadences,
    age,
    freshness,
    stale: freshness !== null && (age === null || age > freshness),
    modelChanged: state !== undefined && state.codeHash !== silverHash(pipeline),
    quarantined: await openQuarantine(deps, pipeline),
    goldOwed: owed,
    lastRuns: await listRuns(pool, { pipeline: pipeline.name, limit: 5 }),
    tables: await tableAges(pool, pipeline, now),
    hold: held && 'hold' in held ? held.hold : null,
    holdError: held && 'error' in held ? held.error : null,
  };
};

/** Rows and values in quarantine that no later run took. */
const openQuarantine = async (deps: PipelineDeps, pipeline: Pipeline): Promise<number> =>
  withSession(deps, async (session) => {
    const total = await withQuarantine({ ...deps, session }, pipeline, async (relation) => {
      if (relation === undefined) return 0;
      const [row] = await allRows(session.connection, `SELECT count(*) AS n FROM ${relation}`);
      return Number(row?.['n'] ?? 0);
    });
    const replayed = await deps.pool.query<{ n: string }>(
      'SELECT count(*) AS n FROM pipeline_replays WHERE pipeline = $1',
      [pipeline.name],
    );
    return total - Number(replayed.rows[0]?.n ?? 0);
  });
