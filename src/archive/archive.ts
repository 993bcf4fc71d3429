export { archivedOrdersDefinition, archivedOrdersTable } from './archived-orders.ts';
export { type CurrentOrderRow, openCurrentOrders, readCurrentOrders } from './current-orders.ts';
export {
  appendOrderLookup,
  findOrderFiles,
  type LookupDeps,
  type OrderKey,
  openOrderLookup,
  orderLookupTable,
  refreshOrderLookup,
  writeOrderLookup,
} from './order-lookup.ts';
export { archivedOrder } from './versions.ts';
