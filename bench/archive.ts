import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sandboxOrder } from '../sandbox/orders.ts';
import { archiveOrders, defaultLimits, type Stopwatch } from '../src/archive/archive-run.ts';
import { parseAge } from '../src/archive/due.ts';
import { openDynamoDb } from '../src/archive/dynamodb.ts';
import { canonicalItem, type Item } from '../src/archive/item.ts';
import type { OrdersTable, PagePosition } from '../src/archive/orders-table.ts';
import { patient } from '../src/archive/patience.ts';
import { jdbcCatalog } from '../src/lake/catalog/jdbc.ts';
import { openLake } from '../src/lake/tables.ts';
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres.ts';
import { migrate } from '../src/platform/migrations.ts';
import { openPool } from '../src/platform/postgres.ts';
import { loadSigningKeys } from '../src/platform/signing-keys.ts';
import { openDirectoryStore } from '../src/platform/store/directory.ts';
import { machine } from './machine.ts';

// npm run bench:archive [-- --items 200000 --dynalite 10000]
const { values } = parseArgs({
  options: { items: { type: 'string', default: '200000' }, dynalite: { type: 'string', default: '10000' } },
});

const scratch = await mkdtemp(join(tmpdir(), 'lastro-bench-'));
const until = new Date('2026-01-01T00:00:00.000Z');

/** Distinct orders of 1.2 KB as JSON of DynamoDB, every one due; ids and clients differ by the round. */
const basis = ((): Item[] => {
  const items: Item[] = [];
  for (let index = 0; items.length < 5_000; index++) {
    const item = sandboxOrder(index, { count: 20_000, until }) as unknown as Item;
    const size = canonicalItem(item).length;
    if (size < 900 || size > 1_500) continue;
    items.push({
      ...item,
      status_ordem: { S: 'concluida' },
      data_atualizacao: { S: '2025-01-01T00:00:00.000Z' },
    });
  }
  return items;
})();
const averageBytes = basis.reduce((sum, item) => sum + canonicalItem(item).length, 0) / basis.length;

/** A table in memory that costs next to nothing, so that what is measured is the archive alone. */
const costlessTable = (count: number, prefix: string): OrdersTable => ({
  describe: async () => ({ name: 'ordens', items: count, bytes: count * averageBytes, index: null }),
  page: async (request) => {
    const from = request.kind === 'scan' ? Number(request.from?.ordem_id?.S ?? 0) : 0;
    const to = Math.min(count, from + 1_000);
    const items: Item[] = [];
    for (let at = from; at < to; at++) {
      const item = basis[at % basis.length] as Item;
      items.push({
        ...item,
        ordem_id: { S: `${prefix}${at}` },
        area_id: { S: `A${at % 2}` },
        data_criacao: { S: `2024-0${1 + (at % 4)}-10T01:02:03.004Z` },
      });
    }
    return { items, units: 0, ...(to < count ? { next: { ordem_id: { S: String(to) } } } : {}) };
  },
  get: async () => ({ items: [], units: 0 }),
  remove: async () => ({ outcome: 'absent', units: 0, repeated: true }),
  put: async () => ({ outcome: 'put', units: 0 }),
});

type Stages = Record<Parameters<Stopwatch>[0], { ms: number; cpu: number }>;

const stopwatch = (): { timed: Stopwatch; stages: Stages } => {
  const stages: Stages = { select: zero(), parquet: zero(), commit: zero(), verify: zero(), remove: zero() };
  return {
    stages,
    timed: async (stage, work) => {
      const [started, before] = [performance.now(), process.cpuUsage()];
      try {
        return await work();
      } finally {
        const { user, system } = process.cpuUsage(before);
        stages[stage].ms += performance.now() - started;
        stages[stage].cpu += (user + system) / 1_000;
      }
    },
  };
};
const zero = (): { ms: number; cpu: number } => ({ ms: 0, cpu: 0 });

const server = await startEmbeddedPostgres({ home: join(scratch, 'home') });
const pool = openPool({ url: server.url });
try {
  await migrate(pool);
  const store = await openDirectoryStore(join(scratch, 'store'));
  const lake = openLake({ store, catalog: jdbcCatalog({ db: pool }) });
  const keys = await loadSigningKeys({ path: join(scratch, 'keys.json') });
  const run = async (name: string, table: OrdersTable, count: number, isLive: boolean): Promise<void> => {
    const { timed, stages } = stopwatch();
    const memory: number[] = [];
    const watch = setInterval(() => memory.push(process.memoryUsage.rss() / 1e6), 100);
    const started = performance.now();
    const { counts } = await archiveOrders(
      {
        ...{
          pool,
          lake,
          table,
          keys,
          timed,
          clock: () => new Date(),
          stagingFolder: join(scratch, 'staging'),
        },
        ...{
          limits: { ...defaultLimits, roundOrders: 100_000 },
          removeDelayMs: 0,
          concurrency: 16,
          segments: 1,
          overlap: true,
        },
      },
      { table: name, olderThan: parseAge('6mo'), areaAges: new Map() },
    );
    clearInterval(watch);
    const seconds = (performance.now() - started) / 1_000;
    if (counts.archived !== count || counts.removed !== count)
      throw new Error(`expected ${count} orders: ${JSON.stringify(counts)}`);
    const own =
      (['select', 'parquet', 'commit', 'verify'] as const).reduce((sum, stage) => sum + stages[stage].ms, 0) /
      1_000;
    const quarter = Math.floor(memory.length / 4);
    const peak = (part: number[]): string => `${Math.max(0, ...part).toFixed(0)} MB`;
    console.log(
      `${name}: ${count} orders of ${averageBytes.toFixed(0)} bytes in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(0)}/s whole)`,
    );
    if (!isLive)
      console.log(
        `  without DynamoDB (select, transform, hash, Parquet, commit, receipts, read back, compare): ${own.toFixed(1)} s, ${(count / own).toFixed(0)} orders/s`,
      );
    for (const [stage, { ms, cpu }] of Object.entries(stages)) {
      console.log(
        `  ${stage.padEnd(8)} ${(ms / 1_000).toFixed(2).padStart(7)} s  ${(ms / 10 / seconds).toFixed(0).padStart(3)} %  ${(cpu / 1_000).toFixed(2).padStart(7)} s of CPU`,
      );
    }
    console.log(
      `  memory: most in the first quarter ${peak(memory.slice(0, quarter))}, in the last ${peak(memory.slice(-quarter))}, of all ${peak(memory)}; ${(counts.bytes / 1e6).toFixed(1)} MB of Parquet\n`,
    );
  };
  console.log(`${machine()}\n`);
  await run('warm-up', costlessTable(20_000, 'warm_'), 20_000, false);
  const items = Number(values.items);
  await run('a table that costs nothing', costlessTable(items, 'ord_'), items, false);

  const few = Number(values.dynalite);
  if (few > 0) {
    const child = fork(join(import.meta.dirname, 'archive-dynalite.ts'), [String(few)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const [{ url, due }] = (await once(child, 'message')) as [{ url: string; due: number }];
    const orders = openDynamoDb({
      table: 'ordens',
      region: 'us-east-1',
      endpoint: url,
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    });
    const started = performance.now();
    let read = 0;
    for (let from: PagePosition | undefined; ; ) {
      const page = await orders.table.page({ kind: 'scan', segment: 0, of: 1, ...(from ? { from } : {}) });
      read += page.items.length;
      from = page.next;
      if (!from) break;
    }
    const seconds = (performance.now() - started) / 1_000;
    console.log(
      `dynalite alone: ${read} orders scanned in ${seconds.toFixed(1)} s (${(read / seconds).toFixed(0)}/s)`,
    );
    await run(
      'dynalite, in another process',
      patient(orders.table, { readUnits: 1e9, writeUnits: 1e9 }),
      due,
      true,
    );
    orders.close();
    child.kill();
  }
} finally {
  await pool.end();
  await server.stop();
  await rm(scratch, { recursive: true, force: true });
}
