import { execFile, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UserError } from './cli.ts';
import type { EmbeddedPostgres } from './embedded-postgres.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';
import { findPostgresBinaries } from './postgres-binaries.ts';
import { boundLog, cluster, findServer } from './postgres-cluster.ts';

const run = promisify(execFile);
const holder = fileURLToPath(new URL('../../test/services/hold-postgres.ts', import.meta.url));

// Each test starts servers, and a machine may be busy.
vi.setConfig({ testTimeout: 90_000 });

let folder: string;
let home: string;
let opened: EmbeddedPostgres[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-embedded-'));
  await chmod(folder, 0o755);
  home = join(folder, 'home');
  opened = [];
});

afterEach(async () => {
  for (const server of opened) await server.stop();
  expect(await running()).toBeUndefined();
  await rm(folder, { recursive: true, force: true });
});

const start = async (options: { port?: number; log?: (line: string) => void } = {}) => {
  const server = await startEmbeddedPostgres({ home, durable: false, ...options });
  opened.push(server);
  return server;
};

const running = async (where = home) => findServer(cluster(where, await findPostgresBinaries(), false));

const query = async (url: string, sql: string): Promise<unknown[]> => {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
};

/** Another process that holds on to the server of `home`. */
const hold = async (command = [process.execPath, holder, home]) => {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const [line] = await Promise.race([
    new Promise<string[]>((resolve) => createInterface(child.stdout).once('line', (text) => resolve([text]))),
    ended.then(() => ['{"error":"ended without a word"}']),
  ]);
  const answer = JSON.parse(line ?? '{}') as { url?: string; reused?: boolean; error?: string };
  const kill = (signal: NodeJS.Signals): Promise<unknown> => {
    child.kill(signal);
    return ended;
  };
  return { answer, kill };
};

describe('one server, many processes', () => {
  it('serves UTF-8, UTC and scram, keeps its data and its port, and ends with its last user', async () => {
    const first = await start();
    const second = await start();
    expect([first.reused, second.reused]).toEqual([false, true]);
    expect(second.url).toBe(first.url);
    await query(first.url, 'CREATE TABLE kept (n integer)');
    expect(
      await query(
        first.url,
        `SELECT current_setting('TimeZone') AS zone, current_setting('server_encoding') AS encoding,
                (SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'lastro') AS scram`,
      ),
    ).toEqual([{ zone: 'UTC', encoding: 'UTF8', scram: true }]);
    await expect(query(first.url.replace(/:[^:@]+@/, ':wrong@'), 'SELECT 1')).rejects.toThrow(/password/);

    await first.stop();
    expect(await query(second.url, 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 0 }]);
    await second.stop();
    expect(await running()).toBeUndefined();

    const again = await start();
    expect(again.url).toBe(first.url);
    expect(await query(again.url, 'SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 0 }]);
    expect((await stat(join(home, 'postgres', 'password'))).mode & 0o777).toBe(0o600);
  });

  it('lets several processes make the database at once', async () => {
    const others = await Promise.all([hold(), hold(), hold()]);
    const server = await start();
    expect(others.map(({ answer }) => answer.url)).toEqual(others.map(() => server.url));
    await Promise.all(others.map(({ kill }) => kill('SIGTERM')));
    expect(await query(server.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  it('is not stopped under a user when those around come and go', async () => {
    const keeper = await start();
    const client = new pg.Client({ connectionString: keeper.url });
    await client.connect();
    for (let round = 0; round < 5; round++) {
      const visits = await Promise.all([start(), start(), start()]);
      await Promise.all(visits.map((visit) => visit.stop()));
    }
    expect((await client.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
    await client.end();
  });

  it('starts again for who comes while the last user stops it', async () => {
    for (let round = 0; round < 4; round++) {
      const leaving = await start();
      const [, coming] = await Promise.all([leaving.stop(), sleep(round * 15).then(() => start())]);
      expect(await query(coming.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
      await coming.stop();
    }
  });

  it('joins the server that a killed process left, and ends it', async () => {
    const other = await hold();
    await other.kill('SIGKILL');
    expect(await running()).toMatchObject({ ready: true });
    const server = await start();
    expect(server).toMatchObject({ reused: true, url: other.answer.url });
  });

  it('starts a server that died again, on the same port, with what was committed', async () => {
    const lines: string[] = [];
    const server = await start({ log: (line) => lines.push(line) });
    await query(server.url, 'CREATE TABLE kept (n integer)');
    await query(server.url, 'CHECKPOINT');
    const before = await running();
    process.kill(before?.pid ?? 0, 'SIGKILL');
    const rows = async (): Promise<unknown> =>
      query(server.url, 'SELECT count(*)::int AS n FROM kept').catch(() => sleep(50).then(rows));
    expect(await rows()).toEqual([{ n: 0 }]);
    expect((await running())?.pid).not.toBe(before?.pid);
    expect(lines).toContain('the session with PostgreSQL was lost; joining or starting it again');
  });
});

describe('what a start may find', () => {
  const prepare = async (): Promise<string> => {
    await (await start()).stop();
    return join(home, 'postgres', 'data');
  };

  it.each([
    ['a process that is gone', 999_999_999],
    ['another program', process.pid],
  ])('removes a lock file of %s', async (_, pid) => {
    const data = await prepare();
    await writeFile(
      join(data, 'postmaster.pid'),
      `${pid}\n${data}\n1700000000\n5432\n\n127.0.0.1\n\nready\n`,
    );
    expect((await start()).reused).toBe(false);
  });

  it('refuses the data of a newer PostgreSQL and leaves it alone', async () => {
    const data = await prepare();
    await writeFile(join(data, 'PG_VERSION'), '99\n');
    await expect(start()).rejects.toThrow(
      /made by PostgreSQL 99, this lastro brings PostgreSQL 18.*newer lastro/,
    );
    expect(await readFile(join(data, 'PG_VERSION'), 'utf8')).toBe('99\n');
  });

  it('says when the password is gone', async () => {
    await prepare();
    await rm(join(home, 'postgres', 'password'));
    await expect(start()).rejects.toThrow(/password of the embedded database .* is gone/);
  });

  it('takes another port where the last one is in use, and refuses a fixed one', async () => {
    const first = await start();
    const port = Number(new URL(first.url).port);
    await first.stop();
    const squatter = createServer().listen(port, '127.0.0.1');
    await new Promise((resolve) => squatter.once('listening', resolve));
    try {
      expect(new URL((await start()).url).port).not.toBe(String(port));
      await opened.at(-1)?.stop();
      await expect(start({ port })).rejects.toThrow(`port ${port} for PostgreSQL is in use`);
    } finally {
      await new Promise((resolve) => squatter.close(resolve));
    }
  });

  it('says that the disk is full and leaves nothing half-made', async () => {
    // A limit on file size fails writes as a full disk does, for any user and without a file system of its own.
    const command = ['/bin/sh', '-c', 'ulimit -f 2000; exec "$@"', 'sh', process.execPath, holder, home];
    const { answer, kill } = await hold(command);
    await kill('SIGKILL');
    expect(answer.error).toMatch(/the disk of .* is full: PostgreSQL could not write/);
    await expect(stat(join(home, 'postgres'))).rejects.toThrow('ENOENT');
    expect((await start()).reused).toBe(false);
  });

  it('works under a folder that only its owner may enter', async () => {
    await mkdir(home, { mode: 0o700 });
    await chmod(folder, 0o700);
    const server = await start();
    expect(await query(server.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    await server.stop();
    // The folder is opened to others later: root's data then changes hands.
    await chmod(home, 0o711);
    await chmod(folder, 0o711);
    expect(await query((await start()).url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  it('is a plain message, not a stack trace', async () => {
    await writeFile(home, 'a file where the folder should be');
    await expect(start()).rejects.toThrow(UserError);
    await rm(home);
  });
});

describe('the log', () => {
  it('is cut when it grows, with the last part kept beside it', async () => {
    const path = join(folder, 'server.log');
    await writeFile(path, 'abcdefghij');
    await boundLog(path, 10);
    expect(await readFile(path, 'utf8')).toBe('abcdefghij');
    await boundLog(path, 4);
    expect(await readFile(path, 'utf8')).toBe('');
    expect(await readFile(`${path}.1`, 'utf8')).toBe('ghij');
  });
});

describe('the programs', () => {
  it('run and are of one version', async () => {
    const { postgres, initdb } = await findPostgresBinaries();
    const [server, maker] = await Promise.all([run(postgres, ['-V']), run(initdb, ['-V'])]);
    expect(server.stdout).toMatch(/PostgreSQL\) 18\./);
    expect(maker.stdout.split(' ').at(-1)).toBe(server.stdout.split(' ').at(-1));
  });
});
