import { once } from 'node:events';
import { type CliContext, type RegisterCommands, write } from '../platform/cli.ts';
import { startApi } from './api.ts';
import { openCommandPostgres } from './command-postgres.ts';
import { openParts, type Parts } from './parts.ts';
import { startWorker } from './worker.ts';
import { serveWorkerHealth } from './worker-http.ts';

type Running = { line: Record<string, unknown>; closers: (() => Promise<void>)[] };

/** Runs one service until SIGINT or SIGTERM; then it finishes the work in hand. */
const run = async (
  { config: configOf, stdout, stderr, signal }: CliContext,
  service: 'api' | 'worker',
  start: (parts: Parts) => Promise<Running>,
): Promise<void> => {
  const config = configOf();
  await using closing = new AsyncDisposableStack();
  const postgres = await openCommandPostgres(config, stderr);
  closing.defer(postgres.close);
  const parts = await openParts(
    { config, databaseUrl: postgres.url },
    { service, works: service === 'worker' },
  );
  closing.defer(parts.close);
  const { line, closers } = await start(parts);
  for (const close of closers) closing.defer(close);
  await write(stdout, `${JSON.stringify({ service, pid: process.pid, ...line })}\n`);
  if (!signal.aborted) await once(signal, 'abort');
  stderr.write(`lastro: stopping the ${service}; work in hand is finished first\n`);
};

const notes = (service: string): string => `
Needs PARTNERS_URL and OIDC_ISSUER; DATABASE_URL, or the embedded PostgreSQL of LASTRO_HOME is used.
When it is ready it prints one line of JSON. Any number of processes may run on one database.

Examples:
  PARTNERS_URL=https://partners.example OIDC_ISSUER=https://id.example lastro ${service}
  DATABASE_URL=postgres://… OBJECT_STORE=s3://lake/desk LASTRO_HOST=0.0.0.0 lastro ${service}`;

export const registerApi: RegisterCommands = (program, context) => {
  program
    .command('api')
    .description('run the API alone, for production')
    .addHelpText('after', notes('api'))
    .action(() =>
      run(context, 'api', async (parts) => {
        const api = await startApi(parts);
        return { line: { url: api.url }, closers: [api.close] };
      }),
    );
};

export const registerWorker: RegisterCommands = (program, context) => {
  program
    .command('worker')
    .description('run a worker alone, for production')
    .addHelpText('after', notes('worker'))
    .action(() =>
      run(context, 'worker', async (parts) => {
        const worker = await startWorker(parts);
        if (parts.config.LASTRO_WORKER_PORT === 0) return { line: {}, closers: [worker.close] };
        const health = await serveWorkerHealth(parts);
        return { line: { port: health.port }, closers: [health.close, worker.close] };
      }),
    );
};
