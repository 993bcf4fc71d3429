import type { Pool } from 'pg';
import type { Fence } from '../platform/leases.ts';
import { transaction } from '../platform/postgres.ts';
import { markRemoving } from './batches.ts';
import { type Item, itemHash } from './item.ts';
import { mapSettled } from './lanes.ts';
import { type OrdersTable, OrdersTableError, unchangedCondition } from './orders-table.ts';
import { moveReceipts, type Outcome } from './receipt-rows.ts';
import type { VerifiedOrder } from './verify.ts';

export type RemoveDeps = {
  readonly pool: Pool;
  readonly table: OrdersTable;
  readonly fence: Fence;
  /** Calls at once. */
  readonly concurrency: number;
  /** Names of attributes that orders of this table have: none of them may have appeared. */
  readonly knownNames: ReadonlySet<string>;
  readonly fault?: (point: 'before-remove' | 'after-remove') => void | Promise<void>;
  readonly notice?: (message: string) => void;
};

/**
 * Removes orders from DynamoDB, each only while it is exactly the version that the archive was proven to hold. The
 * intent is recorded before, the outcome after: killed in between, the next run asks again, and an order that is then
 * gone was removed by the earlier try.
 */
export const removeVerified = async (
  deps: RemoveDeps,
  orders: readonly VerifiedOrder[],
): Promise<Record<string, number>> => {
  const [first] = orders;
  if (!first) return {};
  const { batchId } = first;
  await transaction(deps.pool, (tx) =>
    markRemoving(
      tx,
      deps.fence,
      batchId,
      orders.map(({ position }) => position),
    ),
  );
  await deps.fault?.('before-remove');
  const outcomes = await mapSettled(orders, deps.concurrency, async (order) => ({
    position: order.position,
    outcome: await removeOne(deps, order),
  }));
  await deps.fault?.('after-remove');
  await moveReceipts(deps.pool, batchId, outcomes);
  const counts: Record<string, number> = {};
  for (const { outcome } of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
};

const removeOne = async (
  { table, knownNames, notice }: RemoveDeps,
  { orderId, item, hash, outcome: before }: VerifiedOrder,
): Promise<Outcome> => {
  const condition = unchangedCondition(item, knownNames);
  if (!condition) return 'unprovable';
  const removal = await table.remove(orderId, condition);
  if (removal.outcome === 'changed') return 'changed';
  // Gone at the very first try: somebody else removed it. Later, it may have been a try of ours whose answer was lost.
  if (removal.outcome === 'absent') return before === 'removing' || removal.repeated ? 'removed' : 'gone';
  if (itemHash(removal.old) === hash) return 'removed';
  notice?.(
    `order ${orderId} got an attribute of a new name between its archiving and its removal; it is put back`,
  );
  await putBack(table, removal.old);
  return 'changed';
};

/** What was removed was more than the archive holds: it goes back as it was, unless the order was made anew meanwhile. */
const putBack = async (table: OrdersTable, old: Item): Promise<void> => {
  const put = await table.put(old);
  if (put.outcome === 'put' || put.found !== undefined) return;
  throw new OrdersTableError(
    'an order that had to be put back was made and removed again by others meanwhile',
  );
};
