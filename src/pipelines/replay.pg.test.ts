import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  expectedVersions,
  instantOf,
  type Reading,
  type Recording,
  recordedApi,
  recordedPipeline,
  recordings,
  start,
  windowOf,
} from '../../test/crash/pipeline-inputs.ts';
import { type PipelineRoom, pipelineRoom } from '../../test/services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { dayMs, hourMs } from './windows.ts';

let database: TestDatabase;
let room: PipelineRoom;
let recording: Recording = { publications: [], readings: [] };
let now = 0;
let pipelines = 0;

beforeAll(async () => {
  database = await testDatabase();
  room = await pipelineRoom(database.pool, { api: (request) => recordedApi(recording, () => now)(request) });
});

afterAll(async () => {
  await room.close();
  await database.drop();
});

/** Replays readings in the order given, under a name of their own, and gives what silver and gold are then. */
const replay = async (readings: readonly Reading[], full: boolean) => {
  const name = `r${++pipelines}`;
  const pipeline = recordedPipeline(name, full);
  for (const reading of readings) {
    now = reading.at;
    room.setClock(instantOf(reading).toISOString());
    const { windows } = await room.run(pipeline, { windows: [windowOf(reading)] });
    expect(windows.map(({ state }) => state)).not.toContain('failed');
  }
  const track = 'data, valor, valido_desde, hash_linha';
  return {
    silver: await room.rows(`silver.${name}`, track),
    history: await room.rows(`silver.${name}_historico`, `${track}, valido_ate, motivo`),
    quarantine: await room.rows(`silver.${name}_quarentena`, 'id, coluna, motivo, registro'),
    total: await room.rows(`gold.${name}_total`),
    perDay: await room.rows(`gold.${name}_por_dia`),
  };
};

const hourOf = (text: unknown): number =>
  Math.floor(
    (Date.parse(`${String(text).replace(' ', 'T').replace('+00', 'Z')}`) - start - 30 * dayMs) / hourMs,
  );

const shuffled = (readings: readonly Reading[], seed: number): Reading[] =>
  readings.toSorted((a, b) => ((a.at * 7919 + seed) % 101) - ((b.at * 7919 + seed) % 101));

describe('recorded inputs', () => {
  it.each([
    ['windows that overlap', false],
    ['full snapshots with deletions', true],
  ])(
    '%s give the same silver and gold in order, twice and shuffled, and that is the newest of each',
    async (_, full) => {
      await fc.assert(
        fc.asyncProperty(recordings, fc.integer({ min: 0, max: 100 }), async (recorded, seed) => {
          recording = {
            ...recorded,
            readings: recorded.readings.map((reading) => (full ? { ...reading, cadence: 'full' } : reading)),
          };
          const inOrder = recording.readings.toSorted((a, b) => a.at - b.at);
          const once = await replay(inOrder, full);
          expect(await replay([...inOrder, ...inOrder], full)).toEqual(once);
          expect(await replay(shuffled(inOrder, seed), full)).toEqual(once);

          const expected = expectedVersions(recording, full);
          const shown = (rows: typeof once.silver) =>
            rows.map((row) => [row['data'], row['valor'], hourOf(row['valido_desde'])]);
          const wanted = (open: boolean) =>
            expected
              .filter(({ ate }) => (ate === null) === open)
              .map(({ data, valor, desde }) => [data, valor, desde])
              .sort();
          expect(shown(once.silver).sort()).toEqual(wanted(true));
          expect(shown(once.history).sort()).toEqual(wanted(false));
        }),
        { numRuns: Number(process.env['LASTRO_REPLAY_RUNS'] ?? 3) },
      );
    },
    600_000,
  );
});
