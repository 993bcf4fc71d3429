import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type TestLake, testLake } from '../../../test/services/lake.ts';
import { type TestDatabase, testDatabase } from '../../../test/services/postgres.ts';
import { fillQualityTables, qualitySuite } from '../../../test/services/quality-suite.ts';
import { type DuckSession, openDuckDb } from '../../lake/duckdb-session.ts';
import { openDuckDbEngine } from '../../lake/engines/duckdb.ts';
import type { LakeEngine, SqlValue } from '../../lake/engines/engine.ts';
import { openFileCache } from '../../lake/file-cache.ts';
import { transaction } from '../../platform/postgres.ts';
import { failingRowsTable, recordQuality, resultsTable, stageQuality } from './quality-tables.ts';
import { runChecks, stops } from './run-checks.ts';
import { sessionQuery } from './session-query.ts';

let database: TestDatabase;
let lake: TestLake;
let folder: string;
let session: DuckSession;
beforeAll(async () => {
  database = await testDatabase();
  lake = await testLake(database.pool);
  await fillQualityTables(lake);
  folder = await mkdtemp(join(tmpdir(), 'lastro-quality-'));
});
beforeEach(async () => {
  session = await openDuckDb({ temporaryParent: folder });
  return () => session.close();
});
afterAll(async () => {
  await lake.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const openEngine = async (): Promise<LakeEngine> =>
  openDuckDbEngine({
    lake: lake.lake,
    cache: await openFileCache({ store: lake.lake.store, folder: join(lake.folder, 'cache'), maxBytes: 1e9 }),
    limits: { temporaryParent: lake.folder },
  });

qualitySuite('DuckDB', openEngine);

const ask = async (sql: string): Promise<SqlValue[][]> => {
  const engine = await openEngine();
  try {
    return (await Array.fromAsync(engine.query(sql))).flatMap(({ rows }) => [...rows]);
  } finally {
    await engine.close();
  }
};

it('holds checks against rows that are not committed yet', async () => {
  await session.connection.run(
    'CREATE TEMP TABLE lote AS SELECT i AS id, i % 3 AS resto FROM range(10000) t(i)',
  );
  const report = await runChecks(
    { query: sessionQuery(session.connection), clock: () => new Date() },
    {
      table: 'silver.lote',
      relation: 'lote',
      pointer: ['id'],
      checks: [
        { kind: 'accepted_values', column: 'resto', values: ['0', '1'], onFail: 'stop' },
        { kind: 'sql', name: 'errada', sql: 'SELECT 1 FROM nada', onFail: 'stop' },
        { kind: 'unique', columns: ['resto'] },
      ],
      file: join(session.folder, 'failing.ndjson'),
    },
  );
  expect(report.results.map(({ failingRows }) => failingRows)).toEqual([3_333, 0, 10_000]);
  expect(stops(report).map(({ name, outcome }) => [name, outcome])).toEqual([
    ['accepted_values resto', 'fail'],
    ['errada', 'error'],
  ]);
});

it('keeps results and failing rows as tables with their history, each run once, with the caller or not at all', async () => {
  const check = async (runId: string, day: string): Promise<Parameters<typeof recordQuality>[1]> => {
    const report = await runChecks(
      { query: (await openEngine()).query, clock: () => new Date(`${day}T12:00:00Z`) },
      {
        table: 'silver.cotacoes',
        pointer: ['captura_id'],
        checks: [
          { kind: 'not_null', column: 'moeda' },
          { kind: 'row_count', min: 1 },
        ],
        file: join(session.folder, `${runId}.ndjson`),
      },
    );
    return stageQuality({ lake: lake.lake, session }, { runId, pipeline: 'cotacoes' }, report);
  };
  const first = await check('run_1', '2024-01-05');
  const record = (staged: typeof first): Promise<void> =>
    transaction(database.pool, (tx) => recordQuality(lake.lake, staged, tx));
  await record(first);
  await record(first);
  await record(await check('run_1', '2024-01-05'));
  await record(await check('run_2', '2024-02-05'));
  const undone = await check('run_3', '2024-02-06');
  await expect(
    transaction(database.pool, async (tx) => {
      await recordQuality(lake.lake, undone, tx);
      throw new Error('killed before the commit');
    }),
  ).rejects.toThrow('killed');
  expect(
    await ask(
      `SELECT execucao_id, verificacao, resultado, linhas_verificadas, linhas_reprovadas, encontrado FROM ${resultsTable} ORDER BY 1, 2`,
    ),
  ).toEqual([
    ['run_1', 'not_null moeda', 'fail', 6, 1, '1 rows'],
    ['run_1', 'row_count', 'pass', 6, 0, '6'],
    ['run_2', 'not_null moeda', 'fail', 6, 1, '1 rows'],
    ['run_2', 'row_count', 'pass', 6, 0, '6'],
  ]);
  expect(
    await ask(`SELECT execucao_id, tabela, motivo, ponteiro FROM ${failingRowsTable} ORDER BY 1`),
  ).toEqual([
    ['run_1', 'silver.cotacoes', 'expected moeda is there', '{"captura_id":"f"}'],
    ['run_2', 'silver.cotacoes', 'expected moeda is there', '{"captura_id":"f"}'],
  ]);
});
