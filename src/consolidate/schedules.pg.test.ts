import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../../test/services/command-line.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { openRunLastro } from '../entry/run-lastro.ts';
import { type Jobs, openJobs } from '../platform/jobs.ts';
import { acquireLease, releaseLease } from '../platform/leases.ts';
import { silentLog } from '../platform/log.ts';
import { transaction } from '../platform/postgres.ts';
import { register } from './cli.ts';
import { consolidateQueues, workOnConsolidation } from './jobs.ts';
import { leaseName, listRuns } from './runs.ts';
import { consolidateQueue, roundArguments } from './schedules.ts';

let database: TestDatabase;
let folder: string;
let jobs: Jobs;

beforeAll(async () => {
  database = await testDatabase();
  folder = await mkdtemp(join(tmpdir(), 'lastro-schedules-'));
  await mkdir(join(folder, 'inbox'));
  await writeFile(join(folder, 'inbox', 'a.json'), '{"a":1}');
  jobs = await openJobs({ url: database.url, queues: consolidateQueues, works: true, log: silentLog() });
});

afterAll(async () => {
  await jobs.close();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const lastro = async (...args: string[]): Promise<string> =>
  (await runCommand(register, ['consolidate', 'schedule', ...args], { pool: database.pool })).stdout;
const inbox = (): string => join(folder, 'inbox');

describe('scheduled sources', () => {
  it('are declared, listed, changed and removed, one a table', async () => {
    await lastro('add', inbox(), '--table', 'kconnect.events', '--cron', '*/5 * * * *', '--wait-mb', '50');
    await lastro('add', inbox(), '--table', 'kconnect.other', '--cron', '0 2 * * *');
    await lastro('add', inbox(), '--table', 'kconnect.events', '--cron', '*/10 * * * *', '--batch-mb', '5');
    const source = `file://${inbox()}`;
    expect(JSON.parse(await lastro('list', '--json'))).toEqual([
      { source, table: 'kconnect.events', cron: '*/10 * * * *', batchMb: 5, lastRun: null },
      { source, table: 'kconnect.other', cron: '0 2 * * *', lastRun: null },
    ]);
    await lastro('remove', '--table', 'kconnect.other');
    expect(await lastro('list')).toContain('kconnect.events');
    expect(await lastro('list')).not.toContain('kconnect.other');
    await expect(lastro('remove', '--table', 'kconnect.other')).rejects.toThrow('found none');
  });

  it.each([
    [['--table', 'kconnect.x', '--cron', 'often'], '--cron: expected five fields'],
    [['--table', 'events', '--cron', '* * * * *'], 'expected namespace.name'],
    [['--table', 'kconnect.x'], 'expected --table namespace.name and --cron'],
    [['--table', 'k.x', '--cron', '* * * * *', '--domains', 'nowhere'], 'a folder of SQL models'],
    [['--table', 'k.x', '--cron', '* * * * *', '--partition', 'b'], '--partition: expected'],
  ])('%j are refused when they are declared', async (options, message) => {
    await expect(lastro('add', inbox(), ...options)).rejects.toThrow(message);
  });

  it('give the command line of a run', () => {
    const run = { source: 's3://b/p', table: 'k.e', waitMb: 5, waitMinutes: 60, maxBatchSeconds: 9 };
    expect(roundArguments(run).join(' ')).toBe(
      'consolidate s3://b/p --table k.e --wait-mb 5 --wait-minutes 60 --max-batch-seconds 9 --json',
    );
  });
});

describe('a round', () => {
  it('is a process that a worker runs; what it could not do is tried again, and a held table left alone', async () => {
    const stopping = new AbortController();
    const run = openRunLastro({ home: join(folder, 'home'), stopping: stopping.signal });
    const ended: number[] = [];
    let deaths = 1;
    process.env.DATABASE_URL = database.url;
    await workOnConsolidation({
      jobs,
      db: database.pool,
      log: silentLog(),
      runLastro: async (args, options) => {
        if (deaths-- > 0) return { code: 1, stdout: '', stderr: 'lastro: the disk is full' };
        const answer = await run(args, options);
        ended.push(answer.code);
        return answer;
      },
    });
    const round = { source: inbox(), table: 'kconnect.events' };
    const start = (data = round) =>
      transaction(database.pool, (tx) => jobs.enqueue(tx, consolidateQueue, data));
    const states = async (): Promise<string[]> =>
      (await listRuns(database.pool)).map(({ state, counts }) => `${state} ${counts?.rows}`);

    await start();
    await expect.poll(jobs.overview, { timeout: 20_000 }).toMatchObject([{ deferred: 1, active: 0 }]);
    expect(await states()).toEqual([]);

    await start();
    await expect.poll(() => ended, { timeout: 60_000 }).toEqual([0]);
    expect(await states()).toEqual(['done 1']);

    const lease = { name: leaseName(round.table), holder: 'someone', ttlMs: 60_000 };
    const taken = await acquireLease(database.pool, lease);
    await start();
    await start({ ...round, table: 'wrong' });
    // A wrong call is not tried again.
    await expect
      .poll(() => jobs.dead(10), { timeout: 60_000 })
      .toMatchObject([{ error: { message: expect.stringContaining('expected namespace.name') } }]);
    expect(ended).toEqual([0, 2]);
    expect(await states()).toEqual(['done 1']);
    if (taken.acquired) await releaseLease(database.pool, taken.lease);
    delete process.env.DATABASE_URL;
  }, 180_000);
});
