import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  jsonAnswer,
  type PipelineRoom,
  pipelineRoom,
  rawAnswer,
  type TestApi,
} from '../../test/services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import type { Queue } from '../platform/jobs.ts';
import { acquireLease, LeaseHeldError } from '../platform/leases.ts';
import * as ledger from '../platform/ledger.ts';
import { findHoles, listIntervals } from '../platform/ledger-views.ts';
import { transaction } from '../platform/postgres.ts';
import type { Cadence, Pipeline } from './declaration.ts';
import { definePipeline } from './define.ts';
import { backfillWindows } from './due.ts';
import { startDue } from './jobs.ts';
import { leaseName } from './pipeline-deps.ts';
import { planPipeline } from './plan.ts';

let database: TestDatabase;
let room: PipelineRoom;
let down = false;
const calls: string[] = [];

/** One row a day, its value the day itself. */
const api: TestApi = ({ url }) => {
  calls.push(url);
  if (down) return rawAnswer('down', 500, 'text/plain');
  const { searchParams } = new URL(url);
  const [from, to] = [Date.parse(searchParams.get('from') ?? ''), Date.parse(searchParams.get('to') ?? '')];
  const rows: { hora: string; valor: number }[] = [];
  for (let at = from; at < to; at += 3_600_000 * 6)
    rows.push({ hora: new Date(at).toISOString(), valor: new Date(at).getUTCDate() });
  return jsonAnswer(rows);
};

beforeAll(async () => {
  database = await testDatabase();
  room = await pipelineRoom(database.pool, { api });
});

afterAll(async () => {
  await room.close();
  await database.drop();
});

const make = (name: string, windows: readonly Cadence[]): Pipeline =>
  definePipeline({
    name,
    about: 'windows',
    source: {
      kind: 'http',
      base: { env: 'X', default: 'http://127.0.0.1:9' },
      path: '/rows?from={from}&to={to}',
      retry: { tries: 1 },
    },
    windows,
    costPerCall: 0.5,
    silver: { columns: { hora: { type: 'timestamptz' }, valor: { type: 'int' } }, key: ['hora'] },
    gold: [
      {
        name: `${name}_dia`,
        sql: `SELECT CAST(hora AS DATE) AS dia, CAST(sum(valor) AS BIGINT) AS soma FROM silver.${name} GROUP BY CAST(hora AS DATE)`,
        key: ['dia'],
        incremental: { column: 'dia', of: 'CAST(hora AS DATE)' },
      },
    ],
  });

const daily: Cadence = { every: 'day', from: '2024-01-01', catchUpSpan: 2 };

const shown = async (pipeline: Pipeline): Promise<string[]> =>
  (await listIntervals(database.pool, { pipeline: pipeline.name })).map(
    ({ source, from, to, state }) =>
      `${source} ${from.toISOString().slice(5, 13)}–${to.toISOString().slice(5, 13)} ${state}`,
  );

describe('windows', () => {
  it('catch up after downtime, as many as may go together in one request, and plan says so before', async () => {
    const pipeline = make('catchup', [daily]);
    room.setClock('2024-01-02T02:00:00Z');
    await room.run(pipeline);
    room.setClock('2024-01-07T02:00:00Z');
    const plan = await planPipeline({ ...room.deps, pipelines: [pipeline] }, pipeline);
    expect(plan).toMatchObject({ calls: 3, cost: 1.5 });
    calls.length = 0;
    await room.run(pipeline);
    expect(calls).toHaveLength(3);
    expect(await shown(pipeline)).toEqual([
      'daily 01-01T00–01-02T00 done',
      'daily 01-02T00–01-04T00 done',
      'daily 01-04T00–01-06T00 done',
      'daily 01-06T00–01-07T00 done',
    ]);
    expect(await room.rows('gold.catchup_dia', 'count(*) AS n')).toEqual([{ n: '6' }]);
  });

  it('a hole made on purpose is shown and stays until it is refilled; a gap nobody planned fills itself', async () => {
    const pipeline = make('holes', [daily]);
    room.setClock('2024-01-03T02:00:00Z');
    const [hole] = (
      await transaction(database.pool, (tx) =>
        ledger.plan(tx, {
          pipeline: 'holes',
          source: 'daily',
          windows: [{ from: new Date('2024-01-01'), to: new Date('2024-01-02') }],
        }),
      )
    ).intervals;
    await transaction(database.pool, (tx) => ledger.skip(tx, { id: hole?.id ?? '', reason: 'on purpose' }));
    await room.run(pipeline);
    expect(await findHoles(database.pool, { pipeline: 'holes' })).toMatchObject([
      { interval: { error: 'on purpose' } },
    ]);
    expect(await room.rows('silver.holes', 'count(*) AS n')).toEqual([{ n: '4' }]);
    await room.run(pipeline, { refill: true });
    expect(await findHoles(database.pool, { pipeline: 'holes' })).toEqual([]);
    expect(await room.rows('silver.holes', 'count(*) AS n')).toEqual([{ n: '8' }]);

    // Someone's row of the ledger is lost: the gap is seen and taken by the next run.
    await database.pool.query(`DELETE FROM interval_history WHERE interval_id = $1`, [hole?.id]);
    await database.pool.query(`DELETE FROM intervals WHERE id = $1`, [hole?.id]);
    room.setClock('2024-01-03T03:00:00Z');
    expect((await room.run(pipeline)).windows).toMatchObject([{ state: 'skipped' }]);
    expect(await shown(pipeline)).toEqual(['daily 01-01T00–01-02T00 done', 'daily 01-02T00–01-03T00 done']);
  });

  it('hourly and daily ones overlap: the same rows, whichever comes first', async () => {
    const both: Cadence[] = [daily, { every: 'hour', from: '2024-01-02', catchUpSpan: 12 }];
    const [one, other] = [make('both_a', both), make('both_b', both)];
    room.setClock('2024-01-03T00:30:00Z');
    await room.run(one, { cadence: 'hourly' });
    await room.run(one, { cadence: 'daily' });
    await room.run(other, { cadence: 'daily' });
    await room.run(other, { cadence: 'hourly' });
    const columns = 'hora, valor, hash_linha';
    expect(await room.rows('silver.both_a', columns)).toHaveLength(8);
    expect(await room.rows('silver.both_a', columns)).toEqual(await room.rows('silver.both_b', columns));
    expect(await room.rows('gold.both_a_dia')).toEqual(await room.rows('gold.both_b_dia'));
  });

  it('a backfill that fails leaves everything as it was, and one that passes merges', async () => {
    const pipeline = make('again', [daily]);
    room.setClock('2024-01-04T02:00:00Z');
    await room.run(pipeline);
    const before = await room.rows('silver.again');
    const range = { cadence: 'daily' as const, from: new Date('2024-01-01'), to: new Date('2024-01-03') };
    const windows = await backfillWindows(database.pool, pipeline, range);
    expect(windows).toMatchObject([{ reason: 'again', again: true }]);
    down = true;
    expect((await room.run(pipeline, { windows })).windows).toMatchObject([{ state: 'failed' }]);
    down = false;
    expect(await room.rows('silver.again')).toEqual(before);
    expect((await shown(pipeline)).every((text) => text.endsWith('done'))).toBe(true);
    room.setClock('2024-01-04T03:00:00Z');
    expect((await room.run(pipeline, { windows })).windows).toMatchObject([{ state: 'skipped' }]);
    expect(await room.rows('silver.again')).toEqual(before);
  });

  it('of full snapshots leave no gap after downtime: a later one makes up for those that were missed', async () => {
    const pipeline = definePipeline({
      ...make('whole', [daily]),
      source: {
        kind: 'http',
        base: { env: 'X', default: 'http://127.0.0.1:9' },
        path: '/rows?from=2024-01-01&to=2024-01-02',
      },
      windows: { full: true, every: 'day' },
    });
    room.setClock('2024-01-02T02:00:00Z');
    await room.run(pipeline);
    room.setClock('2024-01-06T02:00:00Z');
    await room.run(pipeline);
    expect(await shown(pipeline)).toEqual(['full 01-02T00–01-03T00 done', 'full 01-03T00–01-07T00 done']);
    expect(await findHoles(database.pool, { pipeline: 'whole' })).toEqual([]);
    expect((await room.run(pipeline)).windows).toEqual([]);
  });

  it('of pipelines whose gold is one table may run side by side', async () => {
    const shared = definePipeline({
      ...make('lado_a', [daily]),
      gold: [
        {
          name: 'lado_total',
          sql: 'SELECT a.valor, CAST(count(*) AS BIGINT) AS n FROM silver.lado_a a JOIN silver.lado_b b ON a.hora = b.hora GROUP BY a.valor',
          key: ['valor'],
        },
      ],
    });
    const other = definePipeline({ ...make('lado_b', [daily]), gold: [] });
    const pipelines = [shared, other];
    for (const at of ['2024-01-02T02:00:00Z', '2024-01-03T02:00:00Z']) {
      room.setClock(at);
      await Promise.all(pipelines.map((pipeline) => room.run(pipeline, {}, { pipelines })));
    }
    expect(await room.rows('gold.lado_total')).toEqual([
      { valor: 1, n: '4' },
      { valor: 2, n: '4' },
    ]);
  });

  it('one run of a pipeline at a time', async () => {
    const pipeline = make('held', [daily]);
    await acquireLease(database.pool, { name: leaseName('held'), holder: 'another', ttlMs: 60_000 });
    await expect(room.run(pipeline)).rejects.toThrow(LeaseHeldError);
  });

  it('a model that changed makes silver anew without asking the API', async () => {
    const pipeline = make('model', [daily]);
    room.setClock('2024-01-03T02:00:00Z');
    await room.run(pipeline);
    calls.length = 0;
    const changed = definePipeline({
      ...pipeline,
      silver: { ...pipeline.silver, sql: 'SELECT _registro, hora, valor * 10 AS valor FROM registros' },
    });
    const plan = await planPipeline({ ...room.deps, pipelines: [changed] }, changed);
    expect(plan).toMatchObject({
      windows: [],
      rebuild: [{ cadence: 'daily' }],
      changes: [
        { table: 'silver.model', difference: { added: 0, changed: 8, removed: 0 } },
        { table: 'gold.model_dia', difference: { changed: 2 } },
      ],
    });
    expect(await room.rows('silver.model', 'max(valor) AS v')).toEqual([{ v: 2 }]);
    expect((await room.run(changed)).windows).toMatchObject([{ cadence: 'silver', state: 'done' }]);
    expect(calls).toEqual([]);
    expect(await room.rows('silver.model', 'max(valor) AS v')).toEqual([{ v: 20 }]);
    expect((await room.run(changed)).windows).toEqual([]);
  });
});

describe('schedules', () => {
  it('start a job for every pipeline that has something due, and none where nothing is', async () => {
    const queued: unknown[] = [];
    const jobs = {
      enqueue: async (_: unknown, { name }: Queue<object>, data: unknown, options: unknown) => {
        queued.push([name, data, options]);
      },
    };
    const log = { warn: () => {}, info: () => {} };
    const deps = {
      jobs: jobs as unknown as Parameters<typeof startDue>[0]['jobs'],
      log: log as unknown as Parameters<typeof startDue>[0]['log'],
      db: database.pool,
      clock: () => new Date('2024-06-01T02:00:00Z'),
      folder: undefined,
      env: {},
    };
    await startDue(deps, 'day');
    expect(queued).toContainEqual([
      'pipeline_run',
      { pipeline: 'bcb_sgs', cadence: 'daily' },
      { key: 'bcb_sgs' },
    ]);
    queued.length = 0;
    await startDue({ ...deps, clock: () => new Date('1990-01-01T00:00:00Z') }, 'hour');
    expect(queued).toEqual([]);
  });
});
