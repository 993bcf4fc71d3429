import type { Pool } from 'pg';
import { expect } from 'vitest';
import { startOrdersTable } from '../../sandbox/orders-table.ts';
import type { FaultPoint } from '../../src/archive/archive-run.ts';
import { openDynamoDb } from '../../src/archive/dynamodb.ts';
import { type AttributeValue, type Item, itemHash, textOf } from '../../src/archive/item.ts';
import { type OrdersTable, OrdersTableError, ThrottledError } from '../../src/archive/orders-table.ts';
import { patient } from '../../src/archive/patience.ts';
import { verifyReceipt } from '../../src/archive/receipt.ts';
import { makeReceipt } from '../../src/archive/receipts.ts';
import { itemOf } from '../../src/archive/row.ts';
import { jdbcCatalog } from '../../src/lake/catalog/jdbc.ts';
import { openLake } from '../../src/lake/tables.ts';
import { publicJwks } from '../../src/platform/signing-keys.ts';
import type { Store } from '../../src/platform/store/store.ts';
import { type MemoryOrders, memoryOrders } from '../archive/memory-orders.ts';
import { type ArchiveRoom, archiveRoom, order } from '../archive/room.ts';
import { testDatabase } from '../services/postgres.ts';
import { doomedAt, expireLeases, killsItself, type Random, random } from './dying.ts';

export const faultPoints: readonly FaultPoint[] = [
  'after-select',
  'after-parquet',
  'before-commit',
  'after-commit',
  'after-verify',
  'after-publish',
  'after-proof',
  'before-remove',
  'after-remove',
  'after-finish',
];

const pick = <T>(next: Random, list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;

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

export type Meddled = {
  /** Ids that others deleted. */
  readonly gone: Set<string>;
  /** Versions that others wrote over. */
  readonly replaced: Set<string>;
};

/** What the world does to the orders while the archive works; each removal by it is remembered. */
const meddle = (table: MemoryOrders, next: Random, { gone, replaced }: Meddled): void => {
  const ids = [...table.items.keys()];
  if (ids.length === 0 || next() > 0.06) return;
  const id = pick(next, ids);
  const item = table.items.get(id) as Item;
  const changed = (more: Record<string, AttributeValue>): Item => {
    const versao =
      'versao' in item && item.versao && 'N' in item.versao
        ? { versao: { N: String(Number(item.versao.N) + 1) } }
        : {};
    return { ...item, ...more, ...versao };
  };
  const turn = next();
  replaced.add(itemHash(item));
  if (turn < 0.5) table.set(changed({ data_atualizacao: { S: '2024-08-01T00:00:00.000Z' } }));
  else if (turn < 0.7)
    table.set(
      changed({ data_atualizacao: { S: new Date().toISOString() }, status_ordem: { S: 'em_assinatura' } }),
    );
  // Old services add attributes and touch nothing else.
  else if (turn < 0.8) table.set(changed({ [`novo_${Math.floor(next() * 1e6)}`]: { BOOL: true } }));
  else if (turn < 0.9) {
    table.items.delete(id);
    gone.add(id);
  } else {
    // Deleted and made again under the same id, with the same version number.
    table.set({ ...item, metadados: { M: { feita_de_novo: { BOOL: true } } } });
  }
};

/** Calls that fail before, after (a lost answer), or are throttled. What is removed is checked at that very moment. */
export const unreliable = (
  inner: MemoryOrders,
  next: Random,
  { rate, meddled, removing }: { rate: number; meddled: Meddled; removing: (item: Item) => Promise<void> },
): OrdersTable => {
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    meddle(inner, next, meddled);
    const turn = next();
    if (turn < rate) throw new OrdersTableError('no connection', undefined, true);
    if (turn < rate * 1.5) throw new ThrottledError('slow down');
    const result = await work();
    if (turn > 1 - rate) throw new OrdersTableError('the answer was lost', undefined, true);
    return result;
  };
  return {
    describe: () => call(inner.describe),
    page: (request) => call(() => inner.page(request)),
    get: (ids) => call(() => inner.get(ids)),
    put: (item) => call(() => inner.put(item)),
    remove: (id, condition) =>
      call(async () => {
        const before = inner.items.get(id);
        const removal = await inner.remove(id, condition);
        if (removal.outcome === 'removed' && before) await removing(before);
        return removal;
      }),
  };
};

const unreliableStore = (inner: Store, next: Random, rate: number): Store => {
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    const turn = next();
    if (turn < rate) throw new Error('store: no connection');
    const result = await work();
    if (turn > 1 - rate) throw new Error('store: the answer was lost');
    return result;
  };
  return {
    url: inner.url,
    put: (key, body, options) => call(() => inner.put(key, body, options)),
    get: (key, options) => call(() => inner.get(key, options)),
    list: inner.list,
    remove: (key) => call(() => inner.remove(key)),
  };
};

/** One run that dies at the `dieAt`-th point it meets, or of a call that fails too often. True: it came to its end. */
const attempt = async (
  room: ArchiveRoom,
  {
    url,
    admin,
    table,
    next,
    dieAt,
    rate,
  }: { url: string; admin: Pool; table: OrdersTable; next: Random; dieAt: number; rate: number },
): Promise<boolean> => {
  const { pool, fault, close } = doomedAt(dieAt, { url, admin });
  const store = unreliableStore(room.deps.lake.store, next, rate / 4);
  try {
    await room.run({
      pool,
      lake: openLake({ store, catalog: jdbcCatalog({ db: pool }) }),
      table: patient(table, { readUnits: 1e9, writeUnits: 1e9 }, { tries: 3, sleep: async () => {} }),
      fault,
    });
    return true;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    // Only what was done to it may fail it.
    expect(words).toMatch(
      /^killed$|no connection|answer was lost|slow down|Cannot use a pool|could not commit|terminat/i,
    );
    await expireLeases(admin);
    return false;
  } finally {
    await close();
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
    const meddled: Meddled = { gone: new Set(), replaced: new Set() };
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
      if (await attempt(room, { url: database.url, admin: database.pool, table, next, dieAt, rate })) break;
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
      expect(live.has(hash) || archived.includes(hash) || meddled.replaced.has(hash)).toBe(true);
      continue;
    }
    expect(archived).toContain(hash);
    const receipt = await makeReceipt({ db: room.deps.pool, lake: room.lake }, { orderId: id, hash });
    expect(await verifyReceipt(receipt, { jwks: publicJwks(room.deps.keys) })).toMatchObject({ valid: true });
  }
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
  const standIn = await startOrdersTable();
  await standIn.load(initial);
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const orders = openDynamoDb({ table: 'ordens', region: 'us-east-1', endpoint: standIn.url, credentials });
  const room = await archiveRoom(database.pool, orders.table);
  try {
    const args = [database.url, room.folder, standIn.url, point, String(nth)];
    const killed = await killsItself('archive-process.ts', args);
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
