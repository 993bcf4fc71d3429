import type { Pool } from 'pg';
import type { Consolidated, FaultPoint } from '../../src/consolidate/consolidate.ts';
import { deliverFeedback, type KafkaMessage } from '../../src/consolidate/feedback.ts';
import { feedbackChecks } from '../../src/consolidate/feedback-schemas.ts';
import { type ConsolidateRoom, consolidateRoom, eventsTable, type Row } from '../services/consolidate.ts';
import { type TestDatabase, testDatabase } from '../services/postgres.ts';
import { crashDomains, crashLimits } from './consolidate-inputs.ts';
import { doomedAt, expireLeases, killsItself, orphansAfterCleaning, random } from './dying.ts';

export const faultPoints: readonly FaultPoint[] = [
  'after-read',
  'after-parquet',
  'before-commit',
  'after-commit',
  'before-feedback',
];

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

/** One attempt that dies at the `dieAt`-th fault point it meets. Undefined: it met fewer points. */
const attempt = async (
  room: ConsolidateRoom,
  { url, admin, dieAt }: { url: string; admin: Pool; dieAt: number },
): Promise<Consolidated | undefined> => {
  const doomed = doomedAt(dieAt, { url, admin });
  try {
    return await room.run({ ...deps, pool: doomed.pool, fault: doomed.fault });
  } catch (error) {
    if (!doomed.hasDied()) throw error;
    await expireLeases(admin);
    return undefined;
  } finally {
    await doomed.close();
  }
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
  const orphans = await orphansAfterCleaning(room.lake);
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
    const killed = await killsItself('consolidate-process.ts', [url, room.folder, point, String(nth)]);
    await expireLeases(admin);
    return { killed, ...(await settle(room, admin)) };
  });
  return { calm, ...after };
};
