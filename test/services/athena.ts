import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the stand-in answers to one query: values as Athena's text, null for a missing one. */
export type AthenaAnswer = {
  columns?: { name: string; type: string; precision?: number; scale?: number }[];
  rows?: (string | null)[][];
  /** Of GetQueryResults, the header row included. */
  pageSize?: number;
  /** GetQueryExecution says RUNNING so many times; Infinity: it never ends. */
  running?: number;
  failure?: string;
  /** 1 Athena's own, 2 the user's, 3 other. */
  failureCategory?: number;
  statementType?: 'DML' | 'DDL' | 'UTILITY';
};

export type AthenaStandIn = {
  url: string;
  /** Names of the actions, in order, with their input. */
  calls: { action: string; input: Record<string, unknown> }[];
  stopped: string[];
  close: () => Promise<void>;
};

/** Speaks Athena's JSON protocol (`X-Amz-Target: AmazonAthena.…`) to the real SDK. It executes nothing. */
export const startAthenaStandIn = async (answer: (sql: string) => AthenaAnswer): Promise<AthenaStandIn> => {
  const queries: { sql: string; answer: AthenaAnswer; looks: number; stopped: boolean }[] = [];
  const calls: AthenaStandIn['calls'] = [];
  const stopped: string[] = [];

  const execution = (id: number): unknown => {
    const query = queries[id];
    if (!query) return undefined;
    query.looks += 1;
    const over = query.looks > (query.answer.running ?? 1);
    const state = query.stopped
      ? 'CANCELLED'
      : !over
        ? 'RUNNING'
        : query.answer.failure
          ? 'FAILED'
          : 'SUCCEEDED';
    return {
      QueryExecutionId: `q-${id}`,
      StatementType: query.answer.statementType ?? 'DML',
      Status: {
        State: state,
        ...(over && query.answer.failure
          ? {
              StateChangeReason: query.answer.failure,
              AthenaError: { ErrorCategory: query.answer.failureCategory ?? 3 },
            }
          : {}),
      },
    };
  };

  const results = (id: number, token: unknown): unknown => {
    const { columns = [], rows = [], pageSize = 1_000, statementType = 'DML' } = queries[id]?.answer ?? {};
    const header = statementType === 'DML' ? [columns.map(({ name }) => name)] : [];
    const from = typeof token === 'string' ? Number(token) : 0;
    const all: (string | null)[][] = [...header, ...rows];
    return {
      ...(from + pageSize < all.length ? { NextToken: String(from + pageSize) } : {}),
      ResultSet: {
        Rows: all.slice(from, from + pageSize).map((row) => ({
          Data: row.map((value) => (value === null ? {} : { VarCharValue: value })),
        })),
        ResultSetMetadata: {
          ColumnInfo: columns.map(({ name, type, precision = 0, scale = 0 }) => ({
            Name: name,
            Type: type,
            Precision: precision,
            Scale: scale,
          })),
        },
      },
    };
  };

  const perform = (action: string, input: Record<string, unknown>): { status: number; body: unknown } => {
    const id = Number(/^q-(\d+)$/.exec(String(input.QueryExecutionId))?.[1] ?? -1);
    switch (action) {
      case 'StartQueryExecution': {
        const sql = String(input.QueryString);
        if (sql.includes('refuse me')) {
          return {
            status: 400,
            body: { __type: 'InvalidRequestException', message: 'line 1:8: mismatched input' },
          };
        }
        queries.push({ sql, answer: answer(sql), looks: 0, stopped: false });
        return { status: 200, body: { QueryExecutionId: `q-${queries.length - 1}` } };
      }
      case 'GetQueryExecution':
        return { status: 200, body: { QueryExecution: execution(id) } };
      case 'GetQueryResults':
        return { status: 200, body: results(id, input.NextToken) };
      case 'StopQueryExecution': {
        const query = queries[id];
        if (query) {
          query.stopped = true;
          stopped.push(query.sql);
        }
        return { status: 200, body: {} };
      }
      default:
        return {
          status: 400,
          body: { __type: 'InvalidRequestException', message: `unknown action ${action}` },
        };
    }
  };

  const server = createServer((request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const action = String(request.headers['x-amz-target']).replace('AmazonAthena.', '');
      const input = JSON.parse(Buffer.concat(chunks).toString() || '{}') as Record<string, unknown>;
      calls.push({ action, input });
      const { status, body } = perform(action, input);
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    stopped,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
