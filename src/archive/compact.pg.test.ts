import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eachArchiveRoom } from '../../test/archive/each-room.ts';
import type { MemoryOrders } from '../../test/archive/memory-orders.ts';
import { type ArchiveRoom, order } from '../../test/archive/room.ts';
import type { TestDatabase } from '../../test/services/postgres.ts';
import { openDuckDb } from '../lake/duckdb-session.ts';
import { openFileCache } from '../lake/file-cache.ts';
import { loadTable, tableFiles } from '../lake/tables.ts';
import { publicJwks } from '../platform/signing-keys.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { type CompactRequest, compactArchive } from './compact.ts';
import { findOrderFiles, orderLookupTable } from './order-lookup.ts';
import { verifyReceipt } from './receipt.ts';
import { makeReceipt } from './receipts.ts';

let database: TestDatabase;
let table: MemoryOrders;
let room: ArchiveRoom;
eachArchiveRoom((made) => {
  ({ database, table, room } = made);
});

/** Runs one after the other, each with an order of the same month and area: as many files. */
const daily = async (count: number, from = 0): Promise<void> => {
  for (let at = from; at < from + count; at++) {
    table.set(order(`o${at}`));
    await room.run();
  }
};

const compact = (request: Partial<CompactRequest> = {}) =>
  compactArchive(
    { pool: database.pool, lake: room.lake, stagingFolder: room.deps.stagingFolder, table: 'ordens' },
    { which: 'paying', ...request },
  );

const files = async (name = archivedOrdersTable): Promise<string[]> =>
  (await tableFiles(room.lake, await loadTable(room.lake, name))).map(({ path }) => path);

const requireWhole = async (count: number): Promise<void> => {
  const rows = await room.rows();
  expect(rows.map(({ ordem_id }) => ordem_id).sort()).toEqual(
    Array.from({ length: count }, (_, at) => `o${at}`).sort(),
  );
  for (const { ordem_id: orderId } of rows) {
    const receipt = await makeReceipt({ db: database.pool, lake: room.lake }, { orderId });
    expect(await verifyReceipt(receipt, { jwks: publicJwks(room.deps.keys) })).toMatchObject({ valid: true });
  }
};

describe('small files of a month and area', () => {
  it('of several runs are joined where it pays: eight of them, or two when nothing has come for a week', async () => {
    await daily(7);
    expect(await compact()).toMatchObject({ filesBefore: 0, committed: null });
    await daily(1, 7);
    expect(await compact()).toMatchObject({ filesBefore: 8, filesAfter: 1 });
    await daily(1, 8);
    expect(await compact()).toMatchObject({ filesBefore: 0 });
    await database.pool.query("UPDATE archive_batches SET archived_at = archived_at - interval '8 days'");
    expect(await compact()).toMatchObject({ filesBefore: 2, filesAfter: 1 });
    await database.pool.query("UPDATE archive_batches SET archived_at = archived_at + interval '8 days'");
    await requireWhole(9);
  }, 60_000);

  it('are left alone while a batch among them is not proven', async () => {
    await daily(2);
    table.set(order('o2'));
    const dying = room.run({
      fault: (point) => {
        if (point === 'after-commit') throw new Error('killed');
      },
    });
    await expect(dying).rejects.toThrow('killed');
    expect(await compact({ which: 'all' })).toMatchObject({ filesBefore: 0 });
    await room.run();
    expect(await compact({ which: 'all' })).toMatchObject({ filesBefore: 3, filesAfter: 1 });
    await requireWhole(3);
  });

  it.each(['before-compact', 'after-compact', 'after-lookup'] as const)(
    'are whole, with true receipts and lookup, when the joining dies %s, and joined by the next one',
    async (dieAt) => {
      await daily(3);
      const dying = compact({
        which: 'all',
        fault: (point) => {
          if (point === dieAt) throw new Error('killed');
        },
      });
      await expect(dying).rejects.toThrow('killed');
      await requireWhole(3);
      await compact({ which: 'all' });
      expect(await files()).toHaveLength(1);
      await requireWhole(3);
    },
  );

  it('stay as they are where what would take their place holds other orders', async () => {
    await daily(2);
    const before = await files();
    // A store that answers reads of new files with an old one: the disk, or a bug of the writer.
    const { store } = room.lake;
    const [first] = before;
    const lying = {
      ...room.lake,
      store: {
        ...store,
        put: async (...[key, body, options]: Parameters<typeof store.put>) =>
          key.endsWith('.parquet')
            ? store.put(
                key,
                await (await store.get((first ?? '').slice(store.url.length + 1))).bytes(),
                options,
              )
            : store.put(key, body, options),
      },
    };
    const deps = { pool: database.pool, stagingFolder: room.deps.stagingFolder, table: 'ordens' };
    await expect(compactArchive({ ...deps, lake: lying }, { which: 'all' })).rejects.toThrow(
      /stays as it was/,
    );
    expect(await files()).toEqual(before);
    await requireWhole(2);
  });
});

describe('the lookup of reports', () => {
  it('knows the joined file, forgets those that left, and is joined itself', async () => {
    await daily(8);
    const gone = await files();
    await compact();
    const [joined] = await files();
    const session = await openDuckDb({ temporaryParent: room.folder });
    try {
      const cache = await openFileCache({
        store: room.lake.store,
        folder: join(room.folder, 'c'),
        maxBytes: 1e9,
      });
      const ask = async (value: string) =>
        findOrderFiles({ lake: room.lake, session, files: cache }, [[{ kind: 'ordem', value }]]);
      expect((await ask('o3'))?.(joined ?? '')).toBe(true);
      expect((await ask('absent'))?.(joined ?? '')).toBe(false);
      // Unknown files have to be searched: so it says of those that it forgot.
      expect((await ask('absent'))?.(gone[0] ?? '')).toBe(true);
    } finally {
      await session.close();
    }
    expect((await files(orderLookupTable)).length).toBeLessThan(16);
  }, 60_000);
});
