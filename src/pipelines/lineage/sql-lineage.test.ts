import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DuckSession, openDuckDb } from '../../lake/duckdb-session.ts';
import { type SqlLineage, sqlLineage } from './sql-lineage.ts';

let session: DuckSession;
beforeAll(async () => {
  session = await openDuckDb();
});
afterAll(() => session.close());

const tables: Record<string, string[]> = {
  's.t': ['a', 'b', 'dia', 'k'],
  's.u': ['k', 'z', 'q'],
};

const read = (sql: string): Promise<SqlLineage> =>
  sqlLineage(session.connection, sql, (table) => tables[table]);

/** `{ mes: 's.t.dia TRANSFORMATION' }` */
const columns = async (sql: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    (await read(sql)).columns.map(({ name, origins }) => [
      name,
      origins.map(({ table, column, derivation }) => `${table}.${column} ${derivation}`).join(', '),
    ]),
  );

const influences = async (sql: string): Promise<string[]> =>
  (await read(sql)).influences
    .map(({ table, column, influence }) => `${table}.${column} ${influence}`)
    .sort();

describe('the lineage of SQL', () => {
  it('tells taking over, computing and aggregating apart', async () => {
    expect(
      await columns(
        `SELECT a, T.b AS c, CAST(date_trunc('month', dia) AS DATE) AS mes, sum(a * b) AS soma, count(*), 1 AS um,
                sum(a) OVER (ORDER BY dia) AS ate_aqui, upper(CAST(b AS VARCHAR)) FROM s.t GROUP BY ALL`,
      ),
    ).toEqual({
      a: 's.t.a IDENTITY',
      c: 's.t.b IDENTITY',
      mes: 's.t.dia TRANSFORMATION',
      soma: 's.t.a AGGREGATION, s.t.b AGGREGATION',
      count_star: '',
      um: '',
      ate_aqui: 's.t.a AGGREGATION',
      upper: 's.t.b TRANSFORMATION',
    });
  });

  it('follows joins, USING, subqueries, CTEs, their column names, and unions', async () => {
    expect(
      await columns(`
        WITH m (x, k) AS (SELECT max(z), k FROM s.u GROUP BY 2), n AS (SELECT x + 1 AS y, k FROM m)
        SELECT k, y, s.* FROM n JOIN (SELECT a AS primeiro, k FROM s.t) s USING (k)`),
    ).toEqual({
      // `s.*` gives k again: the last of two columns with one name is the one kept here.
      k: 's.t.k IDENTITY',
      y: 's.u.z AGGREGATION',
      primeiro: 's.t.a IDENTITY',
    });
    expect(await columns('SELECT a FROM s.t UNION ALL SELECT z FROM s.u')).toEqual({
      a: 's.t.a IDENTITY, s.u.z IDENTITY',
    });
    expect(await columns('SELECT a, k FROM s.t UNION ALL BY NAME SELECT z, k FROM s.u')).toEqual({
      a: 's.t.a IDENTITY',
      k: 's.t.k IDENTITY, s.u.k IDENTITY',
      z: 's.u.z IDENTITY',
    });
    expect(
      await columns(
        'WITH RECURSIVE r AS (SELECT a AS n FROM s.t UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r',
      ),
    ).toEqual({ n: 's.t.a TRANSFORMATION' });
  });

  it('expands stars, and columns named from others', async () => {
    expect(await columns('SELECT * EXCLUDE (dia) REPLACE (a + 1 AS a) FROM s.t')).toEqual({
      a: 's.t.a TRANSFORMATION',
      b: 's.t.b IDENTITY',
      k: 's.t.k IDENTITY',
    });
    expect(await columns('SELECT a + 1 AS mais, mais * 2 AS dobro FROM s.t')).toEqual({
      mais: 's.t.a TRANSFORMATION',
      dobro: 's.t.a TRANSFORMATION',
    });
    expect(await columns("SELECT v.p, n FROM (VALUES (1, 'x')) v (p, q), unnest([1]) u (n)")).toEqual({
      p: '',
      n: '',
    });
    expect(await columns('SELECT list_transform([a], x -> x + b) AS l FROM s.t')).toEqual({
      l: 's.t.a TRANSFORMATION, s.t.b TRANSFORMATION',
    });
  });

  it('tells what decides over rows: filters, joins, groups, orders, windows, conditions', async () => {
    expect(
      await influences(`
        SELECT CASE WHEN t.b > 0 THEN a END AS c, row_number() OVER (PARTITION BY dia) AS n, count(*) FILTER (WHERE t.a > 1) AS f
        FROM s.t t JOIN s.u u ON u.k = t.k WHERE t.a > (SELECT max(q) FROM s.u v WHERE v.z = t.b)
        GROUP BY 1 ORDER BY dia`),
    ).toEqual([
      's.t.a CONDITIONAL',
      's.t.a FILTER',
      's.t.a GROUP_BY',
      's.t.b CONDITIONAL',
      's.t.b FILTER',
      's.t.dia SORT',
      's.t.dia WINDOW',
      's.t.k JOIN',
      's.u.k JOIN',
      's.u.q FILTER',
      's.u.z FILTER',
    ]);
  });

  it('takes the only table whose columns are not known for the owner of a name, and says what it could not follow', async () => {
    expect(await columns('SELECT x, t.a FROM s.t t, s.outra o')).toEqual({
      x: 's.outra.x IDENTITY',
      a: 's.t.a IDENTITY',
    });
    const lost = await read('SELECT nada, o.* FROM s.t, s.outra o, s.terceira');
    expect(lost.unresolved).toEqual(['nada', 'o.*']);
    expect(lost.tables).toEqual(['s.t', 's.outra', 's.terceira']);
  });

  it('refuses what is no query over tables', async () => {
    await expect(read("SELECT * FROM read_csv('x')")).rejects.toThrow('not allowed');
    await expect(read('SELECT * FROM sem_nome')).rejects.toThrow('namespace.table');
  });
});
