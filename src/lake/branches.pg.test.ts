import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LakeWorkshop, openLakeWorkshop } from '../../test/services/lake-workshop.ts';
import { transaction } from '../platform/postgres.ts';
import { createBranch, dropBranch, dropExpiredBranches } from './branches.ts';
import { writeDataFiles } from './data-writer.ts';
import { openFileCache } from './file-cache.ts';
import { expireSnapshots, removeOrphans } from './maintenance.ts';
import { parseMetadata, type TableMetadata } from './metadata.ts';
import { tableAt } from './refs.ts';
import { compactTable, deleteRows } from './rewrite.ts';
import {
  append,
  changeSchema,
  createTable,
  loadTable,
  overwriteFiles,
  rollbackTo,
  tableFiles,
} from './tables.ts';

let desk: LakeWorkshop;
beforeAll(async () => {
  desk = await openLakeWorkshop();
});
afterAll(() => desk.close());

let named = 0;
const newTable = async (rows = 3): Promise<string> => {
  const name = `ramos.t${++named}`;
  await createTable(desk.lake, name, {
    columns: [
      { name: 'id', type: 'long' },
      { name: 'area', type: 'string' },
    ],
  });
  if (rows > 0) await desk.write(name, `(SELECT range AS id, 'A' AS area FROM range(${rows}))`);
  return name;
};
const ids = async (name: string, ref?: string): Promise<number[]> =>
  (await desk.rows(name, ref === undefined ? {} : { ref }, 'SELECT id FROM t'))
    .map((row) => Number(row['id']))
    .sort();
const folderOf = (metadata: TableMetadata): string => metadata.location.slice(desk.lake.store.url.length + 1);
const dataFiles = async (name: string): Promise<number> => {
  const folder = folderOf((await loadTable(desk.lake, name)).metadata);
  return (await Array.fromAsync(desk.lake.store.list(`${folder}/data/`))).length;
};
const later = (hours: number) => ({ ...desk.lake, clock: () => new Date(Date.now() + hours * 3_600_000) });
const deps = async () => ({
  lake: desk.lake,
  session: desk.session,
  files: await openFileCache({ store: desk.lake.store, folder: `${desk.folder}/cache2`, maxBytes: 1e9 }),
});

describe('a branch', () => {
  it('has its own rows: commits to it and to the table do not see each other', async () => {
    const name = await newTable();
    const before = await loadTable(desk.lake, name);
    const branch = await createBranch(desk.lake, name, 'ensaio');
    expect(await ids(name, 'ensaio')).toEqual([0, 1, 2]);
    await desk.write(name, "(SELECT 10::BIGINT AS id, 'B' AS area)", { branch: 'ensaio' });
    await desk.write(name, "(SELECT 20::BIGINT AS id, 'C' AS area)");
    expect(await ids(name, 'ensaio')).toEqual([0, 1, 10, 2]);
    expect(await ids(name)).toEqual([0, 1, 2, 20]);
    const remove = await tableFiles(desk.lake, branch);
    const basis = tableAt(await loadTable(desk.lake, name), 'ensaio');
    await overwriteFiles(desk.lake, name, { basis, remove, add: [] }, { branch: 'ensaio' });
    expect(await ids(name, 'ensaio')).toEqual([10]);
    expect(await ids(name)).toEqual([0, 1, 2, 20]);
    const after = await loadTable(desk.lake, name);
    expect(after.metadata['snapshot-log']).toHaveLength(before.metadata['snapshot-log'].length + 1);
    expect(await ids(name, 'main')).toEqual([0, 1, 2, 20]);
  });

  it('takes what the table takes: deletion, compaction, a commit id once', async () => {
    const name = await newTable();
    await createBranch(desk.lake, name, 'ensaio');
    const options = { branch: 'ensaio', commitId: 'c1' };
    const first = await desk.write(name, "(SELECT 10::BIGINT AS id, 'B' AS area)", options);
    const again = await desk.write(name, "(SELECT 10::BIGINT AS id, 'B' AS area)", options);
    expect([first.already, again.already]).toEqual([false, true]);
    // The id is free on the table: the branch is no part of its history.
    expect(
      (await desk.write(name, "(SELECT 11::BIGINT AS id, 'B' AS area)", { commitId: 'c1' })).already,
    ).toBe(false);
    await deleteRows(await deps(), name, [{ column: 'id', op: '<', value: 2 }], { branch: 'ensaio' });
    await compactTable(await deps(), name, { branch: 'ensaio' });
    expect(await ids(name, 'ensaio')).toEqual([10, 2]);
    expect(await tableFiles(desk.lake, tableAt(await loadTable(desk.lake, name), 'ensaio'))).toHaveLength(1);
    expect(await ids(name)).toEqual([0, 1, 11, 2]);
  });

  it('may have columns of its own, which leave with it', async () => {
    const name = await newTable();
    const { metadata: before } = await loadTable(desk.lake, name);
    await createBranch(desk.lake, name, 'ensaio', { schema: [{ add: { name: 'nota', type: 'int' } }] });
    await desk.write(name, "(SELECT 10::BIGINT AS id, 'B' AS area, 7 AS nota)", { branch: 'ensaio' });
    expect(await desk.rows(name, { ref: 'ensaio' }, 'SELECT nota FROM t WHERE id >= 2 ORDER BY id')).toEqual([
      { nota: null },
      { nota: 7 },
    ]);
    expect(Object.keys((await desk.rows(name))[0] ?? {})).toEqual(['id', 'area']);
    // The table gets a column of the same name meanwhile: another one, with an id of its own.
    const { metadata } = await changeSchema(desk.lake, name, [{ add: { name: 'nota', type: 'string' } }]);
    await desk.write(name, "(SELECT 20::BIGINT AS id, 'C' AS area, 'x' AS nota)");
    expect(await desk.rows(name, { ref: 'ensaio' }, 'SELECT nota FROM t WHERE id = 10')).toEqual([
      { nota: 7 },
    ]);
    const fieldIds = metadata.schemas
      .flatMap(({ fields }) => fields.filter((f) => f.name === 'nota'))
      .map((f) => f.id);
    expect(new Set(fieldIds).size).toBe(2);
    await dropBranch(desk.lake, name, 'ensaio');
    const { metadata: after } = await loadTable(desk.lake, name);
    expect(after.schemas).toHaveLength(before.schemas.length + 1);
    expect(await desk.rows(name, {}, 'SELECT nota FROM t WHERE id = 20')).toEqual([{ nota: 'x' }]);
  });

  it('can be made of an empty table', async () => {
    const name = await newTable(0);
    await createBranch(desk.lake, name, 'ensaio');
    await desk.write(name, "(SELECT 1::BIGINT AS id, 'A' AS area)", { branch: 'ensaio' });
    expect(await ids(name, 'ensaio')).toEqual([1]);
    expect(await ids(name)).toEqual([]);
    await dropBranch(desk.lake, name, 'ensaio');
    expect((await loadTable(desk.lake, name)).metadata.snapshots).toEqual([]);
    await desk.write(name, "(SELECT 2::BIGINT AS id, 'A' AS area)");
    expect(await ids(name)).toEqual([2]);
  });

  it('is part of the compare-and-set: writers of the table and of branches lose nothing', async () => {
    const name = await newTable(0);
    const branches = ['a', 'b', 'c'];
    await Promise.all(branches.map((branch) => createBranch(desk.lake, name, branch)));
    const table = await loadTable(desk.lake, name);
    const work: Promise<unknown>[] = [];
    for (const [n, branch] of [...branches, undefined].entries()) {
      for (let i = 0; i < 3; i++) {
        const id = n * 10 + i;
        const add = await writeDataFiles(desk, table, `(SELECT ${id}::BIGINT AS id, 'A' AS area)`);
        work.push(append(desk.lake, name, { add }, branch === undefined ? {} : { branch }));
      }
    }
    await Promise.all(work);
    expect(await Promise.all([...branches, undefined].map((branch) => ids(name, branch)))).toEqual([
      [0, 1, 2],
      [10, 11, 12],
      [20, 21, 22],
      [30, 31, 32],
    ]);
  });

  it('joins a transaction, and is gone with it', async () => {
    const name = await newTable();
    const made = transaction(desk.database.pool, async (tx) => {
      await createBranch(desk.lake, name, 'ensaio', { tx });
      await desk.write(name, "(SELECT 9::BIGINT AS id, 'A' AS area)", { tx, branch: 'ensaio' });
      throw new Error('no');
    });
    await expect(made).rejects.toThrow('no');
    expect(Object.keys((await loadTable(desk.lake, name)).metadata.refs)).toEqual(['main']);
  });

  it('refuses names that would be taken for something else, and names what there is', async () => {
    const name = await newTable();
    for (const bad of ['main', '12', '', 'a b', "x'"]) {
      await expect(createBranch(desk.lake, name, bad)).rejects.toThrow("expected a branch's name");
    }
    await createBranch(desk.lake, name, 'ensaio');
    await expect(createBranch(desk.lake, name, 'ensaio')).rejects.toThrow(
      'has a branch or tag ensaio already',
    );
    await expect(ids(name, 'outro')).rejects.toThrow('there are main, ensaio');
    await expect(desk.write(name, '(SELECT 1::BIGINT AS id)', { branch: 'outro' })).rejects.toThrow(
      'no branch',
    );
  });
});

describe('the upkeep of branches', () => {
  it('expiry, rollback and orphans leave the files of a branch alone', async () => {
    const name = await newTable();
    const [first] = (await loadTable(desk.lake, name)).metadata.snapshots;
    await createBranch(desk.lake, name, 'ensaio');
    await desk.write(name, "(SELECT 10::BIGINT AS id, 'B' AS area)", { branch: 'ensaio' });
    await desk.write(name, "(SELECT 20::BIGINT AS id, 'C' AS area)");
    await rollbackTo(desk.lake, name, first?.['snapshot-id'] ?? '');
    await desk.write(name, "(SELECT 21::BIGINT AS id, 'C' AS area)");
    await expireSnapshots(later(100), name, { olderThan: new Date(Date.now() + 90 * 3_600_000) });
    expect(await removeOrphans(later(100), name)).toBeDefined();
    expect(await ids(name, 'ensaio')).toEqual([0, 1, 10, 2]);
    expect(await ids(name)).toEqual([0, 1, 2, 21]);
  });

  it('dropping takes the snapshots and files that only the branch had, at once', async () => {
    const name = await newTable();
    const files = await dataFiles(name);
    const before = (await loadTable(desk.lake, name)).metadata;
    await createBranch(desk.lake, name, 'ensaio');
    await desk.write(name, "(SELECT 10::BIGINT AS id, 'B' AS area)", { branch: 'ensaio' });
    expect(await dataFiles(name)).toBe(files + 1);
    const dropped = await dropBranch(desk.lake, name, 'ensaio');
    expect(dropped.snapshots).toBe(2);
    expect(await dropBranch(desk.lake, name, 'ensaio')).toEqual({ snapshots: 0, files: 0 });
    expect(await dataFiles(name)).toBe(files);
    const { metadata } = await loadTable(desk.lake, name);
    expect([metadata.refs, metadata.snapshots]).toEqual([before.refs, before.snapshots]);
    expect(await ids(name)).toEqual([0, 1, 2]);
    const left = await removeOrphans(later(100), name);
    expect(left.files).toBe(0);
  });

  it('a branch that was left is dropped once it is older than it was made to become, not before', async () => {
    const name = await newTable();
    await createBranch(desk.lake, name, 'ensaio', { maxAgeMs: 3_600_000 });
    await createBranch(desk.lake, name, 'fica');
    expect(await dropExpiredBranches(desk.lake, name)).toEqual({ snapshots: 0, files: 0 });
    expect((await dropExpiredBranches(later(2), name)).snapshots).toBe(1);
    expect(Object.keys((await loadTable(desk.lake, name)).metadata.refs)).toEqual(['main', 'fica']);

    await createBranch(desk.lake, name, 'ensaio', { maxAgeMs: 3_600_000 });
    await desk.write(name, "(SELECT 10::BIGINT AS id, 'B' AS area)", { branch: 'ensaio' });
    // Expiry that has no snapshot of the table to forget takes it as well.
    await expireSnapshots(later(5), name, { olderThan: new Date(0) });
    const { metadata } = await loadTable(desk.lake, name);
    expect(Object.keys(metadata.refs)).toEqual(['main', 'fica']);
    expect(await ids(name)).toEqual([0, 1, 2]);
  });

  it('writes metadata that is read again as it was', async () => {
    const name = await newTable();
    await createBranch(desk.lake, name, 'ensaio', { maxAgeMs: 5 });
    const { metadata, metadataLocation } = await loadTable(desk.lake, name);
    const bytes = await (
      await desk.lake.store.get(metadataLocation.slice(desk.lake.store.url.length + 1))
    ).bytes();
    expect(parseMetadata(bytes.toString(), metadataLocation).refs).toEqual(metadata.refs);
    expect(metadata.refs['ensaio']).toMatchObject({ type: 'branch', 'max-ref-age-ms': 5 });
  });
});
