import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDuckDb } from '../../src/lake/duckdb-session.ts';
import {
  type Batch,
  type LakeEngine,
  QueryError,
  type QueryOptions,
  QueryTimeoutError,
  type SqlValue,
} from '../../src/lake/engines/engine.ts';
import type { TestLake } from './lake.ts';

/** SQL that all engines take, each with the one right answer, over the table that `fillSuiteTable` makes. */
export const suiteQueries = {
  groups: 'SELECT area_id, count(*) AS n, sum(valor) AS v FROM desk.suite GROUP BY area_id ORDER BY area_id',
  one: 'SELECT ordem_id, area_id, dia, criada, valor FROM desk.suite WHERE ordem_id = 7',
  values:
    "SELECT 9007199254740993 AS grande, CAST(-1.50 AS DECIMAL(9, 2)) AS d, CAST(NULL AS VARCHAR) AS nada, TRUE AS sim, TIMESTAMP '2026-01-31 10:00:00.123' AS t, DATE '2026-01-31' AS dia, 'ç\"' AS s, CAST(0.5 AS DOUBLE) AS x",
  none: 'SELECT ordem_id FROM desk.suite WHERE ordem_id < 0',
  all: 'SELECT ordem_id FROM desk.suite ORDER BY ordem_id',
  wrong: 'SELECT nada_disso FROM desk.suite',
  given:
    'SELECT ordem_id FROM desk.suite WHERE area_id = ? AND ordem_id < CAST(? AS BIGINT) ORDER BY ordem_id',
};

/** A value that would choose every row if it became a part of the query. */
export const hostileValue = "A1' OR '1' = '1";

export const fillSuiteTable = async (lake: TestLake): Promise<void> => {
  await lake.create('desk.suite', {
    columns: [
      { name: 'ordem_id', type: 'long' },
      { name: 'area_id', type: 'string' },
      { name: 'dia', type: 'date' },
      { name: 'criada', type: 'timestamptz' },
      { name: 'valor', type: 'decimal(12, 2)' },
    ],
    partitionBy: [{ column: 'dia', transform: 'month' }],
  });
  await lake.add(
    'desk.suite',
    `(SELECT i AS ordem_id, 'A' || (i % 3) AS area_id, DATE '2026-01-01' + (i % 60)::INTEGER AS dia,
             TIMESTAMPTZ '2026-01-01 00:00:00.250+00' + INTERVAL (i) HOUR AS criada, (i / 4)::DECIMAL(12, 2) AS valor FROM range(100) t(i))`,
  );
};

/** What every engine must do. `endless` is a query that does not end by itself in the time of a test. */
export const engineSuite = (name: string, open: () => Promise<LakeEngine>, endless: string): void => {
  describe(`the port on ${name}`, () => {
    let engine: LakeEngine;
    let folder: string;
    beforeAll(async () => {
      engine = await open();
      folder = await mkdtemp(join(tmpdir(), 'lastro-suite-'));
    });
    afterAll(async () => {
      await engine.close();
      await rm(folder, { recursive: true, force: true });
    });
    const all = (sql: string, options?: QueryOptions): Promise<Batch[]> =>
      Array.fromAsync(engine.query(sql, options));
    const rows = async (sql: string, options?: QueryOptions): Promise<SqlValue[][]> =>
      (await all(sql, options)).flatMap((batch) => [...batch.rows]);

    it('gives the same values with every digit', async () => {
      expect(await rows(suiteQueries.groups)).toEqual([
        ['A0', 34, '420.75'],
        ['A1', 33, '404.25'],
        ['A2', 33, '412.50'],
      ]);
      expect(await rows(suiteQueries.one)).toEqual([
        [7, 'A1', '2026-01-08', '2026-01-01T07:00:00.250Z', '1.75'],
      ]);
      expect(await rows(suiteQueries.values)).toEqual([
        ['9007199254740993', '-1.50', null, true, '2026-01-31T10:00:00.123', '2026-01-31', 'ç"', 0.5],
      ]);
    });

    it('names and types the columns, also of an empty answer', async () => {
      const [one] = await all(suiteQueries.one);
      expect(one?.columns.map((column) => column.name)).toEqual([
        'ordem_id',
        'area_id',
        'dia',
        'criada',
        'valor',
      ]);
      expect(one?.columns.map((column) => column.type.replace(/timestamp\(\d\)/, 'timestamp'))).toEqual([
        'bigint',
        'varchar',
        'date',
        'timestamp with time zone',
        'decimal(12, 2)',
      ]);
      const none = await all(suiteQueries.none);
      expect(none[0]?.columns).toEqual([{ name: 'ordem_id', type: 'bigint' }]);
      expect(none.flatMap((batch) => [...batch.rows])).toEqual([]);
    });

    it('takes values beside the query, which never become a part of it', async () => {
      expect(await rows(suiteQueries.given, { parameters: ['A1', '6'] })).toEqual([[1], [4]]);
      expect(await rows(suiteQueries.given, { parameters: [hostileValue, '6'] })).toEqual([]);
      const target = { file: join(folder, 'given.ndjson'), format: 'ndjson' } as const;
      expect(await engine.copyTo(suiteQueries.given, target, { parameters: ['A1', '6'] })).toMatchObject({
        rows: 2,
      });
    });

    it('gives every row once, and stops at the limit', async () => {
      expect(await rows(suiteQueries.all)).toEqual(Array.from({ length: 100 }, (_, n) => [n]));
      const limited = await all(suiteQueries.all, { maxRows: 7 });
      expect(limited.flatMap((batch) => [...batch.rows])).toHaveLength(7);
      expect(limited.at(-1)?.truncated).toBe(true);
      expect((await all(suiteQueries.all, { maxRows: 100 })).at(-1)?.truncated).toBe(false);
    });

    it('refuses what is wrong and what is not a query', async () => {
      await expect(rows(suiteQueries.wrong)).rejects.toMatchObject({
        name: 'QueryError',
        fault: 'query',
        message: expect.stringMatching(/nada_disso/i) as string,
      });
      for (const sql of [
        'DELETE FROM desk.suite',
        'INSERT INTO desk.suite VALUES (1)',
        'DROP TABLE desk.suite',
        'CREATE TABLE desk.x AS SELECT 1 AS a',
      ]) {
        await expect(rows(sql)).rejects.toThrow(QueryError);
      }
    });

    it('ends on abort and after its time', async () => {
      const abort = new AbortController();
      setTimeout(() => abort.abort(new Error('SIGTERM')), 100);
      await expect(rows(endless, { signal: abort.signal })).rejects.toThrow('SIGTERM');
      await expect(rows(endless, { timeoutMs: 100 })).rejects.toThrow(QueryTimeoutError);
      expect(await rows(suiteQueries.none)).toEqual([]);
    });

    it('exports to CSV, NDJSON and Parquet', async () => {
      for (const format of ['csv', 'ndjson', 'parquet'] as const) {
        const done = await engine.copyTo(suiteQueries.one, { file: join(folder, `one.${format}`), format });
        expect(done).toEqual({ rows: 1, bytes: (await readFile(join(folder, `one.${format}`))).length });
      }
      expect((await readFile(join(folder, 'one.csv'), 'utf8')).split(/\r?\n/)).toEqual([
        'ordem_id,area_id,dia,criada,valor',
        '7,A1,2026-01-08,2026-01-01T07:00:00.250Z,1.75',
        '',
      ]);
      expect(JSON.parse(await readFile(join(folder, 'one.ndjson'), 'utf8'))).toEqual({
        ordem_id: 7,
        area_id: 'A1',
        dia: '2026-01-08',
        criada: '2026-01-01T07:00:00.250Z',
        valor: '1.75',
      });
      const session = await openDuckDb({ temporaryParent: folder });
      const read = `SELECT ordem_id, area_id, dia::VARCHAR, epoch_ms(criada), valor::VARCHAR, typeof(valor), typeof(criada) FROM '${join(folder, 'one.parquet')}'`;
      expect((await session.connection.runAndReadAll(read)).getRows()).toEqual([
        [
          7n,
          'A1',
          '2026-01-08',
          BigInt(Date.UTC(2026, 0, 1, 7, 0, 0, 250)),
          '1.75',
          'DECIMAL(12,2)',
          'TIMESTAMP WITH TIME ZONE',
        ],
      ]);
      await session.close();
      await expect(
        engine.copyTo(suiteQueries.wrong, { file: join(folder, 'wrong.csv'), format: 'csv' }),
      ).rejects.toThrow(QueryError);
      await expect(readFile(join(folder, 'wrong.csv'))).rejects.toThrow(/ENOENT/);
    });
  });
};
