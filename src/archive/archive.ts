export { archivedOrdersDefinition, archivedOrdersTable } from './archived-orders.ts';
