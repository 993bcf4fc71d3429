import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Pool } from 'pg';
import { expect } from 'vitest';
import { startOrdersTable } from '../../sandbox/orders-table.ts';
import { defaultLimits, type FaultPoint } from '../../src/archive/archive-run.ts';
import { archivedOrdersTable } from '../../src/archive/archived-orders.ts';
import { rowsOfFile } from '../../src/archive/archived-rows.ts';
import { compactArchive } from '../../src/archive/compact.ts';
import { openDynamoDb } from '../../src/archive/dynamodb.ts';
import { type Item, itemHash, textOf } from '../../src/archive/item.ts';
import { findOrderFiles } from '../../src/archive/order-lookup.ts';
import type { OrdersTable } from '../../src/archive/orders-table.ts';
import { patient } from '../../src/archive/patience.ts';
import { verifyReceipt } from '../../src/archive/receipt.ts';
import { makeReceipt } from '../../src/archive/receipts.ts';
import { itemOf } from '../../src/archive/row.ts';
import { jdbcCatalog } from '../../src/lake/catalog/jdbc.ts';
import { openDuckDb } from '../../src/lake/duckdb-session.ts';
import { openFileCache } from '../../src/lake/file-cache.ts';
import { findTable, openLake, tableFiles } from '../../src/lake/tables.ts';
import { publicJwks } from '../../src/platform/signing-keys.ts';
import { type MemoryOrders, memoryOrders } from '../archive/memory-orders.ts';
import { type ArchiveRoom, archiveRoom, order } from '../archive/room.ts';
import { testDatabase } from '../services/postgres.ts';
import { type Meddled, ofTheLiving, pick, unreliable, unreliableStore } from './archive-faults.ts';
import { type Doomed, doomedAt, expireLeases, killsItself, type Random, random } from './dying.ts';

export const faultPoints: readonly FaultPoint[] = [
  'after-select',
  'ahead-select',
  'after-parquet',
  'before-commit',
  'after-commit',
  'ahead-commit',
  'before-verify',
  'after-verify',
  'after-publish',
  'after-proof',
  'before-remove',
  'after-remove',
  'after-finish',
];

/** Orders that are due, some without a version, some open. */
export const crashOrders = (seed: number): Item[] => {
  const next = random(seed);
  return Array.from({ length: 6 + Math.floor(next() * 14) }, (_, at) => {
    const item = order(`o${at}`, {
      area_id: { S: pick(next, ['A1', 'A2']) },
      data_criacao: { S: pick(next, ['2024-01-05T01:02:03.004Z', '2024-02-05T01:02:03Z']) },
      status_ordem: { S: next() < 0.15 ? 'em_assinatura' : 'concluida' },
      etiquetas: { SS: ['b', 'a'] },
    });
    if (next() > 0.4) return item;
    const { versao: _version, ...without } = item;
    return without;
  });
};

/** Small rounds and batches, so that several of each are under way at once. */
const crashLimits = [
  defaultLimits,
  { ...defaultLimits, batchOrders: 2, roundOrders: 4 },
  { ...defaultLimits, batchOrders: 1, roundOrders: 6 },
];

const expectedFaults =
  /^killed$|no connection|answer was lost|slow down|Cannot use a pool|could not commit|terminat|not queryable/i;

/** A dead process does nothing more. */
const requireLife = ({ hasDied }: Doomed): void => {
  if (hasDied()) throw new Error('killed');
};

type Attempt = {
  readonly url: string;
  readonly admin: Pool;
  readonly table: OrdersTable;
  readonly next: Random;
  readonly dieAt: number;
  readonly rate: number;
};

/** One run that dies at the `dieAt`-th point it meets, or of calls that fail. True: it ended. */
const attempt = async (
  room: ArchiveRoom,
  { url, admin, table, next, dieAt, rate }: Attempt,
): Promise<boolean> => {
  const doomed = doomedAt(dieAt, { url, admin });
  const store = unreliableStore(room.deps.lake.store, next, rate / 4);
  try {
    await room.run({
      pool: doomed.pool,
      lake: openLake({ store, catalog: jdbcCatalog({ db: doomed.pool }) }),
      table: patient(
        ofTheLiving(table, () => requireLife(doomed)),
        { readUnits: 1e9, writeUnits: 1e9 },
        { tries: 3, sleep: async () => {} },
      ),
      limits: pick(next, crashLimits),
      fault: async (point) => {
        requireLife(doomed);
        await doomed.fault();
        // A proof that takes its time: others overtake it.
        if (point === 'before-verify' && next() < 0.3) await setTimeout(next() * 40);
      },
    });
    return true;
  } catch (error) {
    // Only what was done to it may fail it.
    expect(error instanceof Error ? error.message : String(error)).toMatch(expectedFaults);
    await expireLeases(admin);
    return false;
  } finally {
    await doomed.close();
  }
};

/** A compaction that dies at a point, or with failing calls, or ends. */
const compactAttempt = async (
  room: ArchiveRoom,
  { url, admin, next, rate }: Pick<Attempt, 'url' | 'admin' | 'next' | 'rate'>,
): Promise<void> => {
  // It has three points.
  const doomed = doomedAt(Math.floor(next() * 4), { url, admin });
  const store = unreliableStore(room.deps.lake.store, next, rate / 4);
  try {
    await compactArchive(
      {
        pool: doomed.pool,
        lake: openLake({ store, catalog: jdbcCatalog({ db: doomed.pool }) }),
        stagingFolder: room.deps.stagingFolder,
        table: 'ordens',
      },
      {
        which: 'all',
        fault: doomed.fault,
      },
    );
  } catch (error) {
    expect(error instanceof Error ? error.message : String(error)).toMatch(expectedFaults);
    await expireLeases(admin);
  } finally {
    await doomed.close();
  }
};

/** Up to six runs with crashes and failing calls, then one that nothing disturbs; the rules are checked all the while. */
export const crashSeed = async (seed: number): Promise<void> => {
  const database = await testDatabase();
  const initial = crashOrders(seed);
  const inner = memoryOrders(initial, { pageSize: 4, index: seed % 2 === 0 });
  const room = await archiveRoom(database.pool, inner);
  try {
    const next = random(seed + 7_777);
    const meddled: Meddled = { gone: new Set(), replaced: new Set(), unanswered: new Set() };
    const removed = new Map<string, string>();
    // Never in neither place, never without a valid receipt: looked at when an order has just left DynamoDB.
    const removing = async (item: Item): Promise<void> => {
      const hash = itemHash(item);
      const id = textOf(item.ordem_id) ?? '';
      const { rows } = await database.pool.query(
        `SELECT b.state FROM archive_receipts r JOIN archive_batches b USING (batch_id)
         WHERE r.ordem_id = $1 AND r.version_hash = decode($2, 'hex')`,
        [id, hash],
      );
      // The one hole that DynamoDB leaves: an attribute of a new name, without a version. It is put back.
      if (rows.length === 0) {
        expect(item).not.toHaveProperty('versao');
        removed.set(hash, 'put back');
        return;
      }
      expect(rows).toEqual([{ state: 'verified' }]);
      removed.set(hash, id);
    };
    const rate = pick(next, [0, 0.02, 0.06]);
    const table = unreliable(inner, next, { rate, meddled, removing });
    for (let turn = 0; turn < 6; turn++) {
      const dieAt = next() < 0.8 ? 1 + Math.floor(next() * 14) : 0;
      const ended = await attempt(room, {
        url: database.url,
        admin: database.pool,
        table,
        next,
        dieAt,
        rate,
      });
      if (next() < 0.3 && (await findTable(room.lake, archivedOrdersTable)))
        await compactAttempt(room, { url: database.url, admin: database.pool, next, rate });
      if (ended) break;
    }
    await expireLeases(database.pool);
    await room.run();
    await requireInvariants(room, inner, { initial, meddled, removed });
  } finally {
    await room.close();
    await database.drop();
  }
};

const requireInvariants = async (
  room: ArchiveRoom,
  table: MemoryOrders,
  {
    initial,
    meddled,
    removed,
  }: { initial: readonly Item[]; meddled: Meddled; removed: ReadonlyMap<string, string> },
): Promise<void> => {
  const rows = await room.rows();
  const archived = rows.map((row) => itemHash(itemOf(row)));
  const live = new Set([...table.items.values()].map(itemHash));
  // Never twice in the archive.
  expect(new Set(archived).size).toBe(archived.length);
  // What the archive removed is in the archive, and its receipt is good without the database.
  for (const [hash, id] of removed) {
    if (id === 'put back') {
      const isKept = live.has(hash) || archived.includes(hash) || meddled.replaced.has(hash);
      // Its removal's answer would have told of the attribute: without it, only the version before is kept.
      expect(isKept || meddled.unanswered.has(hash)).toBe(true);
      continue;
    }
    expect(archived).toContain(hash);
    const receipt = await makeReceipt({ db: room.deps.pool, lake: room.lake }, { orderId: id, hash });
    expect(await verifyReceipt(receipt, { jwks: publicJwks(room.deps.keys) })).toMatchObject({ valid: true });
  }
  await requireTrueLookup(room);
  // Never in neither place: every order is live under its id, archived in some version, or was removed by others.
  const ids = new Set(rows.map((row) => row.ordem_id));
  for (const item of initial) {
    const id = textOf(item.ordem_id) ?? '';
    expect(table.items.has(id) || ids.has(id) || meddled.gone.has(id)).toBe(true);
  }
  // Nothing that is due is left behind, and nothing half done.
  const due = [...table.items.values()].filter(
    (item) => textOf(item.status_ordem) === 'concluida' && (textOf(item.data_atualizacao) ?? '') < '2025',
  );
  expect(due).toEqual([]);
  const { rows: open } = await room.deps.pool.query(
    "SELECT 1 FROM archive_batches WHERE state IN ('committed', 'verified')",
  );
  expect(open).toEqual([]);
  const { rows: intervals } = await room.deps.pool.query("SELECT 1 FROM intervals WHERE state <> 'done'");
  expect(intervals).toEqual([]);
};

/** The lookup never says that a file lacks an order which it holds. */
const requireTrueLookup = async ({ lake, folder }: ArchiveRoom): Promise<void> => {
  const table = await findTable(lake, archivedOrdersTable);
  if (!table) return;
  const session = await openDuckDb({ temporaryParent: folder });
  try {
    const files = await openFileCache({ store: lake.store, folder: join(folder, 'cache'), maxBytes: 1e9 });
    for (const file of await tableFiles(lake, table)) {
      for await (const rows of rowsOfFile(lake.store, file)) {
        for (const { ordem_id: value } of rows) {
          const mayHold = await findOrderFiles({ lake, session, files }, [[{ kind: 'ordem', value }]]);
          expect(mayHold?.(file.path) ?? true).toBe(true);
        }
      }
    }
  } finally {
    await session.close();
  }
};

/**
 * A process that archives from a real stand-in and kills itself with SIGKILL when it meets a point for the nth time,
 * then a run that ends.
 */
export const killedRun = async ({
  point,
  nth,
  seed,
}: {
  point: FaultPoint;
  nth: number;
  seed: number;
}): Promise<{ killed: boolean }> => {
  const database = await testDatabase();
  const initial = crashOrders(seed);
  // By its index all orders of an area come at once: nothing would be read while others are archived.
  const standIn = await startOrdersTable({ index: point !== 'ahead-select' });
  await standIn.load(initial);
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const orders = openDynamoDb({ table: 'ordens', region: 'us-east-1', endpoint: standIn.url, credentials });
  const room = await archiveRoom(database.pool, orders.table);
  try {
    const killed = await killsItself('archive-process.ts', [
      ...[database.url, room.folder, standIn.url, point, String(nth)],
    ]);
    await expireLeases(database.pool);
    await requireNothingLost(room, orders.table, initial);
    await room.run();
    await requireNothingLost(room, orders.table, initial);
    const due = initial.filter((item) => textOf(item.status_ordem) === 'concluida');
    expect((await room.rows()).map((row) => itemHash(itemOf(row))).sort()).toEqual(due.map(itemHash).sort());
    return { killed };
  } finally {
    orders.close();
    await standIn.close();
    await room.close();
    await database.drop();
  }
};

/** Each order is live, or in the lake with a receipt that holds; nothing is in the lake twice. */
const requireNothingLost = async (
  room: ArchiveRoom,
  table: OrdersTable,
  initial: readonly Item[],
): Promise<void> => {
  const archived = (await room.rows()).map((row) => itemHash(itemOf(row)));
  expect(new Set(archived).size).toBe(archived.length);
  const live = new Set(
    (await table.get(initial.map((item) => textOf(item.ordem_id) ?? ''))).items.map(itemHash),
  );
  for (const item of initial) {
    const hash = itemHash(item);
    if (live.has(hash)) continue;
    expect(archived).toContain(hash);
    const receipt = await makeReceipt(
      { db: room.deps.pool, lake: room.lake },
      { orderId: textOf(item.ordem_id) ?? '', hash },
    );
    expect(await verifyReceipt(receipt, { jwks: publicJwks(room.deps.keys) })).toMatchObject({ valid: true });
  }
};
