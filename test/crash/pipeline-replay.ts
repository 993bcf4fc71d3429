import fc from 'fast-check';
import { expect } from 'vitest';
import { dayMs, hourMs } from '../../src/pipelines/windows.ts';
import { pipelineRoom } from '../services/pipelines.ts';
import { testDatabase } from '../services/postgres.ts';
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
} from './pipeline-inputs.ts';

/** Gives a function that replays readings under a name of their own and answers what silver and gold are then. */
const openReplays = async () => {
  const database = await testDatabase();
  let recording: Recording = { publications: [], readings: [] };
  let now = 0;
  let pipelines = 0;
  const room = await pipelineRoom(database.pool, {
    api: (request) => recordedApi(recording, () => now)(request),
  });
  const replay = async (recorded: Recording, readings: readonly Reading[], full: boolean) => {
    const name = `r${++pipelines}`;
    const pipeline = recordedPipeline(name, full);
    recording = recorded;
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
  const close = async (): Promise<void> => {
    await room.close();
    await database.drop();
  };
  return { replay, close };
};

const hourOf = (text: unknown): number =>
  Math.floor(
    (Date.parse(`${String(text).replace(' ', 'T').replace('+00', 'Z')}`) - start - 30 * dayMs) / hourMs,
  );

const shuffled = (readings: readonly Reading[], seed: number): Reading[] =>
  readings.toSorted((a, b) => ((a.at * 7919 + seed) % 101) - ((b.at * 7919 + seed) % 101));

/** Values that change, are withdrawn and are no number, read three times; seed 15 takes the last reading first. */
const telling: Recording = {
  publications: [
    { day: 0, value: '1.10', at: 0 },
    { day: 0, value: '2.20', at: 5 },
    { day: 0, value: '1.10', at: 10 },
    { day: 1, value: '3.30', at: 0 },
    { day: 1, value: 'n/d', at: 6 },
    { day: 2, value: '4.4000', at: 6 },
    { day: 2, value: null, at: 11 },
  ],
  readings: [
    { at: 2, cadence: 'daily', from: 0, to: 5 },
    { at: 7, cadence: 'hourly', from: 0, to: 3 },
    { at: 12, cadence: 'daily', from: 0, to: 4 },
  ],
};

/**
 * Recorded inputs in order, twice and shuffled, with windows that overlap: the same silver and gold to the byte, and
 * every point is the newest one, with its history, by an oracle that works it out the slow way.
 */
export const replaysAgree = async ({
  full,
  numRuns,
  mostReadings = 5,
}: {
  full: boolean;
  numRuns: number;
  mostReadings?: number;
}): Promise<void> => {
  const { replay, close } = await openReplays();
  try {
    await fc.assert(
      fc.asyncProperty(recordings(mostReadings), fc.integer({ min: 0, max: 100 }), async (drawn, seed) => {
        const recorded: Recording = {
          ...drawn,
          readings: drawn.readings.map((reading) => (full ? { ...reading, cadence: 'full' } : reading)),
        };
        const inOrder = recorded.readings.toSorted((a, b) => a.at - b.at);
        const once = await replay(recorded, inOrder, full);
        expect(await replay(recorded, [...inOrder, ...inOrder], full)).toEqual(once);
        expect(await replay(recorded, shuffled(inOrder, seed), full)).toEqual(once);

        const expected = expectedVersions(recorded, full);
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
      { numRuns, examples: [[telling, 15]], endOnFailure: true },
    );
  } finally {
    await close();
  }
};
