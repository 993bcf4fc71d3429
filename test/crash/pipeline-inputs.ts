import fc from 'fast-check';
import type { Pipeline } from '../../src/pipelines/declaration.ts';
import { definePipeline } from '../../src/pipelines/define.ts';
import type { DueWindow } from '../../src/pipelines/due.ts';
import { dayMs, hourMs } from '../../src/pipelines/windows.ts';
import { jsonAnswer, type TestApi } from '../services/pipelines.ts';

/** A value of a day, as the API gives it from an instant on. */
export type Publication = { readonly day: number; readonly value: string | null; readonly at: number };

/** One recorded reading: when it was made, and of which days. */
export type Reading = {
  readonly at: number;
  readonly cadence: 'daily' | 'hourly' | 'full';
  readonly from: number;
  readonly to: number;
};

export type Recording = {
  readonly publications: readonly Publication[];
  readonly readings: readonly Reading[];
};

export const start = Date.parse('2024-01-01T00:00:00Z');

const days = 5;

/** Values that come, change, are withdrawn and come back; some are no decimals and go to quarantine. */
export const recordings = (mostReadings: number): fc.Arbitrary<Recording> =>
  fc.record({
    publications: fc.array(
      fc.record({
        day: fc.integer({ min: 0, max: days - 1 }),
        value: fc.constantFrom('1.10', '2.20', '3.30', '4.4000', 'n/d', null),
        at: fc.integer({ min: 0, max: 20 }),
      }),
      { minLength: 3, maxLength: 14 },
    ),
    readings: fc.uniqueArray(
      fc.record({
        at: fc.integer({ min: 1, max: 24 }),
        cadence: fc.constantFrom('daily' as const, 'hourly' as const),
        from: fc.integer({ min: 0, max: days - 1 }),
        to: fc.integer({ min: 1, max: days }),
      }),
      { minLength: 3, maxLength: mostReadings, selector: ({ at }) => at },
    ),
  });

/** The days' values as the API has them at an instant. */
export const valuesAt = ({ publications }: Recording, at: number): Map<number, string> => {
  const values = new Map<number, string>();
  const known = publications.filter((each) => each.at <= at).toSorted((a, b) => a.at - b.at);
  for (const { day, value } of known) {
    if (value === null) values.delete(day);
    else values.set(day, value);
  }
  return values;
};

const dayText = (day: number): string => new Date(start + day * dayMs).toISOString().slice(0, 10);

/** An API that answers as it did when the reading was made. */
export const recordedApi = (recording: Recording, now: () => number): TestApi => {
  return ({ url }) => {
    const { searchParams } = new URL(url);
    const [from, to] = [searchParams.get('from') ?? '', searchParams.get('to') ?? '9999'];
    const values = [...valuesAt(recording, now())].map(([day, valor]) => ({ data: dayText(day), valor }));
    return jsonAnswer(
      values.filter(({ data }) => data >= from && data < to).toSorted((a, b) => (a.data < b.data ? -1 : 1)),
    );
  };
};

/** The instant of a reading on the clock. */
export const instantOf = ({ at }: Reading): Date => new Date(start + 30 * dayMs + at * hourMs);

export const windowOf = ({ cadence, from, to, at }: Reading): DueWindow => {
  if (cadence === 'full') {
    const begin = new Date(Math.floor(instantOf({ at } as Reading).getTime() / dayMs) * dayMs);
    return { cadence, from: begin, to: new Date(begin.getTime() + dayMs), reason: 'again', again: true };
  }
  const [low, high] = from < to ? [from, to] : [to - 1, from + 1];
  return {
    cadence,
    from: new Date(start + low * dayMs),
    to: new Date(start + high * dayMs),
    reason: 'again',
    again: true,
  };
};

export const recordedPipeline = (name: string, full = false): Pipeline =>
  definePipeline({
    name,
    about: 'recorded inputs',
    source: {
      kind: 'http',
      base: { env: 'X', default: 'http://127.0.0.1:9' },
      path: full ? '/all' : '/days?from={from:date}&to={to:date}',
    },
    windows: full
      ? { full: true, every: 'day', guard: { minShare: 0, minRows: 0 } }
      : [
          { every: 'day', from: '2024-01-01', requestSpan: 2 },
          { every: 'hour', from: '2024-01-01', requestSpan: 48 },
        ],
    silver: {
      columns: { data: { type: 'date' }, valor: { type: 'decimal(10,4)', required: true } },
      key: ['data'],
      budget: { share: 1 },
    },
    gold: [
      {
        name: `${name}_total`,
        sql: `SELECT CAST(1 AS INTEGER) AS um, CAST(count(*) AS BIGINT) AS dias, sum(valor) AS soma FROM silver.${name}`,
        key: ['um'],
      },
      {
        name: `${name}_por_dia`,
        sql: `SELECT data, max(valor) AS valor FROM silver.${name} GROUP BY data`,
        key: ['data'],
        incremental: { column: 'data', of: 'data' },
      },
    ],
  });

export type Version = { data: string; valor: string; desde: number; ate: number | null };

/** What silver must be, worked out the slow way: each day's values in the order in which they were seen. */
export const expectedVersions = (recording: Recording, full = false): Version[] => {
  const versions: Version[] = [];
  const open = new Map<number, Version>();
  for (const reading of recording.readings.toSorted((a, b) => a.at - b.at)) {
    const values = valuesAt(recording, reading.at);
    const window = windowOf(reading);
    for (let day = 0; day < days; day++) {
      const at = start + day * dayMs;
      const asked = full || (at >= window.from.getTime() && at < window.to.getTime());
      if (!asked) continue;
      const value = values.get(day);
      const current = open.get(day);
      if (value === undefined) {
        if (!full || !current) continue;
        current.ate = reading.at;
        open.delete(day);
      } else if (value !== 'n/d') {
        const valor = Number(value).toFixed(4);
        if (current?.valor === valor) continue;
        if (current) current.ate = reading.at;
        const version = { data: dayText(day), valor, desde: reading.at, ate: null };
        open.set(day, version);
        versions.push(version);
      }
    }
  }
  return versions;
};
