import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openMemoryStore } from '../platform/store/memory.ts';
import type { DataFile } from './data-file.ts';
import { writeDataFiles } from './data-writer.ts';
import { allRows, type DuckSession, openDuckDb } from './duckdb-session.ts';
import { specColumns } from './manifests.ts';
import { bindPredicate, type Condition, type Predicate, predicateSql } from './predicate.ts';
import { fileMayMatch } from './pruning.ts';
import { newTableMetadata } from './table-definition.ts';
import type { Table } from './tables.ts';

const { store } = openMemoryStore();
let session: DuckSession;
beforeAll(async () => {
  session = await openDuckDb();
});
afterAll(() => session.close());

const metadata = newTableMetadata(
  {
    columns: [
      { name: 'i', type: 'int' },
      { name: 'd', type: 'double' },
      { name: 's', type: 'string' },
      { name: 'm', type: 'decimal(9,2)' },
      { name: 'day', type: 'date' },
      { name: 'tz', type: 'timestamptz' },
      { name: 'b', type: 'boolean' },
    ],
    partitionBy: [
      { column: 'i', transform: 'truncate[10]', name: 'p_i' },
      { column: 's', transform: 'truncate[2]', name: 'p_s' },
      { column: 'm', transform: 'bucket[3]', name: 'p_m' },
      { column: 'day', transform: 'month', name: 'p_day' },
      { column: 'tz', transform: 'hour', name: 'p_tz' },
      { column: 'd', transform: 'identity', name: 'p_d' },
    ],
  },
  'memory:/t',
  new Date(0),
);
/** The same columns unpartitioned: there the bounds alone decide. */
const flat = { ...metadata, 'partition-specs': [{ 'spec-id': 0, fields: [] }] };

// Few and near values, so that comparisons hit, miss and touch.
const values = {
  i: ['-11', '-10', '-1', '0', '9', '10', '25'],
  d: ['-0.0', '0.0', '1.5', '-1.5', 'nan', 'infinity', '1e300'],
  s: ['', 'a', 'ab', 'ab😀', 'abc', 'área', `${'a'.repeat(16)}b`, 'a'.repeat(20)],
  m: ['-0.01', '0.00', '0.01', '1234567.89', '-5.00'],
  day: ['1969-12-31', '1970-01-01', '2026-11-30', '2026-12-01'],
  tz: ['1969-12-31T23:59:59.999999Z', '1970-01-01T00:00:00Z', '2026-11-22T12:59:59Z', '2026-11-22T13:00:00Z'],
  b: ['true', 'false'],
} as const;
type Name = keyof typeof values;
const names = Object.keys(values) as Name[];

const row = fc.record(
  Object.fromEntries(names.map((name) => [name, fc.option(fc.constantFrom(...values[name]), { freq: 5 })])),
);

const literal = (name: Name): fc.Arbitrary<string | boolean> =>
  name === 'b'
    ? fc.boolean()
    : fc.constantFrom(...values[name].filter((text) => text !== 'nan' && text !== 'infinity'));

const condition: fc.Arbitrary<Condition> = fc.constantFrom(...names).chain((column) => {
  const compared = fc.record({
    column: fc.constant(column),
    op: fc.constantFrom(
      '=' as const,
      '!=' as const,
      '<' as const,
      '<=' as const,
      '>' as const,
      '>=' as const,
    ),
    value: literal(column),
  });
  const listed = fc.record({
    column: fc.constant(column),
    op: fc.constant('in' as const),
    values: fc.array(literal(column), { maxLength: 3 }),
  });
  const nulls = fc.record({
    column: fc.constant(column),
    op: fc.constantFrom('is null' as const, 'is not null' as const),
  });
  const prefix = fc.record({
    column: fc.constant('s'),
    op: fc.constant('starts with' as const),
    value: fc.constantFrom('', 'a', 'ab', 'ab😀', 'b', 'á', 'a'.repeat(17)),
  });
  return fc.oneof(compared, compared, listed, nulls, prefix);
});

const rowsSql = (rows: readonly Record<string, string | null | undefined>[]): string => {
  const types: Record<Name, string> = {
    i: 'INTEGER',
    d: 'DOUBLE',
    s: 'VARCHAR',
    m: 'DECIMAL(9,2)',
    day: 'DATE',
    tz: 'TIMESTAMPTZ',
    b: 'BOOLEAN',
  };
  const selects = rows.map(
    (each) =>
      `SELECT ${names.map((name) => `CAST(${each[name] === null || each[name] === undefined ? 'NULL' : `'${each[name]}'`} AS ${types[name]}) AS ${name}`).join(', ')}`,
  );
  return `(${selects.join(' UNION ALL ')})`;
};

describe('leaving files out', () => {
  it('never leaves out a file that has a matching row, by bounds or by partition', async () => {
    let left = 0;
    const check = async (
      rows: Record<string, string | null>[],
      predicates: Predicate[],
      shape: typeof metadata,
    ): Promise<void> => {
      const table: Table = {
        name: { namespace: 'a', name: 'b' },
        metadata: shape,
        metadataLocation: 'memory:/t/m',
      };
      const files: DataFile[] = await writeDataFiles({ lake: { store }, session }, table, rowsSql(rows));
      const schema = shape.schemas[0];
      if (!schema) throw new Error('no schema');
      for (const file of files) {
        const local = `${session.folder}/${randomUUID()}.parquet`;
        await writeFile(local, await (await store.get(file.path.slice('memory:/'.length))).bytes());
        for (const predicate of predicates) {
          const [found] = await allRows(
            session.connection,
            `SELECT count(*) AS n FROM read_parquet('${local}') WHERE ${predicateSql(schema, predicate)}`,
          );
          const may = fileMayMatch(file, specColumns(shape, 0), bindPredicate(schema, predicate));
          if (Number(found?.['n']) > 0) expect(may, JSON.stringify({ rows, predicate })).toBe(true);
          else if (!may) left++;
        }
      }
    };
    const predicates = fc.array(fc.array(condition, { minLength: 1, maxLength: 2 }), {
      minLength: 10,
      maxLength: 10,
    });
    // NaN and infinity are refused as partition values.
    const finite = row.filter((each) => each['d'] !== 'nan' && each['d'] !== 'infinity');
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 4 }), predicates, (rows, all) =>
        check(rows as Record<string, string | null>[], all, flat),
      ),
      { numRuns: 40 },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(finite, { minLength: 1, maxLength: 2 }), predicates, (rows, all) =>
        check(rows as Record<string, string | null>[], all, metadata),
      ),
      { numRuns: 25 },
    );
    // It must leave out something, or the property says nothing.
    expect(left).toBeGreaterThan(50);
  }, 60_000);
});
