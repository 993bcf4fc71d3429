import { sandboxOrder } from '../sandbox/orders.ts';
import { startOrdersTable } from '../sandbox/orders-table.ts';

// DynamoDB's stand-in as a process of its own, with so many orders: <count>
const count = Number(process.argv[2]);
const until = new Date('2026-01-01T00:00:00.000Z');
const standIn = await startOrdersTable({ index: false });
const finals = ['concluida', 'cancelada', 'expirada', 'recusada'];
let due = 0;
for (let from = 0; from < count; from += 5_000) {
  const part = Array.from({ length: Math.min(5_000, count - from) }, (_, at) =>
    sandboxOrder(from + at, { count, until }),
  );
  const old = '2025-06-01';
  due += part.filter(
    (order) => finals.includes(String(order.status_ordem?.S)) && String(order.data_atualizacao?.S) < old,
  ).length;
  await standIn.load(part.filter((order) => String(order.data_atualizacao?.S) < old));
}
process.send?.({ url: standIn.url, due });
process.once('disconnect', () => process.exit(0));
