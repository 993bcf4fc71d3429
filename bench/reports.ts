import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeArchivedOrders } from '../sandbox/archived-orders.ts';
import { archivedOrdersTable } from '../src/archive/archive.ts';
import { jdbcCatalog } from '../src/lake/catalog/jdbc.ts';
import { allRows, openDuckDb, quoteText } from '../src/lake/duckdb-session.ts';
import { openFileCache } from '../src/lake/file-cache.ts';
import { type Predicate, predicateSql } from '../src/lake/predicate.ts';
import { planFiles, scanLocations, scanSql } from '../src/lake/scan.ts';
import { loadTable, openLake } from '../src/lake/tables.ts';
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres.ts';
import { migrate } from '../src/platform/migrations.ts';
import { openPool } from '../src/platform/postgres.ts';
import { openDirectoryStore } from '../src/platform/store/directory.ts';
import { parseReportRequest, produceReport } from '../src/reports/reports.ts';
import { machine } from './machine.ts';

// npm run bench:reports [-- --orders 10000000 --runs 7 --export-runs 3 --formats csv,ndjson,…]
const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '10000000' },
    runs: { type: 'string', default: '7' },
    'export-runs': { type: 'string', default: '1' },
    formats: { type: 'string', default: 'csv,ndjson,json,parquet,xlsx,pdf' },
  },
});
const count = Number(values.orders);
const home = join(import.meta.dirname, '.data', `reports-${count}`);
await mkdir(home, { recursive: true });
const folder = await mkdtemp(join(tmpdir(), 'lastro-bench-reports-'));
const postgres = await startEmbeddedPostgres({ home });
const pool = openPool({ url: postgres.url, max: 4 });
// Only the catalog is needed, and the data outlives migrations that are not released yet.
const { rows: catalog } = await pool.query("SELECT to_regclass('iceberg_tables') AS found");
if (catalog[0]?.found === null) await migrate(pool);
const store = await openDirectoryStore(join(home, 'store'));
const lake = openLake({ store, catalog: jdbcCatalog({ db: pool }) });
const files = await openFileCache({ store, folder: join(home, 'cache'), maxBytes: 1e12 });
const limits = { memoryLimit: '800MB', temporaryParent: join(home, 'tmp') };
const viewer = { areas: 'all', clients: 'all', unmasked: false, scopes: [] } as const;

const generate = async (): Promise<void> => {
  const session = await openDuckDb({ memoryLimit: '2GB', temporaryParent: join(home, 'tmp') });
  const started = performance.now();
  const { orders } = await makeArchivedOrders({ lake, session, files }, { count });
  await session.close();
  if (orders > 0)
    console.log(`${count} orders made in ${((performance.now() - started) / 1000).toFixed(0)} s`);
};

type Measured = { seconds: number; cpu: number; rows: number; bytes: number };

const measure = async (work: () => Promise<{ rows: number; bytes: number }>): Promise<Measured> => {
  const [started, before] = [performance.now(), process.cpuUsage()];
  const done = await work();
  const { user, system } = process.cpuUsage(before);
  return { ...done, seconds: (performance.now() - started) / 1000, cpu: (user + system) / 1e6 };
};

const median = (runs: Measured[]): Measured =>
  runs.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(runs.length / 2)] as Measured;

const report = (input: object): Promise<Measured> => {
  const { request, violations } = parseReportRequest(input);
  if (!request) throw new Error(JSON.stringify(violations));
  return measure(() =>
    produceReport(
      { lake, files, limits },
      { request, viewer, asOf: new Date() },
      { folder, signal: new AbortController().signal },
    ),
  );
};

/** Memory of this process from now on: its high-water mark is set back where Linux lets us. */
const peak = async (): Promise<() => Promise<string>> => {
  const { writeFile } = await import('node:fs/promises');
  await writeFile('/proc/self/clear_refs', '5').catch(() => {});
  return async () => {
    const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
    return `${Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000)} MB`;
  };
};

const line = (name: string, { seconds, cpu, rows, bytes }: Measured, rest = ''): void => {
  const time = seconds < 1 ? `${(seconds * 1000).toFixed(0)} ms` : `${seconds.toFixed(2)} s`;
  console.log(
    `${name.padEnd(44)} ${time.padStart(9)}  cpu ${cpu.toFixed(2).padStart(6)} s  ${String(rows).padStart(8)} rows ${(bytes / 1e6).toFixed(1).padStart(8)} MB  ${rest}`,
  );
};

/** An order in the middle of the archive, for what one asks about. */
const someOrder = async () => {
  const filter: Predicate = [
    { column: 'area_id', op: '=', value: 'ARE05' },
    { column: 'data_criacao', op: '>=', value: '2026-05-01T00:00:00Z' },
    { column: 'data_criacao', op: '<', value: '2026-06-01T00:00:00Z' },
  ];
  return raw(filter, async (connection, relation) => {
    const [row] = await allRows(
      connection,
      `SELECT ordem_id, contrato_id, cliente_requisitante_id AS requester, cliente_participante_id[2] AS participant
         FROM ${relation} WHERE len(cliente_participante_id) > 1 AND contrato_id LIKE 'CT%' ORDER BY ordem_id LIMIT 1`,
    );
    return Object.fromEntries(Object.entries(row ?? {}).map(([key, value]) => [key, String(value)]));
  });
};

type Connection = Awaited<ReturnType<typeof openDuckDb>>['connection'];

const raw = async <T>(
  filter: Predicate,
  work: (connection: Connection, relation: string) => Promise<T>,
): Promise<T> => {
  const table = await loadTable(lake, archivedOrdersTable);
  const plan = await planFiles(lake, table, { filter });
  const held = await files.hold(scanLocations(plan));
  const session = await openDuckDb(limits);
  try {
    return await work(
      session.connection,
      `(SELECT * FROM ${scanSql(plan, held.localPath)} WHERE ${predicateSql(plan.schema, filter)})`,
    );
  } finally {
    await session.close();
    held.release();
  }
};

const interactive = async (): Promise<void> => {
  const order = await someOrder();
  const month = { from: '2026-05-01T00:00:00Z', to: '2026-06-01T00:00:00Z' };
  const kinds: [string, object][] = [
    ["one client's month", { kind: 'client-orders', parameters: { clientId: order.requester }, ...month }],
    ["one client's two years", { kind: 'client-orders', parameters: { clientId: order.requester } }],
    ["one requester's two years", { kind: 'requester-orders', parameters: { requesterId: order.requester } }],
    [
      "one participant's two years",
      { kind: 'participant-orders', parameters: { participantId: order.participant } },
    ],
    ['one contract', { kind: 'contract-orders', parameters: { contractId: order.contrato_id } }],
    ['an order by id: participants', { kind: 'order-participants', parameters: { orderId: order.ordem_id } }],
    ['an order by id: events', { kind: 'order-events', parameters: { orderId: order.ordem_id } }],
    ["an area's month", { kind: 'area-orders', parameters: { areaId: 'ARE05' }, ...month }],
  ];
  for (const [name, input] of kinds) {
    await report({ format: 'json', ...input });
    const runs: Measured[] = [];
    for (let run = 0; run < Number(values.runs); run++) runs.push(await report({ format: 'json', ...input }));
    line(name, median(runs));
  }
};

/** The same columns of the same rows by DuckDB's COPY alone: no masks, no count, no hash. */
const floor = (format: string, filter: Predicate, options = ''): Promise<Measured> =>
  measure(() =>
    raw(filter, async (connection, relation) => {
      const path = join(folder, `floor.${format}`);
      const how = { csv: 'FORMAT csv', ndjson: 'FORMAT json', parquet: 'FORMAT parquet, COMPRESSION zstd' }[
        format
      ];
      const list =
        format === 'csv'
          ? 'to_json(cliente_participante_id) AS cliente_participante_id'
          : 'cliente_participante_id';
      const result = await connection.run(
        `COPY (SELECT ordem_id, area_id, contrato_id, cliente_requisitante_id, ${list}, data_criacao, status_ordem, versao, arquivado_em FROM ${relation}) TO ${quoteText(path)} (${how}${options})`,
      );
      const rows = Number((await result.getRows())[0]?.[0] ?? 0);
      await rm(path);
      return { rows, bytes: 0 };
    }),
  );

/** A period of the largest area with about so many orders. */
const exportsOf = async (): Promise<{ parameters: object; filter: Predicate; to: string }> => {
  const filter: Predicate = [{ column: 'area_id', op: '=', value: 'ARE01' }];
  const to = await raw(filter, async (connection, relation) => {
    const rows = await allRows(
      connection,
      `SELECT strftime(max(data_criacao), '%Y-%m-%dT%H:%M:%S.%gZ') AS at FROM (SELECT data_criacao FROM ${relation} ORDER BY data_criacao LIMIT 1000000)`,
    );
    return String(rows[0]?.at);
  });
  return {
    parameters: { areaId: 'ARE01' },
    filter: [...filter, { column: 'data_criacao', op: '<', value: to }],
    to,
  };
};

const exports = async (): Promise<void> => {
  const { parameters, filter, to } = await exportsOf();
  for (const format of values.formats.split(',')) {
    const runs: Measured[] = [];
    const floors: Measured[] = [];
    const memory = await peak();
    // A PDF has a limit of 20,000 rows: some days of the same area.
    const period = format === 'pdf' ? { from: '2026-05-01T00:00:00Z', to: '2026-05-09T00:00:00Z' } : { to };
    for (let run = 0; run < Number(values['export-runs']); run++) {
      if (['csv', 'ndjson', 'parquet'].includes(format)) floors.push(await floor(format, filter));
      runs.push(await report({ kind: 'area-orders', parameters, ...period, format }));
    }
    const own = median(runs);
    const peakMemory = await memory();
    if (floors.length === 0) line(`export, ${format}`, own, `peak ${peakMemory}`);
    else {
      const least = median(floors);
      line(`export, ${format}: COPY alone`, least);
      // Ours is written at this level; DuckDB's own choice is slower and came out larger.
      if (format === 'parquet')
        line('export, parquet: COPY alone, at level 1', await floor(format, filter, ', COMPRESSION_LEVEL 1'));
      line(
        `export, ${format}`,
        own,
        `${(own.seconds / least.seconds).toFixed(2)} x the floor (CPU ${(own.cpu / least.cpu).toFixed(2)} x), peak ${peakMemory}`,
      );
    }
  }
};

try {
  await generate();
  console.log(`${count} archived orders over 24 months, 20 areas; ${machine()}; medians`);
  await interactive();
  await exports();
} finally {
  await pool.end();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}
