import type { Command } from 'commander';
import { type CliContext, UserError, write } from '../src/platform/cli.ts';
import { sandboxOrder } from './orders.ts';

const examples = `
Examples:
  $ npx lastro sandbox orders --count 50000
  $ AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:8083 npx lastro archive plan

The orders are in memory: they are gone when the command ends (Ctrl-C).`;

const whole = (text: string, what: string): number => {
  if (!/^\d{1,8}$/.test(text)) throw new UserError(`expected a whole number for ${what}, found ${text}`);
  return Number(text);
};

const chunk = 5_000;

/** `lastro sandbox orders`: a DynamoDB with a table of old orders, until it is stopped. */
export const registerOrders = (sandbox: Command, context: CliContext): void => {
  sandbox
    .command('orders')
    .description('run a DynamoDB stand-in with three years of orders, for the archive')
    .option('--count <n>', 'orders', '50000')
    .option('--port <port>', 'port of the stand-in', '8083')
    .option('--until <date>', 'day of the newest order (default: today)')
    .option('--seed <n>', 'other orders', '1')
    .option('--no-index', 'leave out the index por_area_data')
    .option('--json', 'print the address as JSON')
    .addHelpText('after', examples)
    .action(
      async (options: {
        count: string;
        port: string;
        until?: string;
        seed: string;
        index: boolean;
        json?: boolean;
      }) => {
        const [count, port, seed] = [
          whole(options.count, '--count'),
          whole(options.port, '--port'),
          whole(options.seed, '--seed'),
        ];
        const until = new Date(`${options.until ?? new Date().toISOString().slice(0, 10)}T00:00:00.000Z`);
        if (Number.isNaN(until.getTime()))
          throw new UserError(`expected a day for --until, found ${options.until}`);
        const { startOrdersTable } = await import('./orders-table.ts');
        const table = context.config().LASTRO_ORDERS_TABLE;
        const started = performance.now();
        const standIn = await startOrdersTable({ port, table, index: options.index }).catch(
          (error: unknown) => {
            throw new UserError(
              `the stand-in did not start on port ${port}: ${error instanceof Error ? error.message : String(error)}`,
              1,
            );
          },
        );
        try {
          for (let from = 0; from < count && !context.signal.aborted; from += chunk) {
            const part = Array.from({ length: Math.min(chunk, count - from) }, (_, at) =>
              sandboxOrder(from + at, { count, until, seed }),
            );
            await standIn.load(part);
            context.stderr.write(`${from + part.length} of ${count} orders\n`);
          }
          const seconds = Math.round((performance.now() - started) / 100) / 10;
          await write(
            context.stdout,
            options.json
              ? `${JSON.stringify({ url: standIn.url, table, orders: count, seconds })}\n`
              : `${count} orders in table ${table} at ${standIn.url}, loaded in ${seconds} s\n`,
          );
          if (!context.signal.aborted)
            await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }));
        } finally {
          await standIn.close();
        }
      },
    );
};
