import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../../test/services/command-line.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { register } from './cli.ts';

// A user's own file, begun with `pipeline new`, on an API of the test: every command over its life.

let database: TestDatabase;
let home: string;
let server: Server;
let rates: Record<string, string> = { '2024-01-01': '5.10', '2024-01-02': '5.20' };
const calls: string[] = [];

beforeAll(async () => {
  database = await testDatabase();
  home = await mkdtemp(join(tmpdir(), 'lastro-pipeline-commands-'));
  server = createServer((request, response) => {
    calls.push(request.url ?? '');
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    const [from, to] = [searchParams.get('from') ?? '', searchParams.get('to') ?? ''];
    const items = Object.entries(rates)
      .filter(([day]) => day >= from && day <= to)
      .map(([date, rate]) => ({ date, currency: 'USD', rate }));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ items: searchParams.get('page') === '1' ? items : [] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  server.close();
  await database.drop();
  await rm(home, { recursive: true, force: true });
});

const folder = (): string => join(home, 'pipelines');

const call = async (...args: string[]) => {
  const env = {
    LASTRO_HOME: home,
    LASTRO_PIPELINES: folder(),
    RATES_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  };
  return runCommand(register, ['pipeline', ...args], { pool: database.pool, env });
};

const json = async <T>(...args: string[]): Promise<T> =>
  JSON.parse((await call(...args, '--json')).stdout) as T;

const file = async (): Promise<string> => join(folder(), (await readdir(folder()))[0] ?? '');

/** Changes the user's file; modules are cached by address, so it gets a new name. */
let version = 0;
const edit = async (from: string, to: string): Promise<void> => {
  const path = await file();
  const text = await readFile(path, 'utf8');
  expect(text).toContain(from);
  await rm(path);
  await writeFile(join(folder(), `rates-${++version}.ts`), text.replace(from, to));
};

type RunResult = {
  windows: { attemptId: string; state: string; report: Record<string, unknown> }[];
  gold: unknown[];
}[];

describe('lastro pipeline', () => {
  it('new writes a file that works without touching src/', async () => {
    await call('new', 'rates', '--folder', folder());
    await edit("from: '2024-01-01'", "from: '2024-01-01', catchUpSpan: 20000, requestSpan: 20000");
    const listed = await json<{ name: string; own: boolean }[]>('list');
    expect(listed.find(({ name }) => name === 'rates')).toMatchObject({ own: true });

    const [plan] = await json<{ calls: number; windows: unknown[] }[]>('plan', 'rates');
    expect(plan).toMatchObject({ calls: 1, windows: [{ cadence: 'daily', reason: 'due' }] });
    expect(calls).toEqual([]);
    expect((await call('run', 'rates', '--dry-run')).stdout).toContain('1 calls');

    const [run] = await json<RunResult>('run', 'rates');
    expect(run).toMatchObject({
      windows: [{ state: 'done', report: { added: 2, quarantined: 0 } }],
      gold: [{ gold: 'rates_mensal', state: 'done', rows: 1 }],
    });
  }, 120_000);

  it('quarantine: a row that breaks the contract is shown with its answer, and replayed once after a fix', async () => {
    rates = { ...rates, '2024-01-03': '5.1234567' };
    await edit('budget: { share: 0.05 }', 'budget: { rows: 10 }');
    await json('backfill', 'rates', '--from', '2024-01-01', '--to', '2024-02-01');
    const [bad, ...more] = await json<Record<string, string>[]>('quarantine', 'rates');
    expect(more).toEqual([]);
    expect(bad).toMatchObject({
      coluna: 'taxa',
      motivo: 'tipo',
      registro: '{"date":"2024-01-03","currency":"USD","rate":"5.1234567"}',
    });
    const shown = JSON.parse((await call('quarantine', 'rates', '--show', bad?.['id'] ?? '')).stdout) as {
      body: string;
    };
    expect(shown.body).toContain('5.1234567');

    // A wider scale is another column for Iceberg: a new name, as the message says.
    await edit(
      "taxa: { type: 'decimal(18,6)', from: 'rate', required: true }",
      "taxa: { type: 'decimal(18,6)' },\n        taxa_exata: { type: 'decimal(20,8)', from: 'rate', required: true }",
    );
    await edit("{ kind: 'range', column: 'taxa'", "{ kind: 'range', column: 'taxa_exata'");
    await edit('avg(taxa)', 'avg(taxa_exata)');
    const [plan] = await json<
      { rebuild: unknown[]; changes: { table: string; difference: { added: number; changed: number } }[] }[]
    >('plan', 'rates');
    expect(plan?.rebuild.length).toBeGreaterThan(0);
    expect(plan?.changes).toMatchObject([
      { table: 'silver.rates', difference: { added: 1, changed: 2, removed: 0 } },
      { table: 'gold.rates_mensal', difference: { changed: 1 } },
    ]);
    expect(await json('quarantine', 'rates', '--replay')).toMatchObject({ replayed: 1, left: 0 });
    expect(await json('quarantine', 'rates', '--replay')).toMatchObject({ replayed: 0, left: 0 });
    expect(await json('diff', 'rates', '--gold', 'rates_mensal')).toMatchObject({
      difference: { changed: 1 },
    });
  }, 120_000);

  it('rollback returns silver and its watermark, shows the holes, and --refill takes them again', async () => {
    const [status] = await json<{ lastRuns: { attemptId: string }[] }[]>('status', 'rates');
    const first = (
      await database.pool.query<{ attempt_id: string }>(
        `SELECT attempt_id FROM pipeline_runs WHERE pipeline = 'rates' AND kind = 'window' ORDER BY seq LIMIT 1`,
      )
    ).rows[0]?.attempt_id;
    expect(status?.lastRuns.length).toBeGreaterThan(2);
    const back = await json<{ windows: unknown[]; gold: unknown[] }>(
      'rollback',
      'rates',
      '--before',
      String(first),
    );
    expect(back.windows).toHaveLength(1);
    await expect(call('status', 'rates', '--check')).rejects.toThrow('look at rates');
    const [holes] = await json<{ cadences: { doneTo: null; holes: { reason: string }[] }[] }[]>(
      'status',
      'rates',
    );
    expect(holes?.cadences).toMatchObject([
      { doneTo: null, holes: [{ reason: 'rolled back to the beginning' }] },
    ]);

    expect(await json<RunResult>('run', 'rates')).toMatchObject([{ windows: [] }]);
    expect(await json<RunResult>('run', 'rates', '--refill')).toMatchObject([
      { windows: [{ state: 'done', report: { added: 3 } }] },
    ]);
    expect((await call('status', 'rates')).stdout).toContain('0 holes');
  }, 120_000);

  it('lineage says where a gold column comes from, also as OpenLineage', async () => {
    expect((await call('lineage', 'gold.rates_mensal')).stdout).toContain('silver.rates');
    const lines = (await call('lineage', 'rates', '--openlineage')).stdout.trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { job: { name: string } }).job.name)).toContain(
      'rates.gold.rates_mensal',
    );
  });

  it('a broken file of the user is named and skipped: the others go on, and only what names it fails', async () => {
    const broken = {
      'types.ts': 'export default ({ definePipeline }) => definePipeline({ name: 3',
      'nothing.ts': 'export default 5;',
      'twice.ts': await readFile(await file(), 'utf8'),
      'sql.ts': (await readFile(await file(), 'utf8'))
        .replaceAll("name: 'rates'", "name: 'sql'")
        .replaceAll('rates_mensal', 'sql_mensal')
        .replaceAll('silver.rates', 'silver.sql')
        .replace('SELECT', 'SELEKT'),
    };
    await Promise.all(Object.entries(broken).map(([name, text]) => writeFile(join(folder(), name), text)));
    const listed = await json<{ name?: string; file: string; error?: string }[]>('list');
    const told = listed
      .filter(({ error }) => error !== undefined)
      .map(({ file: path }) => path.split('/').at(-1));
    expect(told).toEqual(['nothing.ts', 'twice.ts', 'types.ts']);
    expect(listed.find(({ file: path }) => path.endsWith('twice.ts'))?.error).toContain('declared twice');
    expect((await call('list')).stdout).toContain('nothing.ts is skipped: expected its default export');

    const { stdout, stderr } = await call('status', 'rates');
    expect(stdout).toContain('0 holes');
    expect(stderr).toContain('types.ts is skipped');
    rates = { ...rates, '2024-02-01': '5.00' };
    // SQL that can't be read is the fault of its own pipeline alone.
    expect(
      await json<RunResult>('backfill', 'rates', '--from', '2024-02-01', '--to', '2024-02-02'),
    ).toMatchObject({
      windows: [{ state: 'done', report: { added: 1 } }],
    });
    await expect(call('run', 'sql')).rejects.toThrow('gold.sql_mensal');
    await expect(call('run', 'nothing')).rejects.toThrow('expected its default export');
    await expect(call('status', '--check')).rejects.toThrow('nothing.ts');

    // A file that was mended is taken, also by a process that saw it broken.
    const mended = broken['sql.ts']
      .replace('SELEKT', 'SELECT')
      .replaceAll("name: 'sql'", "name: 'nothing'")
      .replaceAll('silver.sql', 'silver.nothing')
      .replaceAll('sql_mensal', 'nothing_mensal');
    await writeFile(join(folder(), 'nothing.ts'), mended);
    expect((await json<{ name?: string }[]>('list')).map(({ name }) => name)).toContain('nothing');
    await Promise.all(Object.keys(broken).map((name) => rm(join(folder(), name))));
  }, 120_000);

  it('wrong calls say what was expected', async () => {
    await expect(call('run')).rejects.toThrow('--all');
    await expect(call('run', 'nope')).rejects.toThrow('expected the name of a pipeline');
    await expect(call('new', 'Bad-Name')).rejects.toThrow('lower-case');
    await expect(call('rollback', 'rates')).rejects.toThrow('--to RUN or --before RUN');
    await expect(call('backfill', 'rates', '--from', 'x', '--to', '2024-01-01')).rejects.toThrow('--from');
  });
});
