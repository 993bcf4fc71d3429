import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../../sandbox/sandbox.ts';
import { type PipelineRoom, pipelineRoom } from '../../../test/services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../../../test/services/postgres.ts';
import { startTrinoServer, type TrinoServer } from '../../../test/services/trino-server.ts';
import { formatTableName } from '../../lake/catalog/catalog.ts';
import type { LakeEngine } from '../../lake/engines/engine.ts';
import { openTrinoEngine } from '../../lake/engines/trino.ts';
import { listTables } from '../../lake/tables.ts';
import { loadPipelines } from '../catalogue.ts';
import type { Pipeline } from '../declaration.ts';
import type { PipelineRun } from '../run.ts';
import { openTransport } from '../transport.ts';

let home: string;
let sandbox: Sandbox;
let database: TestDatabase;
let room: PipelineRoom;
let trino: TrinoServer;
let engines: { duckdb: LakeEngine; trino: LakeEngine };
let pipelines: Pipeline[];
const transport = openTransport();

/** From this day, without the limit of requests a second, which is there for the real APIs. */
const from = (pipeline: Pipeline, first: string): Pipeline => {
  if (pipeline.source.kind !== 'http') return pipeline;
  const { rateLimit: _, ...source } = pipeline.source;
  const windows = Array.isArray(pipeline.windows)
    ? pipeline.windows.map((cadence) => ({ ...cadence, from: first }))
    : pipeline.windows;
  return { ...pipeline, source, windows };
};

const apis = { BCB_SGS_URL: 'sgs', BCB_PTAX_URL: 'ptax', IBGE_URL: 'ibge', BRASILAPI_URL: 'brasilapi' };

const runAll = async (at: string, engine: LakeEngine): Promise<PipelineRun[]> => {
  room.setClock(at);
  const env = Object.fromEntries(
    Object.entries(apis).map(([name, api]) => [name, `${sandbox.url}/apis/${api}`]),
  );
  const runs: PipelineRun[] = [];
  for (const pipeline of pipelines)
    runs.push(
      await room.run(pipeline, {}, { send: transport.send, env, pipelines, engine: async () => engine }),
    );
  return runs;
};

const now = '2026-06-24T02:00:00Z';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-gold-peers-'));
  sandbox = await startSandbox({ port: 0, home, companies: 1, clock: () => new Date(now) });
  database = await testDatabase();
  pipelines = (await loadPipelines(undefined)).listed.map(({ pipeline }) =>
    from(pipeline, pipeline.name === 'bcb_ptax' ? '2026-03-20' : '2020-01-01'),
  );
  room = await pipelineRoom(database.pool, { pipelines, at: now });
  const duckdb = await room.deps.engine();
  await runAll(now, duckdb);
  trino = await startTrinoServer(database.url, room.folder);
  engines = { duckdb, trino: openTrinoEngine({ url: trino.url, user: 'ana', catalog: 'lake' }) };
}, 1_800_000);
afterAll(async () => {
  await engines?.trino.close();
  await trino?.stop();
  await room.close();
  await database.drop();
  await transport.close();
  await sandbox.close();
  await rm(home, { recursive: true, force: true });
});

/** An answer as text, row by row, in an order of its own. */
const answer = async (engine: LakeEngine, sql: string): Promise<{ columns: string[]; rows: string[] }> => {
  const batches = await Array.fromAsync(engine.query(sql));
  return {
    columns: (batches[0]?.columns ?? []).map(({ name }) => name),
    rows: batches.flatMap((batch) => batch.rows.map((row) => JSON.stringify(row))).sort(),
  };
};

const same = async (sql: string): Promise<number> => {
  const [here, there] = [await answer(engines.duckdb, sql), await answer(engines.trino, sql)];
  expect(there, sql).toEqual(here);
  return here.rows.length;
};

describe('on a real Trino', () => {
  it('every table of bronze, silver and gold is read as here', async () => {
    const names = (await listTables(room.lake)).map(formatTableName);
    expect(names.filter((name) => name.startsWith('gold.')).length).toBeGreaterThanOrEqual(6);
    for (const name of names) {
      const [namespace = '', table = ''] = name.split('.');
      await same(`SELECT * FROM "${namespace}"."${table}"`);
    }
  });

  it('the SQL of every gold table, and of every check, gives the same rows', async () => {
    let rows = 0;
    for (const { gold = [], checks = [] } of pipelines) {
      for (const { sql } of gold) rows += await same(sql);
      for (const check of checks) if (check.kind === 'sql') await same(check.sql.replace(/;\s*$/, ''));
    }
    expect(rows).toBeGreaterThan(5_000);
  });

  it('an early and a late value by date, in groups, which Trino 368 failed at', () =>
    same(
      'SELECT year(data) AS ano, min_by(venda, data) AS primeira, max_by(venda, data) AS ultima FROM silver.bcb_ptax GROUP BY year(data)',
    ));

  it('gold made by it is gold made here: nothing to commit', async () => {
    await database.pool.query('DELETE FROM pipeline_gold');
    const runs = await runAll('2026-06-24T03:00:00Z', engines.trino);
    const outcomes = runs.flatMap(({ gold }) => gold);
    const wanted = pipelines.flatMap(({ gold = [] }) => gold.map(({ name }) => name));
    expect(
      outcomes
        .filter(({ state }) => state === 'unchanged')
        .map(({ gold }) => gold)
        .sort(),
    ).toEqual(wanted.sort());
  });
});
