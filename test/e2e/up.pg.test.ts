import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sandboxCases } from '../../sandbox/cases.ts';
import { mintToken } from '../../sandbox/token.ts';
import { openCommandPostgres } from '../../src/entry/command-postgres.ts';
import type { Addresses } from '../../src/entry/up.ts';
import { parseConfig } from '../../src/platform/config.ts';
import { type LastroProcess, npmStart, processesNaming } from '../services/lastro-process.ts';

// Each test starts the whole product once or twice.
vi.setConfig({ testTimeout: 600_000 });

// Also what a killed worker had in hand is taken over by then (20 s), on a machine that has much else to do.
const patienceMs = 120_000;

let folder: string;
let home: string;
let started: LastroProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-up-'));
  await chmod(folder, 0o755);
  home = join(folder, 'home');
  started = [];
});

afterEach(async () => {
  for (const { hasEnded, kill } of started) if (!hasEnded()) await kill('SIGTERM', 'group');
  expect(await processesNaming(folder)).toEqual([]);
  await rm(folder, { recursive: true, force: true });
});

const start = async (options?: Parameters<typeof npmStart>[1]): Promise<LastroProcess> => {
  const process = await npmStart(home, options);
  started.push(process);
  return process;
};

const ready = async (options?: Parameters<typeof npmStart>[1]) => {
  const process = await start(options);
  if (!process.addresses) throw new Error(`lastro did not start:\n${process.stderr()}`);
  return { ...process, addresses: process.addresses };
};

const quorumCase = sandboxCases().find(({ expect: end }) => 'verdict' in end && end.verdict === 'quorum');

const callsTo = async ({ api, issuer }: Addresses) => {
  const { token } = await mintToken({
    issuer: issuer ?? '',
    area: 'CRD01',
    scope: 'orders:write orders:read',
  });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const read = async (orderKey: string) =>
    (await (await fetch(`${api}/v1/orders/${orderKey}`, { headers })).json()) as {
      status: string;
      verdict: string | null;
    };
  return {
    read,
    place: async (): Promise<string> => {
      const body = JSON.stringify(quorumCase?.request);
      const answer = await fetch(`${api}/v1/orders`, { method: 'POST', headers, body });
      expect(answer.status).toBe(201);
      return ((await answer.json()) as { orderKey: string }).orderKey;
    },
    decided: async (orderKey: string) => {
      for (const until = Date.now() + patienceMs; Date.now() < until; await sleep(50)) {
        const order = await read(orderKey);
        if (order.verdict) return order;
      }
      throw new Error(`order ${orderKey} was not decided within ${patienceMs / 1_000} s`);
    },
  };
};

describe('npm start', () => {
  it('decides an order, ends whole on SIGTERM to npm, and finds the order again; SIGINT likewise', async () => {
    const first = await ready();
    const calls = await callsTo(first.addresses);
    const orderKey = await calls.place();
    expect(await calls.decided(orderKey)).toMatchObject({ status: 'completed', verdict: 'quorum' });
    expect(await processesNaming(home)).not.toEqual([]);
    expect(await first.kill('SIGTERM')).toBe(0);
    expect(await processesNaming(home)).toEqual([]);

    const second = await ready();
    expect(await (await callsTo(second.addresses)).read(orderKey)).toMatchObject({ status: 'completed' });
    await second.kill('SIGINT');
    expect(second.stderr()).toContain('lastro: stopped');
    expect(await processesNaming(home)).toEqual([]);
  });

  it('takes the two signals of a Ctrl-C for one, and finishes the orders in hand', async () => {
    const first = await ready();
    const calls = await callsTo(first.addresses);
    const keys = await Promise.all(Array.from({ length: 20 }, () => calls.place()));
    await first.kill('SIGINT', 'group');
    expect(first.stderr()).toContain('lastro: stopped');
    expect(await processesNaming(home)).toEqual([]);

    const second = await ready();
    const again = await callsTo(second.addresses);
    const ends = await Promise.all(keys.map((key) => again.decided(key)));
    expect(new Set(ends.map(({ verdict }) => verdict))).toEqual(new Set(['quorum']));
  });

  it('joins what a killed run left, and loses no order', async () => {
    const first = await ready();
    const orderKey = await (await callsTo(first.addresses)).place();
    process.kill(first.addresses.pid, 'SIGKILL');
    await first.ended;
    const sandboxes = async () => (await processesNaming(home)).filter((name) => name.includes('sandbox'));
    for (const until = Date.now() + patienceMs; (await sandboxes()).length > 0 && Date.now() < until; )
      await sleep(50);
    expect((await processesNaming(home)).join('\n')).toMatch(/postgres/);
    expect(await sandboxes()).toEqual([]);

    const second = await ready();
    expect(second.stderr()).toContain('PostgreSQL joined');
    const calls = await callsTo(second.addresses);
    expect(await calls.decided(orderKey)).toMatchObject({ verdict: 'quorum' });
  });

  it('refuses a second run on the same home and leaves the first one alone', async () => {
    const first = await ready();
    const second = await start();
    expect(await second.ended).toBe(1);
    expect(second.stderr()).toContain(`lastro already runs on ${home} (process ${first.addresses.pid}`);
    expect((await fetch(`${first.addresses.api}/livez`)).status).toBe(200);

    const { port } = new URL(first.addresses.api);
    for (const LASTRO_HOST of ['127.0.0.1', '0.0.0.0']) {
      const samePort = await start({ env: { LASTRO_PORT: port, LASTRO_HOST } });
      expect(await samePort.ended).toBe(1);
      expect(samePort.stderr()).toContain(`lastro already runs on ${home}`);
    }
  });

  it('is not stopped by a command that comes and goes, and leaves the database to one that stays', async () => {
    const first = await ready();
    const config = parseConfig({ LASTRO_HOME: home });
    const visit = await openCommandPostgres(config, process.stderr);
    await visit.close();
    expect((await fetch(`${first.addresses.api}/readyz`)).status).toBe(200);
    const stay = await openCommandPostgres(config, process.stderr);
    await first.kill('SIGTERM');
    expect((await stay.pool.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
    await stay.close();
    expect(await processesNaming(home)).toEqual([]);
  });
});

describe('npm start refuses, with a plain message and nothing left running', () => {
  const refused = async (options: Parameters<typeof npmStart>[1], words: RegExp) => {
    const process = await start(options);
    expect(process.addresses).toBeUndefined();
    expect(await process.ended).not.toBe(0);
    expect(process.stderr()).toMatch(words);
    expect(process.stderr()).not.toMatch(/^\s+at /m);
    expect(await processesNaming(home)).toEqual([]);
  };

  it('a port that another program has', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address ? String(address.port) : '';
    await refused(
      { env: { LASTRO_PORT: port } },
      /in use by another program\. Set LASTRO_PORT \(or --port\)/,
    );
    await refused({ env: { LASTRO_SANDBOX_PORT: port } }, /the sandbox, is in use .*LASTRO_SANDBOX_PORT/);
    await new Promise((resolve) => other.close(resolve));
  });

  it('the data of a newer version', async () => {
    const postgres = await openCommandPostgres(parseConfig({ LASTRO_HOME: home }), process.stderr);
    await postgres.pool.query(
      "INSERT INTO lastro_migrations (number, name, checksum) VALUES (9999, '9999_later.sql', 'x')",
    );
    await postgres.close();
    await refused({}, /made by a newer lastro: it has the migration 9999_later\.sql/);
  });

  it('a full disk', async () => {
    // A limit on file size fails writes as a full disk does, for any user and without a file system of its own.
    const wrap = ['/bin/sh', '-c', 'ulimit -f 2000; exec "$@"', 'sh'];
    await refused({ wrap }, /the disk of .* is full: PostgreSQL could not write/);
  });

  it('a setting or a flag that is wrong', async () => {
    await refused({ args: ['--port', 'eighty'] }, /LASTRO_PORT: .*expected number/);
    await refused({ args: ['--prot', '80'] }, /unknown option '--prot'/);
  });
});
