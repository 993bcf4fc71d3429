import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the stand-in answers to one statement. */
export type TrinoAnswer = {
  columns?: { name: string; type: string }[];
  /** Each page's rows as raw JSON, so that numbers of any size can be sent. */
  pages?: string[];
  error?: { message: string; errorName: string; errorCode: number; errorType: string };
  /** Pages without data before the first one. */
  queued?: number;
  /** Never ends: pages without data for ever. */
  endless?: boolean;
};

export type TrinoStandIn = {
  url: string;
  requests: { method: string; path: string; headers: IncomingMessage['headers']; body: string }[];
  /** Statements that were ended by DELETE. */
  cancelled: string[];
  /** Spoils the next requests to pages: an HTTP status, or a connection that breaks. */
  spoil: (...faults: (number | 'reset')[]) => void;
  close: () => Promise<void>;
};

/**
 * Speaks Trino's client protocol over real HTTP: POST /v1/statement, pages at nextUri, DELETE. It executes nothing:
 * `answer` says what each statement gives. `origin` in nextUri can be changed to play a wrongly set up proxy.
 */
export const startTrinoStandIn = async (
  answer: (sql: string) => TrinoAnswer | Promise<TrinoAnswer>,
  options: { pagesAt?: string } = {},
): Promise<TrinoStandIn> => {
  const statements = new Map<string, { sql: string; answer: TrinoAnswer }>();
  const requests: TrinoStandIn['requests'] = [];
  const cancelled: string[] = [];
  const faults: (number | 'reset')[] = [];
  let url = '';

  const page = (id: string, n: number): string => {
    const { columns, pages = [], error, queued = 1, endless = false } = statements.get(id)?.answer ?? {};
    const data = pages[n - queued];
    const last = !endless && n - queued >= pages.length - 1 && n >= queued;
    const parts = [
      `"id":"${id}","infoUri":"${url}/ui/query.html?${id}","stats":{"state":"${last ? 'FINISHED' : 'RUNNING'}"}`,
      ...(last ? [] : [`"nextUri":"${options.pagesAt ?? url}/v1/statement/executing/${id}/y/${n + 1}"`]),
      ...(columns && n >= queued ? [`"columns":${JSON.stringify(columns)}`] : []),
      ...(data === undefined ? [] : [`"data":${data}`]),
      ...(error && last ? [`"error":${JSON.stringify(error)}`] : []),
    ];
    return `{${parts.join(',')}}`;
  };

  const respond = async (request: IncomingMessage, response: ServerResponse, body: string): Promise<void> => {
    const path = request.url ?? '';
    requests.push({ method: request.method ?? '', path, headers: request.headers, body });
    const send = (status: number, text: string): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
    };
    if (request.method === 'POST' && path === '/v1/statement') {
      const id = `20261122_000000_${String(statements.size).padStart(5, '0')}_abcde`;
      statements.set(id, { sql: body, answer: {} });
      statements.set(id, { sql: body, answer: await answer(body) });
      send(200, page(id, 0));
      return;
    }
    const found = /^\/v1\/statement\/executing\/(\w+)\/y\/(\d+)$/.exec(path);
    const id = found?.[1] ?? '';
    if (!statements.has(id)) send(404, 'no such query');
    else if (request.method === 'DELETE') {
      cancelled.push(statements.get(id)?.sql ?? '');
      send(204, '');
    } else {
      const fault = faults.shift();
      if (fault === 'reset') request.socket.destroy();
      else if (fault !== undefined) send(fault, 'spoilt');
      else send(200, page(id, Number(found?.[2])));
    }
  };

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => void respond(request, response, Buffer.concat(chunks).toString()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    requests,
    cancelled,
    spoil: (...next) => void faults.push(...next),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
