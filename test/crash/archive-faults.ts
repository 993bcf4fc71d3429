import { type AttributeValue, type Item, itemHash } from '../../src/archive/item.ts';
import { type OrdersTable, OrdersTableError, ThrottledError } from '../../src/archive/orders-table.ts';
import type { Store } from '../../src/platform/store/store.ts';
import type { MemoryOrders } from '../archive/memory-orders.ts';
import type { Random } from './dying.ts';

export const pick = <T>(next: Random, list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;

export type Meddled = {
  /** Ids that others deleted. */
  readonly gone: Set<string>;
  /** Versions that others wrote over. */
  readonly replaced: Set<string>;
  /** Versions whose removal was done and its answer lost: what was in them cannot be known (docs/archive.md). */
  readonly unanswered: Set<string>;
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
    remove: async (id, condition) => {
      let taken: Item | undefined;
      try {
        return await call(async () => {
          const before = inner.items.get(id);
          const removal = await inner.remove(id, condition);
          if (removal.outcome !== 'removed' || !before) return removal;
          await removing(before);
          taken = before;
          return removal;
        });
      } catch (error) {
        if (taken) meddled.unanswered.add(itemHash(taken));
        throw error;
      }
    },
  };
};

export const unreliableStore = (inner: Store, next: Random, rate: number): Store => {
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

/** Nothing that a dead process would do reaches DynamoDB; a call that was under way when it died does. */
export const ofTheLiving = (inner: OrdersTable, requireLife: () => void): OrdersTable => {
  const living =
    <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) =>
    async (...args: Args): Promise<T> => {
      requireLife();
      return call(...args);
    };
  return {
    describe: living(inner.describe),
    page: living(inner.page),
    get: living(inner.get),
    put: living(inner.put),
    remove: living(inner.remove),
  };
};
