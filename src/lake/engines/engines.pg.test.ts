import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type AthenaAnswer, type AthenaStandIn, startAthenaStandIn } from '../../../test/services/athena.ts';
import {
  engineSuite,
  fillSuiteTable,
  hostileValue,
  suiteQueries,
} from '../../../test/services/engine-suite.ts';
import { type TestLake, testLake } from '../../../test/services/lake.ts';
import { type TestDatabase, testDatabase } from '../../../test/services/postgres.ts';
import { startTrinoStandIn, type TrinoAnswer, type TrinoStandIn } from '../../../test/services/trino.ts';
import { openFileCache } from '../file-cache.ts';
import { openAthenaEngine } from './athena.ts';
import { openDuckDbEngine } from './duckdb.ts';
import { openTrinoEngine } from './trino.ts';

let database: TestDatabase;
let lake: TestLake;
let trino: TrinoStandIn;
let athena: AthenaStandIn;
beforeAll(async () => {
  database = await testDatabase();
  lake = await testLake(database.pool);
  await fillSuiteTable(lake);
  trino = await startTrinoStandIn(
    (sql) =>
      trinoAnswers[sql] ?? {
        error: {
          message: `not recorded: ${sql}`,
          errorName: 'NOT_RECORDED',
          errorCode: 1,
          errorType: 'INTERNAL_ERROR',
        },
      },
  );
  athena = await startAthenaStandIn((sql, { parameters }) => {
    const key = [sql, ...parameters].join(' ');
    return athenaAnswers[key] ?? { failure: `not recorded: ${key}` };
  });
});
afterAll(async () => {
  await trino.close();
  await athena.close();
  await lake.close();
  await database.drop();
});

const endless = 'SELECT count(*) AS n FROM endless';
const pagesOf = (rows: readonly string[]): string[] =>
  Array.from(
    { length: Math.ceil(rows.length / 32) },
    (_, n) => `[${rows.slice(n * 32, n * 32 + 32).join(',')}]`,
  );
const numbers = Array.from({ length: 100 }, (_, n) => n);

const hostileLiteral = `'${hostileValue.replaceAll("'", "''")}'`;

// Columns and rows as Trino sent them for the same table (engines.peers.test.ts asks a real one).
const trinoAnswers: Record<string, TrinoAnswer> = {
  [suiteQueries.groups]: {
    columns: [
      { name: 'area_id', type: 'varchar' },
      { name: 'n', type: 'bigint' },
      { name: 'v', type: 'decimal(38, 2)' },
    ],
    pages: ['[["A0",34,"420.75"],["A1",33,"404.25"],["A2",33,"412.50"]]'],
  },
  [suiteQueries.one]: {
    columns: [
      { name: 'ordem_id', type: 'bigint' },
      { name: 'area_id', type: 'varchar' },
      { name: 'dia', type: 'date' },
      { name: 'criada', type: 'timestamp(6) with time zone' },
      { name: 'valor', type: 'decimal(12, 2)' },
    ],
    pages: ['[[7,"A1","2026-01-08","2026-01-01 07:00:00.250000 UTC","1.75"]]'],
  },
  [suiteQueries.values]: {
    columns: [
      { name: 'grande', type: 'bigint' },
      { name: 'd', type: 'decimal(9, 2)' },
      { name: 'nada', type: 'varchar' },
      { name: 'sim', type: 'boolean' },
      { name: 't', type: 'timestamp(3)' },
      { name: 'dia', type: 'date' },
      { name: 's', type: 'varchar(2)' },
      { name: 'x', type: 'double' },
    ],
    pages: ['[[9007199254740993,"-1.50",null,true,"2026-01-31 10:00:00.123","2026-01-31","ç\\"",0.5]]'],
  },
  [suiteQueries.none]: { columns: [{ name: 'ordem_id', type: 'bigint' }] },
  [suiteQueries.all]: {
    columns: [{ name: 'ordem_id', type: 'bigint' }],
    pages: pagesOf(numbers.map((n) => `[${n}]`)),
  },
  [suiteQueries.wrong]: {
    error: {
      message: "line 1:8: Column 'nada_disso' cannot be resolved",
      errorName: 'COLUMN_NOT_FOUND',
      errorCode: 47,
      errorType: 'USER_ERROR',
    },
  },
  [`EXECUTE IMMEDIATE '${suiteQueries.given}' USING 'A1', '6'`]: {
    columns: [{ name: 'ordem_id', type: 'bigint' }],
    pages: ['[[1],[4]]'],
  },
  [`EXECUTE IMMEDIATE '${suiteQueries.given}' USING ${hostileLiteral}, '6'`]: {
    columns: [{ name: 'ordem_id', type: 'bigint' }],
  },
  [endless]: { columns: [{ name: 'n', type: 'bigint' }], endless: true },
};

// Athena cannot be had outside AWS: its answers are written after its documentation, not recorded.
const athenaAnswers: Record<string, AthenaAnswer> = {
  [suiteQueries.groups]: {
    columns: [
      { name: 'area_id', type: 'varchar' },
      { name: 'n', type: 'bigint' },
      { name: 'v', type: 'decimal', precision: 38, scale: 2 },
    ],
    rows: [
      ['A0', '34', '420.75'],
      ['A1', '33', '404.25'],
      ['A2', '33', '412.50'],
    ],
  },
  [suiteQueries.one]: {
    columns: [
      { name: 'ordem_id', type: 'bigint' },
      { name: 'area_id', type: 'varchar' },
      { name: 'dia', type: 'date' },
      { name: 'criada', type: 'timestamp with time zone' },
      { name: 'valor', type: 'decimal', precision: 12, scale: 2 },
    ],
    rows: [['7', 'A1', '2026-01-08', '2026-01-01 07:00:00.250000 UTC', '1.75']],
  },
  [suiteQueries.values]: {
    columns: ['bigint', 'decimal', 'varchar', 'boolean', 'timestamp', 'date', 'varchar', 'double'].map(
      (type, n) => ({
        name: ['grande', 'd', 'nada', 'sim', 't', 'dia', 's', 'x'][n] ?? '',
        type,
        precision: 9,
        scale: 2,
      }),
    ),
    rows: [['9007199254740993', '-1.50', null, 'true', '2026-01-31 10:00:00.123', '2026-01-31', 'ç"', '0.5']],
  },
  [suiteQueries.none]: { columns: [{ name: 'ordem_id', type: 'bigint' }], rows: [] },
  [suiteQueries.all]: {
    columns: [{ name: 'ordem_id', type: 'bigint' }],
    rows: numbers.map((n) => [String(n)]),
    pageSize: 32,
  },
  [suiteQueries.wrong]: {
    failure: "COLUMN_NOT_FOUND: line 1:8: Column 'nada_disso' cannot be resolved",
    failureCategory: 2,
  },
  [`${suiteQueries.given} 'A1' '6'`]: {
    columns: [{ name: 'ordem_id', type: 'bigint' }],
    rows: [['1'], ['4']],
  },
  [`${suiteQueries.given} ${hostileLiteral} '6'`]: {
    columns: [{ name: 'ordem_id', type: 'bigint' }],
    rows: [],
  },
  [endless]: { columns: [{ name: 'n', type: 'bigint' }], running: Infinity },
};

engineSuite(
  'DuckDB',
  async () =>
    openDuckDbEngine({
      lake: lake.lake,
      cache: await openFileCache({
        store: lake.lake.store,
        folder: join(lake.folder, 'cache'),
        maxBytes: 1e9,
      }),
      limits: { temporaryParent: lake.folder },
    }),
  'SELECT count(*) AS n FROM range(1000000000000) t(i) WHERE i % 7 = 3',
);
engineSuite(
  'Trino, played',
  async () => openTrinoEngine({ url: trino.url, user: 'ana', catalog: 'lake' }),
  endless,
);
engineSuite(
  'Athena, played',
  async () =>
    openAthenaEngine({
      client: {
        region: 'sa-east-1',
        endpoint: athena.url,
        credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      },
      workGroup: 'lastro',
      pollMs: 5,
    }),
  endless,
);
