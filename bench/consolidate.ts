import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { startFauxqs } from 'fauxqs';
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres.ts';
import { smallFiles } from './consolidate-data.ts';
import { machine } from './machine.ts';
import { cpuSecondsOf } from './processes.ts';

// npm run bench:consolidate [-- --files 70000 --runs 3 --sizes 7000,70000,280000 --cap 120 --parts compare,linear,s3]
const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '70000' },
    runs: { type: 'string', default: '3' },
    sizes: { type: 'string', default: '7000,70000,280000' },
    cap: { type: 'string', default: '120' },
    's3-files': { type: 'string', default: '70000' },
    parts: { type: 'string', default: 'compare,linear,s3' },
  },
});
const runs = Number(values.runs);
const root = join(import.meta.dirname, '..');
const dataFolder = join(import.meta.dirname, '.data');
await mkdir(dataFolder, { recursive: true });
const scratch = await mkdtemp(join(tmpdir(), 'lastro-bench-'));

type Measured = {
  readonly seconds: number;
  /** Of the process and its threads. */
  readonly cpuSeconds: number;
  readonly peakMb: number;
  readonly stdout: string;
  readonly ended: boolean;
};

/** CPU seconds of the children that have ended: fields 16 and 17 of proc(5). Zero where this is no Linux. */
const endedChildrenCpu = (): number => {
  try {
    const text = readFileSync('/proc/self/stat', 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[13]) + Number(fields[14])) / 100;
  } catch {
    return 0;
  }
};

/** Wall time of a whole process from its start to its end, and the most memory that it held. */
const measure = async (
  command: string,
  args: string[],
  { env = {}, capSeconds = 900 }: { env?: NodeJS.ProcessEnv; capSeconds?: number } = {},
): Promise<Measured> => {
  const started = performance.now();
  const cpuBefore = endedChildrenCpu();
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const chunks: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  let peakMb = 0;
  const watch = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peakMb = Math.max(peakMb, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000);
    } catch {
      // It ended between two looks, or this is no Linux.
    }
  }, 20);
  const cap = setTimeout(() => child.kill('SIGKILL'), capSeconds * 1_000);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  clearInterval(watch);
  clearTimeout(cap);
  const ended = signal === null;
  if (ended && code !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${Buffer.concat(errors)}`);
  return {
    seconds: (performance.now() - started) / 1_000,
    cpuSeconds: endedChildrenCpu() - cpuBefore,
    peakMb,
    stdout: Buffer.concat(chunks).toString(),
    ended,
  };
};

const median = (results: readonly Measured[]): Measured =>
  results.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(results.length / 2)] as Measured;

const repeat = async (times: number, work: () => Promise<Measured>): Promise<Measured> => {
  const results: Measured[] = [];
  for (let turn = 0; turn < times; turn++) results.push(await work());
  return median(results);
};

const row = (name: string, { seconds, peakMb, ended }: Measured, detail = ''): void => {
  const time = ended ? `${seconds.toFixed(2)} s` : `killed after ${seconds.toFixed(0)} s`;
  const memory = peakMb > 0 ? `${peakMb.toFixed(0)} MB` : '';
  console.log(`${name.padEnd(46)} ${time.padStart(18)} ${memory.padStart(8)}  ${detail}`);
};

const cat = (folder: string): Promise<Measured> =>
  measure('sh', ['-c', `find '${folder}' -type f -print0 | xargs -0 cat > /dev/null`]);

const duckdb = (how: string, folder: string): Promise<Measured> =>
  measure(
    process.execPath,
    [join(import.meta.dirname, 'consolidate-duckdb.ts'), how, folder, join(scratch, 'duckdb.parquet')],
    {
      capSeconds: Number(values.cap),
    },
  );

let table = 0;
const lastro = async (source: string, env: NodeJS.ProcessEnv): Promise<Measured & { summary: Summary }> => {
  const entry = join(root, 'src/entry/lastro.ts');
  const args = [entry, 'consolidate', source, '--table', `bench.events_${++table}`, '--json'];
  const measured = await measure(process.execPath, args, { env });
  return { ...measured, summary: JSON.parse(measured.stdout) as Summary };
};
type Summary = { rows: number; documents: number; bytesIn: number; bytesOut: number };

const home = join(scratch, 'home');
const started = await startEmbeddedPostgres({ home });
const env = { LASTRO_HOME: home, DATABASE_URL: started.url };
const compare = async (): Promise<void> => {
  const files = Number(values.files);
  const folder = smallFiles(dataFolder, files);
  console.log(`${files} files; ${machine()}; median of ${runs}\n`);
  await cat(folder);
  // The first run makes the tables' modules warm on disk and the database ready, as on every day but the first.
  await lastro(folder, env);
  const floor = await repeat(runs, () => cat(folder));
  row('find | xargs cat (the floor)', floor);
  const whole = (await repeat(runs, () => lastro(folder, env))) as Measured & { summary: Summary };
  const { summary } = whole;
  const sizes = `${(summary.bytesIn / 1e6).toFixed(0)} MB in, ${(summary.bytesOut / 1e6).toFixed(1)} MB out`;
  row(
    'lastro consolidate, whole',
    whole,
    `${(whole.seconds / floor.seconds).toFixed(2)} x the floor, ${sizes}`,
  );
  if (summary.rows !== files) throw new Error(`expected ${files} rows, found ${summary.rows}`);
  for (const [how, name] of [
    ['columns', 'DuckDB, explicit columns, tuned'],
    ['documents', 'DuckDB, whole documents, tuned'],
  ] as const) {
    const tuned = await repeat(runs, () => duckdb(how, folder));
    row(name, tuned, `${(tuned.seconds / whole.seconds).toFixed(1)} x lastro`);
  }
  row("DuckDB, read_json('**/*.json')", await duckdb('manual', folder));
  const coldHome = join(scratch, 'cold');
  // The first start makes the database.
  await measure(process.execPath, [join(root, 'src/entry/lastro.ts'), 'consolidate', 'runs'], {
    env: { LASTRO_HOME: coldHome },
  });
  const cold = await repeat(runs, () => lastro(folder, { LASTRO_HOME: coldHome }));
  row(
    'lastro, its PostgreSQL started and stopped too',
    cold,
    `${(cold.seconds / floor.seconds).toFixed(2)} x the floor`,
  );
};

const linear = async (): Promise<void> => {
  console.log(
    '\nlinear in the number of files (what each further file costs, so that the start of the process is left out)',
  );
  let before: { size: number; seconds: number } | undefined;
  for (const size of values.sizes.split(',').map(Number)) {
    const place = smallFiles(dataFolder, size);
    await cat(place);
    const measured = (await repeat(runs, () => lastro(place, env))) as Measured & { summary: Summary };
    const more = before && ((measured.seconds - before.seconds) * 1e6) / (size - before.size);
    const input = `${(measured.summary.bytesIn / 1e6).toFixed(0)} MB`;
    row(
      `  ${size} files`,
      measured,
      more === undefined ? input : `${more.toFixed(1)} µs a further file, ${input}`,
    );
    before = { size, seconds: measured.seconds };
  }
};

const fromS3 = async (): Promise<void> => {
  const s3Files = Number(values['s3-files']);
  const place = smallFiles(dataFolder, s3Files);
  console.log(
    `\nS3: ${s3Files} objects from a stand-in on node:http, 10 ms an answer, on the same cores; median of ${runs}`,
  );
  const standIn = spawn(process.execPath, [join(import.meta.dirname, 'consolidate-s3.ts'), place, '10']);
  const [port] = (await once(standIn.stdout, 'data')) as [Buffer];
  const origin = `http://127.0.0.1:${String(port).trim()}`;
  const keysOf = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };
  // The lake stays a folder: only the small files come from the stand-in.
  const s3Env = { ...env, ...keysOf, AWS_ENDPOINT_URL: origin };
  /** What the server used is no cost of the reader's, but takes the same cores. */
  const beside = async (name: string, work: () => Promise<Measured>): Promise<Measured> => {
    const before = cpuSecondsOf(standIn.pid as number);
    const measured = await repeat(runs, work);
    const served = (cpuSecondsOf(standIn.pid as number) - before) / runs;
    row(name, measured, `CPU ${measured.cpuSeconds.toFixed(1)} s, the stand-in's ${served.toFixed(1)} s`);
    return measured;
  };
  await lastro('s3://bucket', s3Env);
  const floorArgs = [join(import.meta.dirname, 'consolidate-s3-floor.ts'), origin, place];
  const floor = await beside("  GETs alone by undici's dispatch (the floor)", () =>
    measure(process.execPath, floorArgs),
  );
  const whole = await beside('  lastro consolidate, whole', () => lastro('s3://bucket', s3Env));
  const each = ((whole.cpuSeconds / s3Files) * 1e6).toFixed(0);
  console.log(
    `  ${(whole.seconds / floor.seconds).toFixed(2)} x the floor's time, ${(whole.cpuSeconds / floor.cpuSeconds).toFixed(2)} x its CPU; ${each} µs of CPU an object`,
  );
  standIn.kill();
  const few = 2_000;
  const fauxqs = await startFauxqs({ port: 0, logger: false, init: { buckets: ['bucket'] } });
  const endpoint = `http://127.0.0.1:${fauxqs.port}`;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const fewFolder = smallFiles(dataFolder, few);
  for (let index = 0; index < few; index++) {
    const hour = String(Math.floor((index * 24) / few)).padStart(2, '0');
    const key = `topics/orders/year=2026/month=11/day=21/hour=${hour}/orders+${index % 6}+${String(Math.floor(index / 6)).padStart(10, '0')}.json`;
    await client.send(
      new PutObjectCommand({ Bucket: 'bucket', Key: key, Body: await readFile(join(fewFolder, key)) }),
    );
  }
  row(
    `  ${few} objects, fauxqs`,
    await lastro('s3://bucket', { ...env, ...keysOf, AWS_ENDPOINT_URL: endpoint }),
  );
  await fauxqs.stop();
};

try {
  for (const part of values.parts.split(',')) {
    if (part === 'compare') await compare();
    else if (part === 'linear') await linear();
    else if (part === 's3') await fromS3();
    else throw new Error(`--parts: expected compare, linear, s3, found ${part}`);
  }
} finally {
  await started.stop();
  await rm(scratch, { recursive: true, force: true });
}
