import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Pool } from 'pg';
import type { Consolidated, FaultPoint } from '../../src/consolidate/consolidate.ts';
import { deliverFeedback, type KafkaMessage } from '../../src/consolidate/feedback.ts';
import { feedbackChecks } from '../../src/consolidate/feedback-schemas.ts';
import { formatTableName } from '../../src/lake/catalog/catalog.ts';
import { removeOrphans } from '../../src/lake/maintenance.ts';
import { listTables } from '../../src/lake/tables.ts';
import { openPool } from '../../src/platform/postgres.ts';
import { type ConsolidateRoom, consolidateRoom, eventsTable, type Row } from '../services/consolidate.ts';
import { type TestDatabase, testDatabase } from '../services/postgres.ts';
import { crashDomains, crashLimits } from './consolidate-inputs.ts';

export const faultPoints: readonly FaultPoint[] = [
  'after-read',
  'after-parquet',
  'before-commit',
  'after-commit',
  'before-feedback',
];

/** Small numbers that depend on the seed alone. */
const random = (seed: number): (() => number) => {
  let state = (seed * 2654435761 + 1) >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
};

/** Good files, bad ones, repeats of offsets and rewritten ones, by seed. */
const fillInbox = async (room: ConsolidateRoom, seed: number): Promise<void> => {
  const next = random(seed);
  const contents = ['{"a":1}', '{"a":1}\n{"a":2}', '{"a":', '{"a":1,"a":1}', '[1,\n2]', '', '"\\ud800"'];
  for (let file = 0; file < 3 + Math.floor(next() * 5); file++) {
    const content = contents[Math.floor(next() * contents.length)] ?? '';
    const offset = String(Math.floor(next() * 6)).padStart(10, '0');
    const name =
      next() < 0.3
        ? `free-${file}.json`
        : `f${Math.floor(next() * 3)}/t+${Math.floor(next() * 2)}+${offset}.json`;
    await room.put(name, content);
  }
};

/**
 * One attempt that dies at the `dieAt`-th fault point it meets: its database connections break first, so that it
 * can neither report nor let go of its lease, as a killed process could not. Undefined: it met fewer points.
 */
const attempt = async (
  room: ConsolidateRoom,
  { url, admin, dieAt }: { url: string; admin: Pool; dieAt: number },
): Promise<Consolidated | undefined> => {
  const name = `attempt-${Math.random().toString(36).slice(2)}`;
  const pool = openPool({ url, max: 4, name });
  let met = 0;
  try {
    return await room.run({
      pool,
      limits: crashLimits,
      domains: crashDomains,
      feedbackTopic: 'lake',
      fault: async () => {
        if (++met !== dieAt) return;
        await admin.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
          [name],
        );
        // Not awaited: the client of the open transaction comes back only after this throws.
        void pool.end();
        throw new Error('killed');
      },
    });
  } catch (error) {
    if (!(error instanceof Error) || error.message !== 'killed') throw error;
    await expireLeases(admin);
    return undefined;
  } finally {
    if (!pool.ending) await pool.end();
  }
};

const expireLeases = async (admin: Pool): Promise<void> => {
  await admin.query('UPDATE leases SET expires_at = clock_timestamp()');
};

/** What must not depend on crashes: everything but the ids and times of runs. */
const worldOf = async (room: ConsolidateRoom): Promise<Record<string, string[]>> => {
  const shown = (rows: Row[], columns: string[]): string[] =>
    rows.map((row) => JSON.stringify(columns.map((column) => String(row[column])))).sort();
  const place = ['object_key', 'position', 'topic', 'kafka_partition', 'kafka_offset'];
  return {
    // Which of two equal documents stays depends on the batches, which a crash cuts anew; that one stays does not.
    events: shown(await room.rows(), ['topic', 'kafka_partition', 'kafka_offset', 'document']),
    quarantine: shown(await room.rows(`${eventsTable}_quarantine`), [...place, 'reason', 'raw']),
    domain: shown(await room.rows('kconnect.by_topic'), ['topic', 'n']),
  };
};

/** Sends what is owed to nowhere and gives the ids, in order. */
const deliverAll = async (pool: Pool): Promise<string[]> => {
  const sent: KafkaMessage[] = [];
  await deliverFeedback({
    pool,
    check: feedbackChecks(crashDomains),
    deadLetterTopic: 'dead',
    send: async (messages) => {
      sent.push(...messages);
    },
  });
  return sent.map(({ topic, headers }) => {
    if (topic === 'dead') throw new Error(`message ${headers.id} is not valid: ${headers.reason}`);
    return String(headers.id);
  });
};

/** Files in the tables' folders that no table knows, once a cleaning has been. */
const orphansAfterCleaning = async (room: ConsolidateRoom): Promise<number> => {
  const later = { ...room.lake, clock: () => new Date(Date.now() + 86_400_000) };
  let left = 0;
  for (const name of await listTables(room.lake)) {
    const table = formatTableName(name);
    await removeOrphans(later, table, { guardMs: 3_600_000 });
    left += (await removeOrphans(later, table, { guardMs: 3_600_000, dryRun: true })).files;
  }
  return left;
};

type World = Record<string, string[]> & { readonly orphans: string[] };

export type Crashed = {
  /** What a run that nothing disturbed leaves. */
  readonly calm: World;
  /** What is there after the crashes and a run that ended. */
  readonly stormy: World;
  /** Ids of the messages that went out, and of those that the commits owe. */
  readonly feedback: { readonly sent: string[]; readonly owed: string[] };
};

const deps = { limits: crashLimits, domains: crashDomains, feedbackTopic: 'lake' };

const inRoom = async <T>(work: (room: ConsolidateRoom, database: TestDatabase) => Promise<T>): Promise<T> => {
  const database = await testDatabase();
  const room = await consolidateRoom(database.pool);
  try {
    return await work(room, database);
  } finally {
    await room.close();
    await database.drop();
  }
};

const wholeWorld = async (room: ConsolidateRoom): Promise<World> => {
  const orphans = Array.from({ length: await orphansAfterCleaning(room) }, () => 'orphan');
  return { ...(await worldOf(room)), orphans };
};

const calmWorld = (seed: number): Promise<World> =>
  inRoom(async (room) => {
    await fillInbox(room, seed);
    await room.run(deps);
    return wholeWorld(room);
  });

const owedFeedback = async (pool: Pool): Promise<string[]> => {
  const { rows } = await pool.query<{ commit_id: string }>(
    'SELECT commit_id FROM consolidate_batches WHERE documents > 0',
  );
  return rows.map(({ commit_id }) => commit_id);
};

const settle = async (room: ConsolidateRoom, pool: Pool): Promise<Omit<Crashed, 'calm'>> => {
  await room.run(deps);
  const stormy = await wholeWorld(room);
  const sent = [...(await deliverAll(pool)), ...(await deliverAll(pool))];
  return { stormy, feedback: { sent, owed: await owedFeedback(pool) } };
};

/** Up to four crashes at points chosen by the seed, then a run that ends. */
export const crashSeed = async (seed: number): Promise<Crashed> => {
  const calm = await calmWorld(seed);
  const after = await inRoom(async (room, { url, pool: admin }) => {
    await fillInbox(room, seed);
    const next = random(seed + 1_000);
    for (let kill = 0; kill < 4; kill++) {
      if (await attempt(room, { url, admin, dieAt: 1 + Math.floor(next() * 9) })) break;
    }
    return settle(room, admin);
  });
  return { calm, ...after };
};

/** A process that kills itself with SIGKILL when it meets a point for the nth time, then a run that ends. */
export const killedRun = async (
  seed: number,
  point: FaultPoint,
  nth: number,
): Promise<Crashed & { killed: boolean }> => {
  const calm = await calmWorld(seed);
  const after = await inRoom(async (room, { url, pool: admin }) => {
    await fillInbox(room, seed);
    const script = join(import.meta.dirname, 'consolidate-process.ts');
    const child = spawn(process.execPath, [script, url, room.folder, point, String(nth)], {
      stdio: 'inherit',
    });
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
    await expireLeases(admin);
    return { killed: signal === 'SIGKILL', ...(await settle(room, admin)) };
  });
  return { calm, ...after };
};
