import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { archiveOrders, defaultLimits, type FaultPoint } from '../../src/archive/archive-run.ts';
import { parseAge } from '../../src/archive/due.ts';
import { openDynamoDb } from '../../src/archive/dynamodb.ts';
import type { OrdersTable } from '../../src/archive/orders-table.ts';
import { patient } from '../../src/archive/patience.ts';
import { jdbcCatalog } from '../../src/lake/catalog/jdbc.ts';
import { openLake } from '../../src/lake/tables.ts';
import { openPool } from '../../src/platform/postgres.ts';
import { loadSigningKeys } from '../../src/platform/signing-keys.ts';
import { openDirectoryStore } from '../../src/platform/store/directory.ts';

// An archive run that kills its own process: <database url> <room's folder> <DynamoDB> <fault point> <which time>
const [url = '', folder = '', endpoint = '', dieAt, nth] = process.argv.slice(2);
const pool = openPool({ url });
const store = await openDirectoryStore(join(folder, 'store'));
const orders = openDynamoDb({
  ...{ table: 'ordens', region: 'us-east-1', endpoint },
  credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
});
/** Pages of one order: a stand-in's page holds all that there are, and nothing would be read while others are archived. */
const inSmallPages = (inner: OrdersTable): OrdersTable => ({
  ...inner,
  page: async (request) => {
    const page = await inner.page(request);
    const [first, ...others] = page.items;
    const id = first?.ordem_id;
    if (request.kind !== 'scan' || !first || !id || !('S' in id) || others.length === 0) return page;
    return { ...page, items: [first], next: { ordem_id: id } };
  },
});

let met = 0;
await archiveOrders(
  {
    pool,
    lake: openLake({ store, catalog: jdbcCatalog({ db: pool }) }),
    table: patient(inSmallPages(orders.table), { readUnits: 1e6, writeUnits: 1e6 }),
    keys: await loadSigningKeys({ path: join(folder, 'keys.json') }),
    clock: () => new Date(),
    stagingFolder: join(folder, 'staging'),
    limits: { ...defaultLimits, roundOrders: 4, batchOrders: 2 },
    removeDelayMs: 0,
    concurrency: 2,
    // In one part it reads four orders ahead, which a point that is met only then needs.
    segments: dieAt === 'ahead-select' ? 1 : 2,
    overlap: true,
    timed: (_, work) => work(),
    fault: async (point: FaultPoint) => {
      if (dieAt === 'ahead-select' && point === 'before-verify') await setTimeout(200);
      if (point === dieAt && ++met === Number(nth)) process.kill(process.pid, 'SIGKILL');
    },
  },
  { table: 'ordens', olderThan: parseAge('6mo'), areaAges: new Map() },
);
orders.close();
await pool.end();
