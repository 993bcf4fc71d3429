import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, it } from 'vitest';
import type { Condition } from '../predicate.ts';
import type { Schema } from '../schema.ts';
import { findFilters, toPredicate } from './duckdb-filters.ts';
import { parseStatement } from './duckdb-statement.ts';

const connection = await (await DuckDBInstance.create(':memory:')).connect();

const fields: [name: string, type: Schema['fields'][number]['type']][] = [
  ['id', 'long'],
  ['area', 'string'],
  ['dia', 'date'],
  ['criada', 'timestamptz'],
  ['local', 'timestamp'],
  ['valor', 'decimal(12, 2)'],
  ['taxa', 'double'],
  ['dados', { type: 'struct', fields: [{ id: 99, name: 'id', required: false, type: 'long' }] }],
];
const schema: Schema = {
  type: 'struct',
  'schema-id': 0,
  fields: fields.map(([name, type], n) => ({ id: n + 1, name, required: false, type })),
};

/** The conditions of each mention, in the order of the text. */
const pruned = async (sql: string): Promise<Condition[][]> => {
  const { tree, tables } = await parseStatement(connection, sql);
  const filters = findFilters(tree);
  return tables.map(({ node }) => [...toPredicate(filters.get(node) ?? [], schema)]);
};
const where = async (condition: string): Promise<Condition[] | undefined> =>
  (await pruned(`SELECT * FROM n.t WHERE ${condition}`))[0];

describe('conditions that leave files out', () => {
  it('are comparisons of a column with constants of its own type', async () => {
    expect(
      await where("id >= 5 AND 9 > ID AND area IN ('A', 'B') AND valor = 1.5 AND valor < -0.05"),
    ).toEqual([
      { column: 'id', op: '>=', value: 5n },
      { column: 'id', op: '<', value: 9n },
      { column: 'area', op: 'in', values: ['A', 'B'] },
      { column: 'valor', op: '=', value: '1.5' },
      { column: 'valor', op: '<', value: '-0.05' },
    ]);
    expect(
      await where("dia BETWEEN DATE '2026-01-01' AND '2026-01-31' AND id = 9223372036854775807"),
    ).toEqual([
      { column: 'dia', op: '>=', value: '2026-01-01' },
      { column: 'dia', op: '<=', value: '2026-01-31' },
      { column: 'id', op: '=', value: 9223372036854775807n },
    ]);
    expect(
      await where(
        "criada >= TIMESTAMPTZ '2026-01-01 10:00:00-03' AND criada < '2026-02-01' AND criada <> '2026-01-05' AND local > TIMESTAMP '2026-01-01 00:00:00.5'",
      ),
    ).toEqual([
      { column: 'criada', op: '>=', value: '2026-01-01T10:00:00-03:00' },
      { column: 'criada', op: '<', value: '2026-02-01T00:00:00Z' },
      { column: 'local', op: '>', value: '2026-01-01T00:00:00.5' },
    ]);
    expect(await where('taxa <= 3 AND taxa = 2')).toHaveLength(2);
  });

  it.each([
    ['an alternative', 'id = 1 OR id = 2'],
    ['a negation', 'NOT id = 1'],
    ['a cast of the column', "CAST(id AS VARCHAR) = '1'"],
    ['an implicit cast of the column', 'area = 5'],
    ['a fraction against an integer', 'id > 1.5'],
    ['more digits than the column keeps', 'valor = 1.505'],
    ['NaN, which is greater than all bounds', 'taxa > 3'],
    ['a text that is not plainly a date', "dia = '1/2/2026'"],
    ['a time against a date', "dia >= TIMESTAMP '2026-01-01 12:00:00'"],
    ['a zone against a local time', "local >= '2026-01-01 12:00:00-03'"],
    ['a naive type with a zone in its text', "criada >= TIMESTAMP '2026-01-01 12:00:00-03'"],
    ['a null', 'id = NULL'],
    ['another column', 'id = taxa'],
    ['a function', "id = length('x')"],
    ['a field inside a column', 'dados.id = 5'],
    ['a column that the table does not have', 'other = 5'],
    ['a try_cast', "dia = TRY_CAST('2026-01-01' AS DATE)"],
  ])('are not: %s', async (_, condition) => {
    expect(await where(condition)).toEqual([]);
  });

  it('belong to the mention that they name, and to none when in doubt', async () => {
    expect(
      await pruned(
        "SELECT * FROM n.a x JOIN n.b ON x.id = b.id LEFT JOIN n.c AS c ON true WHERE x.id = 1 AND b.id = 2 AND c.id = 3 AND area = 'A'",
      ),
    ).toEqual([
      [{ column: 'id', op: '=', value: 1n }],
      [{ column: 'id', op: '=', value: 2n }],
      [{ column: 'id', op: '=', value: 3n }],
    ]);
    expect(await pruned('SELECT * FROM n.a x, n.b x WHERE x.id = 1')).toEqual([[], []]);
    expect(await pruned('SELECT * FROM n.a, (SELECT 1 AS id) s WHERE id = 1')).toEqual([[]]);
    expect(await pruned('SELECT * FROM n.a x POSITIONAL JOIN n.b y WHERE x.id = 1')).toEqual([[], []]);
    expect(await pruned('SELECT * FROM n.a x ASOF JOIN n.b y ON x.id >= y.id WHERE y.id > 5')).toEqual([
      [],
      [],
    ]);
    expect(await pruned('SELECT * FROM n.a TABLESAMPLE 10 ROWS WHERE id = 1')).toEqual([[]]);
    expect(await pruned('SELECT * FROM n.a t(area, id) WHERE id = 1')).toEqual([[]]);
  });

  it('stay inside their own SELECT: subqueries, CTEs and unions have theirs', async () => {
    expect(
      await pruned(
        'WITH c AS (SELECT * FROM n.a WHERE id = 1) SELECT * FROM c WHERE id = 2 UNION ALL SELECT * FROM n.b WHERE id = 3 AND EXISTS (SELECT 1 FROM n.c WHERE id = 4)',
      ),
    ).toEqual(expect.arrayContaining([1n, 3n, 4n].map((value) => [{ column: 'id', op: '=', value }])));
    expect(await pruned('SELECT * FROM (SELECT * FROM n.a) WHERE id = 1')).toEqual([[]]);
    expect(await pruned('SELECT id, count(*) FROM n.a GROUP BY id HAVING id = 1')).toEqual([[]]);
  });
});
