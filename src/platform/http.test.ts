import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Authenticate } from './auth.ts';
import { type App, openHttp, principalOf } from './http.ts';
import { openLog } from './log.ts';
import { openMetrics } from './metrics.ts';
import { Problem, problemBody, problemTypes } from './problem.ts';

/** Tokens of this file: the client's name, then its scopes. */
const authenticate: Authenticate = async (authorization) => {
  const [clientId, ...scopes] = authorization?.replace(/^Bearer /, '').split(' ') ?? [];
  if (!clientId) throw new Problem('unauthenticated', 'no token');
  return {
    clientId,
    subject: clientId,
    scopes: new Set(scopes),
    areas: new Set(['CRD01']),
    clients: new Set<string>(),
  };
};

const lines: string[] = [];

const open = async (change: Partial<Parameters<typeof openHttp>[0]> = {}): Promise<App> => {
  const app = await openHttp({
    log: openLog({ level: 'info', service: 'test', destination: { write: (line) => void lines.push(line) } }),
    metrics: openMetrics('test'),
    authenticate,
    limits: { client: 1_000, address: 1_000, refused: 1_000 },
    ready: async () => {},
    version: '0.0.0',
    ...change,
  });
  const body = z.strictObject({ name: z.string().max(3), nested: z.object({ deep: z.int() }).optional() });
  app.post('/v1/things', { config: { access: 'orders:write' }, schema: { body } }, async (request) => ({
    by: principalOf(request).clientId,
  }));
  app.post('/v1/anything', { config: { access: 'orders:write' } }, async () => ({ ok: true }));
  app.get('/v1/failing', { config: { access: 'orders:read' } }, async (request) => {
    const { code } = request.query as { code?: string };
    throw Object.assign(new Error('relation "secret_table" of 10.0.0.7 failed'), { code });
  });
  return app;
};

type Problems = { type: string; status: number; detail?: string; requestId?: string; violations?: unknown };

describe('the HTTP server', () => {
  let app: App;
  let url: string;

  beforeAll(async () => {
    app = await open();
    url = await app.listen({ host: '127.0.0.1', port: 0 });
  });
  afterEach(() => {
    lines.splice(0);
  });
  afterAll(() => app.close());

  const call = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${url}${path}`, init);
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) as Problems };
  };

  const post = (
    body: string | Buffer<ArrayBuffer>,
    headers: Record<string, string> = {},
    path = '/v1/things',
  ) =>
    call(path, {
      method: 'POST',
      body,
      headers: { authorization: 'Bearer me orders:write', 'content-type': 'application/json', ...headers },
    });

  it('does not start with a route that declares no access', async () => {
    const other = await open();
    expect(() => other.get('/v1/forgotten', async () => 'open')).toThrow(
      /GET \/v1\/forgotten declares no access/,
    );
    await other.close();
  });

  it('refuses without a token, and without the scope of the route', async () => {
    expect(await call('/v1/failing')).toMatchObject({
      status: 401,
      body: { type: '/problems/unauthenticated' },
    });
    const answer = await call('/v1/failing', { headers: { authorization: 'Bearer me orders:write' } });
    expect(answer).toMatchObject({ status: 403, body: { type: '/problems/forbidden' } });
    expect(answer.headers.get('www-authenticate')).toContain('scope="orders:read"');
  });

  describe('answers as application/problem+json', () => {
    it.each([
      ['a body that is no JSON', () => post('{"name":'), 400, 'malformed-body'],
      ['an empty body', () => post(''), 400, 'malformed-body'],
      [
        'a body of another type',
        () => post('name=x', { 'content-type': 'text/plain' }),
        415,
        'unsupported-media-type',
      ],
      ['XML', () => post('<x/>', { 'content-type': 'application/xml' }), 415, 'unsupported-media-type'],
      ['a body of more than 1 MiB', () => post(`"${'x'.repeat(1_048_577)}"`), 413, 'body-too-large'],
      [
        'bytes that are not UTF-8',
        () => post(Buffer.from('{"name":"\xff"}', 'latin1')),
        400,
        'malformed-body',
      ],
      [
        'a body nested 10,000 deep',
        () => post(`${'['.repeat(10_000)}${']'.repeat(10_000)}`, {}, '/v1/anything'),
        400,
        'malformed-body',
      ],
      ['a path that is not there', () => call('/v1/nothing'), 404, 'not-found'],
      ['a method that is not there', () => call('/v1/things', { method: 'DELETE' }), 404, 'not-found'],
    ])('%s', async (_, ask, status, type) => {
      const answer = await ask();
      expect(answer).toMatchObject({ status, body: { type: `/problems/${type}`, status } });
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(answer.body.requestId).toBe(answer.headers.get('x-request-id'));
    });

    it('every violation of a schema, with JSON pointers', async () => {
      expect(await post('{"name":"long","nested":{"deep":"x"},"more":1,"~a/b.c":2}')).toMatchObject({
        status: 422,
        body: {
          type: '/problems/validation-failed',
          violations: [
            { pointer: '/name', message: expect.any(String) },
            { pointer: '/nested/deep', message: expect.any(String) },
            { pointer: '/more', message: 'expected no field of this name' },
            { pointer: '/~0a~1b.c', message: 'expected no field of this name' },
          ],
        },
      });
    });

    it.each([
      ['a body that says it is compressed', { 'content-encoding': 'gzip' }, 415, 'unsupported-media-type'],
      ['a body that says it is as it is', { 'content-encoding': 'identity' }, 200, undefined],
    ])('%s', async (_, headers, status, type) => {
      const answer = await post('{"name":"x"}', headers);
      expect([answer.status, answer.body.type]).toEqual([status, type && `/problems/${type}`]);
    });

    /** Bytes as they are, and all that comes back until the server ends the connection. */
    const send = (bytes: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(bytes));
        let answer = '';
        socket.setEncoding('utf8').on('data', (text: string) => {
          answer += text;
        });
        socket.on('error', reject).on('close', () => resolve(answer));
      });

    it.each([
      ['what is no HTTP', '\x16\x03\x01\x02\r\n\r\n', 400, 'malformed-request'],
      [
        'two lengths of one body',
        'POST /v1/things HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        400,
        'malformed-request',
      ],
      ['no host', 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'malformed-request'],
    ])('%s', async (_, bytes, status, type) => {
      const answer = await send(bytes);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer).toMatch(/content-type: application\/problem\+json/i);
      expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({
        type: `/problems/${type}`,
        status,
      });
    });

    it.each(['{"document": 52998224725 x}', '{"document" "52998224725"}', '{52998224725: 1}'])(
      'and does not quote a body that could not be read: %s',
      async (body) => {
        const { text } = await post(body);
        expect(text).not.toContain('52998');
        expect(text).toMatch(/expected .* at character \d+/);
      },
    );
  });

  describe('says nothing of its insides', () => {
    const failing = (code?: string) =>
      call(`/v1/failing${code ? `?code=${code}` : ''}`, {
        headers: { authorization: 'Bearer me orders:read' },
      });

    it('when it fails: the reason is in the log, under the request id', async () => {
      const answer = await failing();
      expect(answer).toMatchObject({ status: 500, body: { type: '/problems/internal' } });
      expect(answer.text).not.toMatch(/secret_table|10\.0\.0\.7|at .*\.ts/);
      const logged = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(logged).toContainEqual(
        expect.objectContaining({ msg: 'request failed', requestId: answer.body.requestId, level: 'error' }),
      );
    });

    it.each(['08006', '57P01', '53300', 'ECONNREFUSED', 'ECONNRESET'])(
      'when the database is away (%s): 503, try again',
      async (code) => {
        const answer = await failing(code);
        expect(answer).toMatchObject({ status: 503, body: { type: '/problems/unavailable' } });
        expect(answer.headers.get('retry-after')).toBe('5');
        expect(answer.text).not.toContain('secret_table');
      },
    );
  });

  describe('a request id', () => {
    it('is taken over and given back', async () => {
      const answer = await call('/livez', { headers: { 'x-request-id': 'abc-123.DEF_4' } });
      expect(answer.headers.get('x-request-id')).toBe('abc-123.DEF_4');
    });

    it.each(['short', 'with space 12', 'x'.repeat(129), 'quote"quote"', '{"a":"bbbbbbb"}'])(
      'is made anew where it could do harm: %s',
      async (id) => {
        const answer = await call('/livez', { headers: { 'x-request-id': id } });
        expect(answer.headers.get('x-request-id')).toMatch(/^req_[0-9A-Z]{26}$/);
      },
    );

    it('is in the log line of the request, with route, status and client', async () => {
      const answer = await post('{"name":"x"}');
      expect(lines.map((line) => JSON.parse(line) as unknown)).toContainEqual(
        expect.objectContaining({
          requestId: answer.headers.get('x-request-id'),
          method: 'POST',
          route: '/v1/things',
          status: 200,
          clientId: 'me',
        }),
      );
    });
  });

  it.each([
    ['an answer', () => post('{"name":"x"}'), 200],
    ['a refusal', () => post('{"name":"x"}', { authorization: '' }), 401],
    ['a compressed body', () => post('{"name":"x"}', { 'content-encoding': 'gzip' }), 415],
  ])(
    'sends security headers and a request id with %s, and keeps it out of caches',
    async (_, ask, expected) => {
      const { headers, status } = await ask();
      expect(status).toBe(expected);
      expect(headers.get('x-request-id')).toMatch(/^req_/);
      expect(Object.fromEntries(headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'SAMEORIGIN',
        'referrer-policy': 'no-referrer',
        'strict-transport-security': expect.stringContaining('max-age='),
        'cache-control': 'no-store',
      });
      expect(headers.has('x-powered-by')).toBe(false);
    },
  );

  it('documents every problem type at its address', async () => {
    for (const [type, { status, title }] of Object.entries(problemTypes))
      expect(await call(`/problems/${type}`)).toMatchObject({
        status: 200,
        body: { type: `/problems/${type}`, status, title },
      });
    for (const type of ['nothing', 'constructor', '__proto__'])
      expect(await call(`/problems/${type}`)).toMatchObject({ status: 404 });
  });

  it('shows metrics to callers on this machine, and to others with a scope', async () => {
    const metrics = await fetch(`${url}/metrics`);
    expect(metrics.status).toBe(200);
    expect(await metrics.text()).toContain('lastro_http_request_duration_seconds_bucket');
    const from = (remoteAddress: string, authorization?: string) =>
      app.inject({
        url: '/metrics',
        remoteAddress,
        ...(authorization ? { headers: { authorization } } : {}),
      });
    expect((await from('::1')).statusCode).toBe(200);
    expect((await from('::ffff:127.0.0.1')).statusCode).toBe(200);
    expect((await from('10.0.0.9')).statusCode).toBe(401);
    expect((await from('10.0.0.9', 'Bearer me orders:read')).statusCode).toBe(403);
    expect((await from('10.0.0.9', 'Bearer prometheus ops:read')).statusCode).toBe(200);
  });

  it('does not take bytes that a route reads itself apart', async () => {
    const bytes = await open();
    bytes.addContentTypeParser(
      'application/octet-stream',
      { parseAs: 'buffer' },
      async (_: unknown, body: Buffer) => body,
    );
    const route = { config: { access: 'orders:write' as const }, bodyLimit: 16 * 1_048_576 };
    bytes.post('/v1/bytes', route, async ({ body }) => ({ bytes: (body as Buffer).length }));
    const before = process.resourceUsage().maxRSS;
    const answer = await bytes.inject({
      method: 'POST',
      url: '/v1/bytes',
      headers: { authorization: 'Bearer me orders:write', 'content-type': 'application/octet-stream' },
      body: Buffer.alloc(15 * 1_048_576),
    });
    expect(answer.json()).toEqual({ bytes: 15 * 1_048_576 });
    // In KB. A few times the body; as a list of values it was half a gigabyte.
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(150_000);
    await bytes.close();
  });

  it('tells the first of many violations: an answer is no longer than what was asked', async () => {
    const violations = Array.from({ length: 1_000 }, (_, n) => ({ pointer: `/${n}`, message: 'wrong' }));
    const { violations: told } = problemBody(
      new Problem('validation-failed', 'See violations.', { violations }),
    );
    expect(told).toEqual(violations.slice(0, 100));
  });

  it('is alive, and ready when what it needs is there', async () => {
    expect(await call('/livez')).toMatchObject({ status: 200 });
    expect(await call('/readyz')).toMatchObject({ status: 200 });
    const why = 'password authentication failed for user "lastro" at 10.0.0.7';
    const unready = await open({ ready: async () => Promise.reject(new Error(why)) });
    const answer = await unready.inject('/readyz');
    expect([answer.statusCode, answer.body.includes('10.0.0.7')]).toEqual([503, false]);
    expect(lines.join('')).toContain('10.0.0.7');
    expect((await unready.inject('/livez')).statusCode).toBe(200);
    await unready.close();
  });
});
