import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CommandRun, runCommand } from '../../test/services/command-line.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { startTrinoStandIn } from '../../test/services/trino.ts';
import { parseConfig } from '../platform/config.ts';
import { register } from './cli.ts';
import { writeDataFiles } from './data-writer.ts';
import { openDuckDb } from './duckdb-session.ts';
import { openConfiguredLake } from './open-lake.ts';
import { append, createTable, loadTable } from './tables.ts';

let database: TestDatabase;
let home: string;
const snapshots: string[] = [];
beforeAll(async () => {
  database = await testDatabase();
  home = await mkdtemp(join(tmpdir(), 'lastro-lake-cli-'));
  const { lake, close } = await openConfiguredLake({
    config: parseConfig({ LASTRO_HOME: home }),
    pool: database.pool,
  });
  const session = await openDuckDb({ temporaryParent: home });
  await createTable(lake, 'desk.ordens', {
    columns: [
      { name: 'ordem_id', type: 'long' },
      { name: 'dia', type: 'date' },
      { name: 'valor', type: 'decimal(12, 2)' },
    ],
    partitionBy: [{ column: 'dia', transform: 'month' }],
  });
  for (const from of [0, 1_500]) {
    const rows = `(SELECT i AS ordem_id, DATE '2026-01-01' + (i % 40)::INTEGER AS dia, (i / 4)::DECIMAL(12, 2) AS valor FROM range(${from}, ${from + 1_500}) t(i))`;
    const add = await writeDataFiles({ lake, session }, await loadTable(lake, 'desk.ordens'), rows);
    snapshots.push((await append(lake, 'desk.ordens', { add })).snapshotId);
  }
  await session.close();
  await close();
});
afterAll(async () => {
  await rm(home, { recursive: true, force: true });
  await database.drop();
});

const lastro = (
  args: readonly string[],
  more: { stdin?: string; env?: NodeJS.ProcessEnv; signal?: AbortSignal } = {},
): Promise<CommandRun> =>
  runCommand(register, args, { pool: database.pool, ...more, env: { LASTRO_HOME: home, ...more.env } });
const json = async (...args: string[]): Promise<unknown> =>
  JSON.parse((await lastro([...args, '--json'])).stdout);

describe('lastro sql', () => {
  it('answers with a table, JSON or CSV', async () => {
    const query =
      'SELECT dia, count(*) AS n, sum(valor) AS v FROM desk.ordens WHERE ordem_id < 3 GROUP BY ALL ORDER BY dia';
    const table = await lastro(['sql', query]);
    expect(table.stdout.split('\n').slice(0, 3)).toEqual([
      'dia         n     v',
      '──────────  ─  ────',
      '2026-01-01  1  0.00',
    ]);
    expect(table.stderr).toBe('(3 rows)\n');
    expect(await json('sql', query)).toEqual([
      { dia: '2026-01-01', n: 1, v: '0.00' },
      { dia: '2026-01-02', n: 1, v: '0.25' },
      { dia: '2026-01-03', n: 1, v: '0.50' },
    ]);
    expect((await lastro(['sql', '--csv', query])).stdout).toBe(
      'dia,n,v\r\n2026-01-01,1,0.00\r\n2026-01-02,1,0.25\r\n2026-01-03,1,0.50\r\n',
    );
    expect((await lastro(['sql', '-', '--csv'], { stdin: 'SELECT 1 AS um;\n' })).stdout).toBe('um\r\n1\r\n');
  });

  it('shows a thousand rows of a table unless told, and says so', async () => {
    const table = await lastro(['sql', 'SELECT * FROM desk.ordens']);
    expect(table.stdout.split('\n')).toHaveLength(1_003);
    expect(table.stderr).toMatch(/^\(1000 rows, more are left out/);
    expect(await json('sql', 'SELECT * FROM desk.ordens')).toHaveLength(3_000);
    expect(await json('sql', 'SELECT * FROM desk.ordens', '--max-rows', '7')).toHaveLength(7);
  });

  it('writes files', async () => {
    const file = join(home, 'ordens.csv');
    expect(
      (await lastro(['sql', 'SELECT ordem_id FROM desk.ordens WHERE ordem_id = 5', '--output', file])).stderr,
    ).toMatch(/^1 rows, /);
    expect(await readFile(file, 'utf8')).toBe('ordem_id\n5\n');
    await expect(lastro(['sql', 'SELECT 1', '--output', join(home, 'x.xlsx')])).rejects.toMatchObject({
      exitCode: 2,
    });
  });

  it('exits with 2 for a wrong query, 1 for one that could not be answered', async () => {
    await expect(lastro(['sql', 'SELECT valr FROM desk.ordens'])).rejects.toMatchObject({
      name: 'UserError',
      exitCode: 2,
    });
    await expect(lastro(['sql', 'DROP TABLE desk.ordens'])).rejects.toMatchObject({ exitCode: 2 });
    await expect(lastro(['sql', "SELECT * FROM read_text('/etc/passwd')"])).rejects.toMatchObject({
      exitCode: 2,
    });
    await expect(lastro(['sql', 'SELECT * FROM desk.ordens AT (VERSION => 1)'])).rejects.toMatchObject({
      exitCode: 2,
    });
    await expect(lastro(['sql', 'SELECT 1', '--json', '--csv'])).rejects.toMatchObject({ exitCode: 2 });
    const slow = 'SELECT count(*) FROM range(1000000000000) t(i) WHERE i % 7 = 3';
    await expect(lastro(['sql', slow, '--timeout', '0.1'])).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringContaining('0.1 s') as string,
    });
    await expect(lastro(['sql', slow], { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
      exitCode: 1,
      message: 'the query was interrupted',
    });
  });

  it('asks Trino where the settings say so, without a database', async () => {
    const trino = await startTrinoStandIn(() => ({
      columns: [{ name: 'n', type: 'bigint' }],
      pages: ['[[9007199254740993]]'],
    }));
    const env = { SQL_ENGINE: 'trino', TRINO_URL: trino.url };
    expect((await lastro(['sql', 'SELECT n FROM a.b', '--json'], { env })).stdout).toBe(
      '[\n{"n":"9007199254740993"}\n]\n',
    );
    const option = { env: { TRINO_URL: trino.url } };
    expect((await lastro(['sql', '--engine', 'trino', '--csv', 'SELECT n FROM a.b'], option)).stdout).toBe(
      'n\r\n9007199254740993\r\n',
    );
    const parquet = join(home, 'trino.parquet');
    await lastro(['sql', 'SELECT n FROM a.b', '--output', parquet], { env });
    await trino.close();
    const session = await openDuckDb({ temporaryParent: home });
    expect(
      (await session.connection.runAndReadAll(`SELECT n, typeof(n) FROM '${parquet}'`)).getRows(),
    ).toEqual([[9007199254740993n, 'BIGINT']]);
    await session.close();
    await expect(lastro(['sql', 'SELECT 1'], { env: { SQL_ENGINE: 'trino' } })).rejects.toMatchObject({
      exitCode: 2,
    });
    await expect(lastro(['sql', 'SELECT 1'], { env: { SQL_ENGINE: 'oracle' } })).rejects.toMatchObject({
      exitCode: 2,
    });
    await expect(lastro(['sql', '--engine', 'oracle', 'SELECT 1'])).rejects.toThrow(/Allowed choices/);
  });
});

describe('lastro tables and table', () => {
  it('list what is there', async () => {
    expect(await json('tables')).toMatchObject([{ table: 'desk.ordens', rows: 3_000, snapshots: 2 }]);
    expect((await lastro(['tables'])).stdout).toMatch(/desk\.ordens +3000/);
    expect((await lastro(['tables', 'nothing'])).stderr).toBe('(no tables)\n');
  });

  it('show one in full', async () => {
    expect(await json('table', 'desk.ordens')).toMatchObject({
      name: 'desk.ordens',
      rows: 3_000,
      files: 4,
      schema: [
        { name: 'ordem_id', type: 'long' },
        { name: 'dia', type: 'date' },
        { name: 'valor', type: 'decimal(12, 2)' },
      ],
      partitionBy: ['month(dia)'],
      partitions: [
        { partition: 'dia_month=2026-01', files: 2 },
        { partition: 'dia_month=2026-02', files: 2 },
      ],
      snapshots: [
        { id: snapshots[0], rows: 1_500 },
        { id: snapshots[1], rows: 3_000, addedRows: 1_500 },
      ],
    });
    const { stdout } = await lastro(['table', 'desk.ordens']);
    for (const part of ['Columns', 'Partitions', 'Snapshots', 'month(dia)', String(snapshots[1])])
      expect(stdout).toContain(part);
    await expect(lastro(['table', 'desk.outra'])).rejects.toMatchObject({ exitCode: 1 });
    await expect(lastro(['table', 'ordens'])).rejects.toMatchObject({ exitCode: 2 });
  });

  it('are kept in order: rollback, compact, expire, orphans', async () => {
    const count = async (): Promise<unknown> =>
      json('sql', 'SELECT count(*) AS n, sum(ordem_id) AS s FROM desk.ordens');
    expect(await json('table', 'rollback', 'desk.ordens', '--to', snapshots[0] ?? '')).toEqual({
      from: snapshots[1],
      to: snapshots[0],
    });
    expect(await count()).toEqual([{ n: 1_500, s: 1_124_250 }]);
    await expect(lastro(['table', 'rollback', 'desk.ordens', '--to', '1'])).rejects.toMatchObject({
      exitCode: 2,
    });
    // The later snapshot is still there, but not on the table's line any more.
    await expect(
      lastro(['table', 'rollback', 'desk.ordens', '--to', snapshots[1] ?? '']),
    ).rejects.toMatchObject({ exitCode: 2 });
    const session = await openDuckDb({ temporaryParent: home });
    const { lake, close } = await openConfiguredLake({
      config: parseConfig({ LASTRO_HOME: home }),
      pool: database.pool,
    });
    const again = await writeDataFiles(
      { lake, session },
      await loadTable(lake, 'desk.ordens'),
      "(SELECT 1500 AS ordem_id, DATE '2026-01-01' AS dia, 1.00::DECIMAL(12, 2) AS valor)",
    );
    await append(lake, 'desk.ordens', { add: again });
    await session.close();
    await close();
    expect(await json('table', 'compact', 'desk.ordens')).toMatchObject({
      filesBefore: 2,
      filesAfter: 1,
      partitions: 1,
    });
    expect(await count()).toEqual([{ n: 1_501, s: 1_125_750 }]);
    expect((await lastro(['table', 'compact', 'desk.ordens'])).stdout).toBe('nothing to join\n');
    expect(await json('table', 'expire', 'desk.ordens', '--older-than', '2999-01-01')).toMatchObject({
      snapshots: 3,
    });
    expect(await count()).toEqual([{ n: 1_501, s: 1_125_750 }]);
    expect(await json('table', 'orphans', 'desk.ordens', '--dry-run')).toMatchObject({ files: 0 });
    await expect(lastro(['table', 'orphans', 'desk.ordens', '--older-than', '5m'])).rejects.toMatchObject({
      exitCode: 2,
    });
    await expect(lastro(['table', 'expire', 'desk.ordens', '--older-than', 'soon'])).rejects.toMatchObject({
      exitCode: 2,
    });
  });
});
