import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeArchivedOrders } from '../../sandbox/archived-orders.ts';
import { type LakeWorkshop, openLakeWorkshop } from '../../test/services/lake-workshop.ts';
import { openFileCache } from '../lake/file-cache.ts';
import { compactTable } from '../lake/rewrite.ts';
import { dropTable, findTable, loadTable, tableFiles } from '../lake/tables.ts';
import {
  archivedOrdersTable,
  findOrderFiles,
  type LookupDeps,
  type OrderKey,
  orderLookupTable,
  refreshOrderLookup,
} from './archive.ts';

let workshop: LakeWorkshop;
let deps: LookupDeps;

beforeAll(async () => {
  workshop = await openLakeWorkshop();
  const { lake, session } = workshop;
  const files = await openFileCache({
    store: lake.store,
    folder: join(workshop.folder, 'none'),
    maxBytes: 0,
  });
  deps = { lake, session, files };
  await makeArchivedOrders(deps, { count: 200, months: 4, areas: 3, hostileEvery: 7 });
}, 60_000);

afterAll(() => workshop.close());

const places: Record<OrderKey['kind'], string> = {
  ordem: 'ordem_id',
  contrato: 'contrato_id',
  requisitante: 'cliente_requisitante_id',
  participante: 'unnest(cliente_participante_id)',
};

const paths = async (): Promise<string[]> =>
  (await tableFiles(deps.lake, await loadTable(deps.lake, archivedOrdersTable))).map(({ path }) => path);

const allKeys = async (): Promise<OrderKey[]> => {
  const keys: OrderKey[] = [];
  for (const kind of ['ordem', 'contrato', 'requisitante', 'participante'] as const) {
    const rows = await workshop.rows(archivedOrdersTable, {}, `SELECT DISTINCT ${places[kind]} AS k FROM t`);
    for (const { k } of rows) if (k !== null) keys.push({ kind, value: String(k) });
  }
  return keys;
};

/** Rows of the archive with a key, and of those the ones in files that the lookup would read. */
const rowsBehind = async ({
  kind,
  value,
}: OrderKey): Promise<{ all: number; found: number; files: number }> => {
  const mayHold = await findOrderFiles(deps, [[{ kind, value }]]);
  let [all, found, files] = [0, 0, 0];
  for (const path of await paths()) {
    const read = mayHold?.(path) ?? true;
    const list = `list_contains(${kind === 'participante' ? 'cliente_participante_id' : `[${places[kind]}]`}, '${value.replaceAll("'", "''")}')`;
    const local = path.replace('file://', '');
    const reader = await workshop.session.connection.runAndReadAll(
      `SELECT count(*) FROM read_parquet('${decodeURI(local).replaceAll("'", "''")}') WHERE ${list}`,
    );
    const rows = Number(reader.getRows()[0]?.[0]);
    all += rows;
    if (read) found += rows;
    if (read) files++;
  }
  return { all, found, files };
};

describe('the lookup of archived orders', () => {
  it('finds the files of every key, and few others', async () => {
    const keys = (await allKeys()).filter((_, at) => at % 23 === 0);
    const total = (await paths()).length;
    let read = 0;
    for (const key of keys) {
      const { all, found, files } = await rowsBehind(key);
      expect({ key, found }).toEqual({ key, found: all });
      expect(all).toBeGreaterThan(0);
      read += files;
    }
    expect(read / keys.length).toBeLessThan(total / 2);
    expect(await rowsBehind({ kind: 'contrato', value: 'there is none' })).toEqual({
      all: 0,
      found: 0,
      files: 0,
    });
  });

  it('has every file read that it does not know: after a compaction, and where it is not there at all', async () => {
    const key = (await allKeys()).find(({ kind }) => kind === 'contrato') ?? expect.unreachable();
    await workshop.write(
      archivedOrdersTable,
      `(SELECT * REPLACE ('again' AS ordem_id) FROM read_parquet('${(await paths())[0]?.replace('file://', '')}', hive_partitioning = false))`,
    );
    await compactTable(deps, archivedOrdersTable);
    const stale = await rowsBehind(key);
    expect(stale.found).toBe(stale.all);
    await dropTable(deps.lake, orderLookupTable);
    expect(await findOrderFiles(deps, [[key]])).toBeNull();
  });

  it('is filled and built anew, to the same answers', async () => {
    const files = (await paths()).length;
    expect(await refreshOrderLookup(deps)).toMatchObject({ files });
    expect(await refreshOrderLookup(deps)).toEqual({ files: 0, rows: 0 });
    const again = await refreshOrderLookup(deps, { rebuild: true });
    expect(again).toMatchObject({ files });
    for (const key of (await allKeys()).filter((_, at) => at % 41 === 0)) {
      const { all, found } = await rowsBehind(key);
      expect({ key, found }).toEqual({ key, found: all });
    }
    expect(await findTable(deps.lake, orderLookupTable)).not.toBeNull();
  });
});
