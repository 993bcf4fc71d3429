import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-sandbox-'));
});
afterEach(() => rm(home, { recursive: true }));

const start = async (...args: string[]) => {
  const child = fork(fileURLToPath(new URL('./main.ts', import.meta.url)), ['--home', home, ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
  });
  let errors = '';
  child.stderr?.on('data', (chunk) => {
    errors += String(chunk);
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const ready = await Promise.race([
    new Promise<{ url: string; issuer: string }>((resolve) => child.once('message', resolve as never)),
    ended.then(() => undefined),
  ]);
  return { child, ready, ended, errors: () => errors };
};

describe('the sandbox as a process', () => {
  it('tells its addresses, answers, and ends on SIGTERM', async () => {
    const { child, ready, ended, errors } = await start('--port', '0', '--companies', '10');
    const areas = await fetch(`${ready?.url}/parametrizador/v1/areas/CRD01`);
    expect(areas.status).toBe(200);
    expect(ready?.issuer).toBe(`${ready?.url}/oidc`);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(errors()).toBe('');
  });

  it('ends when its parent is gone', async () => {
    const { child } = await start('--port', '0', '--companies', '0');
    // Not 'close': Node does not emit it for a child whose channel was closed from here.
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.disconnect();
    expect(await gone).toBe(0);
  });

  it('says in one line why it can not start', async () => {
    const { ready, ended, errors } = await start('--port', '0', '--host', '0.0.0.0');
    expect(ready).toBeUndefined();
    expect(await ended).toBe(1);
    expect(errors()).toMatch(/^lastro sandbox: expected a loopback address[^\n]*\n$/);
  });
});
