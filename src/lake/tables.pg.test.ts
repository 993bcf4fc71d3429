import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LakeWorkshop, openLakeWorkshop } from '../../test/services/lake-workshop.ts';
import { transaction } from '../platform/postgres.ts';
import type { Catalog } from './catalog/catalog.ts';
import { writeDataFiles } from './data-writer.ts';
import { currentSnapshot } from './metadata.ts';
import { planFiles } from './scan.ts';
import {
  append,
  changeSchema,
  createTable,
  dropTable,
  listTables,
  loadTable,
  overwritePartition,
  replaceFiles,
  revertCommit,
  rollbackTo,
  setProperties,
  type TableDefinition,
  tableFiles,
} from './tables.ts';

let desk: LakeWorkshop;
beforeAll(async () => {
  desk = await openLakeWorkshop();
});
afterAll(() => desk.close());

const events: TableDefinition = {
  columns: [
    { name: 'id', type: 'long', required: true },
    { name: 'at', type: 'timestamptz' },
    { name: 'area', type: 'string' },
    { name: 'amount', type: 'decimal(12,2)' },
  ],
  partitionBy: [
    { column: 'at', transform: 'day' },
    { column: 'area', transform: 'identity' },
  ],
  sortBy: [{ column: 'id' }],
};

const rowsSql = (from: number, to: number, day = '2026-11-20'): string =>
  `(SELECT range AS id, TIMESTAMPTZ '${day} 12:00:00+00' + INTERVAL (range % 3) DAY AS at,
     CASE WHEN range % 2 = 0 THEN 'CRD' ELSE 'ÁREA 2' END AS area, CAST(range / 4.0 AS DECIMAL(12,2)) AS amount
     FROM range(${from}, ${to}))`;

let named = 0;
const newTable = async (definition: TableDefinition = events): Promise<string> => {
  const name = `test.t${++named}`;
  await createTable(desk.lake, name, definition);
  return name;
};
const count = async (name: string): Promise<{ n: number; sum: number }> => {
  const [row] = await desk.rows(name, {}, 'SELECT count(*) AS n, coalesce(sum(id), 0) AS s FROM t');
  return { n: Number(row?.['n']), sum: Number(row?.['s']) };
};

describe('tables', () => {
  it('are created, listed, loaded and dropped', async () => {
    const name = await newTable();
    await expect(createTable(desk.lake, name, events)).rejects.toThrow('already in the catalog');
    expect(await listTables(desk.lake, 'test')).toContainEqual({ namespace: 'test', name: name.slice(5) });
    expect(await desk.rows(name)).toEqual([]);
    await dropTable(desk.lake, name);
    await expect(loadTable(desk.lake, name)).rejects.toThrow('no table');
    await expect(dropTable(desk.lake, name)).rejects.toThrow('no table');
  });

  it('split rows by partition, sorted, with bounds, and read them back', async () => {
    const name = await newTable();
    const done = await desk.write(name, rowsSql(0, 600));
    expect(done.already).toBe(false);
    const files = await tableFiles(desk.lake, done.table);
    expect(files).toHaveLength(6);
    expect(files.map((file) => file.partition).sort()).toEqual([
      [20777, 'CRD'],
      [20777, 'ÁREA 2'],
      [20778, 'CRD'],
      [20778, 'ÁREA 2'],
      [20779, 'CRD'],
      [20779, 'ÁREA 2'],
    ]);
    for (const file of files) {
      expect(file.records).toBe(100);
      expect(file.sequenceNumber).toBe(1);
      expect(file.nullCounts?.get(1)).toBe(0);
      expect(file.splitOffsets).toEqual([4]);
      const sorted = await desk.session.connection.runAndReadAll(
        `SELECT count(*) FILTER (id < p) FROM (SELECT id, lag(id) OVER (ORDER BY file_row_number) p FROM read_parquet('${file.path.slice(7)}', file_row_number = true))`,
      );
      expect(Number(sorted.getRowsJson()[0]?.[0])).toBe(0);
    }
    expect(await count(name)).toEqual({ n: 600, sum: (599 * 600) / 2 });
    expect(currentSnapshot(done.table.metadata)?.summary).toMatchObject({
      operation: 'append',
      'added-records': '600',
      'total-records': '600',
      'total-data-files': '6',
    });
  });

  it('leave out files by partition and by bounds, and never one with a matching row', async () => {
    const name = await newTable();
    await desk.write(name, rowsSql(0, 300));
    await desk.write(name, rowsSql(300, 600, '2026-12-20'));
    const table = await loadTable(desk.lake, name);
    const filesFor = async (filter: Parameters<typeof planFiles>[2]): Promise<number> =>
      (await planFiles(desk.lake, table, filter)).files.length;
    expect(await filesFor({})).toBe(12);
    expect(await filesFor({ filter: [{ column: 'at', op: '<', value: '2026-11-21T00:00:00Z' }] })).toBe(2);
    expect(await filesFor({ filter: [{ column: 'area', op: '=', value: 'CRD' }] })).toBe(6);
    expect(await filesFor({ filter: [{ column: 'id', op: '>=', value: 300 }] })).toBe(6);
    expect(await filesFor({ filter: [{ column: 'id', op: 'in', values: [7, 1000] }] })).toBe(6);
    expect(await filesFor({ filter: [{ column: 'area', op: 'starts with', value: 'Á' }] })).toBe(6);
    expect(await filesFor({ filter: [{ column: 'amount', op: 'is null' }] })).toBe(0);
    expect(await filesFor({ filter: [{ column: 'amount', op: '>', value: '149.74' }] })).toBe(1);
    await expect(
      filesFor({ filter: [{ column: 'at', op: '=', value: '2026-11-21T00:00:00' }] }),
    ).rejects.toThrow('timestamptz');
    await expect(filesFor({ filter: [{ column: 'nope', op: 'is null' }] })).rejects.toThrow('no column');
  });

  it('make several files of about the target size, each with its own range of the sort order', async () => {
    const name = await newTable({
      columns: [
        { name: 'id', type: 'long' },
        { name: 'x', type: 'string' },
      ],
      sortBy: [{ column: 'id' }],
    });
    await desk.write(
      name,
      `(SELECT range AS id, sha256(CAST(range AS VARCHAR)) AS x FROM range(60000) ORDER BY hash(range))`,
      {
        targetFileBytes: 1_000_000,
      },
    );
    const table = await loadTable(desk.lake, name);
    const files = await tableFiles(desk.lake, table);
    expect(files.length).toBeGreaterThan(1);
    expect(
      (await planFiles(desk.lake, table, { filter: [{ column: 'id', op: '=', value: 30_000 }] })).files,
    ).toHaveLength(1);
    expect(await count(name)).toEqual({ n: 60_000, sum: (59_999 * 60_000) / 2 });
  });

  it('refuse columns that are unknown, conversions that could change values, and nulls in required columns', async () => {
    const name = await newTable();
    const table = await loadTable(desk.lake, name);
    const write = (sql: string) => writeDataFiles(desk, table, sql);
    await expect(write('(SELECT 1::BIGINT AS id, 2 AS nope)')).rejects.toThrow('not in the table');
    await expect(write('(SELECT 3.7 AS id)')).rejects.toThrow('cast it in the query');
    await expect(write("(SELECT 'x' AS area)")).rejects.toThrow('required column id is absent');
    await expect(write('(SELECT NULL::BIGINT AS id)')).rejects.toThrow('without the required column id');
    expect(await write('(SELECT 1::INTEGER AS id)')).toHaveLength(1);
  });

  it('evolve: columns added, renamed, widened, dropped and made again are found by id', async () => {
    const name = await newTable({
      columns: [
        { name: 'a', type: 'int' },
        { name: 'b', type: 'string' },
        { name: 'c', type: 'float' },
        { name: 'd', type: 'decimal(9,2)' },
      ],
    });
    await desk.write(name, "(SELECT 1 AS a, 'old' AS b, 1.5::FLOAT AS c, 1.25::DECIMAL(9,2) AS d)");
    await changeSchema(desk.lake, name, [
      { rename: 'a', to: 'ação' },
      { widen: 'ação', to: 'long' },
      { widen: 'c', to: 'double' },
      { widen: 'd', to: 'decimal(20,2)' },
      { drop: 'b' },
      { add: { name: 'b', type: 'string' }, after: 'ação' },
    ]);
    await desk.write(
      name,
      '(SELECT 9007199254740993 AS "ação", \'new\' AS b, 2.5::DOUBLE AS c, 123456789012345.67::DECIMAL(20,2) AS d)',
    );
    expect(await desk.rows(name)).toEqual([
      { ação: '1', b: null, c: 1.5, d: '1.25' },
      { ação: '9007199254740993', b: 'new', c: 2.5, d: '123456789012345.67' },
    ]);
    const first = (await loadTable(desk.lake, name)).metadata.snapshots[0]?.['snapshot-id'] ?? '';
    expect(await desk.rows(name, { snapshotId: first })).toEqual([{ a: 1, b: 'old', c: 1.5, d: '1.25' }]);
    const pruned = await planFiles(desk.lake, await loadTable(desk.lake, name), {
      filter: [{ column: 'ação', op: '<', value: 5 }],
    });
    expect(pruned.files).toHaveLength(1);
    for (const bad of [
      { widen: 'b', to: 'int' },
      { drop: 'nope' },
      { rename: 'b', to: 'c' },
      { add: { name: 'z', type: 'int', required: true } },
    ] as const) {
      await expect(changeSchema(desk.lake, name, [bad])).rejects.toThrow();
    }
    const partitioned = await newTable();
    await expect(changeSchema(desk.lake, partitioned, [{ drop: 'area' }])).rejects.toThrow(
      'partitioned by it',
    );
    await expect(changeSchema(desk.lake, partitioned, [{ drop: 'id' }])).rejects.toThrow('sorted by it');
  });

  it('hold every type, nested ones too', async () => {
    const name = await newTable({
      columns: [
        { name: 'bo', type: 'boolean' },
        { name: 'i', type: 'int' },
        { name: 'l', type: 'long' },
        { name: 'f', type: 'float' },
        { name: 'do', type: 'double' },
        { name: 'de', type: 'decimal(38,10)' },
        { name: 'da', type: 'date' },
        { name: 'ti', type: 'time' },
        { name: 'ts', type: 'timestamp' },
        { name: 'tz', type: 'timestamptz' },
        { name: 's', type: 'string' },
        { name: 'u', type: 'uuid' },
        { name: 'bi', type: 'binary' },
        { name: 'li', type: { list: 'int' } },
        { name: 'm', type: { map: ['string', 'long'] } },
        {
          name: 'st',
          type: {
            struct: [
              { name: 'x', type: 'int' },
              { name: 'y y', type: { list: { struct: [{ name: 'z', type: 'string' }] } } },
            ],
          },
        },
      ],
      partitionBy: [
        { column: 'u', transform: 'bucket[8]' },
        { column: 'de', transform: 'truncate[100]' },
        { column: 'ti', transform: 'identity' },
        { column: 'bi', transform: 'truncate[1]' },
      ],
    });
    const row = `SELECT true AS bo, -1::INT AS i, 9007199254740993 AS l, 'nan'::FLOAT AS f, -0.0::DOUBLE AS "do", -0.0000000001::DECIMAL(38,10) AS de,
      DATE '1969-12-31' AS da, TIME '23:59:59.999999' AS ti, TIMESTAMP '1969-12-31 23:59:59.999999' AS ts, TIMESTAMPTZ '2026-11-22 10:00:00-03' AS tz,
      'olá 😀' AS s, UUID 'f79c3e09-677c-4bbd-a479-3f349cb785e7' AS u, '\\xAA\\x00'::BLOB AS bi, [1, NULL] AS li, MAP {'k': 1::BIGINT} AS m,
      {'x': 1, 'y y': [{'z': 'deep'}]} AS st`;
    await desk.write(name, `(${row})`);
    await desk.write(name, '(SELECT NULL::INT AS i)');
    const [expected] = (await desk.session.connection.runAndReadAll(row)).getRowObjectsJson();
    const rows = await desk.rows(name, {}, 'SELECT * FROM t ORDER BY i');
    expect(rows[0]).toEqual(expected);
    expect(Object.values(rows[1] ?? {}).every((value) => value === null)).toBe(true);
    const [file] = (await tableFiles(desk.lake, await loadTable(desk.lake, name))).filter(
      (each) => each.partition[0] !== null,
    );
    expect(file?.partition.slice(1)).toEqual([-100n, 86_399_999_999n, Buffer.from([0xaa])]);
    expect(file?.nanCounts?.get(4)).toBe(1);
    expect(file?.lowerBounds?.has(4)).toBe(false);
  });
});

describe('commits', () => {
  it('of eight writers all land, with exact totals', async () => {
    const name = await newTable({ columns: [{ name: 'id', type: 'long' }] });
    const table = await loadTable(desk.lake, name);
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        for (let turn = 0; turn < 5; turn++) {
          const from = (writer * 5 + turn) * 10;
          const add = await writeDataFiles(
            desk,
            table,
            `(SELECT range AS id FROM range(${from}, ${from + 10}))`,
          );
          await append(desk.lake, name, { add });
        }
      }),
    );
    expect(await count(name)).toEqual({ n: 400, sum: (399 * 400) / 2 });
    const { metadata } = await loadTable(desk.lake, name);
    expect(metadata.snapshots).toHaveLength(40);
    expect(metadata['last-sequence-number']).toBe(40);
    expect(currentSnapshot(metadata)?.summary['total-records']).toBe('400');
  });

  const lossy = (mode: 'after' | 'before', times: number): Catalog => {
    let left = times;
    const { catalog } = desk.lake;
    return {
      ...catalog,
      swap: async (...args) => {
        if (left-- <= 0) return catalog.swap(...args);
        if (mode === 'after') await catalog.swap(...args);
        throw new Error('connection lost');
      },
    };
  };

  it('whose answer is lost are found, not repeated', async () => {
    const name = await newTable({ columns: [{ name: 'id', type: 'long' }] });
    const table = await loadTable(desk.lake, name);
    const add = await writeDataFiles(desk, table, '(SELECT range AS id FROM range(10))');
    const after = await append(desk.with({ catalog: lossy('after', 1) }), name, { add });
    expect(after.already).toBe(false);
    expect(await count(name)).toMatchObject({ n: 10 });
    const more = await writeDataFiles(desk, table, '(SELECT range AS id FROM range(10, 15))');
    await append(desk.with({ catalog: lossy('before', 3) }), name, { add: more });
    expect(await count(name)).toMatchObject({ n: 15 });
    expect((await loadTable(desk.lake, name)).metadata.snapshots).toHaveLength(2);
  });

  it('that another process already made under the same id are not made again', async () => {
    const name = await newTable({ columns: [{ name: 'id', type: 'long' }] });
    const table = await loadTable(desk.lake, name);
    const add = await writeDataFiles(desk, table, '(SELECT range AS id FROM range(10))');
    const all = await Promise.all(
      Array.from({ length: 4 }, () => append(desk.lake, name, { add }, { commitId: 'batch-7' })),
    );
    expect(all.filter((done) => !done.already)).toHaveLength(1);
    expect(new Set(all.map((done) => done.snapshotId)).size).toBe(1);
    expect((await append(desk.lake, name, { add }, { commitId: 'batch-7' })).already).toBe(true);
    expect(await count(name)).toMatchObject({ n: 10 });
  });

  it('join the caller’s transaction', async () => {
    const name = await newTable({ columns: [{ name: 'id', type: 'long' }] });
    const table = await loadTable(desk.lake, name);
    const add = await writeDataFiles(desk, table, '(SELECT range AS id FROM range(10))');
    await desk.database.pool.query('CREATE TABLE IF NOT EXISTS marks (n int)');
    const failed = transaction(desk.database.pool, async (tx) => {
      await tx.query('INSERT INTO marks VALUES (1)');
      const done = await append(desk.lake, name, { add }, { tx, commitId: 'joined' });
      expect((await loadTable(desk.lake, name, tx)).metadataLocation).toBe(done.table.metadataLocation);
      throw new Error('the caller changed its mind');
    });
    await expect(failed).rejects.toThrow('changed its mind');
    const now = await loadTable(desk.lake, name);
    expect(now.metadataLocation).toBe(table.metadataLocation);
    expect((await desk.database.pool.query('SELECT * FROM marks')).rowCount).toBe(0);
    const more = await writeDataFiles(desk, table, '(SELECT range AS id FROM range(10, 12))');
    await transaction(desk.database.pool, async (tx) => {
      await tx.query('INSERT INTO marks VALUES (1)');
      await append(desk.lake, name, { add }, { tx, commitId: 'joined' });
      await append(desk.lake, name, { add: more }, { tx, commitId: 'joined-2' });
    });
    expect(await count(name)).toMatchObject({ n: 12 });
    expect((await desk.database.pool.query('SELECT * FROM marks')).rowCount).toBe(1);
  });

  it('in transactions wait for one another and all land', async () => {
    const name = await newTable({ columns: [{ name: 'id', type: 'long' }] });
    const table = await loadTable(desk.lake, name);
    await Promise.all(
      Array.from({ length: 5 }, async (_, at) => {
        const add = await writeDataFiles(desk, table, `(SELECT ${at}::BIGINT AS id)`);
        await transaction(desk.database.pool, (tx) => append(desk.lake, name, { add }, { tx }));
      }),
    );
    expect(await count(name)).toEqual({ n: 5, sum: 10 });
  });

  it('that die at any step leave the table as it was, and the next one lands', async () => {
    const name = await newTable({ columns: [{ name: 'id', type: 'long' }] });
    const table = await loadTable(desk.lake, name);
    const add = await writeDataFiles(desk, table, '(SELECT range AS id FROM range(10))');
    // The steps are the puts (manifest, manifest list, metadata); a store that fails at the n-th one is a death there.
    for (let step = 1; step <= 3; step++) {
      let puts = 0;
      const { store } = desk.lake;
      const dying = {
        ...store,
        put: async (...args: Parameters<typeof store.put>) => {
          if (++puts === step) throw new Error(`died at step ${step}`);
          return store.put(...args);
        },
      };
      await expect(append(desk.with({ store: dying }), name, { add }, { commitId: 'c' })).rejects.toThrow(
        `died at step ${step}`,
      );
      expect((await loadTable(desk.lake, name)).metadataLocation).toBe(table.metadataLocation);
    }
    await append(desk.lake, name, { add }, { commitId: 'c' });
    expect(await count(name)).toMatchObject({ n: 10 });
  });
});

describe('changes', () => {
  it('replace small files by one, refusing when they are gone', async () => {
    const name = await newTable({ columns: [{ name: 'id', type: 'long' }] });
    for (let at = 0; at < 4; at++) await desk.write(name, `(SELECT ${at}::BIGINT AS id)`);
    const basis = await loadTable(desk.lake, name);
    const remove = await tableFiles(desk.lake, basis);
    const add = await writeDataFiles(desk, basis, '(SELECT range AS id FROM range(4))');
    const done = await replaceFiles(desk.lake, name, { basis, remove, add });
    expect(await count(name)).toEqual({ n: 4, sum: 6 });
    expect(await tableFiles(desk.lake, done.table)).toHaveLength(1);
    expect(currentSnapshot(done.table.metadata)?.summary).toMatchObject({
      operation: 'replace',
      'deleted-data-files': '4',
      'total-data-files': '1',
    });
    await expect(replaceFiles(desk.lake, name, { basis, remove, add })).rejects.toThrow('no longer in it');
    const wrong = await writeDataFiles(desk, basis, '(SELECT range AS id FROM range(3))');
    const now = await loadTable(desk.lake, name);
    const live = await tableFiles(desk.lake, now);
    await expect(replaceFiles(desk.lake, name, { basis: now, remove: live, add: wrong })).rejects.toThrow(
      '4 rows',
    );
  });

  it('overwrite a partition, and refuse when it changed since', async () => {
    const name = await newTable({
      columns: [
        { name: 'id', type: 'long' },
        { name: 'area', type: 'string' },
      ],
      partitionBy: [{ column: 'area', transform: 'identity' }],
    });
    await desk.write(
      name,
      "(SELECT range AS id, CASE WHEN range < 5 THEN 'A' ELSE 'B' END AS area FROM range(10))",
    );
    const basis = await loadTable(desk.lake, name);
    const add = await writeDataFiles(desk, basis, "(SELECT 100::BIGINT AS id, 'A' AS area)");
    await overwritePartition(desk.lake, name, { partitions: [['A']], add, basis });
    expect(await count(name)).toEqual({ n: 6, sum: 135 });
    const stale = overwritePartition(desk.lake, name, { partitions: [['A']], add, basis }, { commitId: 'x' });
    await expect(stale).rejects.toThrow('have changed');
    await expect(overwritePartition(desk.lake, name, { partitions: [['B']], add })).rejects.toThrow(
      'not overwritten',
    );
    await overwritePartition(desk.lake, name, { partitions: [['B']], add: [] });
    expect(await count(name)).toEqual({ n: 1, sum: 100 });
  });

  it('travel in time, roll back, and undo one commit in the middle', async () => {
    const name = await newTable({ columns: [{ name: 'id', type: 'long' }] });
    const first = await desk.write(name, '(SELECT 1::BIGINT AS id)', { commitId: 'one' });
    await desk.write(name, '(SELECT 2::BIGINT AS id)', { commitId: 'two' });
    const third = await desk.write(name, '(SELECT 4::BIGINT AS id)', { commitId: 'three' });
    expect(await desk.rows(name, { snapshotId: first.snapshotId })).toEqual([{ id: '1' }]);
    const at = new Date(third.table.metadata.snapshots[1]?.['timestamp-ms'] ?? 0);
    expect((await desk.rows(name, { at })).length).toBeGreaterThanOrEqual(2);
    await expect(desk.rows(name, { at: new Date(0) })).rejects.toThrow('had no snapshot');
    await revertCommit(desk.lake, name, 'two');
    expect(await count(name)).toEqual({ n: 2, sum: 5 });
    expect((await revertCommit(desk.lake, name, 'two')).already).toBe(true);
    await rollbackTo(desk.lake, name, first.snapshotId);
    expect(await count(name)).toEqual({ n: 1, sum: 1 });
    await expect(rollbackTo(desk.lake, name, third.snapshotId)).rejects.toThrow('not an ancestor');
    await desk.write(name, '(SELECT 8::BIGINT AS id)', { commitId: 'two' });
    expect(await count(name)).toEqual({ n: 2, sum: 9 });
    const table = await setProperties(desk.lake, name, { a: 'b', 'write.parquet.compression-codec': null });
    expect(table.metadata.properties).toEqual({ a: 'b' });
  });

  it('undo an overwrite by bringing the old files back', async () => {
    const name = await newTable({
      columns: [
        { name: 'id', type: 'long' },
        { name: 'area', type: 'string' },
      ],
      partitionBy: [{ column: 'area', transform: 'identity' }],
    });
    await desk.write(name, "(SELECT range AS id, 'A' AS area FROM range(5))");
    const add = await writeDataFiles(
      desk,
      await loadTable(desk.lake, name),
      "(SELECT 100::BIGINT AS id, 'A' AS area)",
    );
    await overwritePartition(desk.lake, name, { partitions: [['A']], add }, { commitId: 'ow' });
    await desk.write(name, "(SELECT 1000::BIGINT AS id, 'A' AS area)");
    await revertCommit(desk.lake, name, 'ow');
    expect(await count(name)).toEqual({ n: 6, sum: 1010 });
  });

  it('keep manifests few over many commits', async () => {
    const name = await newTable({ columns: [{ name: 'id', type: 'long' }] });
    const table = await loadTable(desk.lake, name);
    const add = await writeDataFiles(desk, table, '(SELECT 1::BIGINT AS id)');
    for (let turn = 0; turn < 105; turn++) {
      await append(desk.lake, name, { add: add.map((file) => ({ ...file, path: `${file.path}${turn}` })) });
    }
    const now = await loadTable(desk.lake, name);
    expect(await tableFiles(desk.lake, now)).toHaveLength(105);
    expect(new Set((await tableFiles(desk.lake, now)).map((file) => file.sequenceNumber)).size).toBe(105);
    const { readManifestList } = await import('./lake-files.ts');
    const snapshot = currentSnapshot(now.metadata);
    expect(snapshot && (await readManifestList(desk.lake.store, snapshot)).length).toBeLessThan(10);
  });
});
