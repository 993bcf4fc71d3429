import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FaultInput, FaultKind } from '../../sandbox/faults.ts';
import {
  type Desk,
  demo,
  eventually,
  isDecided,
  isWaiting,
  openDesk,
  orderOf,
} from '../../test/services/desk.ts';

let desk: Desk;

beforeAll(async () => {
  desk = await openDesk({ env: { PARTNERS_TIMEOUT_MS: '5000' } });
});
afterAll(() => desk.close());

const messagesOf = async (orderKey: string): Promise<unknown[]> => {
  const { rows } = await desk.db.query<{ corpo: string }>(
    'SELECT corpo FROM mensagens WHERE envelope_id = $1',
    [orderKey],
  );
  return rows.map(({ corpo }) => JSON.parse(corpo) as unknown);
};

const notificationsOf = (orderKey: string) =>
  desk.sandbox.notifications().filter(({ idempotencyKey }) => idempotencyKey.startsWith(orderKey));

/** Has a partner fail until the end of the block, or until `end`. */
const spoil = (fault: FaultInput): Disposable & { end: () => void } => {
  const { id } = desk.sandbox.faults.add(fault);
  const end = (): void => desk.sandbox.faults.remove(id);
  return { end, [Symbol.dispose]: end };
};

const askedFor = (key: string) => desk.sandbox.calls.snapshot(demo(key).company.cnpj).company;

describe.each(['powers', 'registry'] as const)('while the partner %s is down', (partner) => {
  it('orders wait for it, and finish by themselves once it is back', async () => {
    using outage = spoil({ partner, kind: 'outage' });
    const placed = await Promise.all(['joint', 'alone', 'half'].map((key) => desk.place(orderOf(key))));
    for (const { orderKey } of placed)
      expect(await desk.until(orderKey, isWaiting)).toMatchObject({
        status: 'processing',
        verdict: 'undetermined',
        failureReason: null,
        waiting: { reason: 'waiting_partner', partner },
      });
    outage.end();
    const ended = await Promise.all(placed.map(({ orderKey }) => desk.until(orderKey, isDecided)));
    expect(ended.map(({ verdict, failureReason }) => [verdict, failureReason])).toEqual([
      ['quorum', null],
      ['quorum', null],
      ['no_quorum', 'no_grouping'],
    ]);
    for (const { orderKey, timeline } of ended) {
      expect(timeline.map(({ type }) => type)).toEqual(['order_created', 'waiting', 'decided']);
      expect(await messagesOf(orderKey)).toHaveLength(1);
    }
  });
});

describe('an answer that is none', () => {
  const spoiled: [FaultKind, string][] = [
    ['malformed', 'joint'],
    ['html', 'alone'],
    ['wrong_shape', 'some_reserved'],
    ['cut', 'valid_mandate'],
    ['oversized', 'reserved_for_other_acts'],
    ['timeout', 'both_groups_cumulative'],
    ['error', 'all_of_group'],
    ['throttle', 'majority'],
  ];

  it.concurrent.each(spoiled)(
    'of powers (%s) leaves the order waiting, and never reads as "no quorum"',
    async (kind, key) => {
      using fault = spoil({ partner: 'powers', kind, company: demo(key).company.cnpj });
      const { orderKey } = await desk.place(orderOf(key));
      expect(await desk.until(orderKey, isWaiting)).toMatchObject({
        status: 'processing',
        waiting: { reason: 'waiting_partner', partner: 'powers' },
      });
      fault.end();
      expect(await desk.until(orderKey, isDecided)).toMatchObject({ verdict: 'quorum' });
    },
  );
});

describe('a missing answer', () => {
  it('of the registry leaves the order waiting, and powers are not asked again', async () => {
    const company = demo('not_the_requester').company.cnpj;
    const asker = { requestedBy: demo('not_the_requester').cpf('aprova') };
    using fault = spoil({ partner: 'registry', kind: 'html', company });
    const { orderKey } = await desk.place(orderOf('not_the_requester', asker));
    expect(await desk.until(orderKey, isWaiting)).toMatchObject({
      waiting: { reason: 'waiting_partner', partner: 'registry' },
    });
    fault.end();
    expect(await desk.until(orderKey, isDecided)).toMatchObject({ verdict: 'quorum' });
    expect(askedFor('not_the_requester')).toMatchObject({ powers: 1 });
  });

  it('does not hold up an order that another party has already decided', async () => {
    const company = demo('alone').company.cnpj;
    using _ = spoil({ partner: 'powers', kind: 'html', company });
    const order = await desk.decide(
      orderOf('no_representatives', { guarantors: [{ type: 'company', document: company }] }),
    );
    expect(order).toMatchObject({ verdict: 'no_quorum', failureReason: 'no_representatives' });
  });
});

describe('while people is down', () => {
  it('orders are decided, and their participants notified once each when it is back', async () => {
    using outage = spoil({ partner: 'people', kind: 'outage' });
    // A company of whom no contacts are in the cache yet.
    const order = await desk.decide(orderOf('value_limit', { amountCents: 10_000_000 }));
    expect(order).toMatchObject({ status: 'completed', verdict: 'quorum' });
    expect(order.parties[0]?.people[0]).toMatchObject({ name: 'Leandro Pinto', email: null, phone: null });
    expect(notificationsOf(order.orderKey)).toEqual([]);

    outage.end();
    const sent = await eventually('the notification', async () => {
      const found = notificationsOf(order.orderKey);
      return found.length > 0 ? found : undefined;
    });
    expect(sent).toEqual([
      expect.objectContaining({
        idempotencyKey: `${order.orderKey}:${order.parties[0]?.people[0]?.id}`,
        requests: 1,
        body: expect.objectContaining({ ordem_id: order.orderKey, modelo: 'signature_requested' }),
      }),
    ]);
    const later = await desk.order(order.orderKey);
    expect(later.parties[0]?.people[0]?.email).toMatch(/^l\*\*\*@/);
    const { rows } = await desk.db.query(
      `SELECT parceiro FROM evidencias WHERE envelope_id = $1 AND parceiro = 'people'`,
      [order.orderKey],
    );
    expect(rows).toHaveLength(1);
  });
});

describe('the participants of an order with quorum', () => {
  it('are notified once each: the enabled ones, and no one else', async () => {
    const order = await desk.decide(orderOf('some_reserved'));
    const enabled = order.parties[0]?.people.filter((person) => person.enabled) ?? [];
    await eventually('the notifications', async () =>
      notificationsOf(order.orderKey).length === enabled.length ? true : undefined,
    );
    expect(notificationsOf(order.orderKey).map(({ idempotencyKey }) => idempotencyKey)).toEqual(
      enabled.map(({ id }) => `${order.orderKey}:${id}`),
    );
  });

  it('are notified once where the answer of the partner is lost', async () => {
    desk.sandbox.faults.add({ partner: 'notifications', kind: 'lost_answer', times: 2 });
    const { orderKey } = await desk.decide(orderOf('alone'));
    const [sent] = await eventually('a repeated request', async () => {
      const found = notificationsOf(orderKey);
      return (found[0]?.requests ?? 0) >= 3 ? found : undefined;
    });
    expect(notificationsOf(orderKey)).toHaveLength(1);
    expect(sent?.requests).toBe(3);
  });

  it('are not notified where there is no quorum, or where the area wants none', async () => {
    const failed = await desk.decide(orderOf('half'));
    const as = await desk.token('CTA01', 'orders:read orders:write');
    const quiet = await desk.decide(
      { ...orderOf('alone', { areaId: 'CTA01', power: 'open_account' }), amountCents: null },
      { as },
    );
    for (const { orderKey } of [failed, quiet]) {
      const { rows } = await desk.db.query(
        `SELECT id FROM pgboss.job WHERE name = 'notification' AND data->>'orderKey' = $1`,
        [orderKey],
      );
      expect(rows).toEqual([]);
    }
  });
});

describe("while the area's standards can't be read", () => {
  it.each(['parameters', 'domains'] as const)(
    '(%s down) an order is not taken: 503, try again',
    async (partner) => {
      const cold = await openDesk({ worker: false });
      try {
        cold.sandbox.faults.add({ partner, kind: 'outage' });
        const answer = await cold.call<{ type: string; detail: string }>('POST', '/v1/orders', {
          body: orderOf('alone'),
        });
        expect(answer).toMatchObject({ status: 503, body: { type: '/problems/partner-unavailable' } });
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
        expect(answer.body.detail).toContain(partner);
        expect(answer.text).not.toMatch(/127\.0\.0\.1|ECONN|socket/);
        const { rows } = await cold.db.query('SELECT 1 FROM envelopes');
        expect(rows).toEqual([]);
      } finally {
        await cold.close();
      }
    },
  );
});
