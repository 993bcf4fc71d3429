import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher, request } from 'undici';
import { z } from 'zod';
import {
  type Batch,
  type Column,
  type LakeEngine,
  QueryError,
  type QueryOptions,
  querySignal,
} from './engine.ts';
import { copyBatches } from './export-file.ts';
import { readOnly } from './read-only.ts';
import { fromTrino, parseExact, parseTrinoType, type TrinoType, textLiteral } from './trino-types.ts';

export type TrinoOptions = {
  /** `https://trino.bank.example:8443` */
  readonly url: string;
  readonly user: string;
  /** Basic authentication; Trino takes it over https only. */
  readonly password?: string;
  /** Sent as a bearer token in place of a password. */
  readonly token?: string;
  /** The Iceberg catalog that the lake's tables are in, so that `namespace.table` finds them. */
  readonly catalog: string;
  /** Certificate authorities, proxies. */
  readonly dispatcher?: Dispatcher;
};

// https://trino.io/docs/current/develop/client-protocol.html
const answerSchema = z.object({
  id: z.string(),
  nextUri: z.string().optional(),
  columns: z.array(z.object({ name: z.string(), type: z.string() })).optional(),
  data: z.array(z.array(z.unknown())).optional(),
  error: z
    .object({ message: z.string(), errorName: z.string(), errorType: z.string().optional() })
    .optional(),
});
type Answer = z.output<typeof answerSchema>;

/**
 * A Trino cluster over its REST protocol: one statement is posted, then each page names the next one until there is
 * none. One page is in memory at a time; Trino itself waits for a slow reader. Time zone of the session: UTC.
 */
export const openTrinoEngine = (options: TrinoOptions): LakeEngine => {
  const base = new URL(options.url);
  const dispatcher = options.dispatcher ?? new Agent({ headersTimeout: 60_000, bodyTimeout: 60_000 });
  const headers = headersOf(options, base);
  const closing = new AbortController();

  const call = (
    method: 'POST' | 'GET' | 'DELETE',
    url: URL,
    signal: AbortSignal,
    body?: string,
  ): Promise<Answer | undefined> => callTrino({ dispatcher, headers, signal }, method, url, body);

  async function* query(sql: string, queryOptions: QueryOptions = {}): AsyncGenerator<Batch> {
    const text = withParameters(readOnly(sql), queryOptions.parameters ?? []);
    const { signal: asked, clear } = querySignal(queryOptions);
    const signal = AbortSignal.any([asked, closing.signal]);
    let next: URL | undefined;
    try {
      let answer = await call('POST', new URL('/v1/statement', base), signal, text);
      let columns: readonly (Column & { parsed: TrinoType })[] | undefined;
      let shown = false;
      let left = queryOptions.maxRows ?? Infinity;
      while (answer) {
        next = nextOf(answer, base);
        if (answer.error) throw failure(answer.id, answer.error);
        columns ??= answer.columns?.map(({ name, type }) => ({ name, type, parsed: parseTrinoType(type) }));
        if (columns && (answer.data?.length || !shown || !next)) {
          const rows = (answer.data ?? []).map((row) =>
            row.map((value, n) => fromTrino(value, columns?.[n]?.parsed ?? unknownType)),
          );
          const truncated = rows.length > left;
          if (rows.length > 0 || !shown) {
            yield {
              columns: columns.map(({ name, type }) => ({ name, type })),
              rows: truncated ? rows.slice(0, left) : rows,
              truncated,
            };
          }
          shown = true;
          if (truncated) return;
          left -= rows.length;
        }
        if (!next) return;
        answer = await call('GET', next, signal);
      }
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      clear();
      // Still running in the cluster: an error, an abort, or a reader that left early.
      if (next) await call('DELETE', next, AbortSignal.timeout(5_000)).catch(() => undefined);
    }
  }

  return {
    query,
    copyTo: (sql, target, copyOptions = {}) => copyBatches(query(sql, copyOptions), target),
    close: async () => {
      closing.abort(new Error('the SQL engine was closed'));
      if (!options.dispatcher) await dispatcher.close();
    },
  };
};

/**
 * The protocol has no place for values, so they are literals behind USING, which Trino parses apart from the query
 * (418 and later; a prepared statement in a header, as before, would be bound to the size of headers). In Trino's
 * literals a quote is the only character that means something.
 */
const withParameters = (sql: string, parameters: readonly string[]): string =>
  parameters.length === 0
    ? sql
    : `EXECUTE IMMEDIATE ${textLiteral(sql)} USING ${parameters.map(textLiteral).join(', ')}`;

const unknownType: TrinoType = { name: 'unknown', children: [], fieldNames: [] };

const headersOf = ({ user, password, token, catalog }: TrinoOptions, base: URL): Record<string, string> => {
  if (base.protocol !== 'https:' && (password !== undefined || token !== undefined)) {
    throw new Error(
      `expected https for a Trino with a password or token, found ${base.origin}; they would travel in the clear`,
    );
  }
  const basic = Buffer.from(`${user}:${password ?? ''}`).toString('base64');
  return {
    'x-trino-user': user,
    'x-trino-source': 'lastro',
    'x-trino-catalog': catalog,
    'x-trino-time-zone': 'UTC',
    'x-trino-client-capabilities': 'PARAMETRIC_DATETIME',
    ...(token !== undefined
      ? { authorization: `Bearer ${token}` }
      : password !== undefined
        ? { authorization: `Basic ${basic}` }
        : {}),
  };
};

const failure = (id: string, { errorName, errorType, message }: NonNullable<Answer['error']>): QueryError =>
  new QueryError(`${errorName}: ${message} (Trino query ${id})`, {
    fault: errorType === 'USER_ERROR' ? 'query' : 'engine',
  });

/** The next page must be where the statement was posted: its request carries the password. */
const nextOf = ({ nextUri }: Answer, base: URL): URL | undefined => {
  if (nextUri === undefined) return undefined;
  const next = new URL(nextUri);
  if (next.origin === base.origin) return next;
  throw new QueryError(
    `Trino answered with pages at ${next.origin}, expected ${base.origin}: behind a proxy, set http-server.process-forwarded=true in its configuration`,
  );
};

type Call = { dispatcher: Dispatcher; headers: Record<string, string>; signal: AbortSignal };

/**
 * The protocol's rule: 502, 503 and 504 are to be asked again after 50–100 ms, 429 after its Retry-After. A page whose
 * answer was lost may be asked for again; a statement whose answer was lost may be running, so it is not posted twice.
 */
const callTrino = async (
  { dispatcher, headers, signal }: Call,
  method: 'POST' | 'GET' | 'DELETE',
  url: URL,
  body?: string,
): Promise<Answer | undefined> => {
  let lost = 0;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    let status: number;
    let text: string;
    let pause = 50 + Math.random() * 50;
    try {
      const response = await request(url, {
        method,
        headers,
        dispatcher,
        // A statement is not broken off half way: it would run on, and without its id nobody could end it.
        ...(method === 'POST' ? {} : { signal }),
        ...(body === undefined ? {} : { body }),
      });
      status = response.statusCode;
      text = await response.body.text();
      const seconds = Number(response.headers['retry-after'] ?? 0);
      if (seconds > 0) pause = Math.min(seconds, 30) * 1_000;
    } catch (error) {
      signal.throwIfAborted();
      lost += 1;
      if (method === 'GET' && lost < 5) {
        await sleep(pause * lost, undefined, { signal });
        continue;
      }
      throw new QueryError(`Trino at ${url.origin} did not answer: ${reasonOf(error)}`, {
        cause: error,
        fault: 'engine',
      });
    }
    if (method === 'DELETE') return undefined;
    if (status === 200) return answerSchema.parse(parseExact(text));
    if (![429, 502, 503, 504].includes(status) || attempt >= 100) {
      throw new QueryError(
        `Trino answered ${status} to ${method} ${url.origin}${url.pathname}: ${text.slice(0, 300)}`,
        { fault: 'engine' },
      );
    }
    await sleep(pause, undefined, { signal });
  }
};

const reasonOf = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? `${String(error.code)} ` : '';
  return `${code}${error instanceof Error ? error.message : String(error)}`.trim();
};
