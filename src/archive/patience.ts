import { setTimeout as pause } from 'node:timers/promises';
import { type OrdersTable, OrdersTableError, ThrottledError } from './orders-table.ts';

export type Pace = {
  /** Read units a second, at most. */
  readonly readUnits: number;
  /** Write units a second, at most. */
  readonly writeUnits: number;
};

export type PatienceDeps = {
  readonly sleep?: (ms: number) => Promise<void>;
  /** Monotonic, in ms. */
  readonly now?: () => number;
  readonly random?: () => number;
  readonly signal?: AbortSignal;
  /** Tries of one call in all. Default 8: about half a minute. */
  readonly tries?: number;
  readonly notice?: (message: string) => void;
};

type Meter = {
  /** Waits until what was spent before is within the rate. */
  readonly wait: () => Promise<void>;
  readonly spent: (units: number) => void;
  readonly slower: () => number;
};

/**
 * The cap of one kind of units. Spending is known only from the answer, so it is paid for before the next call. Where
 * DynamoDB throttles, the live table is short of capacity: the rate is halved, and grows back a little with each answer.
 */
const openMeter = (cap: number, now: () => number, sleep: (ms: number) => Promise<void>): Meter => {
  let rate = cap;
  let paidAt = now();
  return {
    wait: async () => {
      const ms = paidAt - now();
      if (ms > 0) await sleep(ms);
    },
    spent: (units) => {
      paidAt = Math.max(paidAt, now()) + (units / rate) * 1_000;
      rate = Math.min(cap, rate * 1.02);
    },
    slower: () => {
      rate = Math.max(cap / 64, rate / 2);
      return rate;
    },
  };
};

/**
 * The table, called no faster than `pace` and again where it throttles or does not answer. What is repeated may have
 * been done already: `remove` and `put` then find that, and their callers tell it from another's doing.
 */
export const patient = (table: OrdersTable, pace: Pace, deps: PatienceDeps = {}): OrdersTable => {
  const { signal, random = Math.random, tries = 8, now = () => performance.now() } = deps;
  const sleep = deps.sleep ?? ((ms: number) => pause(ms, undefined, signal ? { signal } : {}));
  const reads = openMeter(pace.readUnits, now, sleep);
  const writes = openMeter(pace.writeUnits, now, sleep);
  const call = async <T>(
    meter: Meter,
    work: (turn: number) => Promise<T>,
    units: (result: T) => number,
  ): Promise<T> => {
    for (let turn = 1; ; turn++) {
      signal?.throwIfAborted();
      await meter.wait();
      try {
        const result = await work(turn);
        meter.spent(units(result));
        return result;
      } catch (error) {
        const isThrottled = error instanceof ThrottledError;
        if (isThrottled)
          deps.notice?.(`${error.message}; going on at ${meter.slower().toFixed(0)} units a second`);
        const again = isThrottled || (error instanceof OrdersTableError && error.transient);
        if (!again) throw error;
        if (turn >= tries) {
          throw isThrottled ? new OrdersTableError(`${error.message} (${tries} tries)`, error) : error;
        }
        await sleep(random() * Math.min(10_000, 50 * 2 ** turn));
      }
    }
  };
  const unitsOf = (result: { readonly units: number }): number => result.units;
  return {
    describe: () => call(reads, table.describe, () => 0),
    page: (request) => call(reads, () => table.page(request), unitsOf),
    get: (ids) => call(reads, () => table.get(ids), unitsOf),
    remove: (orderId, condition) =>
      call(
        writes,
        async (turn) => {
          const removal = await table.remove(orderId, condition);
          return removal.outcome === 'absent' && turn > 1 ? { ...removal, repeated: true } : removal;
        },
        unitsOf,
      ),
    put: (item) => call(writes, () => table.put(item), unitsOf),
  };
};
