import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export type Running = { pid: number; line: Record<string, unknown>; stop: () => Promise<void> };

/** Starts a program that prints one line of JSON when it is ready. */
export const start = async (args: string[], env: NodeJS.ProcessEnv): Promise<Running> => {
  const child: ChildProcess = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (!child.stdout || child.pid === undefined) throw new Error(`could not start ${args.join(' ')}`);
  const lines = createInterface(child.stdout);
  const first = await Promise.race([
    once(lines, 'line').then(([line]) => String(line)),
    once(child, 'exit').then(([code]) => {
      throw new Error(`${args.join(' ')} ended with ${String(code)} before it was ready`);
    }),
  ]);
  return {
    pid: child.pid,
    line: JSON.parse(first) as Record<string, unknown>,
    stop: async () => {
      if (child.exitCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
};

const ticksPerSecond = 100;

const statOf = (pid: number | string): { parent: number; cpuSeconds: number } | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    // Fields 14 to 17 of proc(5): user and system time, its own and of children that it waited for.
    const ticks = fields.slice(11, 15).reduce((sum, value) => sum + value, 0);
    return { parent: fields[1] ?? 0, cpuSeconds: ticks / ticksPerSecond };
  } catch {
    return undefined;
  }
};

/** CPU seconds that a process and its living children have used, from /proc (Linux). */
export const cpuSecondsOf = (pid: number): number => {
  let total = statOf(pid)?.cpuSeconds ?? 0;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = statOf(entry);
    if (stat?.parent === pid) total += stat.cpuSeconds;
  }
  return total;
};

/** Resident memory of a process in MiB. */
export const residentMiB = (pid: number): number => {
  const found = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? 0) / 1_024;
};
