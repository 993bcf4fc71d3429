import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand } from '../../test/services/command-line.ts';
import { type TestLake, testLake } from '../../test/services/lake.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { parseConfig } from '../platform/config.ts';
import { register } from './cli.ts';
import { writeDataFiles } from './data-writer.ts';
import { allRows, openDuckDb } from './duckdb-session.ts';
import { openFileCache } from './file-cache.ts';
import { hiveLocation, hiveStatements, setHiveManifests, writeHiveManifests } from './hive-manifests.ts';
import { openConfiguredLake } from './open-lake.ts';
import { compactTable } from './rewrite.ts';
import { append, createTable, loadTable } from './tables.ts';

let database: TestDatabase;
let test: TestLake;
beforeAll(async () => {
  database = await testDatabase();
  test = await testLake(database.pool);
});
afterAll(async () => {
  await test.close();
  await database.drop();
});

const name = 'desk.ordens';
const rows = (from: number, to: number): string =>
  `(SELECT i AS ordem_id, CASE WHEN i % 3 = 0 THEN NULL ELSE 'A ' || (i % 3) END AS area_id,
           DATE '2026-01-31' + (i % 2)::INTEGER AS dia FROM range(${from}, ${to}) t(i))`;

const manifests = async (): Promise<Map<string, string[]>> => {
  const found = new Map<string, string[]>();
  for await (const { key } of test.lake.store.list('hive/')) {
    const text = (await (await test.lake.store.get(key)).bytes()).toString();
    found.set(key, text.trim().split('\n'));
  }
  return found;
};

const countOf = async (locations: readonly string[]): Promise<unknown> => {
  const session = await openDuckDb();
  const list = locations.map((each) => `'${each.slice('file://'.length)}'`).join(', ');
  const [row] = await allRows(session.connection, `SELECT count(*) AS n FROM read_parquet([${list}])`);
  await session.close();
  return Number(row?.n);
};

it('names the live files of each partition, also after a compaction, and no others', async () => {
  await test.create(name, {
    columns: [
      { name: 'ordem_id', type: 'long' },
      { name: 'area_id', type: 'string' },
      { name: 'dia', type: 'date' },
    ],
    partitionBy: [
      { column: 'dia', transform: 'month' },
      { column: 'area_id', transform: 'identity' },
    ],
  });
  await test.add(name, rows(0, 30));
  const table = await setHiveManifests(test.lake, await loadTable(test.lake, name), true);
  const first = await manifests();
  expect([...first.keys()].sort()).toEqual([
    'hive/desk/ordens/dia_month=2026-01/area_id=A%201/manifest',
    'hive/desk/ordens/dia_month=2026-01/area_id=A%202/manifest',
    'hive/desk/ordens/dia_month=2026-01/area_id=__HIVE_DEFAULT_PARTITION__/manifest',
    'hive/desk/ordens/dia_month=2026-02/area_id=A%201/manifest',
    'hive/desk/ordens/dia_month=2026-02/area_id=A%202/manifest',
    'hive/desk/ordens/dia_month=2026-02/area_id=__HIVE_DEFAULT_PARTITION__/manifest',
  ]);
  expect(await countOf([...first.values()].flat())).toBe(30);
  expect(await writeHiveManifests(test.lake, table)).toEqual({ partitions: 6, written: 0, removed: 0 });

  await test.add(name, rows(30, 50));
  const files = await openFileCache({
    store: test.lake.store,
    folder: join(test.folder, 'c'),
    maxBytes: 1e9,
  });
  const session = await openDuckDb();
  await compactTable({ lake: test.lake, session, files }, name);
  await session.close();
  const compacted = await loadTable(test.lake, name);
  expect((await writeHiveManifests(test.lake, compacted)).written).toBe(6);
  const live = [...(await manifests()).values()].flat();
  expect(live).toHaveLength(6);
  expect(await countOf(live)).toBe(50);

  expect(hiveStatements(test.lake, compacted)).toBe(`CREATE EXTERNAL TABLE \`desk\`.\`ordens_hive\` (
  \`ordem_id\` bigint,
  \`dia\` date
)
PARTITIONED BY (\`dia_month\` string, \`area_id\` string)
ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION '${hiveLocation(test.lake, compacted)}';
MSCK REPAIR TABLE \`desk\`.\`ordens_hive\`;
`);
  await setHiveManifests(test.lake, compacted, false);
  expect(await manifests()).toEqual(new Map());
});

it('follows the commits of the commands that make them', async () => {
  const env = { LASTRO_HOME: join(test.folder, 'home') };
  const open = () => openConfiguredLake({ config: parseConfig(env), pool: database.pool });
  const made = await open();
  await createTable(made.lake, 'desk.plain', { columns: [{ name: 'n', type: 'long' }] });
  await made.close();
  const run = { pool: database.pool, env };
  const { stdout } = await runCommand(register, ['table', 'hive', 'desk.plain'], run);
  expect(stdout).toContain('CREATE EXTERNAL TABLE `desk`.`plain_hive`');
  const again = await open();
  const session = await openDuckDb();
  const plain = await loadTable(again.lake, 'desk.plain');
  const add = await writeDataFiles({ lake: again.lake, session }, plain, '(SELECT 1::BIGINT AS n)');
  await append(again.lake, 'desk.plain', { add });
  await session.close();
  await again.close();
  const manifest = await readFile(join(env.LASTRO_HOME, 'store/hive/desk/plain/manifest'), 'utf8');
  expect(await countOf(manifest.trim().split('\n'))).toBe(1);
  await runCommand(register, ['table', 'hive', 'desk.plain', '--off'], run);
  await expect(readFile(join(env.LASTRO_HOME, 'store/hive/desk/plain/manifest'))).rejects.toThrow('ENOENT');
});
