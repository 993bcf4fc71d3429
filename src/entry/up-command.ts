import { once } from 'node:events';
import { type CliContext, type RegisterCommands, write } from '../platform/cli.ts';
import { parseConfig } from '../platform/config.ts';
import { diskFull } from '../platform/disk-full.ts';
import { readyText, sampleRequest } from './ready-text.ts';

type Options = { port?: string; home?: string; sandbox: boolean; json?: boolean };

const run = async (context: CliContext, { port, home, sandbox, json }: Options): Promise<void> => {
  const { stdout, stderr, signal } = context;
  // A flag is the variable said in another way: it is parsed, and refused, by the same rules.
  const config = parseConfig({
    ...context.env,
    ...(port === undefined ? {} : { LASTRO_PORT: port }),
    ...(home === undefined ? {} : { LASTRO_HOME: home }),
  });
  // Loaded here: `--help` and a wrong setting need not wait for the whole product.
  const { up } = await import('./up.ts');
  try {
    const running = await up({ config, sandbox, stderr, signal });
    try {
      const { addresses } = running;
      // Since the process began: what the person at the terminal waited.
      const seconds = performance.now() / 1_000;
      const request = addresses.sandbox && !json ? await sampleRequest(addresses.sandbox) : undefined;
      const text = json
        ? `${JSON.stringify({ ...addresses, seconds })}\n`
        : readyText(addresses, seconds, request);
      await write(stdout, text);
      if (!signal.aborted) await once(signal, 'abort');
    } finally {
      stderr.write('lastro: stopping; work in hand is finished first\n');
      await running.stop();
    }
  } catch (error) {
    if (!signal.aborted || !isAbort(error)) throw diskFull(error) ?? error;
  }
  stderr.write('lastro: stopped\n');
};

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

export const register: RegisterCommands = (program, context) => {
  program
    .command('up')
    .description('start everything on this machine: PostgreSQL, sandbox, API and worker')
    .option('--port <port>', 'port of the API (LASTRO_PORT, 8080)')
    .option('--home <folder>', 'folder of the data (LASTRO_HOME, ./.lastro)')
    .option('--no-sandbox', 'without the stand-ins for partners and issuer')
    .option('--json', 'when ready, print one line of JSON with the addresses')
    .addHelpText(
      'after',
      `
Runs until Ctrl-C, SIGINT or SIGTERM; then finishes the work in hand and leaves nothing running.
The data stays in the home folder: the next start finds it.

Examples:
  lastro up
  lastro up --port 9000 --home /var/lib/lastro
  OIDC_ISSUER=https://id.example.com PARTNERS_URL=https://partners.example.com lastro up --no-sandbox
  lastro up --json | head -1 | jq -r .api`,
    )
    .action((options: Options) => run(context, options));
};
