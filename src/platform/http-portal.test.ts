import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, openHttp } from './http.ts';
import { portalRoutes } from './http-portal.ts';
import { silentLog } from './log.ts';
import { openMetrics } from './metrics.ts';

const settings = {
  issuer: 'https://login.bank.example/realm',
  clientId: 'portal',
  scope: 'openid orders:read',
  archiveOlderThan: '6mo',
};

let folder: string;
let app: App;
let url: string;

const serve = async (options: Parameters<typeof portalRoutes>[1]): Promise<App> => {
  const made = await openHttp({
    log: silentLog(),
    metrics: openMetrics('test'),
    authenticate: async () => {
      throw new Error('expected no token to be asked for');
    },
    limits: { client: 1_000, address: 1_000, refused: 1_000 },
    ready: async () => {},
    version: '0.0.0',
  });
  await (await portalRoutes(settings, options))(made);
  return made;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-portal-'));
  await mkdir(join(folder, 'dist/assets'), { recursive: true });
  await writeFile(join(folder, 'secret.txt'), 'a file beside the portal');
  await writeFile(join(folder, 'dist/index.html'), '<!doctype html><title>Lastro</title>');
  await writeFile(join(folder, 'dist/assets/index-abc.js'), 'console.log(1)');
  app = await serve({ folder: join(folder, 'dist'), connect: ['https://token.bank.example'] });
  url = await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true });
});

/** As it is written: `fetch` would take `..` out of an address before it is sent. */
const raw = (path: string, headers: Record<string, string> = {}) =>
  new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
    const { hostname, port } = new URL(url);
    request({ hostname, port, path, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
    })
      .on('error', reject)
      .end();
  });

describe('the portal', () => {
  it('is one step from the start of the address', async () => {
    for (const path of ['/', '/portal'])
      expect(await raw(path)).toMatchObject({ status: 302, headers: { location: '/portal/' } });
  });

  it.each(['/portal/', '/portal/ordens', '/portal/ordens/ord_1?x=1', '/portal/index.html'])(
    'answers %s with its index, which is asked for again each time',
    async (path) => {
      const answer = await raw(path);
      expect(answer).toMatchObject({
        status: 200,
        headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' },
      });
      expect(answer.body.toString()).toContain('<title>Lastro</title>');
      expect(await raw(path, { 'if-none-match': String(answer.headers.etag) })).toMatchObject({
        status: 304,
      });
    },
  );

  it('lets its pages run their own scripts alone, and talk to the API and the issuer', async () => {
    const { headers } = await raw('/portal/');
    const policy = String(headers['content-security-policy']).split('; ');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("style-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("connect-src 'self' https://login.bank.example https://token.bank.example");
    expect(policy.join(' ')).not.toMatch(/unsafe|\*/);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
  });

  it('keeps assets for a year, and sends them small to whoever takes that', async () => {
    const small = await raw('/portal/assets/index-abc.js', { 'accept-encoding': 'br, gzip' });
    expect(small).toMatchObject({
      status: 200,
      headers: {
        'content-type': 'text/javascript; charset=utf-8',
        'cache-control': 'public, max-age=31536000, immutable',
        'content-encoding': 'gzip',
        vary: 'accept-encoding',
      },
    });
    expect(gunzipSync(small.body).toString()).toBe('console.log(1)');
    const plain = await raw('/portal/assets/index-abc.js');
    expect(plain.headers['content-encoding']).toBeUndefined();
    expect(plain.body.toString()).toBe('console.log(1)');
  });

  it.each([
    '/portal/../secret.txt',
    '/portal/%2e%2e/secret.txt',
    '/portal/..%2fsecret.txt',
    '/portal/assets/..%2f..%2fsecret.txt',
    '/portal/assets/%2e%2e%2f%2e%2e%2fsecret.txt',
    '/portal//etc/passwd.txt',
    '/portal/assets/gone-1.js',
    '/portal/assets/',
  ])('has no file at %s', async (path) => {
    const answer = await raw(path);
    expect([404, 400]).toContain(answer.status);
    expect(answer.body.toString()).not.toContain('a file beside');
  });

  it('says what pages have to know before anyone has signed in', async () => {
    const answer = await raw('/portal/settings.json');
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body.toString())).toEqual(settings);
  });

  it('that is not built says how to build it', async () => {
    const empty = await serve({ folder: join(folder, 'absent') });
    const answer = await empty.inject('/portal/ordens');
    expect(answer).toMatchObject({ statusCode: 503 });
    expect(answer.json()).toMatchObject({ detail: expect.stringContaining('npm run build') });
    await empty.close();
  });
});
