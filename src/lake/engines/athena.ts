import { setTimeout as sleep } from 'node:timers/promises';
import {
  AthenaClient,
  type AthenaClientConfig,
  GetQueryExecutionCommand,
  GetQueryResultsCommand,
  type QueryExecution,
  StartQueryExecutionCommand,
  StopQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import {
  type Batch,
  type LakeEngine,
  QueryError,
  type QueryOptions,
  querySignal,
  type SqlValue,
} from './engine.ts';
import { copyBatches } from './export-file.ts';
import { readOnly } from './read-only.ts';
import { trinoTimestamp } from './trino-types.ts';
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
};

/**
 * Amazon Athena: a query is started, looked at until it is over, and its answer is read a page of 1,000 rows at a
 * time from where Athena has stored it. Athena gives nested values as its own text, in which a comma is not to be
 * told from a comma: `CAST(x AS JSON)` in the query makes it readable; here it stays text.
 */
export const openAthenaEngine = (options: AthenaOptions): LakeEngine => {
  const client = new AthenaClient(options.client);
  const closing = new AbortController();

  async function* query(sql: string, queryOptions: QueryOptions = {}): AsyncGenerator<Batch> {
    const text = readOnly(sql);
    const { signal: asked, clear } = querySignal(queryOptions);
    const signal = AbortSignal.any([asked, closing.signal]);
    let running: string | undefined;
    try {
      signal.throwIfAborted();
      running = await startQuery(client, options, text);
      const execution = await untilOver(client, running, options.pollMs ?? 100, signal);
      const id = running;
      running = undefined;
      yield* pages(client, id, execution, queryOptions.maxRows, signal);
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
    }
  }

  return {
    query,
    copyTo: (sql, target, copyOptions = {}) => copyBatches(query(sql, copyOptions), target),
    close: async () => {
      closing.abort(new Error('the SQL engine was closed'));
      client.destroy();
    },
  };
};

const startQuery = async (client: AthenaClient, options: AthenaOptions, sql: string): Promise<string> => {
  // Not aborted half way: a query that was started but whose id is not known could not be stopped.
  const started = await client.send(
    new StartQueryExecutionCommand({
      QueryString: sql,
      WorkGroup: options.workGroup,
      QueryExecutionContext: { Catalog: options.catalog ?? 'AwsDataCatalog' },
      ...(options.outputLocation === undefined
        ? {}
        : { ResultConfiguration: { OutputLocation: options.outputLocation } }),
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

const toQueryError = (error: unknown): unknown =>
  error instanceof Error && error.name === 'InvalidRequestException'
    ? new QueryError(`Athena refused the query: ${error.message}`, { cause: error })
    : error;
