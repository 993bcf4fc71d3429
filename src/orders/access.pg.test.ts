import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Desk, isWaiting, openDesk, orderOf } from '../../test/services/desk.ts';
import type { OrderView } from './view.ts';

let desk: Desk;
let neighbour: string;
let order: OrderView;

beforeAll(async () => {
  desk = await openDesk();
  neighbour = await desk.token('CRD02', 'orders:read orders:write orders:review');
  order = await desk.until((await desk.place(orderOf('unread_rule'))).orderKey, isWaiting);
});
afterAll(() => desk.close());

type OpenApi = { paths: Record<string, Record<string, { security?: unknown[] }>> };

const operations = async (): Promise<{ method: string; path: string; open: boolean }[]> => {
  const { body } = await desk.call<OpenApi>('GET', '/openapi.json', { as: null });
  return Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security }]) => ({
      method: method.toUpperCase(),
      path: path.replaceAll(/\{\w+\}/g, order.orderKey),
      open: security?.length === 0,
    })),
  );
};

describe('every route of the API', () => {
  it('is documented, and refuses whoever brings no token', async () => {
    const all = await operations();
    expect(all.map(({ method, path }) => `${method} ${path.replace(order.orderKey, '{orderKey}')}`)).toEqual(
      expect.arrayContaining([
        'POST /v1/orders',
        'GET /v1/orders',
        'GET /v1/orders/{orderKey}',
        'POST /v1/orders/{orderKey}/cancel',
        'POST /v1/orders/{orderKey}/review',
        'POST /v1/orders/simulate',
        'GET /v1/messages',
        'POST /v1/quorum/decisions',
        'POST /v1/reports',
        'GET /v1/reports',
        'GET /v1/reports/{orderKey}',
        'GET /v1/reports/{orderKey}/download',
        'POST /v1/reports/{orderKey}/cancel',
      ]),
    );
    const open = all.filter((operation) => operation.open).map(({ path }) => path);
    expect([...new Set(open)].sort()).toEqual(['/.well-known/jwks.json', '/v1/objects/{*}']);
    for (const { method, path, open } of all) {
      if (open) continue;
      const answer = await desk.call(method, path, { as: null });
      expect([path, answer.status]).toEqual([path, 401]);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
  });

  it('refuses a token without its scope', async () => {
    const reports = await desk.token('CRD01', 'reports:read');
    const orders = await desk.token('CRD01', 'orders:read');
    for (const { method, path, open } of await operations()) {
      if (open) continue;
      const answer = await desk.call(method, path, { as: path.startsWith('/v1/reports') ? orders : reports });
      expect([path, answer.status]).toEqual([path, 403]);
    }
  });

  it('takes tokens of the issuer that is configured, and no others', async () => {
    const [header, payload] = (await desk.token('CRD01', 'orders:read')).split('.');
    for (const as of [`${header}.${payload}.${'A'.repeat(342)}`, 'a.b.c'])
      expect((await desk.call('GET', '/v1/orders', { as })).status).toBe(401);
  });
});

describe("another area's orders", () => {
  const there = { type: '/problems/not-found', status: 404 };

  it('are not there: not to be read, cancelled or reviewed', async () => {
    const nowhere = 'ord_01ARZ3NDEKTSV4RRFFQ69G5FAV';
    for (const key of [order.orderKey, nowhere]) {
      expect(await desk.call('GET', `/v1/orders/${key}`, { as: neighbour })).toMatchObject({ body: there });
      expect(await desk.call('POST', `/v1/orders/${key}/cancel`, { as: neighbour })).toMatchObject({
        body: there,
      });
      const settlement = { kind: 'rule', party: 0, rule: 'regra-1', outcome: 'does_not_apply' };
      const body = { reason: 'Lida a ata.', evidence: 'protocolo', settlements: [settlement] };
      expect(await desk.call('POST', `/v1/orders/${key}/review`, { as: neighbour, body })).toMatchObject({
        body: there,
      });
    }
    expect(await desk.order(order.orderKey)).toMatchObject({ status: 'processing' });
  });

  it('are in no list, and asking for them by area is forbidden', async () => {
    const list = await desk.call<{ items: unknown[] }>('GET', '/v1/orders', { as: neighbour });
    expect(list.body.items).toEqual([]);
    expect(await desk.call('GET', '/v1/orders?areaId=CRD01', { as: neighbour })).toMatchObject({
      status: 403,
      body: { type: '/problems/forbidden' },
    });
  });

  it('are not made or tried out for it', async () => {
    for (const path of ['/v1/orders', '/v1/orders/simulate'])
      expect(await desk.call('POST', path, { as: neighbour, body: orderOf('alone') })).toMatchObject({
        status: 403,
        body: { type: '/problems/forbidden' },
      });
  });

  it('send it no messages', async () => {
    await desk.decide(orderOf('alone'));
    const { body } = await desk.call<{ messages: unknown[] }>('GET', '/v1/messages', { as: neighbour });
    expect(body.messages).toEqual([]);
  });
});

describe('odd input in the address', () => {
  it.each([
    ['/v1/orders/ord_%00', 404],
    ["/v1/orders/' OR 1=1 --", 404],
    ['/v1/orders/ord_01ARZ3NDEKTSV4RRFFQ69G5FAV%0a', 404],
    ['/v1/orders/..%2f..%2fmetrics', 404],
    ['/v1/orders/%E0%A4%A', 404],
    [`/v1/orders/${'x'.repeat(200)}`, 404],
    ['/v1/orders?areaId=%00', 422],
    ["/v1/orders?areaId=' OR 1=1 --", 422],
    ['/v1/orders?status=concluido', 422],
    ['/v1/orders?from=yesterday', 422],
    ['/v1/orders?limit=0', 422],
    ['/v1/orders?limit=1e9', 422],
    ['/v1/orders?sort=asc', 422],
    ['/v1/orders?cursor=%00', 400],
    ['/v1/orders?cursor=ord_', 400],
    ['/v1/messages?after=x', 400],
    ['/v1/messages?after=99999999999999999999-1', 400],
    ['/v1/messages?after=1-9999999999999999999', 400],
    ['/v1/messages?after=1-1%00', 400],
  ])('is refused without a failure: %s', async (path, status) => {
    const answer = await desk.call<{ type: string }>('GET', path);
    expect([path, answer.status]).toEqual([path, status]);
    expect(answer.body.type).toMatch(/^\/problems\//);
  });
});
