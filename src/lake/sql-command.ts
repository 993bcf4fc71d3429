import { resolve } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import { type CliContext, UserError, write } from '../platform/cli.ts';
import type { Config } from '../platform/config.ts';
import { openCommandLake } from './command-lake.ts';
import { type CopyTarget, type LakeEngine, QueryError, QueryTimeoutError } from './engines/engine.ts';
import { writeCsv, writeJson, writeTable } from './sql-output.ts';

type Options = {
  engine?: Config['SQL_ENGINE'];
  json?: boolean;
  csv?: boolean;
  output?: string;
  timeout?: number;
  maxRows?: number;
};

/** `lastro sql`: one query over the lake's tables. */
export const addSqlCommand = (program: Command, context: CliContext): void => {
  program
    .command('sql')
    .description("ask the lake's tables in SQL")
    .argument('<query>', 'one SELECT; - reads it from standard input')
    .option('--json', 'an array of objects, streamed')
    .option('--csv', 'RFC 4180 with a header, streamed')
    .option(
      '--output <file>',
      'write a file instead: .parquet, .csv or .ndjson (fastest for millions of rows)',
    )
    .addOption(
      new Option('--engine <engine>', 'who answers, in its own dialect (default: SQL_ENGINE)').choices([
        'duckdb',
        'trino',
        'athena',
      ]),
    )
    .option('--timeout <seconds>', 'end the query after this time', parsePositive('--timeout'))
    .option('--max-rows <n>', 'most rows (default: 1,000 in a table, all with --json and --csv)', parseRows)
    .addHelpText(
      'after',
      `
Tables are named namespace.table (\`lastro tables\`), or by their name alone where only one has it. The query reads the lake and nothing else of this machine.
Decimals, and integers beyond 2^53, are text in JSON; timestamps are ISO 8601, in UTC.

Examples:
  lastro sql "SELECT area_id, count(*) AS n FROM gold.envelopes GROUP BY ALL ORDER BY n DESC"
  lastro sql --json "SELECT * FROM kconnect.events WHERE dia >= DATE '2026-11-01' LIMIT 10" | jq '.[0]'
  lastro sql "SELECT * FROM gold.envelopes AT (VERSION => 5217643380914)"          an older snapshot
  lastro sql --engine trino "SELECT * FROM gold.envelopes FOR VERSION AS OF 5217643380914"
  lastro sql --output ordens.parquet "SELECT * FROM archive.ordens_arquivadas"
  lastro sql - < query.sql`,
    )
    .action((query: string, options: Options) => runSql(context, query, options));
};

const runSql = async (context: CliContext, query: string, options: Options): Promise<void> => {
  if ([options.json, options.csv, options.output !== undefined].filter(Boolean).length > 1) {
    throw new UserError('expected one of --json, --csv and --output');
  }
  const target = options.output === undefined ? undefined : toTarget(options.output);
  const sql = query === '-' ? await readText(context.stdin) : query;
  const commandLake = openCommandLake(context);
  try {
    const engine = await commandLake.engine(options.engine);
    const limits = {
      signal: context.signal,
      ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout * 1_000 }),
    };
    if (target) {
      const { rows, bytes } = await engine.copyTo(sql, target, limits);
      await write(context.stderr, `${rows} rows, ${bytes} bytes in ${options.output}\n`);
    } else {
      await show(context, engine, sql, options, limits);
    }
  } catch (error) {
    throw toUserError(error, context.signal);
  } finally {
    await commandLake.close();
  }
};

const show = async (
  context: CliContext,
  engine: LakeEngine,
  sql: string,
  options: Options,
  limits: { signal: AbortSignal; timeoutMs?: number },
): Promise<void> => {
  const maxRows = options.maxRows ?? (options.json || options.csv ? undefined : 1_000);
  const writer = options.json ? writeJson : options.csv ? writeCsv : writeTable;
  const batches = engine.query(sql, { ...limits, ...(maxRows === undefined ? {} : { maxRows }) });
  const { rows, truncated } = await writer(batches, (text) => write(context.stdout, text));
  const more = truncated ? `, more are left out: --max-rows shows them` : '';
  if (truncated || !(options.json || options.csv))
    await write(context.stderr, `(${rows} ${rows === 1 ? 'row' : 'rows'}${more})\n`);
};

const toTarget = (file: string): CopyTarget => {
  const format = (['parquet', 'csv', 'ndjson'] as const).find((each) =>
    file.toLowerCase().endsWith(`.${each}`),
  );
  if (!format)
    throw new UserError(
      `--output: expected a file that ends in .parquet, .csv or .ndjson, found ${JSON.stringify(file)}`,
    );
  return { file: resolve(file), format };
};

const toUserError = (error: unknown, signal: AbortSignal): unknown => {
  if (signal.aborted) return new UserError('the query was interrupted', 1);
  if (error instanceof QueryError) return new UserError(error.message, error.fault === 'query' ? 2 : 1);
  if (error instanceof QueryTimeoutError) return new UserError(error.message, 1);
  return error;
};

const parsePositive =
  (option: string) =>
  (text: string): number => {
    const value = Number(text);
    if (!(value > 0) || !Number.isFinite(value))
      throw new UserError(`${option}: expected a number above 0, found ${JSON.stringify(text)}`);
    return value;
  };

const parseRows = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new UserError(`--max-rows: expected a whole number from 1, found ${JSON.stringify(text)}`);
  return value;
};
