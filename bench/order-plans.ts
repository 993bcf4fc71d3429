import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { resumeWaiting } from '../src/orders/assembly.ts';
import { keepHouse, removeExpired } from '../src/orders/housekeeping.ts';
import { findOrders } from '../src/orders/orders.ts';
import { loadOrder } from '../src/orders/store.ts';
import { readOrder } from '../src/orders/view.ts';
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres.ts';
import { takeIdempotencyKey } from '../src/platform/idempotency.ts';
import { silentLog } from '../src/platform/log.ts';
import { readMessages } from '../src/platform/outbox.ts';
import { loadSigningKeys } from '../src/platform/signing-keys.ts';
import { openStore } from '../src/platform/store/open-store.ts';
import { explainedPool } from '../test/services/explained.ts';

// The plans of the order desk's queries, as PostgreSQL ran them on a database that has many orders: prints
// docs/order-plans.md. Nothing is rewritten for it: the product's own functions run, and `auto_explain` tells.

const { values } = parseArgs({ options: { home: { type: 'string' }, help: { type: 'boolean' } } });
if (values.help || values.home === undefined) {
  process.stdout.write(`node bench/order-plans.ts --home FOLDER > docs/order-plans.md
The home of a run with many orders: npm run bench:orders -- --home FOLDER\n`);
  process.exit(values.help ? 0 : 2);
}
const { home } = values;

const postgres = await startEmbeddedPostgres({ home });
const explained = explainedPool(postgres.url, [
  'auto_explain.log_analyze=on',
  'auto_explain.log_timing=off',
  'auto_explain.log_buffers=on',
]);
const { pool: db } = explained;
const store = await openStore(`file://${join(home, 'store')}`);
const { rows: counts } = await db.query<{ orders: number; areas: number; last: string; key: string }>(
  `SELECT count(*)::int AS orders, max(envelope_id) AS last,
     (SELECT envelope_id FROM envelopes ORDER BY envelope_id DESC OFFSET 1000 LIMIT 1) AS key FROM envelopes`,
);
const { orders = 0, last = '', key = '' } = counts[0] ?? {};

const principal = {
  clientId: 'c',
  subject: 's',
  scopes: new Set<string>(),
  areas: new Set(['CRD01']),
  clients: new Set<string>(),
};
const everyArea = { ...principal, areas: new Set(['*']) };
const find = (filter: Omit<Parameters<typeof findOrders>[2], 'limit'>, who = principal) =>
  findOrders({ db }, { principal: who }, { ...filter, limit: 50 });
const clock = (): Date => new Date();
const jobs = { enqueue: async () => {}, enqueueAll: async () => {} };
const log = silentLog();
const keys = await loadSigningKeys({ path: join(home, 'signing-keys.json'), createIfAbsent: true });

const queries: [string, () => Promise<unknown>][] = [
  ['The newest orders of an area', () => find({})],
  ['A later page', () => find({ after: key })],
  ['The orders of an area with a status', () => find({ status: 'failed' })],
  ['Those of an hour', () => find({ from: new Date(Date.now() - 3_600_000), to: clock() })],
  ['The newest orders of every area', () => find({}, everyArea)],
  ['One order, with parties, people and timeline', () => readOrder(db, last, ['CRD01'], 'en')],
  [
    "What a job begins with: the order, its fresh evidence and reviews (`store.ts`; here one order's)",
    () => loadOrder(db, { orderKey: last, now: clock(), freshSeconds: 120 }),
  ],
  ['An `Idempotency-Key`', () => takeIdempotencyKey(db, 'area-CRD01', 'some-key', clock())],
  ['Messages of an area after a cursor', () => readMessages(db, { areas: ['CRD01'], limit: 100 })],
  ['Messages of every area after a cursor', () => readMessages(db, { areas: null, limit: 100 })],
  ['Orders that wait for a partner', () => resumeWaiting({ db, jobs, clock, log }, 'powers')],
  [
    'Orders and drafts past their time limit, and the seal of the audit trail',
    () => keepHouse({ db, jobs, clock, log, seal: { keys, store: store.store } }),
  ],
  ['What is past its retention: keys, evidence, messages', () => removeExpired({ db, clock, log })],
];

/** The plan without the statement's text, which is in the source. */
const planOf = (message: string): string => {
  const lines = message.split('\n');
  return lines.slice(lines.findIndex((line) => /^\S.*\(cost=/.test(line))).join('\n');
};

try {
  process.stdout.write(`# Plans of the order desk's queries

Written by \`node bench/order-plans.ts --home FOLDER\` over a database with ${orders.toLocaleString('en')} orders that
\`npm run bench:orders -- --home FOLDER\` had filled. Each query ran six times in one session; the plan is that of
the last run, when PostgreSQL has settled on one for prepared statements. \`actual rows\` and buffers (8 KiB pages)
are what was read. That indexes answer is also tested, with 20,000 orders: \`src/orders/lists.pg.test.ts\`.
`);
  for (const [title, run] of queries) {
    let plans: string[] = [];
    for (let time = 0; time < 6; time++) {
      explained.plans();
      await run();
      plans = explained.plans();
    }
    process.stdout.write(`\n## ${title}\n\n\`\`\`\n${plans.map(planOf).join('\n\n')}\n\`\`\`\n`);
  }
} finally {
  await store.close();
  await explained.close();
  await postgres.stop();
}
