import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../src/entry/lastro.ts', import.meta.url));

export type ServiceProcess = {
  /** What it said when it was ready. */
  readonly line: { url?: string; pid: number };
  /** Its log so far, line by line. */
  readonly log: readonly string[];
  /** Asks it to end and waits for it. */
  readonly stop: () => Promise<void>;
};

/** Runs `lastro api` or `lastro worker` as a process of its own, and waits until it is ready. */
export const startService = async (
  service: 'api' | 'worker',
  env: Record<string, string>,
): Promise<ServiceProcess> => {
  const child = spawn(process.execPath, [program, service], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const log: string[] = [];
  createInterface(child.stderr).on('line', (line) => log.push(line));
  const ended = new Promise<undefined>((resolve) => child.once('close', () => resolve(undefined)));
  const ready = new Promise<string>((resolve) => createInterface(child.stdout).once('line', resolve));
  const line = await Promise.race([ready, ended]);
  if (line === undefined) throw new Error(`expected a running ${service}, found its end:\n${log.join('\n')}`);
  return {
    line: JSON.parse(line) as ServiceProcess['line'],
    log,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
};
