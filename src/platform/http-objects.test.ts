import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, openHttp } from './http.ts';
import { objectRoutes, requestedRange } from './http-objects.ts';
import { openLog } from './log.ts';
import { openMetrics } from './metrics.ts';
import { Problem } from './problem.ts';
import { openDirectoryStore } from './store/directory.ts';
import { linkSigner } from './store/links.ts';
import type { Store } from './store/store.ts';

const lines: string[] = [];
let now = new Date('2026-11-22T12:00:00Z');
const keys = { secret: Buffer.alloc(32, 7), clock: () => now };
const link = linkSigner({ ...keys, baseUrl: '' });

let folder: string;
let store: Store;
let app: App;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-objects-'));
  store = await openDirectoryStore(join(folder, 'store'));
  await store.put('reports/a/1.csv', '0123456789');
  await store.put('reports/empty.json', '');
  await writeFile(join(folder, 'secret'), 'secret');
  await mkdir(join(folder, 'store', 'reports', 'folder'));
  app = await openHttp({
    log: openLog({ level: 'info', service: 'test', destination: { write: (line) => void lines.push(line) } }),
    metrics: openMetrics('test'),
    authenticate: async () => {
      throw new Problem('unauthenticated', 'no token');
    },
    limits: { client: 1_000, address: 1_000, refused: 1_000 },
    ready: async () => {},
    version: '0.0.0',
  });
  await objectRoutes({ store, keys })(app);
  url = await app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

/** As it is written: `fetch` would normalise dots away before they are sent. */
const rawStatus = (path: string): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    httpRequest({ hostname, port, path }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: String(Buffer.concat(chunks)) }),
      );
    })
      .on('error', reject)
      .end();
  });

describe('a signed link', () => {
  it('gives the object with its type, name and length, and its address is in no log', async () => {
    const path = await link('reports/a/1.csv', { expiresInSeconds: 60, filename: 'ordens de março.csv' });
    const answer = await fetch(`${url}${path}`);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('0123456789');
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-length': '10',
      'content-disposition': `attachment; filename="ordens de mar_o.csv"; filename*=UTF-8''ordens%20de%20mar%C3%A7o.csv`,
      'accept-ranges': 'bytes',
      'cache-control': 'private, no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
    const head = await fetch(`${url}${path}`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', '']);
    const empty = await fetch(`${url}${await link('reports/empty.json', { expiresInSeconds: 60 })}`);
    expect([empty.status, empty.headers.get('content-length'), await empty.text()]).toEqual([200, '0', '']);
    expect(lines.join('')).toContain('/v1/objects/*');
    expect(lines.join('')).not.toMatch(/signature|1\.csv/);
  });

  it.each([
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=0-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=10-', 416, undefined, 'bytes */10'],
    ['bytes=-0', 416, undefined, 'bytes */10'],
    ['bytes=4-2', 200, '0123456789', null],
    ['bytes=0-1,4-5', 200, '0123456789', null],
    ['lines=1-2', 200, '0123456789', null],
  ])('serves %s', async (range, status, text, contentRange) => {
    const path = await link('reports/a/1.csv', { expiresInSeconds: 60 });
    const answer = await fetch(`${url}${path}`, { headers: { range } });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([status, contentRange]);
    const body = await answer.text();
    if (text !== undefined) expect(body).toBe(text);
    const { headers } = await fetch(`${url}${path}`, { headers: { range, 'if-range': '"another"' } });
    expect(headers.get('content-length')).toBe('10');
  });

  it('is refused after its time, when it was changed, and when what it names is gone', async () => {
    const path = await link('reports/a/1.csv', { expiresInSeconds: 60 });
    now = new Date(now.getTime() + 60_000);
    const late = await fetch(`${url}${path}`);
    expect([late.status, await late.json()]).toMatchObject([410, { type: '/problems/link-expired' }]);
    const fresh = await link('reports/a/1.csv', { expiresInSeconds: 60 });
    for (const changed of [
      fresh.replace('/1.csv', '/2.csv'),
      fresh.replace(/expires=\d+/, 'expires=9999999999'),
      `${fresh}&filename=x.html`,
      fresh.replace(/signature=./, 'signature=_'),
      fresh.replace(/&signature=.*/, ''),
      '/v1/objects/reports/a/1.csv',
    ])
      expect(await (await fetch(`${url}${changed}`)).json()).toMatchObject({
        type: '/problems/link-invalid',
      });
    for (const gone of ['reports/a/3.csv', 'reports/folder'])
      expect((await fetch(`${url}${await link(gone, { expiresInSeconds: 60 })}`)).status).toBe(404);
  });

  it('is no way out of the store, however its path is written', async () => {
    const signed = await link('reports/a/1.csv', { expiresInSeconds: 60 });
    const query = signed.slice(signed.indexOf('?'));
    for (const path of [
      '/v1/objects/../../secret',
      '/v1/objects/%2e%2e/%2e%2e/secret',
      '/v1/objects/..%2f..%2fsecret',
      '/v1/objects/..%252f..%252fsecret',
      '/v1/objects/reports/a/1.csv/../../../../secret',
      '/v1/objects//reports/a/1.csv',
      '/v1/objects/reports\\a\\1.csv',
      '/v1/objects/reports/a/1.csv%00',
      '/v1/objects/%E0%A4%A',
      '/v1/objects/.lastro-tmp-writes/x',
      '/v1/objects/',
    ]) {
      const { status, body } = await rawStatus(`${path}${query}`);
      expect([path, status, JSON.parse(body)]).toEqual([
        path,
        expect.toSatisfy((found) => [403, 404].includes(found as number)),
        expect.objectContaining({ type: expect.stringMatching(/^\/problems\/(link-invalid|not-found)$/) }),
      ]);
    }
  });
});

describe('a requested range', () => {
  it('is a part of the object, or all of it, or refused', () => {
    fc.assert(
      fc.property(fc.nat(2_000), fc.nat(2_000), fc.integer({ min: 1, max: 1_000 }), (first, last, size) => {
        try {
          const range = requestedRange(`bytes=${first}-${last}`, size);
          if (range === null) expect(last).toBeLessThan(first);
          else expect(range).toEqual({ start: first, end: Math.min(last + 1, size) });
        } catch (error) {
          expect(error).toBeInstanceOf(Problem);
          expect(first).toBeGreaterThanOrEqual(size);
        }
      }),
    );
  });
});
