import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type TestLake, testLake } from '../../../test/services/lake.ts';
import { type TestDatabase, testDatabase } from '../../../test/services/postgres.ts';
import { allRows, type DuckSession, openDuckDb } from '../../lake/duckdb-session.ts';
import { loadTable, tableFiles } from '../../lake/tables.ts';
import { transaction } from '../../platform/postgres.ts';
import { changesTable, recordChanges, stageChanges } from './change-table.ts';
import {
  AmbiguousSnapshotError,
  diffSnapshots,
  guardSnapshot,
  SuspiciousSnapshotError,
} from './snapshot-diff.ts';

let session: DuckSession;
beforeEach(async () => {
  session = await openDuckDb({ memoryLimit: '200MB' });
  return () => session.close();
});

type Place = { id: number | null; nome: string | null };

const relation = (rows: readonly Place[]): string =>
  rows.length === 0
    ? '(SELECT NULL::INTEGER AS id, NULL::VARCHAR AS nome WHERE false)'
    : `(SELECT * FROM (VALUES ${rows.map(({ id, nome }) => `(${id}::INTEGER, ${nome === null ? 'NULL' : `'${nome.replaceAll("'", "''")}'`}::VARCHAR)`).join(', ')}) v (id, nome))`;

const diff = (before: readonly Place[] | undefined, after: readonly Place[], guard = {}) =>
  diffSnapshots(
    session.connection,
    {
      before: before && relation(before),
      after: relation(after),
      key: ['id'],
      columns: ['id', 'nome'],
    },
    guard,
  );

const changes = () =>
  allRows(session.connection, 'SELECT operacao, id, antes, depois, colunas FROM mudancas ORDER BY id');

describe('the difference of two snapshots', () => {
  it('is what was inserted, updated and deleted, with the rows before and after', async () => {
    const before = [
      { id: 1, nome: 'São Paulo' },
      { id: 2, nome: "Olhos-d'Água" },
      { id: 3, nome: null },
      { id: 4, nome: null },
    ];
    const after = [
      { id: 1, nome: 'São Paulo' },
      { id: 2, nome: "Olhos d'Água" },
      { id: 4, nome: 'Novo' },
      { id: 5, nome: 'Boa Esperança do Norte' },
    ];
    expect(await diff(before, after)).toEqual({ inserted: 1, updated: 2, deleted: 1 });
    expect(await changes()).toEqual([
      {
        operacao: 'update',
        id: 2,
        antes: `{"id":2,"nome":"Olhos-d'Água"}`,
        depois: `{"id":2,"nome":"Olhos d'Água"}`,
        colunas: 'nome',
      },
      { operacao: 'delete', id: 3, antes: '{"id":3,"nome":null}', depois: null, colunas: null },
      {
        operacao: 'update',
        id: 4,
        antes: '{"id":4,"nome":null}',
        depois: '{"id":4,"nome":"Novo"}',
        colunas: 'nome',
      },
      {
        operacao: 'insert',
        id: 5,
        antes: null,
        depois: '{"id":5,"nome":"Boa Esperança do Norte"}',
        colunas: null,
      },
    ]);
    expect(await diff(undefined, after)).toEqual({ inserted: 4, updated: 0, deleted: 0 });
    expect(await diff(after, after)).toEqual({ inserted: 0, updated: 0, deleted: 0 });
  });

  it('brings the one to the other, whatever they are', async () => {
    const snapshot = fc.uniqueArray(
      fc.record({ id: fc.integer({ min: 1, max: 12 }), nome: fc.option(fc.constantFrom('a', 'b', "c'")) }),
      { selector: ({ id }) => id },
    );
    await fc.assert(
      fc.asyncProperty(snapshot, snapshot, async (before, after) => {
        await diff(before, after, { minShare: 0, minRows: 0 });
        const state = new Map<number, string | null>(before.map(({ id, nome }) => [id, nome]));
        for (const { operacao, id, depois } of await changes()) {
          if (operacao === 'delete') state.delete(Number(id));
          else state.set(Number(id), (JSON.parse(String(depois)) as Place).nome);
        }
        const expected = after.map(({ id, nome }): [number, string | null] => [id, nome]);
        expect([...state].sort(([a], [b]) => a - b)).toEqual(expected.sort(([a], [b]) => a - b));
      }),
      { numRuns: 40 },
    );
  });

  it('is not derived from an empty or a much smaller snapshot', async () => {
    const before = Array.from({ length: 10 }, (_, id) => ({ id, nome: 'n' }));
    await expect(diff(before, [])).rejects.toThrow(SuspiciousSnapshotError);
    await expect(diff(before, before.slice(0, 4))).rejects.toThrow('has 4 rows, expected at least 5');
    await expect(diff(undefined, [])).rejects.toThrow(SuspiciousSnapshotError);
    expect(await diff(before, before.slice(0, 5))).toMatchObject({ deleted: 5 });
    expect(await diff(before, before.slice(0, 4), { minShare: 0.4 })).toMatchObject({ deleted: 6 });
    expect(() => guardSnapshot({ before: 0, after: 99 }, { minRows: 100 })).toThrow('at least 100');
  });

  it('is not derived from a snapshot with a key twice', async () => {
    await expect(
      diff(
        [],
        [
          { id: 1, nome: 'a' },
          { id: 1, nome: 'b' },
        ],
      ),
    ).rejects.toThrow(AmbiguousSnapshotError);
  });

  it('takes snapshots that are larger than its memory', async () => {
    const rows = 400_000;
    const text = 'md5(i::VARCHAR) || md5((i + 1)::VARCHAR) || md5((i + 2)::VARCHAR)';
    const small = await openDuckDb({ memoryLimit: '120MB' });
    await small.connection.run(
      `CREATE TEMP TABLE a AS SELECT i AS id, ${text} AS nome FROM range(${rows}) t(i)`,
    );
    await small.connection.run(
      `CREATE TEMP TABLE b AS SELECT i AS id, CASE WHEN i % 1000 = 0 THEN 'x' ELSE ${text} END AS nome FROM range(10, ${rows + 5}) t(i)`,
    );
    const found = await diffSnapshots(small.connection, {
      before: 'a',
      after: 'b',
      key: ['id'],
      columns: ['id', 'nome'],
    });
    expect(found).toEqual({ inserted: 5, updated: 399, deleted: 10 });
    await small.close();
  });
});

describe('kept changes', () => {
  let database: TestDatabase;
  let lake: TestLake;
  beforeAll(async () => {
    database = await testDatabase();
    lake = await testLake(database.pool);
  });
  afterAll(async () => {
    await lake.close();
    await database.drop();
  });

  it('are in the table once, however often a run is repeated', async () => {
    const deps = { lake: lake.lake, session };
    const stage = async () => {
      await diff(
        [{ id: 1, nome: 'a' }],
        [
          { id: 1, nome: 'b' },
          { id: 2, nome: 'c' },
        ],
      );
      return stageChanges(deps, { pipeline: 'lugares', runId: 'att_1', key: ['id'], at: new Date() });
    };
    for (const staged of [await stage(), await stage()]) {
      await transaction(database.pool, (tx) => recordChanges(lake.lake, staged, tx));
    }
    await diff([{ id: 1, nome: 'b' }], [{ id: 1, nome: 'b' }]);
    const nothing = await stageChanges(deps, {
      pipeline: 'lugares',
      runId: 'att_2',
      key: ['id'],
      at: new Date(),
    });
    await transaction(database.pool, (tx) => recordChanges(lake.lake, nothing, tx));
    const files = await tableFiles(lake.lake, await loadTable(lake.lake, changesTable('lugares')));
    expect(files.reduce((sum, { records }) => sum + records, 0)).toBe(2);
  });
});
