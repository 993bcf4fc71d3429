import type { Command } from 'commander';
import { type CliContext, UserError, write } from '../platform/cli.ts';
import { listLeases } from '../platform/leases.ts';
import {
  type Interval,
  type IntervalState,
  intervalStates,
  refill,
  skip,
  TransitionError,
} from '../platform/ledger.ts';
import {
  allIntervals,
  findHoles,
  type Hole,
  type IntervalFilter,
  readHistory,
} from '../platform/ledger-views.ts';
import { type Db, type Tx, transaction } from '../platform/postgres.ts';
import type { Batch, SqlValue } from './engines/engine.ts';
import { writeTable } from './sql-output.ts';

type Options = {
  pipeline?: string;
  source?: string;
  state?: IntervalState[];
  from?: Date;
  to?: Date;
  limit?: number;
  check?: boolean;
  json?: boolean;
};

/** `lastro ledger`: what has been done of every source, and what is missing. */
export const addLedgerCommand = (program: Command, context: CliContext): void => {
  // `--json` after a subcommand is the subcommand's.
  program.enablePositionalOptions();
  const ledger = program
    .command('ledger')
    .enablePositionalOptions()
    .description('intervals of every pipeline and source: done, running, failed, and holes')
    .option('--pipeline <name>', 'only this pipeline')
    .option('--source <name>', 'only this source')
    .option('--state <list>', `only these states, with commas: ${intervalStates.join(', ')}`, parseStates)
    .option('--from <time>', 'only windows that end after it', parseTime)
    .option('--to <time>', 'only windows that begin before it', parseTime)
    .option('--limit <n>', 'most rows (default: 200 in a table, all with --json)', parseCount)
    .option('--check', 'exit with 1 where something is failed or missing')
    .option('--json', 'for machines: an array of objects')
    .addHelpText(
      'after',
      `
A hole without an id is a gap between windows that nobody planned.

Examples:
  lastro ledger                                     everything
  lastro ledger --source kconnect.events --state failed,hole
  lastro ledger --check --pipeline archive          for a monitor
  lastro ledger refill 118                          plan a hole again
  lastro ledger skip 119 --reason "bank holiday"    give a window up, visibly
  lastro ledger history 118                         every transition of an interval
  lastro ledger leases                              who holds what`,
    )
    .action((options: Options) => showLedger(context, options));
  ledger
    .command('refill <id>')
    .description('plan a hole again, with all its attempts')
    .option('--reason <text>', 'kept in the history')
    .action((id: string, { reason }: { reason?: string }) =>
      operate(context, id, 'planned again', (tx) =>
        refill(tx, { id, ...(reason === undefined ? {} : { reason }) }),
      ),
    );
  ledger
    .command('skip <id>')
    .description('give up a planned or failed window: it becomes a hole')
    .requiredOption('--reason <text>', 'why')
    .action((id: string, { reason }: { reason: string }) =>
      operate(context, id, 'a hole', (tx) => skip(tx, { id, reason })),
    );
  ledger
    .command('history <id>')
    .description('every transition of an interval')
    .option('--json', 'for machines')
    .action((id: string, { json }: { json?: boolean }) => showHistory(context, id, json === true));
  ledger
    .command('leases')
    .description('who holds which lease, since when and until when')
    .option('--json', 'for machines')
    .action(({ json }: { json?: boolean }) => showLeases(context, json === true));
};

const showLedger = async (context: CliContext, options: Options): Promise<void> => {
  const db = await context.postgres();
  const filter: IntervalFilter = {
    ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
    ...(options.source === undefined ? {} : { source: options.source }),
    ...(options.state === undefined ? {} : { states: options.state }),
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.to === undefined ? {} : { to: options.to }),
  };
  const limit = options.limit ?? (options.json ? Infinity : 200);
  let bad = 0;
  let rows = 0;
  const entries = async function* (): AsyncGenerator<Record<string, SqlValue>> {
    for await (const entry of ledgerEntries(db, filter)) {
      if ('state' in entry ? entry.state === 'failed' || entry.state === 'hole' : true) bad += 1;
      rows += 1;
      if (rows > limit) {
        await write(context.stderr, `(the first ${limit}; --limit shows more, --json all)\n`);
        return;
      }
      yield toRow(entry);
    }
  };
  await (options.json
    ? writeObjects(context, entries())
    : writeTable(toBatches(entries()), (text) => write(context.stdout, text)));
  if (rows === 0 && !options.json) await write(context.stderr, '(no intervals)\n');
  if (options.check && bad > 0) throw new UserError(`${bad} windows are failed or missing`, 1);
};

/** Intervals of the filter, then the gaps between them where holes are asked for. */
async function* ledgerEntries(db: Db, filter: IntervalFilter): AsyncGenerator<Interval | Hole> {
  yield* allIntervals(db, filter);
  if (filter.states && !filter.states.includes('hole')) return;
  for (const hole of await findHoles(db, filter)) if (!hole.interval) yield hole;
}

const toRow = (entry: Interval | Hole): Record<string, SqlValue> => {
  const window = {
    pipeline: entry.pipeline,
    source: entry.source,
    from: entry.from.toISOString(),
    to: entry.to.toISOString(),
  };
  if (!('state' in entry)) {
    return {
      id: null,
      ...window,
      state: 'hole',
      attempts: 0,
      run: null,
      finished: null,
      watermark: null,
      output: null,
      error: 'never planned',
    };
  }
  return {
    id: entry.id,
    ...window,
    state: entry.state,
    attempts: entry.attempts,
    run: entry.runId,
    finished: entry.finishedAt?.toISOString() ?? null,
    watermark: entry.watermark,
    output: entry.output,
    error: entry.error,
  };
};

const operate = async (
  context: CliContext,
  id: string,
  state: string,
  move: (tx: Tx) => Promise<Interval>,
): Promise<void> => {
  if (!/^\d+$/.test(id))
    throw new UserError(
      `expected the id of an interval (a number, see \`lastro ledger\`), found ${JSON.stringify(id)}`,
    );
  try {
    const moved = await transaction(await context.postgres(), move);
    await write(context.stdout, `interval ${moved.id} is ${state}\n`);
  } catch (error) {
    if (error instanceof TransitionError) throw new UserError(error.message, 1);
    throw error;
  }
};

const showHistory = async (context: CliContext, id: string, json: boolean): Promise<void> => {
  if (!/^\d+$/.test(id))
    throw new UserError(`expected the id of an interval (a number), found ${JSON.stringify(id)}`);
  const history = await readHistory(await context.postgres(), id);
  if (history.length === 0) throw new UserError(`no interval ${id}; \`lastro ledger\` shows the ids`, 1);
  const rows = history.map(({ at, from, to, runId, attempts, detail, output }) => ({
    at: at.toISOString(),
    from,
    to,
    run: runId,
    attempts,
    detail,
    output,
  }));
  await writeRows(context, rows, json);
};

const showLeases = async (context: CliContext, json: boolean): Promise<void> => {
  const leases = await listLeases(await context.postgres());
  const rows = leases.map(({ name, holder, token, since, renewedAt, until, expired }) => ({
    name,
    holder,
    token: String(token),
    since: since.toISOString(),
    renewed: renewedAt.toISOString(),
    until: until.toISOString(),
    expired,
  }));
  await writeRows(context, rows, json);
};

const writeRows = async (
  context: CliContext,
  rows: readonly Record<string, SqlValue>[],
  json: boolean,
): Promise<void> => {
  const entries = async function* (): AsyncGenerator<Record<string, SqlValue>> {
    yield* rows;
  };
  await (json
    ? writeObjects(context, entries())
    : writeTable(toBatches(entries()), (text) => write(context.stdout, text)));
};

const writeObjects = async (
  context: CliContext,
  rows: AsyncIterable<Record<string, SqlValue>>,
): Promise<void> => {
  let first = true;
  for await (const row of rows) {
    await write(context.stdout, `${first ? '[\n' : ',\n'}${JSON.stringify(row)}`);
    first = false;
  }
  await write(context.stdout, first ? '[]\n' : '\n]\n');
};

async function* toBatches(rows: AsyncIterable<Record<string, SqlValue>>): AsyncGenerator<Batch> {
  for await (const row of rows) {
    const columns = Object.entries(row).map(([name, value]) => ({
      name,
      type: typeof value === 'number' ? 'bigint' : 'varchar',
    }));
    yield { columns, rows: [Object.values(row)], truncated: false };
  }
}

const parseStates = (text: string): IntervalState[] =>
  text.split(',').map((word) => {
    const state = intervalStates.find((each) => each === word.trim());
    if (!state)
      throw new UserError(`--state: expected ${intervalStates.join(', ')}, found ${JSON.stringify(word)}`);
    return state;
  });

const parseTime = (text: string): Date => {
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new UserError(
      `expected a time such as 2026-01-31 or 2026-01-31T12:00:00Z, found ${JSON.stringify(text)}`,
    );
  return time;
};

const parseCount = (text: string): number => {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new UserError(`--limit: expected a whole number from 1, found ${JSON.stringify(text)}`);
  return count;
};
