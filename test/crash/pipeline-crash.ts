import type { Pool } from 'pg';
import { expect } from 'vitest';
import { loadTable } from '../../src/lake/tables.ts';
import type { FaultPoint } from '../../src/pipelines/faults.ts';
import { planPipeline } from '../../src/pipelines/plan.ts';
import { scratchMaxAgeMs } from '../../src/pipelines/scratch.ts';
import { listIntervals } from '../../src/platform/ledger-views.ts';
import { type PipelineRoom, pipelineRoom } from '../services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../services/postgres.ts';
import { doomedAt, expireLeases, killsItself, orphansAfterCleaning, random } from './dying.ts';
import { changedCrashPipeline, crashApi, crashPipeline } from './pipeline-crash-inputs.ts';

export const faultPoints: readonly FaultPoint[] = [
  'after-page',
  'at-bronze-commit',
  'after-bronze',
  'between-layers',
  'after-typing',
  'at-silver-commit',
  'at-gold-commit',
  'after-gold',
];

/** Of the plan of a changed model: its scratch branches are there then. */
export const planFaultPoints: readonly FaultPoint[] = ['after-branch', 'after-scratch', 'before-drop'];

/** What must not depend on crashes: everything but ids and the instants of fetching. */
export type World = Record<string, unknown[]>;

const worldOf = async (room: PipelineRoom, pool: Pool): Promise<World> => {
  const intervals = await listIntervals(pool, { pipeline: 'crash' });
  const waiting = await pool.query(`SELECT set_id FROM pipeline_sets WHERE state IN ('open', 'complete')`);
  const owed = await pool.query('SELECT * FROM pipeline_gold_changes');
  return {
    silver: await room.rows('silver.crash', 'id, data, valor, hash_linha'),
    history: await room.rows('silver.crash_historico', 'id, data, valor, hash_linha, motivo'),
    quarantine: await room.rows('silver.crash_quarentena', 'id, coluna, motivo, registro'),
    total: await room.rows('gold.crash_total'),
    perDay: await room.rows('gold.crash_por_dia'),
    windows: intervals.map(({ from, to, state, watermark }) => [from, to, state, watermark]),
    waiting: waiting.rows,
    owed: owed.rows,
    orphans: await orphansAfterCleaning(room.lake),
  };
};

/** Two days, the second with restated values, each run until it ends. */
const days = ['2024-01-03T02:00:00Z', '2024-01-04T02:00:00Z'];

const inRoom = async <T>(work: (room: PipelineRoom, database: TestDatabase) => Promise<T>): Promise<T> => {
  const database = await testDatabase();
  const room: PipelineRoom = await pipelineRoom(database.pool, {
    api: (request) => crashApi(room.deps.clock)(request),
    pipelines: [crashPipeline],
  });
  try {
    return await work(room, database);
  } finally {
    await room.close();
    await database.drop();
  }
};

/** The world that nobody disturbed: the same for every seed. */
export const calmWorld = (): Promise<World> =>
  inRoom(async (room, { pool }) => {
    for (const day of days) {
      room.setClock(day);
      await room.run(crashPipeline);
    }
    return worldOf(room, pool);
  });

/** One attempt that dies at the `dieAt`-th point it meets. True: it met fewer points and ended. */
const attempt = async (
  room: PipelineRoom,
  { url, admin, dieAt }: { url: string; admin: Pool; dieAt: number },
): Promise<boolean> => {
  const doomed = doomedAt(dieAt, { url, admin });
  try {
    await room.run(crashPipeline, {}, { pool: doomed.pool, fault: doomed.fault });
    return true;
  } catch (error) {
    if (!doomed.hasDied()) throw error;
    await expireLeases(admin);
    return false;
  } finally {
    await doomed.close();
  }
};

/** Up to five crashes at points chosen by the seed, over both days, then runs that end. */
export const stormyWorld = (seed: number): Promise<World> =>
  inRoom(async (room, { url, pool: admin }) => {
    const next = random(seed + 1_000);
    for (const day of days) {
      room.setClock(day);
      for (let kill = 0; kill < 3; kill++) {
        if (await attempt(room, { url, admin, dieAt: 1 + Math.floor(next() * 14) })) break;
      }
      await room.run(crashPipeline);
    }
    return worldOf(room, admin);
  });

/** A process that kills itself with SIGKILL when it meets a point for the nth time; then runs that end. */
export const killedWorld = (point: FaultPoint, nth: number): Promise<{ world: World; killed: boolean }> =>
  inRoom(async (room, { url, pool }) => {
    const args = [url, room.folder, point, String(nth), days[0] ?? ''];
    const killed = await killsItself('pipeline-process.ts', args);
    await expireLeases(pool);
    for (const day of days) {
      room.setClock(day);
      await room.run(crashPipeline);
    }
    return { world: await worldOf(room, pool), killed };
  });

/**
 * Runs that end, then the plan of a changed model in a process that kills itself. Gives the branches that it left, and
 * the world once a plan that came after the guard time has ended.
 */
export const killedPlan = (point: FaultPoint): Promise<{ world: World; killed: boolean; left: string[] }> =>
  inRoom(async (room, { url, pool }) => {
    for (const day of days) {
      room.setClock(day);
      await room.run(crashPipeline);
    }
    const args = [url, room.folder, point, '1', days[1] ?? '', 'plan'];
    const killed = await killsItself('pipeline-process.ts', args);
    const { metadata } = await loadTable(room.lake, 'silver.crash');
    const left = Object.keys(metadata.refs).filter((ref) => ref !== 'main');
    const later = { ...room.lake, clock: () => new Date(Date.now() + scratchMaxAgeMs + 1_000) };
    await planPipeline(
      { ...room.deps, lake: later, pipelines: [changedCrashPipeline] },
      changedCrashPipeline,
    );
    const after = await loadTable(room.lake, 'silver.crash');
    expect(Object.keys(after.metadata.refs)).toEqual(['main']);
    return { world: await worldOf(room, pool), killed, left };
  });
