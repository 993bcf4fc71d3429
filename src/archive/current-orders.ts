import type { Config } from '../platform/config.ts';
import { type Item, itemHash, textOf } from './item.ts';
import type { OrdersTable } from './orders-table.ts';
import { type OrderRow, rowOf } from './row.ts';
import { type ScanPosition, selectOrders } from './select.ts';

/** An order that is still in the operational store, in the columns of the archive. */
export type CurrentOrderRow = Omit<OrderRow, 'data_criacao' | 'versao'> & {
  /** ISO 8601 UTC. */
  readonly data_criacao: string;
  /** Decimal text. */
  readonly versao: string | null;
  readonly hash_versao: string;
};

export type CurrentOrdersFilter = {
  readonly areas: readonly string[] | 'all';
  readonly orderId?: string;
};

const segments = 4;

/**
 * The orders of the operational store, read consistently: one by its id, else the whole table (the index by area may be
 * a moment behind, and an order that it lacks would be missing).
 * @throws UnfitItemError for an order of these areas that the columns cannot hold: it could not be shown
 */
export async function* readCurrentOrders(
  table: OrdersTable,
  { areas, orderId }: CurrentOrdersFilter,
  signal?: AbortSignal,
): AsyncGenerator<CurrentOrderRow> {
  const isWanted = (item: Item): boolean => areas === 'all' || areas.includes(textOf(item.area_id) ?? '');
  for await (const items of orderId === undefined ? scan(table, signal) : one(table, orderId)) {
    for (const item of items) if (isWanted(item)) yield currentRow(item);
  }
}

const currentRow = (item: Item): CurrentOrderRow => {
  const row = rowOf(item);
  return {
    ...row,
    data_criacao: row.data_criacao.toISOString(),
    versao: row.versao === null ? null : String(row.versao),
    hash_versao: itemHash(item),
  };
};

async function* one(table: OrdersTable, orderId: string): AsyncGenerator<readonly Item[]> {
  yield (await table.get([orderId])).items;
}

async function* scan(table: OrdersTable, signal: AbortSignal | undefined): AsyncGenerator<readonly Item[]> {
  const facts = { ...(await table.describe()), index: null };
  const from: ScanPosition = new Array(segments).fill(undefined);
  const request = { facts, createdBefore: new Date(8.64e15), segments, from, mayBeDue: () => true, signal };
  for await (const { items } of selectOrders(table, request)) yield items;
}

export type CurrentOrdersReader = {
  readonly read: (
    filter: CurrentOrdersFilter,
    options: { signal: AbortSignal },
  ) => AsyncGenerator<CurrentOrderRow>;
  readonly close: () => void;
};

/** Reads the table that the settings name. DynamoDB's client is loaded only here. */
export const openCurrentOrders = async (config: Config): Promise<CurrentOrdersReader> => {
  const { openConfiguredOrders } = await import('./command-room.ts');
  const { table, close } = openConfiguredOrders(config);
  return { read: (filter, { signal }) => readCurrentOrders(table, filter, signal), close };
};
