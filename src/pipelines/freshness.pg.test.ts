import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LogicalPostgres, startLogicalPostgres } from '../../test/services/logical-postgres.ts';
import { jsonAnswer, type PipelineRoom, pipelineRoom } from '../../test/services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import type { Log } from '../platform/log.ts';
import { openMetrics } from '../platform/metrics.ts';
import { type AlertDeps, alertOn } from './alerts.ts';
import { pgLogicalSource } from './cdc/pg-logical.ts';
import type { Pipeline } from './declaration.ts';
import { definePipeline } from './define.ts';
import { tableAges } from './freshness.ts';
import { watchPipelines } from './gauges.ts';
import { isTroubled, pipelineStatus } from './status.ts';

let database: TestDatabase;
let room: PipelineRoom;
let rows: { serie: number; data: string; valor: number }[] = [];
beforeAll(async () => {
  database = await testDatabase();
  room = await pipelineRoom(database.pool, { api: () => jsonAnswer(rows) });
});
afterAll(async () => {
  await room.close();
  await database.drop();
});

const pipeline = definePipeline({
  name: 'idades',
  about: 'series that come at their own pace',
  source: { kind: 'http', base: { env: 'X', default: 'http://127.0.0.1:9' }, path: '/d?d={from:date}' },
  windows: [{ every: 'day', from: '2024-01-01', catchUpSpan: 40, requestSpan: 40 }],
  silver: {
    columns: { serie: { type: 'int' }, data: { type: 'date' }, valor: { type: 'int' } },
    key: ['serie', 'data'],
  },
  gold: [
    {
      name: 'idades_mes',
      sql: "SELECT CAST(date_trunc('month', data) AS DATE) AS mes, count(*) AS n FROM silver.idades GROUP BY 1",
      key: ['mes'],
    },
  ],
  freshness: {
    hours: 48,
    tables: [
      { table: 'silver.idades', column: 'data', by: 'serie', hours: 48, except: { '433': 1_000, '7': 24 } },
      { table: 'gold.idades_mes', column: 'mes', hours: 240 },
    ],
  },
});

/** Warnings are what an alert is without ServiceNow. */
const alerts = async (of: Pipeline, clock: () => Date, env: NodeJS.ProcessEnv = {}): Promise<string[]> => {
  const told: string[] = [];
  const log = { warn: (_: unknown, text: string) => told.push(text) } as unknown as Log;
  await alertOn({ db: database.pool, clock, log, env } satisfies AlertDeps, of);
  return told;
};

describe('freshness of tables and their parts', () => {
  it('is measured by the run, told by status and metrics, and alerted on', async () => {
    expect(
      (await tableAges(database.pool, pipeline, new Date())).map(({ part, stale }) => [part, stale]),
    ).toEqual([
      ['433', true],
      ['7', true],
      [null, true],
    ]);
    rows = [
      { serie: 11, data: '2024-01-08', valor: 1 },
      { serie: 11, data: '2024-01-09', valor: 1 },
      { serie: 433, data: '2023-12-01', valor: 1 },
    ];
    room.setClock('2024-01-10T02:00:00Z');
    await room.run(pipeline);
    const at = (text: string) => () => new Date(text);
    const ages = await tableAges(database.pool, pipeline, at('2024-01-10T02:00:00Z')());
    expect(ages).toEqual([
      {
        table: 'silver.idades',
        part: '11',
        newest: '2024-01-10T00:00:00.000Z',
        age: 2,
        target: 48,
        stale: false,
      },
      {
        table: 'silver.idades',
        part: '433',
        newest: '2023-12-02T00:00:00.000Z',
        age: 938,
        target: 1_000,
        stale: false,
      },
      { table: 'silver.idades', part: '7', newest: null, age: null, target: 24, stale: true },
      {
        table: 'gold.idades_mes',
        part: null,
        newest: '2024-01-02T00:00:00.000Z',
        age: 194,
        target: 240,
        stale: false,
      },
    ]);
    const told = await alerts(pipeline, at('2024-01-12T03:00:00Z'));
    expect(told).toEqual([
      expect.stringContaining('its newest window ended 51 h ago, the target is 48 h'),
      expect.stringContaining(
        'silver.idades 11: newest row is 51 h old, the target is 48 h; silver.idades 7: no rows, the target is 24 h; gold.idades_mes: newest row is 243 h old',
      ),
    ]);

    // Only what changed is measured anew: rows that a later window brings, and a series that comes for the first time.
    rows = [
      { serie: 11, data: '2024-01-11', valor: 1 },
      { serie: 7, data: '2024-01-11', valor: 1 },
    ];
    room.setClock('2024-01-12T02:00:00Z');
    await room.run(pipeline);
    const status = await pipelineStatus({ ...room.deps, pipelines: [pipeline] }, pipeline, []);
    expect(status.tables.map(({ part, stale }) => [part, stale])).toEqual([
      ['11', false],
      ['433', false],
      ['7', false],
      [null, true],
    ]);
    expect(isTroubled(status)).toBe(true);

    const metrics = openMetrics('test');
    watchPipelines(
      {
        db: database.pool,
        metrics,
        clock: at('2024-01-12T02:00:00Z'),
        log: console as unknown as Log,
        env: {},
      },
      async () => ({
        listed: [{ pipeline, file: 'x.ts', own: true }],
        broken: [{ file: 'y.ts', error: 'no' }],
      }),
    );
    const text = await metrics.metrics();
    expect(text).toContain(
      'lastro_pipeline_table_age_hours{pipeline="idades",table="silver.idades",part="11",service="test"} 2',
    );
    expect(text).toContain(
      'lastro_pipeline_table_target_hours{pipeline="idades",table="silver.idades",part="433",service="test"} 1000',
    );
    expect(text).toContain('lastro_pipeline_files_broken{service="test"} 1');
  });

  it('names columns that are there', () => {
    const wrong = (table: string, column: string) => () =>
      definePipeline({ ...pipeline, freshness: { hours: 1, tables: [{ table, column, hours: 1 }] } });
    expect(wrong('silver.outra', 'data')).toThrow('expected one of silver.idades, gold.idades_mes');
    expect(wrong('silver.idades', 'dia')).toThrow('dia is no column');
  });
});

describe('what a source keeps for a pipeline', () => {
  let source: LogicalPostgres;
  beforeAll(async () => {
    source = await startLogicalPostgres();
  }, 60_000);
  afterAll(() => source.close());

  it('is told by status, metrics and alerts: a slot that is not read fills its disk', async () => {
    await source.run('CREATE TABLE filas (id bigint PRIMARY KEY, t text)');
    await source.run('CREATE PUBLICATION lastro FOR TABLE filas');
    const slow = definePipeline({
      name: 'filas',
      about: 'a slot',
      source: pgLogicalSource({
        urlFrom: 'SOURCE_URL',
        table: 'filas',
        publication: 'lastro',
        keptBytesLimit: 5_000_000,
      }),
      windows: [{ every: 'hour', from: '2024-01-01', catchUpSpan: 100_000 }],
      silver: { columns: { id: { type: 'long' } }, key: ['id'], deletes: { field: '_op', value: 'delete' } },
    });
    const env = { SOURCE_URL: source.url };
    const statusOf = (own: NodeJS.ProcessEnv) =>
      pipelineStatus({ ...room.deps, env: own, pipelines: [slow] }, slow, []);
    expect(await statusOf(env)).toMatchObject({ hold: null, holdError: null });
    await source.run('INSERT INTO filas VALUES (1)');
    room.setClock('2024-01-01T01:05:00Z');
    await room.run(slow, {}, { env });
    const read = await statusOf(env);
    expect(read.hold).toMatchObject({
      what: 'slot lastro_public_filas',
      limitBytes: 5_000_000,
      state: 'reserved',
    });
    expect(read.hold?.unreadSeconds).toBeGreaterThanOrEqual(0);
    expect(isTroubled(read)).toBe(false);
    expect(await alerts(slow, () => new Date(), env)).toEqual([]);

    await source.run("INSERT INTO filas SELECT n, repeat('x', 1000) FROM generate_series(2, 8000) n");
    const full = await statusOf(env);
    expect(full.hold?.bytes).toBeGreaterThan(5_000_000);
    expect(isTroubled(full)).toBe(true);
    expect(await alerts(slow, () => new Date(), env)).toEqual([
      expect.stringMatching(
        /keeps too much log: slot lastro_public_filas keeps [\d.]+ MB of the source's log \(limit 5.0 MB/,
      ),
    ]);
    const metrics = openMetrics('test');
    watchPipelines(
      { db: database.pool, metrics, clock: () => new Date(), log: console as unknown as Log, env },
      async () => ({ listed: [{ pipeline: slow, file: 'x.ts', own: true }], broken: [] }),
    );
    const text = await metrics.metrics();
    expect(Number(/source_kept_bytes\{[^}]*\} (\d+)/.exec(text)?.[1])).toBeGreaterThan(5_000_000);
    expect(text).toContain('lastro_pipeline_source_unread_seconds{pipeline="filas"');

    // Read, it is forgotten by the source (at its own pace); a source that is away is said, and stops nothing.
    room.setClock('2024-01-01T02:05:00Z');
    await room.run(slow, {}, { env });
    const away = await statusOf({ SOURCE_URL: 'postgres://127.0.0.1:9/x' });
    expect(away.holdError).toContain('ECONNREFUSED');
    expect(away.hold).toBeNull();
  }, 120_000);
});
