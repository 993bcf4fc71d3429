import { afterEach, describe, expect, it } from 'vitest';
import type { Authenticate } from './auth.ts';
import { type App, type HttpDeps, openHttp } from './http.ts';
import type { RateLimits } from './http-limits.ts';
import { openLog } from './log.ts';
import { openMetrics } from './metrics.ts';
import { Problem } from './problem.ts';

let checked = 0;

/** Tokens of this file: the client's name, then its scopes; all others are refused. */
const authenticate: Authenticate = async (authorization) => {
  checked++;
  const [clientId, ...scopes] = authorization?.replace(/^Bearer /, '').split(' ') ?? [];
  if (clientId === 'keys-away') throw new Problem('unavailable', 'no keys');
  if (!clientId || clientId === 'forged') throw new Problem('unauthenticated', 'no token');
  return {
    clientId,
    subject: clientId,
    scopes: new Set(scopes),
    areas: new Set(['CRD01']),
    clients: new Set<string>(),
  };
};

type From = { token?: string; address?: string; forwarded?: string };

authenticate.wasGood = (authorization) => authorization?.startsWith('Bearer known ') ?? false;

let app: App | undefined;

afterEach(async () => {
  await app?.close();
  checked = 0;
});

type Change = Partial<Omit<HttpDeps, 'limits'>> & { limits?: Partial<RateLimits> };

const open = async ({ limits = {}, ...change }: Change = {}) => {
  app = await openHttp({
    log: openLog({ level: 'fatal', service: 'test' }),
    metrics: openMetrics('test'),
    authenticate,
    limits: { client: 3, address: 2, refused: 2, ...limits },
    ready: async () => {},
    version: '0.0.0',
    ...change,
  });
  const opened = app;
  opened.get('/v1/things', { config: { access: 'orders:read' } }, async () => ({ ok: true }));
  return async (url: string, { token, address = '10.0.0.1', forwarded }: From = {}) =>
    opened.inject({
      url,
      remoteAddress: address,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }),
      },
    });
};

const things = '/v1/things';
const good = 'one orders:read';

describe('a client', () => {
  it('has its own count, wherever it calls from, and is told in the standard headers', async () => {
    const ask = await open();
    const first = await ask(things, { token: good });
    expect(first.headers).toMatchObject({
      'ratelimit-limit': '3',
      'ratelimit-remaining': '2',
      'ratelimit-reset': expect.stringMatching(/^\d+$/),
    });
    await ask(things, { token: good, address: '10.0.0.2' });
    await ask(things, { token: good, address: '10.0.0.3' });
    const refused = await ask(things, { token: good, address: '10.0.0.4' });
    expect(refused.statusCode).toBe(429);
    expect(refused.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(refused.json()).toMatchObject({ type: '/problems/rate-limited', status: 429 });
    expect(refused.headers['ratelimit-remaining']).toBe('0');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60);
    expect((await ask(things, { token: 'two orders:read' })).statusCode).toBe(200);
  });

  it('is counted for what its scopes do not allow, too', async () => {
    const ask = await open();
    const statuses: number[] = [];
    for (let count = 0; count < 4; count++)
      statuses.push((await ask(things, { token: 'one orders:write' })).statusCode);
    expect(statuses).toEqual([403, 403, 403, 429]);
  });

  it('is not the address of the same name', async () => {
    const ask = await open({ limits: { client: 1, address: 1 } });
    expect((await ask('/openapi.json')).statusCode).toBe(200);
    expect((await ask(things, { token: '10.0.0.1 orders:read' })).statusCode).toBe(200);
  });
});

describe('an address', () => {
  it('may have few tokens refused; then no more of them are looked at', async () => {
    const ask = await open();
    const first = await ask(things, { token: 'forged' });
    expect(first.statusCode).toBe(401);
    expect(first.headers).toMatchObject({ 'ratelimit-limit': '2', 'ratelimit-remaining': '1' });
    expect((await ask(things)).statusCode).toBe(401);
    const third = await ask(things, { token: 'forged' });
    expect(third).toMatchObject({ statusCode: 429 });
    expect(third.json()).toMatchObject({ type: '/problems/rate-limited' });
    expect(Number(third.headers['retry-after'])).toBeGreaterThan(0);
    expect(checked).toBe(3);
    expect((await ask(things, { token: 'forged' })).statusCode).toBe(429);
    expect(checked).toBe(3);
    expect((await ask(things, { token: 'forged', address: '10.0.0.2' })).statusCode).toBe(401);
  });

  it('is not counted for good tokens, nor for an issuer that does not answer', async () => {
    const ask = await open({ limits: { client: 100 } });
    for (let count = 0; count < 5; count++) {
      expect((await ask(things, { token: good })).statusCode).toBe(200);
      expect((await ask(things, { token: 'keys-away' })).statusCode).toBe(503);
    }
  });

  it('that floods us keeps no token that was good from being looked at', async () => {
    const ask = await open();
    for (let count = 0; count < 3; count++) await ask(things, { token: 'forged' });
    expect((await ask(things, { token: good })).statusCode).toBe(429);
    expect((await ask(things, { token: 'known orders:read' })).statusCode).toBe(200);
  });

  it('that opens many pages keeps its tokens', async () => {
    const ask = await open();
    for (let count = 0; count < 3; count++) await ask('/openapi.json');
    expect((await ask('/openapi.json')).statusCode).toBe(429);
    expect((await ask(things, { token: good })).statusCode).toBe(200);
  });

  it('is counted for public routes and for what is not there', async () => {
    const ask = await open();
    expect((await ask('/openapi.json')).headers['ratelimit-remaining']).toBe('1');
    expect((await ask('/nothing')).statusCode).toBe(404);
    expect((await ask('/problems/conflict')).statusCode).toBe(429);
    expect((await ask('/nothing')).statusCode).toBe(429);
  });

  it('of IPv6 is the network that its owner has', async () => {
    const ask = await open({ limits: { refused: 1 } });
    expect((await ask(things, { address: '2001:db8:1:2::1' })).statusCode).toBe(401);
    expect((await ask(things, { address: '2001:db8:1:2:ffff::9' })).statusCode).toBe(429);
    expect((await ask(things, { address: '2001:db8:1:3::1' })).statusCode).toBe(401);
    expect((await ask(things, { address: '::ffff:10.9.9.9' })).statusCode).toBe(401);
    expect((await ask(things, { address: '10.9.9.9' })).statusCode).toBe(429);
  });

  it('may ask whether the service lives as often as it likes; what that needs is asked once a second', async () => {
    let asked = 0;
    const ask = await open({
      ready: async () => {
        asked++;
      },
    });
    const answers = await Promise.all(
      ['/livez', '/readyz'].flatMap((path) => Array.from({ length: 20 }, () => ask(path))),
    );
    expect(answers.every(({ statusCode }) => statusCode === 200)).toBe(true);
    expect(asked).toBe(1);
  });
});

describe('behind a proxy', () => {
  const from = (forwarded: string) => ({ token: 'forged', address: '10.0.0.1', forwarded });

  it('that is trusted, the address is the last one that the proxies did not add themselves', async () => {
    const ask = await open({ trustedProxies: ['10.0.0.0/8'], limits: { refused: 1 } });
    expect((await ask(things, from('198.51.100.1'))).statusCode).toBe(401);
    expect((await ask(things, from('198.51.100.1'))).statusCode).toBe(429);
    // What a caller writes into the header itself stands before what the proxy adds.
    expect((await ask(things, from('203.0.113.9, 198.51.100.1, 10.2.3.4'))).statusCode).toBe(429);
    expect((await ask(things, from('198.51.100.2'))).statusCode).toBe(401);
  });

  it('that is not trusted, the header says nothing', async () => {
    const ask = await open({ trustedProxies: ['192.0.2.0/24'], limits: { refused: 1 } });
    expect((await ask(things, from('198.51.100.1'))).statusCode).toBe(401);
    expect((await ask(things, from('198.51.100.2'))).statusCode).toBe(429);
  });

  it('that nobody named, the log says so once', async () => {
    const lines: string[] = [];
    const log = openLog({
      level: 'warn',
      service: 'test',
      destination: { write: (line) => void lines.push(line) },
    });
    const ask = await open({ log });
    await ask(things, from('198.51.100.1'));
    await ask(things, from('198.51.100.2'));
    expect(lines.filter((line) => line.includes('LASTRO_TRUSTED_PROXIES'))).toHaveLength(1);
  });

  it('on this machine, metrics are not for everyone', async () => {
    const ask = await open();
    const local = { address: '127.0.0.1' };
    expect((await ask('/metrics', local)).statusCode).toBe(200);
    expect((await ask('/metrics', { ...local, forwarded: '198.51.100.1' })).statusCode).toBe(401);
    const scraper = { ...local, forwarded: '198.51.100.1', token: 'prometheus ops:read' };
    expect((await ask('/metrics', scraper)).statusCode).toBe(200);
  });

  it('metrics of this machine are never counted', async () => {
    const ask = await open();
    for (let count = 0; count < 10; count++)
      expect((await ask('/metrics', { address: '127.0.0.1' })).statusCode).toBe(200);
  });
});
