import type { Pool } from 'pg';
import type { CliContext } from '../platform/cli.ts';
import { parseConfig } from '../platform/config.ts';

const port = (env: NodeJS.ProcessEnv): string => env['LASTRO_SANDBOX_PORT'] || '8081';

/**
 * The environment, with the sandbox in place of public APIs whose addresses are not set: what is made up and what is
 * real must never meet in one lake because a variable was forgotten. Where no sandbox runs, nothing answers.
 */
const withSandbox = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
  const apis = { BCB_SGS_URL: 'sgs', BCB_PTAX_URL: 'ptax', IBGE_URL: 'ibge', BRASILAPI_URL: 'brasilapi' };
  const missing = Object.entries(apis).filter(([name]) => !env[name]);
  return {
    ...env,
    ...Object.fromEntries(missing.map(([name, api]) => [name, `http://127.0.0.1:${port(env)}/apis/${api}`])),
  };
};

/** The context of a command line in this process. `close` ends what the command opened. */
export const openCliContext = (proc: NodeJS.Process): CliContext & { close: () => Promise<void> } => {
  const abort = new AbortController();
  let abortedAt = 0;
  const stop = (): void => {
    if (!abort.signal.aborted) {
      abortedAt = Date.now();
      abort.abort();
      return;
    }
    // npm hands on the Ctrl-C that the terminal has sent to this process already: one wish, two signals.
    if (Date.now() - abortedAt < 1_000) return;
    proc.stderr.write('lastro: stopped at once; what was in hand is continued by the next start\n');
    proc.exit(130);
  };
  proc.on('SIGINT', stop);
  proc.on('SIGTERM', stop);
  // A reader that goes away (`| head`) ends the command quietly instead of with a stack trace.
  proc.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') proc.exit(0);
    proc.stderr.write(`lastro: the answer could not be written to standard output: ${error.message}\n`);
    proc.exit(1);
  });

  const env = withSandbox(proc.env);
  let opened: Promise<{ pool: Pool; close: () => Promise<void> }> | undefined;
  return {
    env,
    stdin: proc.stdin,
    stdout: proc.stdout,
    stderr: proc.stderr,
    signal: abort.signal,
    config: () => parseConfig(env),
    postgres: async () => {
      opened ??= import('./command-postgres.ts').then((module) =>
        module.openCommandPostgres(parseConfig(env), proc.stderr),
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
