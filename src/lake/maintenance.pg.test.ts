import { utimes } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LakeWorkshop, openLakeWorkshop } from '../../test/services/lake-workshop.ts';
import { transaction } from '../platform/postgres.ts';
import { writeDataFiles } from './data-writer.ts';
import { openFileCache } from './file-cache.ts';
import { expireSnapshots, purgeDroppedTable, removeOrphans } from './maintenance.ts';
import { compactTable, deleteRows } from './rewrite.ts';
import { append, createTable, dropTable, loadTable, tableFiles } from './tables.ts';

let desk: LakeWorkshop;
beforeAll(async () => {
  desk = await openLakeWorkshop();
});
afterAll(() => desk.close());

let named = 0;
const newTable = async (): Promise<string> => {
  const name = `upkeep.t${++named}`;
  await createTable(desk.lake, name, {
    columns: [
      { name: 'id', type: 'long' },
      { name: 'area', type: 'string' },
    ],
    partitionBy: [{ column: 'area', transform: 'identity' }],
    sortBy: [{ column: 'id' }],
  });
  return name;
};
const ids = async (name: string, snapshotId?: string): Promise<number[]> =>
  (await desk.rows(name, snapshotId === undefined ? {} : { snapshotId }))
    .map((row) => Number(row['id']))
    .sort((a, b) => a - b);
const keys = async (): Promise<string[]> =>
  (await Array.fromAsync(desk.lake.store.list(''))).map(({ key }) => key).sort();
const deps = async () => ({
  lake: desk.lake,
  session: desk.session,
  files: await openFileCache({ store: desk.lake.store, folder: `${desk.folder}/cache2`, maxBytes: 1e9 }),
});
const later = (hours: number) => ({ ...desk.lake, clock: () => new Date(Date.now() + hours * 3_600_000) });

describe('expiring snapshots', () => {
  it('deletes only what no kept snapshot reaches', async () => {
    const name = await newTable();
    await desk.write(name, "(SELECT range AS id, 'A' AS area FROM range(4))");
    await desk.write(name, "(SELECT range AS id, 'A' AS area FROM range(4, 6))");
    const compacted = await compactTable(await deps(), name);
    expect(compacted).toMatchObject({ partitions: 1, filesBefore: 2, filesAfter: 1 });
    const last = await desk.write(name, "(SELECT 6::BIGINT AS id, 'B' AS area)");
    const before = await keys();
    const none = await expireSnapshots(desk.lake, name, { olderThan: new Date(0) });
    expect(none).toEqual({ snapshots: 0, files: 0 });
    const done = await expireSnapshots(desk.lake, name, {
      olderThan: new Date(Date.now() + 1000),
      keepLast: 2,
    });
    // Two data files, the lists and manifests of the first two snapshots.
    expect(done.snapshots).toBe(2);
    const after = await keys();
    expect(before.length - after.length).toBeGreaterThanOrEqual(done.files - 1);
    expect(await ids(name)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(await ids(name, last.table.metadata.snapshots[2]?.['snapshot-id'])).toEqual([0, 1, 2, 3, 4, 5]);
    await expect(ids(name, last.table.metadata.snapshots[0]?.['snapshot-id'])).rejects.toThrow('has expired');
    expect(
      (await expireSnapshots(desk.lake, name, { olderThan: new Date(Date.now() + 1000) })).snapshots,
    ).toBe(1);
    expect(await ids(name)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const files = await tableFiles(desk.lake, await loadTable(desk.lake, name));
    expect(
      (await keys()).filter((key) => key.includes('/data/') && key.startsWith(`warehouse/upkeep/t${named}-`)),
    ).toHaveLength(files.length);
  });
});

describe('removing orphans', () => {
  it('takes leftovers of rolled-back and dead commits, and never a live or a young file', async () => {
    const name = await newTable();
    await desk.write(name, "(SELECT range AS id, 'A' AS area FROM range(4))");
    await desk.write(name, "(SELECT range AS id, 'A' AS area FROM range(4, 6))");
    await compactTable(await deps(), name);
    const live = await keys();
    const table = await loadTable(desk.lake, name);
    const add = await writeDataFiles(desk, table, "(SELECT 99::BIGINT AS id, 'C' AS area)");
    await expect(
      transaction(desk.database.pool, async (tx) => {
        await append(desk.lake, name, { add }, { tx });
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    const withLeftovers = await keys();
    expect(withLeftovers.length).toBe(live.length + 4);
    expect(await removeOrphans(desk.lake, name)).toMatchObject({ files: 0 });
    await expect(removeOrphans(desk.lake, name, { guardMs: 1000 })).rejects.toThrow('at least one hour');
    const dry = await removeOrphans(later(100), name, { dryRun: true });
    expect(dry.files).toBe(4);
    expect(await keys()).toEqual(withLeftovers);
    expect((await removeOrphans(later(100), name)).keys).toEqual(dry.keys);
    expect(await keys()).toEqual(live);
    expect(await ids(name)).toEqual([0, 1, 2, 3, 4, 5]);
    const first = table.metadata.snapshots[0]?.['snapshot-id'];
    expect(await ids(name, first)).toEqual([0, 1, 2, 3]);
  });

  it('keeps what a commit that lands during the listing refers to', async () => {
    const name = await newTable();
    const table = await loadTable(desk.lake, name);
    const add = await writeDataFiles(desk, table, "(SELECT 1::BIGINT AS id, 'A' AS area)");
    for await (const { key } of desk.lake.store.list('warehouse/')) {
      const old = new Date(Date.now() - 200 * 3_600_000);
      await utimes(`${desk.folder}/store/${key}`, old, old);
    }
    const { store } = desk.lake;
    const slow = {
      ...desk.lake,
      store: {
        ...store,
        list: async function* (prefix: string) {
          yield* store.list(prefix);
          await append(desk.lake, name, { add });
        },
      },
    };
    expect(await removeOrphans(slow, name)).toMatchObject({ files: 0 });
    expect(await ids(name)).toEqual([1]);
  });

  it('removes nothing when a manifest cannot be read, or another table shares the folder', async () => {
    const name = await newTable();
    await desk.write(name, "(SELECT 1::BIGINT AS id, 'A' AS area)");
    const { store } = desk.lake;
    const broken = {
      ...later(100),
      store: {
        ...store,
        get: async (key: string) => {
          if (key.endsWith('-m.avro')) throw new Error('unreadable');
          return store.get(key);
        },
      },
    };
    await expect(removeOrphans(broken, name)).rejects.toThrow('unreadable');
    const { metadataLocation } = await loadTable(desk.lake, name);
    const twin = { namespace: 'upkeep', name: 'twin' };
    await desk.lake.catalog.swap(twin, { from: null, to: metadataLocation });
    await expect(removeOrphans(later(100), name)).rejects.toThrow('nothing was removed');
    const dropped = await dropTable(desk.lake, name);
    await expect(purgeDroppedTable(desk.lake, dropped)).rejects.toThrow('upkeep.twin lies in the folder');
    await dropTable(desk.lake, 'upkeep.twin');
    expect((await purgeDroppedTable(desk.lake, dropped)).files).toBeGreaterThan(3);
  });
});

describe('deleting rows', () => {
  it('rewrites only the files that hold some, and keeps rows for which the condition is unknown', async () => {
    const name = await newTable();
    await desk.write(name, "(SELECT range AS id, 'A' AS area FROM range(10))");
    await desk.write(
      name,
      "(SELECT CASE WHEN range = 13 THEN NULL ELSE range END AS id, 'B' AS area FROM range(10, 20))",
    );
    await desk.write(name, "(SELECT range AS id, 'C' AS area FROM range(20, 30))");
    const deleted = await deleteRows(await deps(), name, [
      { column: 'id', op: '>=', value: 8 },
      { column: 'id', op: '<', value: 15 },
    ]);
    expect(deleted).toMatchObject({ rows: 6, files: 2 });
    expect(await ids(name)).toEqual([
      0, 0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
    ]);
    const all = await deleteRows(await deps(), name, [{ column: 'area', op: '=', value: 'C' }]);
    expect(all).toMatchObject({ rows: 10, files: 1 });
    expect(await deleteRows(await deps(), name, [{ column: 'id', op: '=', value: 77 }])).toEqual({
      rows: 0,
      files: 0,
      committed: null,
    });
    expect((await ids(name)).length).toBe(14);
  });
});
