import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Desk, openDesk } from '../../test/services/desk.ts';
import { openMetrics } from '../platform/metrics.ts';
import { serveWorkerHealth } from './worker-http.ts';

let desk: Desk;
let health: Awaited<ReturnType<typeof serveWorkerHealth>>;

beforeAll(async () => {
  desk = await openDesk({ worker: false });
  const config = { ...desk.parts.config, LASTRO_WORKER_PORT: 0 };
  // The registry of a process of its own: the desk's has the API's metrics already.
  health = await serveWorkerHealth({ ...desk.parts, config, metrics: openMetrics('worker') });
});
afterAll(async () => {
  await health?.close();
  await desk.close();
});

const ask = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://127.0.0.1:${health.port}${path}`, { headers });

describe("a worker's own port", () => {
  it('says whether it lives and can work, and nothing of the API', async () => {
    expect((await ask('/livez')).status).toBe(200);
    expect((await ask('/readyz')).status).toBe(200);
    for (const path of ['/v1/orders', '/docs', '/openapi.json', '/'])
      expect((await ask(path)).status).toBe(404);
  });

  it('shows metrics on this machine, and elsewhere to holders of a scope', async () => {
    const here = await ask('/metrics');
    expect([here.status, (await here.text()).includes('lastro_')]).toEqual([200, true]);
    // What a proxy passes on comes from elsewhere, whatever it says.
    const through = { 'x-forwarded-for': '127.0.0.1' };
    expect((await ask('/metrics', through)).status).toBe(401);
    const as = async (scope: string) => ({
      ...through,
      authorization: `Bearer ${await desk.token('CRD01', scope)}`,
    });
    expect((await ask('/metrics', await as('orders:read'))).status).toBe(403);
    expect((await ask('/metrics', await as('ops:read'))).status).toBe(200);
  });
});
