import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand } from '../../test/services/command-line.ts';
import { type TestLake, testLake } from '../../test/services/lake.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { parseConfig } from '../platform/config.ts';
import { openJobs } from '../platform/jobs.ts';
import { silentLog } from '../platform/log.ts';
import { transaction } from '../platform/postgres.ts';
import { register } from './cli.ts';
import { writeDataFiles } from './data-writer.ts';
import { allRows, openDuckDb } from './duckdb-session.ts';
import { openFileCache } from './file-cache.ts';
import {
  hiveLocation,
  hiveStatements,
  openHivePublisher,
  setHiveManifests,
  writeHiveManifests,
} from './hive-manifests.ts';
import { lakeQueues, workOnLake } from './jobs.ts';
import { openConfiguredLake } from './open-lake.ts';
import { compactTable } from './rewrite.ts';
import { append, createTable, type Lake, loadTable } from './tables.ts';

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

/** Makes a table of one column whose manifests are kept, with a row. */
const keptTable = async (lake: Lake, table: string): Promise<void> => {
  await createTable(lake, table, { columns: [{ name: 'n', type: 'long' }] });
  await setHiveManifests(lake, await loadTable(lake, table), true);
};

const addRow = async (lake: Lake, table: string): Promise<void> => {
  const session = await openDuckDb();
  const add = await writeDataFiles(
    { lake, session },
    await loadTable(lake, table),
    '(SELECT 1::BIGINT AS n)',
  );
  await append(lake, table, { add });
  await session.close();
};

const rowsShown = async (lake: Lake, key: string): Promise<unknown> => {
  const text = (await (await lake.store.get(key)).bytes()).toString().trim();
  return text === '' ? 0 : countOf(text.split('\n'));
};

it('are written by a worker each minute: after its own commits, those of others, and of commands that were killed', async () => {
  const env = { LASTRO_HOME: join(test.folder, 'minutes') };
  const open = () => openConfiguredLake({ config: parseConfig(env), pool: database.pool });
  const queues = lakeQueues.map((queue) => ({ ...queue }));
  const jobs = await openJobs({ url: database.url, queues, works: true, log: silentLog() });
  const kept = await open();
  const worker = await workOnLake({ jobs, log: silentLog(), openLake: async () => kept });
  const minute = () =>
    transaction(database.pool, async (tx) => {
      for (const queue of queues) await jobs.enqueue(tx, queue, {});
    });
  const shown = () => rowsShown(kept.lake, 'hive/desk/minutes/manifest');
  await keptTable(kept.lake, 'desk.minutes');
  await addRow(kept.lake, 'desk.minutes');
  await minute();
  await expect.poll(shown, { timeout: 30_000 }).toBe(1);
  // A process that dies never closes its lake.
  const killed = await open();
  await addRow(killed.lake, 'desk.minutes');
  await minute();
  await expect.poll(shown, { timeout: 30_000 }).toBe(2);
  await jobs.close();
  await worker.close();
}, 90_000);

it('are never left older than their table, however many publish at once, and one failure does not stop the others', async () => {
  await keptTable(test.lake, 'desk.busy');
  const table = { namespace: 'desk', name: 'busy' };
  const publishers = Array.from({ length: 4 }, () => openHivePublisher(test.lake));
  for (let round = 1; round <= 5; round++) {
    const early = publishers.map(({ publish }) => publish([table]));
    await addRow(test.lake, 'desk.busy');
    await Promise.all([...early, ...publishers.map(({ publish }) => publish([table]))]);
    expect(await rowsShown(test.lake, 'hive/desk/busy/manifest')).toBe(round);
  }
  await keptTable(test.lake, 'desk.full');
  await addRow(test.lake, 'desk.full');
  await addRow(test.lake, 'desk.busy');
  const { store } = test.lake;
  const put: typeof store.put = async (key, ...rest) => {
    if (key.startsWith('hive/desk/full/')) throw new Error('no space left');
    return store.put(key, ...rest);
  };
  const failing = openHivePublisher({ ...test.lake, store: { ...store, put } });
  const both = [{ namespace: 'desk', name: 'full' }, table];
  await expect(failing.publish(both)).rejects.toThrow('no space left');
  expect(await rowsShown(test.lake, 'hive/desk/busy/manifest')).toBe(6);
  // What is known to be shown costs no reading before the table changes.
  const asked: string[] = [];
  const counting = openHivePublisher({
    ...test.lake,
    store: {
      ...store,
      get: (key, options) => {
        asked.push(key);
        return store.get(key, options);
      },
    },
  });
  await counting.publish([table]);
  expect(asked.length).toBeGreaterThan(0);
  asked.splice(0);
  await counting.publish([table]);
  expect(asked).toEqual([]);
}, 60_000);
