import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CallOptions, type Desk, openDesk, orderOf } from '../../test/services/desk.ts';
import { takeIdempotencyKey } from '../platform/idempotency.ts';
import { readMigrations } from '../platform/migrations.ts';
import { transaction } from '../platform/postgres.ts';
import { newId } from '../shared/ids.ts';
import { removeExpired } from './housekeeping.ts';
import type { OrderTerms } from './model.ts';
import { placeOrder } from './orders.ts';
import type { OrderRequest } from './request.ts';
import { insertOrders } from './store.ts';

let desk: Desk;

beforeAll(async () => {
  desk = await openDesk({ worker: false });
});
afterEach(() => desk.sandbox.faults.remove());
afterAll(() => desk.close());

const request = orderOf('alone');

const post = (key: string, body: object = request, options: CallOptions = {}) =>
  desk.call('POST', '/v1/orders', { ...options, body, headers: { 'idempotency-key': key } });

/** The portal's client, or the area's own, with the person that a token of it speaks for. */
const principalOf = (clientId: string, subject = clientId, area = 'CRD01') => ({
  clientId,
  subject,
  scopes: new Set<string>(),
  areas: new Set([area]),
  clients: new Set<string>(),
});

const placeAs = (principal: ReturnType<typeof principalOf>, key: string) =>
  placeOrder(desk.parts.orders, { principal, requestId: 'req_test' }, request, key);

const ordersIn = async (): Promise<number> => {
  const { rows } = await desk.db.query<{ n: number }>('SELECT count(*)::int AS n FROM envelopes');
  return rows[0]?.n ?? 0;
};

describe('the same Idempotency-Key', () => {
  it('with the same body is answered again, byte by byte, and nothing is done again', async () => {
    const key = randomUUID();
    const first = await post(key);
    const before = await ordersIn();
    const again = await post(key);
    expect(again.status).toBe(201);
    expect(again.text).toBe(first.text);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    expect(first.headers.has('idempotent-replayed')).toBe(false);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(await ordersIn()).toBe(before);
  });

  it('is one body also where only its white space differs', async () => {
    const key = randomUUID();
    const first = await post(key);
    const again = await desk.call('POST', '/v1/orders', {
      body: JSON.stringify(request, null, 2),
      headers: { 'idempotency-key': key },
    });
    expect(again.text).toBe(first.text);
  });

  it('with another body is refused', async () => {
    const key = randomUUID();
    await post(key);
    expect(await post(key, orderOf('alone', { amountCents: 1_000 }))).toMatchObject({
      status: 422,
      body: { type: '/problems/idempotency-key-reused' },
    });
  });

  it('answers nothing that another route is asked for', async () => {
    const key = randomUUID();
    const as = await desk.token('CRD01', 'orders:write reports:write');
    expect((await post(key, request, { as })).status).toBe(201);
    const asked = await desk.call('POST', '/v1/reports', {
      as,
      body: request,
      headers: { 'idempotency-key': key },
    });
    expect(asked).toMatchObject({ status: 422, body: { type: '/problems/idempotency-key-reused' } });
  });

  it('of another client is another key', async () => {
    const key = randomUUID();
    const first = await post(key);
    const other = await post(key, request, { as: await desk.token('CRD01', 'orders:write orders:review') });
    expect(other.status).toBe(201);
    expect(other.body.orderKey).not.toBe(first.body.orderKey);
  });

  it('of another person at the same client is another key', async () => {
    const key = randomUUID();
    const ana = await placeAs(principalOf('portal', 'ana'), key);
    const bia = await placeAs(principalOf('portal', 'bia'), key);
    const portal = await placeAs(principalOf('portal'), key);
    expect(new Set([ana.location, bia.location, portal.location]).size).toBe(3);
    expect(await placeAs(principalOf('portal', 'bia'), key)).toEqual({ ...bia, replayed: true });
    expect(await placeAs(principalOf('portal', 'ana'), key)).toEqual({ ...ana, replayed: true });
  });

  it('of before keys had people belongs to the one who made the order', async () => {
    const keys = [randomUUID(), randomUUID()] as const;
    const ana = await placeAs(principalOf('portal', 'ana'), keys[0]);
    const area = await placeAs(principalOf('area-CRD01'), keys[1]);
    await desk.db.query(
      `UPDATE chaves_idempotencia SET cliente_id = split_part(cliente_id, E'\\n', 1) WHERE chave = ANY ($1)`,
      [keys],
    );
    const migration = (await readMigrations()).find(({ number }) => number === 9);
    await desk.db.query(migration?.sql ?? '');
    expect(await placeAs(principalOf('portal', 'ana'), keys[0])).toEqual({ ...ana, replayed: true });
    expect(await placeAs(principalOf('portal', 'bia'), keys[0])).toMatchObject({ replayed: false });
    expect(await placeAs(principalOf('area-CRD01'), keys[1])).toEqual({ ...area, replayed: true });
  });

  it('answers nobody who may not have the order any more', async () => {
    const key = randomUUID();
    await placeAs(principalOf('area-CRD01'), key);
    await expect(placeAs(principalOf('area-CRD01', 'area-CRD01', 'CRD02'), key)).rejects.toMatchObject({
      type: 'forbidden',
    });
  });

  it('is answered while every partner is down', async () => {
    const key = randomUUID();
    const first = await post(key);
    desk.sandbox.faults.add({ partner: '*', kind: 'outage' });
    expect(await post(key)).toMatchObject({ status: 201, text: first.text });
  });

  it('is free again where the first request was refused', async () => {
    const key = randomUUID();
    expect(await post(key, orderOf('alone', { amountCents: 1 }))).toMatchObject({ status: 422 });
    expect(await post(key)).toMatchObject({ status: 201 });
  });

  it('makes one order however many requests carry it at once', async () => {
    const key = randomUUID();
    const before = await ordersIn();
    const answers = await Promise.all(Array.from({ length: 30 }, () => post(key)));
    expect(await ordersIn()).toBe(before + 1);
    const taken = answers.filter(({ status }) => status === 201);
    expect(new Set(taken.map(({ text }) => text)).size).toBe(1);
    expect(taken.filter(({ headers }) => !headers.has('idempotent-replayed'))).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      expect(answer).toMatchObject({ status: 409, body: { type: '/problems/request-in-progress' } });
      expect(answer.headers.get('retry-after')).toBe('1');
    }
  });

  it('is still running while the request that has it is', async () => {
    const key = randomUUID();
    await transaction(desk.db, async (tx) => {
      expect(await takeIdempotencyKey(tx, 'area-CRD01', key, new Date())).toEqual({ state: 'free' });
      expect(await post(key)).toMatchObject({ status: 409 });
    });
    expect(await post(key)).toMatchObject({ status: 201 });
  });

  it('that is answered while a twin asks the partners is replayed, and leaves no second order', async () => {
    const key = randomUUID();
    let first: string | undefined;
    const before = await ordersIn();
    const late = await placeOrder(
      {
        ...desk.parts.orders,
        // The other request is answered after this one found the key free: when it asks for the area's standards.
        partners: {
          ...desk.parts.partners,
          domains: async (call) => {
            first ??= (await post(key)).text;
            return desk.parts.partners.domains(call);
          },
        },
      },
      { principal: principalOf('area-CRD01'), requestId: 'req_test' },
      request,
      key,
    );
    expect(late).toMatchObject({ status: 201, body: first, replayed: true });
    expect(await ordersIn()).toBe(before + 1);
  });
});

describe('the insert of an order', () => {
  it('says no where the key was answered an instant ago, too late for the look at it', async () => {
    const key = randomUUID();
    const { body } = await post(key);
    const { rows } = await desk.db.query<{ pedido: OrderRequest; parametros: OrderTerms }>(
      'SELECT pedido, parametros FROM envelopes WHERE envelope_id = $1',
      [body.orderKey],
    );
    const [stored] = rows;
    if (!stored) throw new Error('expected the order that was just placed');
    const now = new Date();
    const inserted = await transaction(desk.db, (tx) =>
      insertOrders(tx, [
        {
          orderKey: newId('ord', now),
          request: stored.pedido,
          terms: stored.parametros,
          participants: 1,
          createdAt: now,
          decideBy: now,
          author: 'area-CRD01',
          requestId: 'req_test',
          answer: {
            owner: 'area-CRD01',
            key,
            bodyHash: 'other',
            status: 201,
            location: '',
            body: '',
            expiresAt: now,
          },
        },
      ]),
    );
    expect(inserted).toEqual([false]);
    expect((await post(key)).body.orderKey).toBe(body.orderKey);
  });
});

describe('after 24 hours', () => {
  it('a key is free: the same request is a new order', async () => {
    const key = randomUUID();
    const first = await post(key);
    await desk.db.query(`UPDATE chaves_idempotencia SET expira_em = now() WHERE chave = $1`, [key]);
    const second = await post(key, orderOf('alone', { amountCents: 1_000 }));
    expect(second.status).toBe(201);
    expect(second.body.orderKey).not.toBe(first.body.orderKey);
    expect(await post(key)).toMatchObject({ status: 422 });
  });

  it('answers are removed by the retention run, and no others', async () => {
    const [old, fresh] = [randomUUID(), randomUUID()];
    await Promise.all([post(old), post(fresh)]);
    const { rows } = await desk.db.query<{ hours: number }>(
      `SELECT round(extract(epoch FROM expira_em - now()) / 3600)::int AS hours FROM chaves_idempotencia WHERE chave = $1`,
      [fresh],
    );
    expect(rows).toEqual([{ hours: 24 }]);
    await desk.db.query(
      `UPDATE chaves_idempotencia SET expira_em = now() - interval '1 s' WHERE chave = $1`,
      [old],
    );
    await removeExpired(desk.parts);
    const { rows: left } = await desk.db.query<{ chave: string }>(
      'SELECT chave FROM chaves_idempotencia WHERE chave = ANY ($1)',
      [[old, fresh]],
    );
    expect(left).toEqual([{ chave: fresh }]);
  });
});

describe('an Idempotency-Key', () => {
  it.each([
    ['empty', ''],
    ['with a space', 'a b'],
    ['longer than 255 characters', 'k'.repeat(256)],
  ])('is refused where it is %s', async (_, key) => {
    expect(await post(key)).toMatchObject({ status: 422, body: { type: '/problems/validation-failed' } });
  });

  it('may be left out: then each request is an order', async () => {
    const [one, other] = [await desk.place(request), await desk.place(request)];
    expect(one.orderKey).not.toBe(other.orderKey);
  });
});
