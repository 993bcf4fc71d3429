import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LakeWorkshop, openLakeWorkshop } from '../../test/services/lake-workshop.ts';
import { openSpark, type Spark } from '../../test/services/spark.ts';
import { openFileCache } from './file-cache.ts';
import { expireSnapshots, removeOrphans } from './maintenance.ts';
import { compactTable, deleteRows } from './rewrite.ts';
import { planFiles } from './scan.ts';
import { changeSchema, createTable, loadTable } from './tables.ts';

let desk: LakeWorkshop;
let spark: Spark;
beforeAll(async () => {
  desk = await openLakeWorkshop();
  spark = await openSpark(desk.database.url, desk.lake.warehouse);
}, 300_000);
afterAll(async () => {
  await spark.close();
  await desk.close();
});

type Row = Record<string, unknown>;
const table = 'peers.spark';
const theirs = (): Promise<Row[]> =>
  spark.sql(
    `SELECT id, date_format(quando, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS") AS quando, area, CAST(valor AS STRING) AS valor, partes FROM lastro.${table} ORDER BY id`,
  );
const ours = async (): Promise<Row[]> =>
  (
    await desk.rows(
      table,
      {},
      `SELECT id, strftime(quando, '%Y-%m-%dT%H:%M:%S.%f') AS quando, area, CAST(valor AS VARCHAR) AS valor, partes FROM t ORDER BY id`,
    )
  ).map((row) =>
    Object.fromEntries(
      Object.entries({ ...row, id: Number(row['id']) }).filter(([, value]) => value !== null),
    ),
  );

const relation = (from: number, to: number): string =>
  `(SELECT range AS id, TIMESTAMPTZ '2026-11-20 23:30:00.123456+00' + INTERVAL (range % 40) DAY AS quando,
     CASE WHEN range % 5 = 0 THEN NULL ELSE 'área ' || range % 2 END AS area,
     CAST(range * 0.25 - 10 AS DECIMAL(12,2)) AS valor, ['x', 'y' || range] AS partes FROM range(${from}, ${to}))`;

describe('Spark with Java’s JdbcCatalog', () => {
  it('reads what we write', async () => {
    await createTable(desk.lake, table, {
      columns: [
        { name: 'id', type: 'long' },
        { name: 'quando', type: 'timestamptz' },
        { name: 'area', type: 'string' },
        { name: 'valor', type: 'decimal(12,2)' },
        { name: 'partes', type: { list: 'string' } },
      ],
      partitionBy: [
        { column: 'quando', transform: 'month' },
        { column: 'id', transform: 'bucket[4]' },
      ],
      sortBy: [{ column: 'area' }],
    });
    await desk.write(table, relation(0, 300));
    expect(await theirs()).toEqual(await ours());
    const [pruned] = await spark.sql(
      `SELECT count(*) AS n FROM lastro.${table} WHERE id = 7 AND quando < TIMESTAMP '2027-01-01'`,
    );
    expect(pruned).toEqual({ n: 1 });
    const [files] = await spark.sql(
      `SELECT count(*) AS n, sum(record_count) AS r FROM lastro.${table}.files`,
    );
    expect(files).toEqual({ n: 8, r: 300 });
  });

  it('writes what we read, with row deletes, and we commit after it', async () => {
    await spark.sql(
      `INSERT INTO lastro.${table} VALUES (1000, TIMESTAMP '2026-12-01 00:00:00', 'nova', 1.25, array('z'))`,
    );
    expect(await ours()).toEqual(await theirs());
    // Java's snapshot ids have 63 bits; the first that JSON.parse would round shows that ours does not.
    const { metadata } = await loadTable(desk.lake, table);
    const [last] = await spark.sql(
      `SELECT CAST(snapshot_id AS STRING) AS id FROM lastro.${table}.snapshots ORDER BY committed_at DESC LIMIT 1`,
    );
    expect(metadata['current-snapshot-id']).toBe(last?.['id']);

    await spark.sql(
      `ALTER TABLE lastro.${table} SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read')`,
    );
    await spark.sql(`DELETE FROM lastro.${table} WHERE id % 7 = 3`);
    const plan = await planFiles(desk.lake, await loadTable(desk.lake, table));
    expect(plan.files.some(({ deletes }) => deletes.some((del) => del.content === 'position-deletes'))).toBe(
      true,
    );
    expect(await ours()).toEqual(await theirs());
    await desk.write(table, relation(300, 340));
    await spark.sql(`UPDATE lastro.${table} SET area = 'trocada' WHERE id BETWEEN 290 AND 310`);
    expect(await ours()).toEqual(await theirs());
    expect((await ours()).filter((row) => row['area'] === 'trocada').length).toBeGreaterThan(15);
  });

  it('agrees after our deletion, compaction, evolution, expiry and orphan removal', async () => {
    const files = await openFileCache({
      store: desk.lake.store,
      folder: `${desk.folder}/cache2`,
      maxBytes: 1e9,
    });
    const deps = { lake: desk.lake, session: desk.session, files };
    const before = (await ours()).length;
    const deleted = await deleteRows(deps, table, [{ column: 'area', op: '=', value: 'área 1' }]);
    expect(deleted.rows).toBeGreaterThan(20);
    expect((await ours()).length).toBe(before - deleted.rows);
    expect(await theirs()).toEqual(await ours());
    const content = await ours();
    await compactTable(deps, table);
    expect(await ours()).toEqual(content);
    expect(await theirs()).toEqual(content);
    await changeSchema(desk.lake, table, [
      { add: { name: 'nota', type: 'int' } },
      { widen: 'nota', to: 'long' },
    ]);
    await spark.sql(`ALTER TABLE lastro.${table} ALTER COLUMN valor TYPE DECIMAL(20, 2)`);
    await spark.sql(
      `INSERT INTO lastro.${table} VALUES (2000, TIMESTAMP '2026-12-01 00:00:00', 'nova', 123456789012345.25, array(), 7)`,
    );
    await desk.write(table, '(SELECT 2001::BIGINT AS id, 8::BIGINT AS nota)');
    expect(await theirs()).toEqual(await ours());
    await expireSnapshots(desk.lake, table, { olderThan: new Date(Date.now() + 60_000) });
    const future = { ...desk.lake, clock: () => new Date(Date.now() + 100 * 3_600_000) };
    await removeOrphans(future, table);
    expect(await theirs()).toEqual(await ours());
    expect((await ours()).length).toBe(content.length + 2);
  });

  it('moves the partitioning, and old and new files are both read and written right', async () => {
    await spark.sql(`ALTER TABLE lastro.${table} DROP PARTITION FIELD id_bucket`);
    await spark.sql(`ALTER TABLE lastro.${table} ADD PARTITION FIELD truncate(area, 3)`);
    await spark.sql(
      `INSERT INTO lastro.${table} VALUES (3000, TIMESTAMP '2026-12-01 00:00:00', 'nova', 1, array(), 7)`,
    );
    await desk.write(table, "(SELECT 3001::BIGINT AS id, 'açaí' AS area)");
    expect(await theirs()).toEqual(await ours());
    const pruned = await planFiles(desk.lake, await loadTable(desk.lake, table), {
      filter: [{ column: 'id', op: '=', value: 3001 }],
    });
    expect(pruned.files).toHaveLength(1);
  });
});
