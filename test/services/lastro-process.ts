import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Addresses } from '../../src/entry/up.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export type LastroProcess = {
  /** npm's own process id, which is also its group's. */
  readonly pid: number;
  /** The line of addresses, or undefined where it ended before it was ready. */
  readonly addresses: Addresses | undefined;
  /** What it wrote to standard error so far. */
  readonly stderr: () => string;
  /** The exit code; null where a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Its process id may be another program's by then. */
  readonly hasEnded: () => boolean;
  readonly kill: (signal: NodeJS.Signals, whom?: 'npm' | 'group') => Promise<number | null>;
};

/**
 * Runs `npm start` on a home, with free ports, in a process group of its own as a terminal would, and waits
 * until it is ready or ends. `wrap` puts a command before it.
 */
export const npmStart = async (
  home: string,
  { args = [], env = {}, wrap = [] }: { args?: string[]; env?: NodeJS.ProcessEnv; wrap?: string[] } = {},
): Promise<LastroProcess> => {
  const [program = 'npm', ...rest] = [...wrap, 'npm', '--silent', 'start', '--', '--json', ...args];
  const child = spawn(program, rest, {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LASTRO_HOME: home, LASTRO_PORT: '0', LASTRO_SANDBOX_PORT: '0', ...env },
  });
  const errors: string[] = [];
  createInterface(child.stderr).on('line', (line) => errors.push(line));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const line = await Promise.race([
    new Promise<string>((resolve) => createInterface(child.stdout).once('line', resolve)),
    ended.then(() => undefined),
  ]);
  const pid = child.pid ?? 0;
  return {
    pid,
    addresses: line === undefined ? undefined : (JSON.parse(line) as Addresses),
    stderr: () => errors.join('\n'),
    ended,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    kill: (signal, whom = 'npm') => {
      process.kill(whom === 'group' ? -pid : pid, signal);
      return ended;
    },
  };
};

/** The command lines of live processes that name a folder: PostgreSQL and the sandbox do. */
export const processesNaming = async (folder: string): Promise<string[]> => {
  const commands: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(folder)) commands.push(command.replaceAll('\0', ' ').trim());
  }
  return commands;
};
