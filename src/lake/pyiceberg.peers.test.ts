import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LakeWorkshop, openLakeWorkshop } from '../../test/services/lake-workshop.ts';
import { openPyIceberg, type PyIceberg } from '../../test/services/pyiceberg.ts';
import { createBranch, dropBranch } from './branches.ts';
import { openFileCache } from './file-cache.ts';
import { expireSnapshots } from './maintenance.ts';
import { compactTable, deleteRows } from './rewrite.ts';
import { planFiles } from './scan.ts';
import { changeSchema, createTable, loadTable, type TableDefinition } from './tables.ts';

let desk: LakeWorkshop;
let py: PyIceberg;
beforeAll(async () => {
  desk = await openLakeWorkshop();
  py = await openPyIceberg(desk.database.url, desk.lake.warehouse);
}, 300_000);
afterAll(() => desk.close());

const definition: TableDefinition = {
  columns: [
    { name: 'id', type: 'long' },
    { name: 'at', type: 'timestamptz' },
    { name: 'area', type: 'string' },
    { name: 'amount', type: 'decimal(12,2)' },
  ],
  partitionBy: [
    { column: 'at', transform: 'day' },
    { column: 'area', transform: 'identity' },
    { column: 'id', transform: 'bucket[4]' },
  ],
  sortBy: [{ column: 'id' }],
};

const relation = (from: number, to: number): string =>
  `(SELECT range AS id, TIMESTAMPTZ '2026-11-20 23:30:00.123456+00' + INTERVAL (range % 3) DAY AS at,
     CASE WHEN range % 5 = 0 THEN NULL WHEN range % 2 = 0 THEN 'CRD' ELSE 'área/ 2=x' END AS area,
     CAST(range * 0.25 - 10 AS DECIMAL(12,2)) AS amount FROM range(${from}, ${to}))`;

type Row = Record<string, unknown>;
const order = (rows: Row[]): Row[] => rows.sort((a, b) => Number(a['id']) - Number(b['id']));
const ours = async (name: string): Promise<Row[]> =>
  order(
    (
      await desk.rows(
        name,
        {},
        `SELECT * REPLACE (strftime("at", '%Y-%m-%dT%H:%M:%S.%f+00:00') AS "at") FROM t`,
      )
    ).map((row) => ({
      ...row,
      id: Number(row['id']),
    })),
  );
const theirs = async (name: string, filter?: string): Promise<{ rows: Row[]; files: number }> => {
  const told = (await py('read', name, filter)) as { rows: Row[]; files: number };
  return { ...told, rows: order(told.rows) };
};

describe('PyIceberg on the same catalog', () => {
  it('reads what we write, prunes by our manifests, and we read what it writes', async () => {
    const name = 'peers.mixed';
    await createTable(desk.lake, name, definition);
    await desk.write(name, relation(0, 200));
    expect((await theirs(name)).rows).toEqual(await ours(name));
    for (const filter of [
      'id = 7',
      "area = 'CRD' and id < 50",
      'area is null',
      "at >= '2026-11-22T00:00:00+00:00'",
      'amount > 30.25',
    ]) {
      const all = await ours(name);
      const told = await theirs(name, filter);
      const expected = await desk.rows(
        name,
        {},
        `SELECT id FROM t WHERE ${filter.replace(/^at >= '(2026[^']*)'/, '"at" >= TIMESTAMPTZ \'$1\'')} ORDER BY id`,
      );
      expect(
        told.rows.map((row) => row['id']),
        filter,
      ).toEqual(expected.map((row) => Number(row['id'])));
      expect(told.rows.length).toBeLessThan(all.length);
    }
    const own = await planFiles(desk.lake, await loadTable(desk.lake, name), {
      filter: [{ column: 'id', op: '=', value: 7 }],
    });
    expect((await theirs(name, 'id = 7')).files).toBe(own.files.length);
    expect(own.files.length).toBeLessThan(own.total.files / 4);

    const theirId = await py(
      'append',
      name,
      JSON.stringify([
        { id: 1000, at: '2026-11-25T00:00:00+00:00', area: 'CRD', amount: '1.50' },
        { id: 1001, area: null },
      ]),
    );
    const table = await loadTable(desk.lake, name);
    expect(table.metadata['current-snapshot-id']).toBe(theirId);
    expect(await ours(name)).toEqual((await theirs(name)).rows);
    expect((await ours(name)).length).toBe(202);
    const pruned = await planFiles(desk.lake, table, { filter: [{ column: 'id', op: '>=', value: 1000 }] });
    expect(pruned.files.length).toBe(2);

    await desk.write(name, relation(200, 210));
    await py('delete', name, 'id < 20');
    await desk.write(name, relation(300, 305));
    expect((await ours(name)).length).toBe(202 + 10 - 20 + 5);
    expect((await theirs(name)).rows).toEqual(await ours(name));
    expect(((await py('history', name)) as string[]).length).toBe(
      (await loadTable(desk.lake, name)).metadata.snapshots.length,
    );
  });

  it('agrees after our compaction, deletion, evolution and expiry, and after its own rename', async () => {
    const name = 'peers.mixed';
    const files = await openFileCache({
      store: desk.lake.store,
      folder: `${desk.folder}/cache2`,
      maxBytes: 1e9,
    });
    const deps = { lake: desk.lake, session: desk.session, files };
    await deleteRows(deps, name, [{ column: 'amount', op: '<', value: '0' }]);
    expect((await theirs(name)).rows).toEqual(await ours(name));
    await compactTable(deps, name);
    expect((await theirs(name)).rows).toEqual(await ours(name));
    await changeSchema(desk.lake, name, [
      { add: { name: 'nota', type: 'int' } },
      { widen: 'nota', to: 'long' },
    ]);
    await py('rename', name, 'area,sigla');
    await desk.write(name, "(SELECT 5000::BIGINT AS id, 'NOVA' AS sigla, 9007199254740993 AS nota)");
    expect((await ours(name)).at(-1)).toMatchObject({ id: 5000, sigla: 'NOVA', nota: '9007199254740993' });
    const told = (await theirs(name, 'id < 5000')).rows;
    expect(told).toEqual((await ours(name)).filter((row) => Number(row['id']) < 5000));
    await expireSnapshots(desk.lake, name, { olderThan: new Date(Date.now() + 60_000) });
    expect((await theirs(name, 'id < 5000')).rows).toEqual(told);
    expect(((await py('history', name)) as string[]).length).toBe(1);
  });

  it('reads our branches, with columns of their own, commits beside them, and keeps them', async () => {
    const name = 'peers.branched';
    await createTable(desk.lake, name, { columns: [...definition.columns] });
    await desk.write(name, relation(0, 5));
    const main = await theirs(name);
    await createBranch(desk.lake, name, 'scratch', {
      maxAgeMs: 3_600_000,
      schema: [{ add: { name: 'nota', type: 'int' } }],
    });
    await desk.write(name, "(SELECT 77::BIGINT AS id, 'NOVA' AS area, 5 AS nota)", { branch: 'scratch' });
    expect((await theirs(name)).rows).toEqual(main.rows);
    const told = (await py('read_ref', name, 'scratch')) as Row[];
    expect(told).toHaveLength(6);
    expect(told.find((row) => row['id'] === 77)).toMatchObject({ area: 'NOVA', nota: 5 });
    await py('append', name, JSON.stringify([{ id: 1000, area: 'CRD' }]));
    await desk.write(name, '(SELECT 78::BIGINT AS id, 6 AS nota)', { branch: 'scratch' });
    expect((await py('read_ref', name, 'scratch')) as Row[]).toHaveLength(7);
    expect(await py('refs', name)).toEqual({ main: 'branch', scratch: 'branch' });
    await dropBranch(desk.lake, name, 'scratch');
    expect(await py('refs', name)).toEqual({ main: 'branch' });
    expect((await theirs(name)).rows).toEqual(await ours(name));
    expect((await theirs(name)).rows).toHaveLength(6);
  });

  it('makes tables that we write to', async () => {
    const name = 'peers.made_there';
    await py('create', name);
    await py(
      'append',
      name,
      JSON.stringify([{ id: 1, at: '2026-11-25T00:00:00+00:00', area: 'A', amount: '0.01' }]),
    );
    await desk.write(name, relation(100, 130));
    expect((await ours(name)).length).toBe(31);
    expect((await theirs(name)).rows).toEqual(await ours(name));
    const { partitions } = (await py('inspect', name)) as { partitions: Row[] };
    expect(partitions).toContainEqual({ at_day: '2026-11-25', area: 'A', id_bucket: expect.any(Number) });
  });
});
