import { afterAll, beforeAll, expect, it } from 'vitest';
import { engineSuite, fillSuiteTable } from '../../../test/services/engine-suite.ts';
import { type TestLake, testLake } from '../../../test/services/lake.ts';
import { type TestDatabase, testDatabase } from '../../../test/services/postgres.ts';
import { startTrinoServer, type TrinoServer } from '../../../test/services/trino-server.ts';
import { changeSchema } from '../tables.ts';
import { openTrinoEngine } from './trino.ts';

let database: TestDatabase;
let lake: TestLake;
let trino: TrinoServer;
beforeAll(async () => {
  database = await testDatabase();
  lake = await testLake(database.pool);
  await fillSuiteTable(lake);
  trino = await startTrinoServer(database.url, lake.folder);
}, 1_800_000);
afterAll(async () => {
  await trino.stop();
  await lake.close();
  await database.drop();
});

const open = async (): Promise<ReturnType<typeof openTrinoEngine>> =>
  openTrinoEngine({ url: trino.url, user: 'ana', catalog: 'lake' });

engineSuite(
  'a real Trino, over tables that this lake wrote',
  open,
  'SELECT count(*) AS n FROM UNNEST(sequence(1, 10000)) a (x), UNNEST(sequence(1, 10000)) b (y), UNNEST(sequence(1, 10000)) c (z) WHERE x * y * z % 7 = 3',
);

it('Trino sends every kind of value as the client expects', async () => {
  const engine = await open();
  const sql =
    "SELECT nan() x, -infinity() i, TIMESTAMP '2026-01-31 10:00:00.5 America/Sao_Paulo' tz, TIME '10:00:00.5' tm, X'6869' bin, ARRAY[1, NULL] a, MAP(ARRAY['k'], ARRAY[9007199254740993]) m, CAST(ROW(1, 'x') AS ROW(a bigint, b varchar)) r, JSON '{\"a\":1}' j, NULL nu, DECIMAL '123456789012345678901234567890.12' d, MAP(ARRAY[1], ARRAY['v']) mi";
  const rows = (await Array.fromAsync(engine.query(sql))).flatMap((batch) => [...batch.rows]);
  expect(rows).toEqual([
    [
      'NaN',
      '-Infinity',
      '2026-01-31T13:00:00.500Z',
      '10:00:00.5',
      'aGk=',
      [1, null],
      { k: '9007199254740993' },
      { a: 1, b: 'x' },
      '{"a":1}',
      null,
      '123456789012345678901234567890.12',
      { 1: 'v' },
    ],
  ]);
  await engine.close();
});

it('Trino reads what this lake evolved: renamed, widened and added columns', async () => {
  await lake.create('desk.evolved', {
    columns: [
      { name: 'a', type: 'int' },
      { name: 'b', type: 'string' },
    ],
  });
  await lake.add('desk.evolved', "(SELECT 1::INTEGER AS a, 'x' AS b)");
  await changeSchema(lake.lake, 'desk.evolved', [
    { rename: 'b', to: 'c' },
    { widen: 'a', to: 'long' },
    { add: { name: 'b', type: 'string' } },
  ]);
  await lake.add('desk.evolved', "(SELECT 9007199254740993 AS a, 'y' AS c, 'z' AS b)");
  const engine = await open();
  const rows = (await Array.fromAsync(engine.query('SELECT a, c, b FROM desk.evolved ORDER BY a'))).flatMap(
    (batch) => [...batch.rows],
  );
  expect(rows).toEqual([
    [1, 'x', null],
    ['9007199254740993', 'y', 'z'],
  ]);
  await engine.close();
});
