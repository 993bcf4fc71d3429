import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestLake, testLake } from '../../../test/services/lake.ts';
import { type TestDatabase, testDatabase } from '../../../test/services/postgres.ts';
import { openFileCache } from '../file-cache.ts';
import { changeSchema, loadTable } from '../tables.ts';
import { openDuckDbEngine } from './duckdb.ts';
import {
  type Batch,
  type LakeEngine,
  QueryError,
  type QueryOptions,
  QueryTimeoutError,
  type SqlValue,
} from './engine.ts';

let database: TestDatabase;
let test: TestLake;
let engine: LakeEngine;
beforeAll(async () => {
  database = await testDatabase();
  test = await testLake(database.pool);
  const cache = await openFileCache({
    store: test.lake.store,
    folder: join(test.folder, 'cache'),
    maxBytes: 1e9,
  });
  engine = openDuckDbEngine({
    lake: test.lake,
    cache,
    limits: { temporaryParent: join(test.folder, 'tmp') },
    concurrency: 3,
  });
});
afterAll(async () => {
  await engine.close();
  await test.close();
  await database.drop();
});

const rows = async (sql: string, options?: QueryOptions): Promise<SqlValue[][]> =>
  (await Array.fromAsync(engine.query(sql, options))).flatMap((batch) => [...batch.rows]);
const columns = async (sql: string): Promise<Batch['columns'] | undefined> =>
  (await Array.fromAsync(engine.query(sql)))[0]?.columns;

const ordens = (from: number, to: number): string =>
  `(SELECT i AS ordem_id, 'A' || (i % 3) AS area_id, DATE '2026-01-01' + (i % 60)::INTEGER AS dia,
           TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL (i) HOUR AS criada, (i / 10)::DECIMAL(12, 2) AS valor
    FROM range(${from}, ${to}) t(i))`;

describe('tables of the lake', () => {
  beforeAll(async () => {
    await test.create('desk.ordens', {
      columns: [
        { name: 'ordem_id', type: 'long' },
        { name: 'area_id', type: 'string' },
        { name: 'dia', type: 'date' },
        { name: 'criada', type: 'timestamptz' },
        { name: 'valor', type: 'decimal(12, 2)' },
      ],
      partitionBy: [
        { column: 'dia', transform: 'month' },
        { column: 'area_id', transform: 'identity' },
      ],
    });
    await test.add('desk.ordens', ordens(0, 500));
    await test.add('desk.ordens', ordens(500, 900));
  });

  it('are read by their names alone where these are clear, in one snapshot with mentions in full', async () => {
    expect(await rows("SELECT count(*) FROM ordens WHERE area_id = 'A1'")).toEqual([[300]]);
    expect(
      await rows('WITH c AS (FROM Ordens) SELECT count(*) FROM c JOIN desk.ordens d USING (ordem_id)'),
    ).toEqual([[900]]);
    const { metadata } = await loadTable(test.lake, 'desk.ordens');
    const first = metadata.snapshots[0]?.['snapshot-id'];
    expect(await rows(`SELECT count(*), max(ordens.ordem_id) FROM ordens AT (VERSION => ${first})`)).toEqual([
      [500, 499],
    ]);
    await expect(rows("SELECT * FROM '/etc/passwd'")).rejects.toThrow('found none named /etc/passwd');
  });

  it('are read by their names, whatever the case', async () => {
    expect(await rows('SELECT count(*), sum(valor), min(dia) FROM desk.ordens')).toEqual([
      [900, '40455.00', '2026-01-01'],
    ]);
    expect(await rows("SELECT count(*) FROM Desk.ORDENS t WHERE T.AREA_ID = 'A1'")).toEqual([[300]]);
    expect(await columns('SELECT valor, criada, dia FROM desk.ordens')).toEqual([
      { name: 'valor', type: 'decimal(12, 2)' },
      { name: 'criada', type: 'timestamp(6) with time zone' },
      { name: 'dia', type: 'date' },
    ]);
    expect((await rows('DESCRIBE desk.ordens')).map(([name]) => name)).toEqual([
      'ordem_id',
      'area_id',
      'dia',
      'criada',
      'valor',
    ]);
  });

  it('that are not there are named, with a hint', async () => {
    await expect(rows('SELECT * FROM desk.orden')).rejects.toThrow(
      /found none named desk.orden;.*lastro tables/,
    );
    await expect(rows('SELECT * FROM outro.ordens')).rejects.toThrow(/did you mean desk.ordens\?/);
    await expect(rows('SELECT valr FROM desk.ordens')).rejects.toThrow(/Binder Error.*valr/s);
    await expect(rows('SELECT valr FROM desk.ordens')).rejects.toBeInstanceOf(QueryError);
  });

  it('give the same with files left out as with all of them read', async () => {
    const day = fc
      .integer({ min: 0, max: 70 })
      .map((n) => new Date(Date.UTC(2026, 0, 1 + n)).toISOString().slice(0, 10));
    const op = fc.constantFrom('=', '<', '<=', '>', '>=');
    const condition = fc.oneof(
      fc.tuple(op, fc.integer({ min: -5, max: 905 })).map(([o, n]) => `t.ordem_id ${o} ${n}`),
      fc.tuple(fc.integer({ min: 0, max: 900 }), op).map(([n, o]) => `${n} ${o} t.ordem_id`),
      fc.tuple(op, day).map(([o, d]) => `t.dia ${o} DATE '${d}'`),
      fc.tuple(op, day).map(([o, d]) => `t.dia ${o} '${d}'`),
      fc.tuple(day, day).map(([a, b]) => `t.dia BETWEEN '${a}' AND '${b}'`),
      fc
        .tuple(op, day, fc.integer({ min: 0, max: 23 }))
        .map(([o, d, h]) => `t.criada ${o} '${d} ${String(h).padStart(2, '0')}:30:00-03'`),
      fc.tuple(op, fc.integer({ min: 0, max: 9100 })).map(([o, n]) => `t.valor ${o} ${(n / 100).toFixed(2)}`),
      fc
        .subarray(["'A0'", "'A1'", "'A2'", "'A9'"], { minLength: 1 })
        .map((areas) => `t.area_id IN (${areas.join(', ')})`),
      fc.constantFrom(
        "t.area_id > 'A0'",
        't.area_id IS NULL',
        "t.area_id = 'A1' OR t.ordem_id < 7",
        'NOT t.ordem_id < 450',
        "t.area_id LIKE 'A%'",
      ),
    );
    const shape = fc.constantFrom(
      (where: string) => `SELECT count(*), sum(t.ordem_id) FROM desk.ordens t WHERE ${where}`,
      (where: string) =>
        `SELECT count(*), sum(o.ordem_id), sum(t.ordem_id) FROM desk.ordens o LEFT JOIN desk.ordens t ON o.ordem_id = t.ordem_id + 1 WHERE ${where}`,
      (where: string) =>
        `SELECT count(*), sum(t.valor) FROM desk.ordens t JOIN (SELECT * FROM desk.ordens t WHERE ${where}) s USING (ordem_id)`,
      (where: string) =>
        `SELECT count(*), sum(t.ordem_id) FROM desk.ordens t FULL JOIN desk.ordens u ON t.ordem_id = u.ordem_id + 450 WHERE ${where}`,
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(condition, { minLength: 1, maxLength: 3 }),
        shape,
        async (conditions, query) => {
          // The same condition, which nothing can be read out of: `(c) IS TRUE`.
          const plain = query(conditions.map((each) => `(${each})`).join(' AND '));
          const opaque = query(conditions.map((each) => `((${each}) IS TRUE)`).join(' AND '));
          expect(await rows(plain)).toEqual(await rows(opaque));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('see one snapshot in a query, and older ones with AT', async () => {
    const { metadata } = await loadTable(test.lake, 'desk.ordens');
    const first = metadata.snapshots[0];
    const id = first?.['snapshot-id'] ?? '';
    expect(await rows(`SELECT count(*) FROM desk.ordens AT (VERSION => ${id})`)).toEqual([[500]]);
    expect(
      await rows(`SELECT count(*) FROM desk.ordens AT (VERSION => '${id}') WHERE dia < DATE '2026-02-01'`),
    ).toEqual([[268]]);
    const at = new Date((first?.['timestamp-ms'] ?? 0) + 1).toISOString();
    expect(
      await rows(
        `SELECT count(*), count(v.ordem_id) FROM desk.ordens o LEFT JOIN desk.ordens v AT (TIMESTAMP => '${at}') ON o.ordem_id = v.ordem_id`,
      ),
    ).toEqual([[900, 500]]);
    await expect(rows('SELECT * FROM desk.ordens AT (VERSION => 1)')).rejects.toThrow(/snapshot/);
  });

  it('give old files the columns that were added, renamed and widened since', async () => {
    await test.create('desk.areas', {
      columns: [
        { name: 'area_id', type: 'string' },
        { name: 'numero', type: 'int' },
      ],
    });
    expect(await rows('SELECT count(*), max(numero) FROM desk.areas')).toEqual([[0, null]]);
    await test.add('desk.areas', "(SELECT 'A1' AS area_id, 7 AS numero)");
    await changeSchema(test.lake, 'desk.areas', [
      { rename: 'area_id', to: 'sigla_area' },
      { widen: 'numero', to: 'long' },
      { add: { name: 'area_id', type: 'string' } },
    ]);
    await test.add(
      'desk.areas',
      "(SELECT 'A2' AS sigla_area, 9007199254740993 AS numero, 'novo' AS area_id)",
    );
    expect(await rows('SELECT sigla_area, numero, area_id FROM desk.areas ORDER BY 1')).toEqual([
      ['A1', 7, null],
      ['A2', '9007199254740993', 'novo'],
    ]);
    expect(await rows("SELECT sigla_area FROM desk.areas WHERE area_id = 'A1'")).toEqual([]);
    expect(await rows("SELECT area_id FROM desk.areas WHERE sigla_area = 'A1'")).toEqual([[null]]);
    const { metadata } = await loadTable(test.lake, 'desk.areas');
    const id = metadata.snapshots[0]?.['snapshot-id'] ?? '';
    expect(await rows(`SELECT * FROM desk.areas AT (VERSION => ${id}) WHERE area_id = 'A1'`)).toEqual([
      ['A1', 7],
    ]);
  });
});

describe('a query', () => {
  it('cannot reach the files of another table, nor those of this machine', async () => {
    await writeFile(join(test.folder, 'secret.csv'), 'a\n1\n');
    await expect(rows(`SELECT * FROM read_csv('${test.folder}/secret.csv')`)).rejects.toThrow(QueryError);
    await expect(rows(`SELECT * FROM desk.ordens, '${test.folder}/secret.csv'`)).rejects.toThrow(QueryError);
    await expect(rows(`COPY desk.ordens TO '${test.folder}/stolen.csv'`)).rejects.toThrow(/read-only/);
    expect((await readdir(test.folder)).filter((name) => name.startsWith('stolen'))).toEqual([]);
  });

  const endless = 'SELECT count(*) FROM range(1000000000000) t(i) WHERE i % 7 = 3';

  it('ends on abort, after its time, when its reader leaves, and when the engine closes', async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error('SIGINT')), 50);
    await expect(rows(endless, { signal: abort.signal })).rejects.toThrow('SIGINT');
    await expect(rows(endless, { timeoutMs: 50 })).rejects.toThrow(QueryTimeoutError);
    for await (const batch of engine.query('SELECT i FROM range(1000000000) t(i)')) {
      expect(batch.rows.length).toBeGreaterThan(0);
      break;
    }
    const already = AbortSignal.abort(new Error('before it began'));
    await expect(rows('SELECT 1', { signal: already })).rejects.toThrow('before it began');
    expect(await rows('SELECT 1')).toEqual([[1]]);
    expect(await readdir(join(test.folder, 'tmp'))).toEqual([]);
  });

  it('waits for its turn beyond the queries at once, and gives it up on abort', async () => {
    const abort = new AbortController();
    const running = [1, 2, 3].map(() => rows(endless, { signal: abort.signal }).catch(String));
    const waiting = rows('SELECT 1', { timeoutMs: 100 });
    await expect(waiting).rejects.toThrow(QueryTimeoutError);
    const next = rows('SELECT 2');
    abort.abort(new Error('enough'));
    expect(await Promise.all(running)).toEqual(['Error: enough', 'Error: enough', 'Error: enough']);
    expect(await next).toEqual([[2]]);
  });

  it('that needs more memory and space than it may have fails, and the engine lives', async () => {
    const cache = await openFileCache({
      store: test.lake.store,
      folder: join(test.folder, 'cache'),
      maxBytes: 1e9,
    });
    const small = openDuckDbEngine({
      lake: test.lake,
      cache,
      limits: { memoryLimit: '80MB', maxTemporarySize: '20MB', temporaryParent: join(test.folder, 'tmp') },
    });
    const greedy = "SELECT length(string_agg(md5(i::VARCHAR), '')) FROM range(6000000) t(i)";
    await expect(Array.fromAsync(small.query(greedy))).rejects.toMatchObject({
      name: 'QueryError',
      fault: 'engine',
      message: expect.stringContaining('Out of Memory') as string,
    });
    expect(await Array.fromAsync(small.query('SELECT 1'))).toHaveLength(1);
    await small.close();
  });

  it('that fails among its rows fails, and does not end as if it were over', async () => {
    const late = (what: string): string =>
      `SELECT CASE WHEN i = 500000 THEN ${what} ELSE 'x' END AS a FROM range(1000000) t(i)`;
    await expect(rows(late("error('boom')"))).rejects.toThrow(/boom/);
    await expect(rows(`SELECT a::INTEGER FROM (${late("'y'")})`)).rejects.toThrow(/Conversion Error/);
  });

  it('streams its rows: a limit stops it, and memory does not grow with the answer', async () => {
    const limited = await Array.fromAsync(
      engine.query('SELECT i FROM range(1000000000) t(i)', { maxRows: 3_000 }),
    );
    expect(limited.reduce((sum, batch) => sum + batch.rows.length, 0)).toBe(3_000);
    expect(limited.at(-1)?.truncated).toBe(true);
    expect((await Array.fromAsync(engine.query('SELECT 1', { maxRows: 1 }))).at(-1)?.truncated).toBe(false);
    const before = process.memoryUsage.rss();
    let count = 0;
    for await (const batch of engine.query("SELECT i, 'name ' || i AS name FROM range(1500000) t(i)"))
      count += batch.rows.length;
    expect(count).toBe(1_500_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(500e6);
  });

  it('exports to files that say the same as its rows', async () => {
    const folder = await mkdtemp(join(test.folder, 'export-'));
    const sql =
      "SELECT ordem_id, 9007199254740993 + ordem_id AS grande, valor, criada, dia, [valor, NULL] AS lista, {'b': 'x\"y', 'q': criada} AS s, MAP {'k': valor} AS m, 'NaN'::DOUBLE AS d, 'hi'::BLOB AS bin, NULL AS nada FROM desk.ordens ORDER BY ordem_id; -- the end";
    const wanted = await Array.fromAsync(engine.query(sql));
    const names = wanted[0]?.columns.map(({ name }) => name) ?? [];
    const objects = wanted.flatMap((batch) =>
      batch.rows.map((row) => Object.fromEntries(names.map((name, n) => [name, row[n]]))),
    );
    const ndjson = join(folder, 'a.ndjson');
    expect(await engine.copyTo(sql, { file: ndjson, format: 'ndjson' })).toMatchObject({ rows: 900 });
    const lines = (await readFile(ndjson, 'utf8'))
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    const byId = (a: unknown, b: unknown): number =>
      (a as { ordem_id: number }).ordem_id - (b as { ordem_id: number }).ordem_id;
    expect(lines.toSorted(byId)).toEqual(objects);
    const csv = join(folder, 'a.csv');
    await engine.copyTo(
      "SELECT ordem_id, valor, criada, 'a,\"b' AS t, [valor] AS l FROM desk.ordens WHERE ordem_id = 3",
      { file: csv, format: 'csv' },
    );
    expect(await readFile(csv, 'utf8')).toBe(
      'ordem_id,valor,criada,t,l\n3,0.30,2026-01-01T03:00:00Z,"a,""b","[""0.30""]"\n',
    );
    const parquet = join(folder, 'a.parquet');
    expect((await engine.copyTo(sql, { file: parquet, format: 'parquet' })).bytes).toBeGreaterThan(1_000);
    await expect(
      engine.copyTo("SELECT error('no')", { file: join(folder, 'b.csv'), format: 'csv' }),
    ).rejects.toThrow(QueryError);
    expect((await readdir(folder)).toSorted()).toEqual(['a.csv', 'a.ndjson', 'a.parquet']);
  });
});
