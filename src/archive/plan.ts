import type { Pool } from 'pg';
import { type ArchiveRequest, defaultLimits } from './archive-run.ts';
import { before, duenessOf, monthOf, monthText } from './due.ts';
import { type Item, itemHash, textOf } from './item.ts';
import { itemBytes } from './item-size.ts';
import type { OrdersTable } from './orders-table.ts';
import { knownVersions } from './receipt-rows.ts';
import { instantOf, rowOf, UnfitItemError } from './row.ts';
import { selectOrders } from './select.ts';

export type PlannedWindow = {
  readonly areaId: string;
  /** Month of creation, `2025-03`. */
  readonly month: string;
  orders: number;
  /** As JSON, which is near to what DynamoDB counts. */
  bytes: number;
  expectedBytesOut: number;
  objects: number;
};

export type ArchivePlan = {
  readonly windows: readonly PlannedWindow[];
  readonly total: {
    readonly read: number;
    readonly due: number;
    readonly open: number;
    readonly young: number;
    readonly unfit: number;
    readonly restored: number;
    readonly waiting: number;
  };
  readonly bytes: number;
  readonly objects: number;
  /** Units that a run takes, and what they cost on demand at the prices given. */
  readonly expected: {
    readonly readUnits: number;
    readonly writeUnits: number;
    readonly dollars: number;
    readonly seconds: number;
  };
};

/**
 * On demand in us-east-1, dollars a million, as published since November 2024; regions differ, so a bank gives its own.
 */
export const defaultPrices = { readUnits: 0.125, writeUnits: 0.625 };

/** Measured on sandbox orders: Parquet with zstd takes a sixth of the JSON. */
const compression = 6;

type PlanDeps = {
  readonly pool: Pool;
  readonly table: OrdersTable;
  readonly clock: () => Date;
  readonly segments: number;
};

/** What a run would do now. Reads the orders, changes nothing and holds no lease. */
export const planArchive = async (
  { pool, table, clock, segments }: PlanDeps,
  request: ArchiveRequest,
  options: { prices?: typeof defaultPrices; pace: { readUnits: number; writeUnits: number } },
): Promise<ArchivePlan> => {
  const now = clock();
  const cutoff = (item: Item): Date =>
    before(now, request.areaAges.get(textOf(item.area_id) ?? '') ?? request.olderThan);
  const facts = await table.describe();
  const latest = [request.olderThan, ...request.areaAges.values()].map((age) => before(now, age).getTime());
  const windows = new Map<string, PlannedWindow>();
  const total = { read: 0, due: 0, open: 0, young: 0, unfit: 0, restored: 0, waiting: 0 };
  let [readUnits, writeUnits] = [0, 0];
  const orders = selectOrders(table, {
    facts,
    createdBefore: new Date(Math.max(...latest)),
    segments,
    areaId: request.areaId,
    mayBeDue: (item) => ['due', 'unfit'].includes(duenessOf(item, cutoff(item))),
    signal: request.signal,
  });
  for await (const { items } of orders) {
    const known = await knownVersions(
      pool,
      items.map((item) => textOf(item.ordem_id) ?? '').filter((id) => !id.includes('\0')),
    );
    for (const item of items) {
      const bytes = itemBytes(item);
      readUnits += Math.ceil(bytes / 4_096) * (facts.index ? 1.5 : 1);
      total.read++;
      const id = textOf(item.ordem_id) ?? '';
      const dueness = duenessOf(item, cutoff(item));
      if (dueness !== 'due') total[dueness]++;
      else if ((known.keptUntil.get(id) ?? now) > now) total.restored++;
      else if (isWaiting(known.versions.get(id), item)) total.waiting++;
      else if (isFit(item)) {
        total.due++;
        writeUnits += Math.ceil(bytes / 1_024);
        add(windows, item, bytes);
      } else total.unfit++;
    }
  }
  for (const window of windows.values()) {
    window.expectedBytesOut = Math.round(window.bytes / compression);
    window.objects = Math.max(
      1,
      Math.ceil(window.orders / defaultLimits.batchOrders),
      Math.ceil(window.bytes / defaultLimits.batchBytes),
    );
  }
  const sorted = [...windows.values()].sort((one, other) =>
    `${one.areaId} ${one.month}` < `${other.areaId} ${other.month}` ? -1 : 1,
  );
  const prices = options.prices ?? defaultPrices;
  return {
    windows: sorted,
    total,
    bytes: sorted.reduce((sum, each) => sum + each.bytes, 0),
    objects: sorted.reduce((sum, each) => sum + each.objects, 0),
    expected: {
      readUnits,
      writeUnits,
      dollars: (readUnits * prices.readUnits + writeUnits * prices.writeUnits) / 1e6,
      seconds: Math.ceil(readUnits / options.pace.readUnits + writeUnits / options.pace.writeUnits),
    },
  };
};

const isWaiting = (
  versions: readonly { hash: string; outcome: string }[] | undefined,
  item: Item,
): boolean => {
  if (!versions) return false;
  const hash = itemHash(item);
  return versions.some((each) => each.hash === hash && ['pending', 'removing'].includes(each.outcome));
};

const isFit = (item: Item): boolean => {
  try {
    rowOf(item);
    return true;
  } catch (error) {
    if (error instanceof UnfitItemError) return false;
    throw error;
  }
};

const add = (windows: Map<string, PlannedWindow>, item: Item, bytes: number): void => {
  const areaId = textOf(item.area_id) ?? '';
  const month = monthText(monthOf(instantOf(textOf(item.data_criacao) ?? '') ?? new Date(0)).from);
  const key = `${areaId}\n${month}`;
  const window = windows.get(key) ?? { areaId, month, orders: 0, bytes: 0, expectedBytesOut: 0, objects: 0 };
  window.orders++;
  window.bytes += bytes;
  windows.set(key, window);
};
