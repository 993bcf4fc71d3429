import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { jdbcCatalog } from '../src/lake/catalog/jdbc.ts';
import { openDuckDbEngine } from '../src/lake/engines/duckdb.ts';
import { openFileCache } from '../src/lake/file-cache.ts';
import { openLake } from '../src/lake/tables.ts';
import { captureWindow } from '../src/pipelines/capture-window.ts';
import { definePipeline } from '../src/pipelines/define.ts';
import type { PipelineDeps } from '../src/pipelines/pipeline-deps.ts';
import { runPipeline, underLease } from '../src/pipelines/run.ts';
import { openTransport } from '../src/pipelines/transport.ts';
import { openPool } from '../src/platform/postgres.ts';
import { openDirectoryStore } from '../src/platform/store/directory.ts';

// One measured part of bench/pipelines.ts, in a process of its own: <part> <base address> <database url> <folder> <rows>
const [part = '', base = '', url = '', folder = '', rowText = '0'] = process.argv.slice(2);
const rows = Number(rowText);
const pageRows = 500;
const signal = new AbortController().signal;

const bench = (name: string, total: number) =>
  definePipeline({
    name,
    about: 'benchmark',
    source: {
      kind: 'http',
      base: { env: 'BENCH_URL', default: base },
      path: `/rows?offset={offset}&limit={limit}&total=${total}`,
      pagination: { kind: 'offset', size: pageRows },
      records: 'items',
    },
    windows: [{ every: 'day', from: '2024-01-01' }],
    silver: {
      columns: {
        id: { type: 'long' },
        data: { type: 'date' },
        conta: { type: 'string' },
        valor: { type: 'decimal(18,2)', required: true },
        moeda: { type: 'string' },
        descricao: { type: 'string' },
      },
      key: ['id'],
    },
    gold: [
      {
        name: `${name}_por_dia`,
        sql: `SELECT data, count(*) AS linhas, sum(valor) AS soma FROM silver.${name} GROUP BY data`,
        key: ['data'],
      },
    ],
  });

const window = { from: new Date('2024-01-01T00:00:00Z'), to: new Date('2024-01-02T00:00:00Z') };

let ticks = 0;

const openDeps = async (
  pipelines: PipelineDeps['pipelines'],
): Promise<PipelineDeps & { end: () => Promise<void> }> => {
  await mkdir(folder, { recursive: true });
  const pool = openPool({ url });
  const store = await openDirectoryStore(join(folder, 'store'));
  const lake = openLake({ store, catalog: jdbcCatalog({ db: pool }) });
  const files = await openFileCache({ store, folder: join(folder, 'cache'), maxBytes: 1e9 });
  const transport = openTransport();
  const engine = openDuckDbEngine({ lake, cache: files });
  return {
    ...{ pool, lake, files, pipelines, env: {}, send: transport.send },
    // It moves on: an answer that is not newer than silver would make silver anew.
    clock: () => new Date(Date.parse('2024-01-02T03:00:00Z') + ticks++),
    engine: async () => engine,
    stagingFolder: join(folder, 'staging'),
    end: async () => {
      await engine.close();
      await transport.close();
      await pool.end();
    },
  };
};

const report = (facts: Record<string, number>): void => {
  const usage = process.resourceUsage();
  const cpuSeconds = (usage.userCPUTime + usage.systemCPUTime) / 1e6;
  process.stdout.write(`${JSON.stringify({ ...facts, cpuSeconds, peakMb: usage.maxRSS / 1000 })}\n`);
};

/** The floor: the same bytes over the same client, parsed and thrown away. */
const floor = async (): Promise<void> => {
  const { send, close } = openTransport();
  const begun = performance.now();
  let bytes = 0;
  let records = 0;
  for (let offset = 0; ; offset += pageRows) {
    const { body } = await send({
      method: 'GET',
      url: `${base}/rows?offset=${offset}&limit=${pageRows}&total=${rows}`,
      headers: {},
      timeoutMs: 30_000,
      maxBytes: 1e9,
      signal,
    });
    bytes += body.length;
    const { items } = JSON.parse(Buffer.from(body).toString()) as { items: unknown[] };
    records += items.length;
    if (items.length < pageRows) break;
  }
  report({ seconds: (performance.now() - begun) / 1000, bytes, rows: records });
  await close();
};

const bronze = async (): Promise<void> => {
  const pipeline = bench('bench', rows);
  const deps = await openDeps([pipeline]);
  const begun = performance.now();
  await underLease(deps, pipeline, signal, ({ fence }) =>
    captureWindow(deps, {
      ...{ pipeline, cadence: 'daily', window, fence, attemptId: 'att_bench', watermark: null, signal },
    }),
  );
  report({ seconds: (performance.now() - begun) / 1000 });
  await deps.end();
};

/** Bronze is there: silver, or gold, alone. */
const layer = async (name: 'silver' | 'gold'): Promise<void> => {
  const pipeline = bench('bench', rows);
  const deps = await openDeps([pipeline]);
  const begun = performance.now();
  const { windows, gold } = await runPipeline(deps, pipeline, { layer: name, windows: [], signal });
  const report_ = windows[0]?.report ?? {};
  report({ seconds: (performance.now() - begun) / 1000, rows: report_.added ?? gold[0]?.rows ?? 0 });
  await deps.end();
};

/** Fifty pipelines: once to have tables, then a run with nothing new, nothing due and everything asked again. */
const idle = async (): Promise<void> => {
  const pipelines = Array.from({ length: 50 }, (_, n) => bench(`idle_${n}`, 20));
  const deps = await openDeps(pipelines);
  for (const pipeline of pipelines) await runPipeline(deps, pipeline, { signal });
  const timed = async (options: Partial<Parameters<typeof runPipeline>[2]>): Promise<number> => {
    const begun = performance.now();
    for (const pipeline of pipelines) await runPipeline(deps, pipeline, { ...options, signal });
    return (performance.now() - begun) / 1000;
  };
  const nothingDue = await timed({});
  const again = { ...window, cadence: 'daily' as const, reason: 'again' as const, again: true };
  const nothingNew = await timed({ windows: [again] });
  report({ nothingDue, nothingNew });
  await deps.end();
};

if (part === 'floor') await floor();
else if (part === 'bronze') await bronze();
else if (part === 'silver' || part === 'gold') await layer(part);
else await idle();
