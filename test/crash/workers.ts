import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Desk } from '../services/desk.ts';

const program = fileURLToPath(new URL('./worker-process.ts', import.meta.url));

export type CrashingWorker = {
  readonly kill: () => void;
  /** The signal that ended it, or null where it ended by itself. */
  readonly ended: Promise<NodeJS.Signals | null>;
};

/** Starts a worker process on a desk's database; it kills itself at the named point, the `at`-th time. */
export const startWorkerProcess = async (
  desk: Pick<Desk, 'databaseUrl' | 'home' | 'sandbox'>,
  { point, at = 1, env = {} }: { point?: string; at?: number; env?: Record<string, string> } = {},
): Promise<CrashingWorker> => {
  const child: ChildProcess = spawn(process.execPath, [program], {
    // Its standard input ends with this process: no worker outlives the test that started it.
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      ...process.env,
      DATABASE_URL: desk.databaseUrl,
      LASTRO_HOME: desk.home,
      LASTRO_LOG_LEVEL: 'fatal',
      PARTNERS_URL: desk.sandbox.url,
      OIDC_ISSUER: desk.sandbox.issuer,
      // Few at once: a kill must not use up the tries of the same jobs again and again.
      WORKER_CONCURRENCY: '4',
      ...env,
      ...(point === undefined ? {} : { CRASH_POINT: point, CRASH_AT: String(at) }),
    },
  });
  const ended = once(child, 'exit').then(([, signal]) => signal as NodeJS.Signals | null);
  if (child.stdout) await Promise.race([once(child.stdout, 'data'), ended]);
  return { kill: () => void child.kill('SIGKILL'), ended };
};
