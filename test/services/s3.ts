import { createHash, createHmac, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFauxqs } from 'fauxqs';

export type S3StandIn = {
  readonly endpoint: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string };
  readonly region: string;
  readonly close: () => Promise<void>;
};

/** fauxqs: a wider imitation of S3. It ignores If-None-Match and checks no signature. */
export const startFauxqsS3 = async (buckets: string[]): Promise<S3StandIn> => {
  const server = await startFauxqs({ port: 0, logger: false, init: { buckets } });
  return {
    endpoint: `http://127.0.0.1:${server.port}`,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    region: 'us-east-1',
    close: () => server.stop(),
  };
};

export type PlainS3Options = {
  readonly latencyMs?: number;
  /** Called first; a status that it gives is answered in place of the work (500, 503…); `'reset'` breaks the connection, `'lost'` does the work and then breaks it. */
  readonly fault?: (request: {
    method: string;
    key: string;
    count: number;
  }) => number | 'reset' | 'lost' | undefined;
  /** Keys per page of a listing. */
  readonly pageSize?: number;
};

/**
 * A plain `node:http` S3 of one bucket per path: objects in memory, conditional puts, ranges, paged listing,
 * multipart uploads, and every signature checked (header and query form, with expiry), by code written from the
 * Signature Version 4 documentation and not shared with what it checks.
 */
export const startPlainS3 = async (
  options: PlainS3Options = {},
): Promise<
  S3StandIn & { objects: Map<string, Buffer>; requests: () => number; openUploads: () => number }
> => {
  const credentials = {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  };
  const state: State = { objects: new Map(), metadata: new Map(), modified: new Map(), uploads: new Map() };
  let count = 0;
  const server = createServer((request, response) => {
    count++;
    const url = new URL(request.url ?? '/', 'http://stand-in');
    const fault = options.fault?.({
      method: request.method ?? '',
      key: decodeURIComponent(url.pathname),
      count,
    });
    const answer = async (): Promise<void> => {
      const body = await readAll(request);
      if (options.latencyMs) await sleep(options.latencyMs);
      if (fault === 'reset') request.socket.destroy();
      else if (typeof fault === 'number')
        refuse(response, fault, fault === 503 ? 'SlowDown' : 'InternalError');
      else if (!signatureHolds(request, credentials)) refuse(response, 403, 'SignatureDoesNotMatch');
      else if (fault === 'lost') {
        response.end = () => {
          request.socket.destroy();
          return response;
        };
        serve(state, 1000, request, url, body, response);
      } else serve(state, options.pageSize ?? 1000, request, url, body, response);
    };
    answer().catch((error: unknown) => refuse(response, 500, String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials,
    region: 'sa-east-1',
    objects: state.objects,
    requests: () => count,
    openUploads: () => state.uploads.size,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
};

type State = {
  objects: Map<string, Buffer>;
  metadata: Map<string, Record<string, string>>;
  modified: Map<string, Date>;
  uploads: Map<string, Map<number, Buffer>>;
};

const readAll = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

const refuse = (response: ServerResponse, status: number, code: string): void => {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<Error><Code>${code}</Code><Message>stand-in</Message></Error>`);
};

const etagOf = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`;
const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const serve = (
  state: State,
  pageSize: number,
  request: IncomingMessage,
  url: URL,
  body: Buffer,
  response: ServerResponse,
): void => {
  const path = decodeURIComponent(url.pathname).slice(1);
  const query = url.searchParams;
  const { method } = request;
  if (method === 'GET' && query.get('list-type') === '2')
    list(state, pageSize, path.replace(/\/$/, ''), query, response);
  else if (method === 'GET' || method === 'HEAD') read(state, path, request, query, response);
  else if (method === 'POST' && query.has('uploads')) {
    const id = randomUUID();
    state.uploads.set(id, new Map());
    response.end(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
  } else if (method === 'PUT' && query.has('partNumber')) {
    state.uploads.get(query.get('uploadId') ?? '')?.set(Number(query.get('partNumber')), body);
    response.setHeader('etag', etagOf(body));
    response.end();
  } else if (method === 'DELETE') {
    if (query.has('uploadId')) state.uploads.delete(query.get('uploadId') ?? '');
    else state.objects.delete(path);
    response.writeHead(204).end();
  } else if (request.headers['if-none-match'] === '*' && state.objects.has(path)) {
    refuse(response, 412, 'PreconditionFailed');
  } else if (method === 'POST' && query.has('uploadId')) {
    const parts = [...(state.uploads.get(query.get('uploadId') ?? '') ?? [])].sort(([a], [b]) => a - b);
    store(state, path, Buffer.concat(parts.map(([, part]) => part)), request);
    state.uploads.delete(query.get('uploadId') ?? '');
    response.end('<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>');
  } else if (method === 'PUT') {
    store(state, path, body, request);
    response.setHeader('etag', etagOf(body));
    response.end();
  } else refuse(response, 405, 'MethodNotAllowed');
};

const store = (state: State, path: string, bytes: Buffer, request: IncomingMessage): void => {
  state.objects.set(path, bytes);
  state.modified.set(path, new Date());
  const metadata = Object.entries(request.headers).filter(([name]) => name.startsWith('x-amz-meta-'));
  state.metadata.set(path, Object.fromEntries(metadata) as Record<string, string>);
};

const read = (
  state: State,
  path: string,
  request: IncomingMessage,
  query: URLSearchParams,
  response: ServerResponse,
): void => {
  const bytes = state.objects.get(path);
  if (!bytes) {
    refuse(response, 404, 'NoSuchKey');
    return;
  }
  for (const [name, value] of Object.entries(state.metadata.get(path) ?? {})) response.setHeader(name, value);
  const disposition = query.get('response-content-disposition');
  if (disposition) response.setHeader('content-disposition', disposition);
  response.setHeader('etag', etagOf(bytes));
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = Number(range?.[1] ?? 0);
  const end = range?.[2] ? Math.min(Number(range[2]) + 1, bytes.length) : bytes.length;
  if (range && start >= bytes.length) {
    refuse(response, 416, 'InvalidRange');
    return;
  }
  response.writeHead(range ? 206 : 200, { 'content-length': end - start });
  response.end(request.method === 'HEAD' ? undefined : bytes.subarray(start, end));
};

const list = (
  state: State,
  pageSize: number,
  bucket: string,
  query: URLSearchParams,
  response: ServerResponse,
): void => {
  const prefix = `${bucket}/${query.get('prefix') ?? ''}`;
  const after = query.get('continuation-token') ?? '';
  const delimiter = query.get('delimiter');
  const entryOf = (key: string): string => {
    const at = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
    return at < 0 ? key : key.slice(0, at + 1);
  };
  const under = [...state.objects.keys()].filter((key) => key.startsWith(prefix));
  const keys = [...new Set(under.map(entryOf))].filter((key) => key > after).sort();
  const page = keys.slice(0, pageSize);
  const contents = page.map((key) => {
    const shown = escapeXml(key.slice(bucket.length + 1));
    const bytes = state.objects.get(key);
    if (!bytes) return `<CommonPrefixes><Prefix>${shown}</Prefix></CommonPrefixes>`;
    const modified = (state.modified.get(key) ?? new Date(0)).toISOString();
    return `<Contents><Key>${shown}</Key><LastModified>${modified}</LastModified><ETag>${escapeXml(etagOf(bytes))}</ETag><Size>${bytes.length}</Size></Contents>`;
  });
  const more = keys.length > page.length;
  response.setHeader('content-type', 'application/xml');
  response.end(
    `<?xml version="1.0"?><ListBucketResult><IsTruncated>${more}</IsTruncated>${more ? `<NextContinuationToken>${escapeXml(page.at(-1) ?? '')}</NextContinuationToken>` : ''}${contents.join('')}</ListBucketResult>`,
  );
};

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const uri = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** Signature Version 4 as the server sees it: whatever headers the client says it signed, taken from the request. */
const signatureHolds = (
  request: IncomingMessage,
  credentials: { accessKeyId: string; secretAccessKey: string },
): boolean => {
  const [rawPath = '/', rawQuery = ''] = (request.url ?? '/').split('?', 2);
  const query = new URLSearchParams(rawQuery);
  const header = request.headers.authorization ?? '';
  const fromQuery = query.has('X-Amz-Signature');
  const field = (name: string): string =>
    fromQuery
      ? (query.get(`X-Amz-${name}`) ?? '')
      : (new RegExp(`${name}=([^,\\s]+)`).exec(header)?.[1] ?? '');
  const [accessKey, day = '', region = '', service = ''] = field('Credential').split('/');
  const date = fromQuery ? field('Date') : String(request.headers['x-amz-date'] ?? '');
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const signedAt = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
  const lifeMs = fromQuery ? Number(field('Expires')) * 1000 : 900_000;
  if (accessKey !== credentials.accessKeyId || !(Date.now() < signedAt + lifeMs)) return false;
  const names = field('SignedHeaders').split(';');
  const pairs = [...query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([n, v]) => `${uri(n)}=${uri(v)}`);
  const canonical = [
    request.method,
    rawPath,
    pairs.sort().join('&'),
    ...names.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}`),
    '',
    names.join(';'),
    fromQuery ? 'UNSIGNED-PAYLOAD' : String(request.headers['x-amz-content-sha256'] ?? ''),
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const hash = createHash('sha256').update(canonical).digest('hex');
  const dayKey = hmac(`AWS4${credentials.secretAccessKey}`, day);
  const key = hmac(hmac(hmac(dayKey, region), service), 'aws4_request');
  return hmac(key, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash}`).toString('hex') === field('Signature');
};
