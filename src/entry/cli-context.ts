import type { Pool } from 'pg';
import type { CliContext } from '../platform/cli.ts';
import { parseConfig } from '../platform/config.ts';

/** The context of a command line in this process. `close` ends what the command opened. */
export const openCliContext = (proc: NodeJS.Process): CliContext & { close: () => Promise<void> } => {
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  proc.once('SIGINT', stop);
  proc.once('SIGTERM', stop);
  // A reader that goes away (`| head`) ends the command quietly instead of with a stack trace.
  proc.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') proc.exit(0);
    throw error;
  });

  let opened: Promise<{ pool: Pool; close: () => Promise<void> }> | undefined;
  return {
    env: proc.env,
    stdin: proc.stdin,
    stdout: proc.stdout,
    stderr: proc.stderr,
    signal: abort.signal,
    config: () => parseConfig(proc.env),
    postgres: async () => {
      opened ??= import('./command-postgres.ts').then((module) =>
        module.openCommandPostgres(parseConfig(proc.env), proc.stderr),
      );
      return (await opened).pool;
    },
    close: async () => {
      proc.off('SIGINT', stop);
      proc.off('SIGTERM', stop);
      if (opened) await (await opened.catch(() => undefined))?.close();
    },
  };
};
