import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { openDuckDb } from '../src/lake/duckdb-session.ts';
import { openFileCache } from '../src/lake/file-cache.ts';
import { openConfiguredLake } from '../src/lake/open-lake.ts';
import { type CliContext, UserError, write } from '../src/platform/cli.ts';
import { makeArchivedOrders } from './archived-orders.ts';

const examples = `
Examples:
  $ npx lastro sandbox archived-orders --count 1000000
  $ npx lastro sandbox archived-orders --count 5000 --months 3 --areas 4 --json
  $ npx lastro sql "SELECT area_id, count(*) FROM ordens.ordens_arquivadas GROUP BY 1"`;

type Options = { count: string; months: string; areas: string; seed: string; json?: boolean };

/** `lastro sandbox archived-orders`: fills the lake's archive with made-up orders, for reports and trials. */
export const registerArchivedOrders = (sandbox: Command, context: CliContext): void => {
  sandbox
    .command('archived-orders')
    .description('add made-up orders to the archive in the lake')
    .option('--count <n>', 'how many orders', '1000000')
    .option('--months <n>', 'over how many months, up to 2026-10', '24')
    .option('--areas <n>', 'of how many areas (ARE01, ARE02, …)', '20')
    .option('--seed <n>', 'another seed makes other orders', '1')
    .option('--json', 'print what was made as JSON')
    .addHelpText('after', examples)
    .action(async ({ json, ...options }: Options) => {
      const number = (name: keyof typeof options, most: number): number => {
        const value = Number(options[name]);
        if (!Number.isInteger(value) || value < 1 || value > most)
          throw new UserError(
            `expected a whole number from 1 to ${most} for --${name}, found ${options[name]}`,
          );
        return value;
      };
      const wanted = {
        count: number('count', 1_000_000_000),
        months: number('months', 240),
        areas: number('areas', 99),
        seed: number('seed', 2 ** 31),
      };
      const config = context.config();
      const temporary = join(config.LASTRO_HOME, 'tmp');
      await mkdir(temporary, { recursive: true });
      const { lake, close } = await openConfiguredLake({ config, pool: await context.postgres() });
      const session = await openDuckDb({
        memoryLimit: '1500MB',
        threads: availableParallelism(),
        temporaryParent: temporary,
      });
      try {
        const files = await openFileCache({
          store: lake.store,
          folder: join(temporary, 'sandbox-cache'),
          maxBytes: 20 * 1024 ** 3,
        });
        const started = performance.now();
        const made = await makeArchivedOrders(
          { lake, session, files },
          {
            ...wanted,
            signal: context.signal,
            onProgress: ({ orders, of }) => {
              context.stderr.write(`${orders} of ${of} orders\n`);
            },
          },
        );
        const seconds = Math.round((performance.now() - started) / 100) / 10;
        const text = json
          ? JSON.stringify({ ...made, seconds })
          : made.orders === 0
            ? 'nothing added: the orders of these options are in ordens.ordens_arquivadas already'
            : `${made.orders} orders in ordens.ordens_arquivadas, in ${seconds} s`;
        await write(context.stdout, `${text}\n`);
      } finally {
        await session.close();
        await close();
      }
    });
};
