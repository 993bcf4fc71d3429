import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type ArchiveDeps,
  archiveOrders,
  defaultLimits,
  type Stopwatch,
} from '../src/archive/archive-run.ts';
import { parseAge } from '../src/archive/due.ts';
import { openDynamoDb } from '../src/archive/dynamodb.ts';
import type { OrdersTable, PagePosition } from '../src/archive/orders-table.ts';
import { patient } from '../src/archive/patience.ts';
import { jdbcCatalog } from '../src/lake/catalog/jdbc.ts';
import { openLake } from '../src/lake/tables.ts';
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres.ts';
import { migrate } from '../src/platform/migrations.ts';
import { openPool } from '../src/platform/postgres.ts';
import { loadSigningKeys } from '../src/platform/signing-keys.ts';
import { openDirectoryStore } from '../src/platform/store/directory.ts';
import { costlessOrders, sizes } from './archive-orders.ts';
import { machine } from './machine.ts';
import { cpuSecondsOf } from './processes.ts';

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    size: { type: 'string', default: 'dynamodb' },
    items: { type: 'string', default: '200000' },
    stages: { type: 'string', default: '60000' },
    dynalite: { type: 'string', default: '10000' },
  },
});

if (values.help || !(values.size in sizes)) {
  process.stdout.write(`npm run bench:archive -- [--items 200000] [--stages 60000] [--dynalite 10000]
  [--size dynamodb|json: how the 1.2 KB of an order are counted]
--stages and --dynalite take 0 to leave that part out.\n`);
  process.exit(values.help ? 0 : 2);
}
const { averageBytes, table: costlessTable } = costlessOrders(sizes[values.size as keyof typeof sizes]);

const scratch = await mkdtemp(join(tmpdir(), 'lastro-bench-'));
const server = await startEmbeddedPostgres({ home: join(scratch, 'home') });
const pool = openPool({ url: server.url });

type Stage = Parameters<Stopwatch>[0];
type Stages = Record<Stage, { ms: number; cpu: number }>;

const stopwatch = (): { timed: Stopwatch; stages: Stages } => {
  const zero = (): { ms: number; cpu: number } => ({ ms: 0, cpu: 0 });
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

/** The postmaster: its children are the connections. */
const postmaster = async (): Promise<number> => {
  const { rows } = await pool.query<{ folder: string }>("SELECT current_setting('data_directory') AS folder");
  return Number(readFileSync(join(rows[0]?.folder ?? '', 'postmaster.pid'), 'utf8').split('\n')[0]);
};

type Measured = { seconds: number; own: number; postgres: number; memory: number[] };

/** Wall seconds, seconds of CPU of this process (all threads) and of PostgreSQL, and resident megabytes each 100 ms. */
const measured = async (work: () => Promise<void>): Promise<Measured> => {
  const database = await postmaster();
  const memory: number[] = [];
  const watch = setInterval(() => memory.push(process.memoryUsage.rss() / 1e6), 100);
  const [started, own, postgres] = [performance.now(), process.cpuUsage(), cpuSecondsOf(database)];
  try {
    await work();
  } finally {
    clearInterval(watch);
  }
  const { user, system } = process.cpuUsage(own);
  return {
    seconds: (performance.now() - started) / 1_000,
    own: (user + system) / 1e6,
    postgres: cpuSecondsOf(database) - postgres,
    memory,
  };
};

const told = (what: string, orders: number, { seconds, own, postgres, memory }: Measured): void => {
  const quarter = Math.ceil(memory.length / 4);
  const most = [0, 1, 2, 3].map((at) =>
    Math.max(0, ...memory.slice(at * quarter, (at + 1) * quarter)).toFixed(0),
  );
  const micros = (cpu: number): string => `${((cpu * 1e6) / orders).toFixed(0)} µs`;
  console.log(
    `${what}: ${orders} orders in ${seconds.toFixed(1)} s = ${(orders / seconds).toFixed(0)} orders/s
  CPU an order: ${micros(own)} here, ${micros(postgres)} in PostgreSQL; most memory by quarters of the run: ${most.join(', ')} MB`,
  );
};

try {
  await migrate(pool);
  const store = await openDirectoryStore(join(scratch, 'store'));
  const deps: Omit<ArchiveDeps, 'table'> = {
    pool,
    lake: openLake({ store, catalog: jdbcCatalog({ db: pool }) }),
    keys: await loadSigningKeys({ path: join(scratch, 'keys.json') }),
    clock: () => new Date(),
    stagingFolder: join(scratch, 'staging'),
    limits: defaultLimits,
    removeDelayMs: 0,
    concurrency: 16,
    segments: 1,
    overlap: true,
    timed: (_, work) => work(),
  };
  const run = async (
    name: string,
    table: OrdersTable,
    expected: { archived: number; removed: number },
    changed: Partial<ArchiveDeps> = {},
  ): Promise<void> => {
    const { counts } = await archiveOrders(
      { ...deps, table, ...changed },
      { table: name, olderThan: parseAge('6mo'), areaAges: new Map() },
    );
    if (counts.archived !== expected.archived || counts.removed !== expected.removed)
      throw new Error(`expected ${JSON.stringify(expected)}, found ${JSON.stringify(counts)}`);
  };
  console.log(
    `${machine()}\norders of ${averageBytes} bytes, counted ${values.size === 'json' ? 'as JSON' : 'as DynamoDB counts an item'}\n`,
  );
  await run('warm_up', costlessTable(20_000, 'warm_'), { archived: 20_000, removed: 20_000 });

  const items = Number(values.items);
  const delayed = { removeDelayMs: 3_600_000 };
  told(
    'the part without DynamoDB (a table that costs nothing; select, transform, hash, Parquet, commit, receipts, read back, compare, prove)',
    items,
    await measured(() =>
      run('apart', costlessTable(items, 'ord_'), { archived: items, removed: 0 }, delayed),
    ),
  );
  await pool.query('UPDATE archive_batches SET remove_after = clock_timestamp()');
  told(
    '\nthe removal (read back again, hold against the receipts, record; each call costs nothing)',
    items,
    await measured(() => run('apart', costlessTable(0, ''), { archived: 0, removed: items })),
  );
  told(
    '\nboth in one run',
    items,
    await measured(() => run('whole', costlessTable(items, 'all_'), { archived: items, removed: items })),
  );

  const few = Number(values.stages);
  if (few > 0) {
    const { timed, stages } = stopwatch();
    const one = await measured(() =>
      run('stages', costlessTable(few, 'few_'), { archived: few, removed: few }, { timed, overlap: false }),
    );
    told('\none step after the other, to tell them apart', few, one);
    for (const [stage, { ms, cpu }] of Object.entries(stages)) {
      console.log(
        `  ${stage.padEnd(8)} ${(ms / 1_000).toFixed(2).padStart(7)} s  ${(ms / 10 / one.seconds).toFixed(0).padStart(3)} %  ${(cpu / 1_000).toFixed(2).padStart(7)} s of CPU`,
      );
    }
  }

  const load = Number(values.dynalite);
  if (load > 0) {
    const child = fork(join(import.meta.dirname, 'archive-dynalite.ts'), [String(load)], {
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
      `\ndynalite alone: ${read} orders scanned in ${seconds.toFixed(1)} s (${(read / seconds).toFixed(0)}/s)`,
    );
    const table = patient(orders.table, { readUnits: 1e9, writeUnits: 1e9 });
    told(
      'dynalite, in another process',
      due,
      await measured(() => run('dynalite', table, { archived: due, removed: due })),
    );
    orders.close();
    child.kill();
  }
} finally {
  await pool.end();
  await server.stop();
  await rm(scratch, { recursive: true, force: true });
}
