import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('lastro.ts', import.meta.url));

const run = (args: readonly string[], stdout: 'pipe' | number = 'pipe') =>
  spawnSync(process.execPath, [program, ...args], {
    stdio: ['ignore', stdout, 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, LASTRO_HOME: '/nowhere/lastro' },
  });

describe('a command line', () => {
  it.each([['nonsense'], ['constructor'], ['__proto__'], ['jobs', '--nope'], []])(
    'that is wrong ends with 2 and plain words on standard error: %s',
    (...args) => {
      const { status, stdout, stderr } = run(args);
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(stderr).not.toBe('');
    },
  );

  it.skipIf(!existsSync('/dev/full'))('whose answer finds a full disk says so and ends with 1', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = run(['config'], full);
    closeSync(full);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^lastro: the answer could not be written to standard output: ENOSPC/);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
