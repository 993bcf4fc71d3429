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
  /** Where the manifest of an UNLOAD is. */
  manifest?: string;
};

/** What StartQueryExecution was asked. Parameters are literals, as Athena takes them. */
export type AthenaStart = {
  readonly sql: string;
  readonly parameters: readonly string[];
  readonly outputLocation: string;
};

export type AthenaStandIn = {
  url: string;
  /** Names of the actions, in order, with their input. */
  calls: { action: string; input: Record<string, unknown> }[];
  stopped: string[];
  /** Refuses the next calls of any kind. */
  spoil: (...faults: { status: number; type: string }[]) => void;
  close: () => Promise<void>;
};

/** Speaks Athena's JSON protocol (`X-Amz-Target: AmazonAthena.…`) to the real SDK. It executes nothing. */
export const startAthenaStandIn = async (
  answer: (sql: string, start: AthenaStart) => AthenaAnswer | Promise<AthenaAnswer>,
): Promise<AthenaStandIn> => {
  const queries: { sql: string; answer: AthenaAnswer; looks: number; stopped: boolean }[] = [];
  const calls: AthenaStandIn['calls'] = [];
  const stopped: string[] = [];
  const faults: { status: number; type: string }[] = [];

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
      ...(query.answer.manifest === undefined
        ? {}
        : { Statistics: { DataManifestLocation: query.answer.manifest } }),
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

  const perform = async (
    action: string,
    input: Record<string, unknown>,
  ): Promise<{ status: number; body: unknown }> => {
    const fault = faults.shift();
    if (fault) return { status: fault.status, body: { __type: fault.type, message: 'Rate exceeded' } };
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
        const start = startOf(input);
        const wrong = start.parameters.find((text) => !/^'(?:[^']|'')*'$/.test(text) || text.length > 1_024);
        if (wrong !== undefined || !/^s3:\/\/|^$/.test(start.outputLocation)) {
          return { status: 400, body: { __type: 'InvalidRequestException', message: 'wrong parameter' } };
        }
        const number = queries.push({ sql, answer: {}, looks: 0, stopped: false }) - 1;
        queries[number] = { sql, answer: await answer(sql, start), looks: 0, stopped: false };
        return { status: 200, body: { QueryExecutionId: `q-${number}` } };
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
      void perform(action, input).then(({ status, body }) =>
        response
          .writeHead(status, { 'content-type': 'application/x-amz-json-1.1' })
          .end(JSON.stringify(body)),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    stopped,
    spoil: (...next) => void faults.push(...next),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

const startOf = (input: Record<string, unknown>): AthenaStart => {
  const { OutputLocation = '' } = (input.ResultConfiguration ?? {}) as { OutputLocation?: string };
  return {
    sql: String(input.QueryString),
    parameters: (input.ExecutionParameters ?? []) as string[],
    outputLocation: OutputLocation,
  };
};
