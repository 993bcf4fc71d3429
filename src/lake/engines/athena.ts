import { setTimeout as sleep } from 'node:timers/promises';
import {
  AthenaClient,
  type AthenaClientConfig,
  AthenaServiceException,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  type QueryExecution,
  StartQueryExecutionCommand,
  StopQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import { clearScratch, collectUnloaded, scratchUrl, unloadSql } from './athena-unload.ts';
import {
  type Batch,
  type CopyOptions,
  type CopyTarget,
  type LakeEngine,
  QueryError,
  type QueryOptions,
  querySignal,
  type SqlValue,
} from './engine.ts';
import { copyBatches } from './export-file.ts';
import { readOnly } from './read-only.ts';
import { textLiteral, trinoTimestamp } from './trino-types.ts';
import { exactDouble, exactInteger } from './values.ts';

export type AthenaOptions = {
  /** Region, endpoint, credentials: as the AWS SDK takes them. */
  readonly client: AthenaClientConfig;
  readonly workGroup: string;
  /** Glue's name for the lake: `AwsDataCatalog`. */
  readonly catalog?: string;
  /** Where answers are stored, unless the work group says so: `s3://bucket/prefix/`. */
  readonly outputLocation?: string;
  /** Between looks at a running query; doubles up to 2 s. */
  readonly pollMs?: number;
  /** Answers of more rows are unloaded where they may be. Default: 10,000, which are ten pages, one after the other. */
  readonly mostPagedRows?: number;
};

/** The API takes no longer one. */
const longestParameter = 1_024;

/**
 * Amazon Athena: a query is started, looked at until it is over, and its answer is read a page of 1,000 rows at a
 * time from where Athena has stored it. Athena gives nested values as its own text, in which a comma is not to be
 * told from a comma: `CAST(x AS JSON)` in the query makes it readable; here it stays text.
 *
 * A Parquet export of many rows with a scratch place goes by UNLOAD: all workers of Athena write at once, and the files
 * are joined here. Its types are those that Hive's tables have: no time zones.
 */
export const openAthenaEngine = (options: AthenaOptions): LakeEngine => {
  // Throttled calls (TooManyRequestsException) are repeated by the SDK, with growing waits; a query is not started
  // twice by that, because each start carries a token of its own.
  const client = new AthenaClient({ maxAttempts: 6, ...options.client });
  const closing = new AbortController();

  /** Runs the statement, and gives what `read` makes of it when it has succeeded. It is stopped if that never happens. */
  async function* run<T>(
    statement: string,
    queryOptions: QueryOptions,
    read: (execution: QueryExecution, id: string, signal: AbortSignal) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const { signal: asked, clear } = querySignal(queryOptions);
    const signal = AbortSignal.any([asked, closing.signal]);
    let running: string | undefined;
    try {
      signal.throwIfAborted();
      running = await startQuery(client, options, statement, queryOptions);
      const id = running;
      const execution = await untilOver(client, id, options.pollMs ?? 100, signal);
      running = undefined;
      yield* read(execution, id, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw toQueryError(error);
    } finally {
      clear();
      if (running !== undefined) {
        await client
          .send(new StopQueryExecutionCommand({ QueryExecutionId: running }))
          .catch(() => undefined);
      }
      // What can't be removed now is left to whoever keeps the place in order.
      if (queryOptions.scratch) await clearScratch(queryOptions.scratch).catch(() => undefined);
    }
  }

  async function* query(sql: string, queryOptions: QueryOptions = {}): AsyncGenerator<Batch> {
    yield* run(readOnly(sql), queryOptions, (execution, id, signal) =>
      pages(client, id, execution, queryOptions.maxRows, signal),
    );
  }

  const copyTo = async (
    sql: string,
    target: CopyTarget,
    copyOptions: CopyOptions = {},
  ): Promise<{ rows: number; bytes: number }> => {
    const { scratch, expectedRows = 0 } = copyOptions;
    const { mostPagedRows = 10_000 } = options;
    if (!scratch || target.format !== 'parquet' || expectedRows <= mostPagedRows)
      return copyBatches(query(sql, copyOptions), target);
    const unloading = run(
      unloadSql(readOnly(sql), scratch),
      copyOptions,
      async function* (execution, _, signal) {
        yield await collectUnloaded({ scratch, execution, signal }, target.file);
      },
    );
    for await (const done of unloading) return done;
    throw new Error('expected the export to answer');
  };

  return {
    query,
    copyTo,
    close: async () => {
      closing.abort(new Error('the SQL engine was closed'));
      client.destroy();
    },
  };
};

const startQuery = async (
  client: AthenaClient,
  options: AthenaOptions,
  statement: string,
  { parameters = [], scratch }: QueryOptions,
): Promise<string> => {
  // Athena takes a value as it would stand in the query: a text between quotes.
  const values = parameters.map(textLiteral);
  const tooLong = values.find((value) => value.length > longestParameter);
  if (tooLong !== undefined)
    throw new QueryError(
      `expected parameters of at most ${longestParameter} characters for Athena, found one of ${tooLong.length}`,
    );
  const outputLocation = scratch ? scratchUrl(scratch, 'answers/') : options.outputLocation;
  // Not aborted half way: a query that was started but whose id is not known could not be stopped.
  const started = await client.send(
    new StartQueryExecutionCommand({
      QueryString: statement,
      WorkGroup: options.workGroup,
      QueryExecutionContext: { Catalog: options.catalog ?? 'AwsDataCatalog' },
      ...(values.length === 0 ? {} : { ExecutionParameters: values }),
      ...(outputLocation === undefined ? {} : { ResultConfiguration: { OutputLocation: outputLocation } }),
    }),
  );
  if (started.QueryExecutionId === undefined)
    throw new Error('expected Athena to answer with the id of the query');
  return started.QueryExecutionId;
};

const untilOver = async (
  client: AthenaClient,
  id: string,
  pollMs: number,
  signal: AbortSignal,
): Promise<QueryExecution> => {
  for (let pause = pollMs; ; pause = Math.min(pause * 2, Math.max(pollMs, 2_000))) {
    const { QueryExecution: execution } = await client.send(
      new GetQueryExecutionCommand({ QueryExecutionId: id }),
      { abortSignal: signal },
    );
    const state = execution?.Status?.State;
    if (execution && state === 'SUCCEEDED') return execution;
    if (state === 'FAILED' || state === 'CANCELLED') {
      const reason = execution?.Status?.StateChangeReason ?? 'no reason given';
      // Category 2 is the user's; 1 is Athena's own, 3 is other.
      const fault = execution?.Status?.AthenaError?.ErrorCategory === 2 ? 'query' : 'engine';
      throw new QueryError(`Athena ${state.toLowerCase()} query ${id}: ${reason}`, { fault });
    }
    await sleep(pause, undefined, { signal });
  }
};

async function* pages(
  client: AthenaClient,
  id: string,
  execution: QueryExecution,
  maxRows = Infinity,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  let token: string | undefined;
  let left = maxRows;
  let first = true;
  do {
    const page = await client.send(
      new GetQueryResultsCommand({
        QueryExecutionId: id,
        ...(token === undefined ? {} : { NextToken: token }),
      }),
      { abortSignal: signal },
    );
    const columns = (page.ResultSet?.ResultSetMetadata?.ColumnInfo ?? []).map((info) => ({
      name: info.Name ?? '',
      type: info.Type === 'decimal' ? `decimal(${info.Precision}, ${info.Scale})` : (info.Type ?? 'unknown'),
    }));
    // The first row of a SELECT's answer is its header.
    const given = (page.ResultSet?.Rows ?? []).slice(first && execution.StatementType === 'DML' ? 1 : 0);
    const rows = given.map(({ Data }) =>
      columns.map(({ type }, n) => fromAthena(Data?.[n]?.VarCharValue, type)),
    );
    const truncated = rows.length > left;
    if (first || rows.length > 0) yield { columns, rows: truncated ? rows.slice(0, left) : rows, truncated };
    if (truncated) return;
    left -= rows.length;
    first = false;
    token = page.NextToken;
  } while (token !== undefined);
}

/** Every value comes as text; a missing one is null. */
const fromAthena = (text: string | undefined, type: string): SqlValue => {
  if (text === undefined) return null;
  switch (type) {
    case 'boolean':
      return text === 'true';
    case 'tinyint':
    case 'smallint':
    case 'integer':
    case 'bigint':
      return exactInteger(BigInt(text));
    case 'float':
    case 'real':
    case 'double':
      return exactDouble(Number(text));
    case 'varbinary':
      return Buffer.from(text.replaceAll(' ', ''), 'hex').toString('base64');
    default:
      return type.startsWith('timestamp') ? trinoTimestamp(text, type) : text;
  }
};

const toQueryError = (error: unknown): unknown => {
  if (!(error instanceof AthenaServiceException)) return error;
  return error.name === 'InvalidRequestException'
    ? new QueryError(`Athena refused the query: ${error.message}`, { cause: error })
    : new QueryError(`Athena did not answer: ${error.name}: ${error.message}`, {
        cause: error,
        fault: 'engine',
      });
};
