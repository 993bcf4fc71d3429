import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import pg from 'pg';
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres.ts';
import { migrate, readMigrations } from '../src/platform/migrations.ts';
import { openPool } from '../src/platform/postgres.ts';
import { machine } from './machine.ts';
import { start } from './processes.ts';

// npm run bench:pipelines [-- --rows 1000000 --runs 3]
const { values } = parseArgs({
  options: { rows: { type: 'string', default: '1000000' }, runs: { type: 'string', default: '3' } },
});
const rows = Number(values.rows);
const runs = Number(values.runs);
const run = promisify(execFile);
const scratch = await mkdtemp(join(tmpdir(), 'lastro-bench-'));
const script = join(import.meta.dirname, 'pipelines-process.ts');

type Figures = Record<string, number> & { cpuSeconds: number; peakMb: number };

const postgres = await startEmbeddedPostgres({ home: join(scratch, 'home'), durable: false });
const standIn = await start([join(import.meta.dirname, 'pipelines-stand-in.ts')], {});
const base = `http://127.0.0.1:${standIn.line['port']}`;

const freshDatabase = async (): Promise<string> => {
  const name = `bench_${Date.now()}`;
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  const pool = openPool({ url: url.href, max: 1 });
  await migrate(pool, await readMigrations());
  await pool.end();
  return url.href;
};

const measure = async (part: string, url: string, folder: string, count = rows): Promise<Figures> => {
  const { stdout } = await run(process.execPath, [script, part, base, url, folder, String(count)]);
  return JSON.parse(stdout) as Figures;
};

const best = (results: readonly Figures[]): Figures =>
  results.toSorted((a, b) => (a['seconds'] ?? 0) - (b['seconds'] ?? 0))[0] as Figures;

const shown = (name: string, { seconds = 0, cpuSeconds, peakMb }: Figures): string =>
  `${name.padEnd(22)} ${seconds.toFixed(2).padStart(7)} s ${cpuSeconds.toFixed(2).padStart(7)} s CPU ${Math.round(
    rows / seconds,
  )
    .toLocaleString('en-US')
    .padStart(11)} rows/s ${peakMb.toFixed(0).padStart(6)} MB peak`;

try {
  console.log(`${machine()}; ${rows} rows over ${Math.ceil(rows / 500)} pages; best of ${runs}`);
  const floors: Figures[] = [];
  const bronzes: Figures[] = [];
  let url = '';
  let folder = '';
  for (let turn = 0; turn < runs; turn++) {
    floors.push(await measure('floor', '', ''));
    url = await freshDatabase();
    folder = join(scratch, `run-${turn}`);
    bronzes.push(await measure('bronze', url, folder));
  }
  const [floor, bronze] = [best(floors), best(bronzes)];
  console.log(`${((floor['bytes'] ?? 0) / 1e6).toFixed(0)} MB of answers`);
  console.log(shown('floor', floor));
  console.log(
    `${shown('bronze', bronze)}, ${((bronze['seconds'] ?? 0) / (floor['seconds'] ?? 1)).toFixed(2)} times the floor (CPU ${(bronze.cpuSeconds / floor.cpuSeconds).toFixed(2)})`,
  );
  console.log(shown('silver', await measure('silver', url, folder)));
  console.log(shown('gold', await measure('gold', url, folder)));
  const small = await measure('bronze', await freshDatabase(), join(scratch, 'small'), rows / 4);
  console.log(
    `bronze of a quarter of the rows: ${small.peakMb.toFixed(0)} MB peak, of all ${bronze.peakMb.toFixed(0)} MB`,
  );
  const idle = await measure('idle', await freshDatabase(), join(scratch, 'idle'));
  console.log(
    `50 tables: nothing due ${idle['nothingDue']?.toFixed(2)} s, everything asked again with nothing new ${idle['nothingNew']?.toFixed(2)} s`,
  );
} finally {
  await standIn.stop();
  await postgres.stop();
  await rm(scratch, { recursive: true, force: true });
}
