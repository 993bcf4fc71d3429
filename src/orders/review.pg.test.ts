import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { undeterminedCases } from '../../sandbox/cases.ts';
import {
  type Answer,
  type Desk,
  eventually,
  isDecided,
  isWaiting,
  openDesk,
  orderOf,
} from '../../test/services/desk.ts';
import { transaction } from '../platform/postgres.ts';
import type { OrderView } from './view.ts';

let desk: Desk;
let reviewer: string;

beforeAll(async () => {
  desk = await openDesk();
  reviewer = await desk.token('CRD01', 'orders:read orders:review');
});
afterAll(() => desk.close());

type Refusal = { type: string; violations: { pointer: string; message: string }[] };

const reason = 'Lida a ata da assembleia de 3 de março.';
const evidence = 'protocolo 2026-000123';

const review = <Body = OrderView>(
  { orderKey }: { orderKey: string },
  settlements: object[],
  as = reviewer,
): Promise<Answer<Body>> =>
  desk.call<Body>('POST', `/v1/orders/${orderKey}/review`, { as, body: { reason, evidence, settlements } });

const waitingOrder = async (key: string, change: object = {}): Promise<OrderView> =>
  desk.until((await desk.place(orderOf(key, change))).orderKey, isWaiting);

const personOf = (order: OrderView) => order.parties[0]?.people[0]?.id ?? 'nobody';

describe('an order that no rule can decide waits, and says for what', () => {
  it.each(undeterminedCases())('$name', async ({ request, reason: why }) => {
    const order = await desk.until((await desk.place(request)).orderKey, isWaiting);
    expect(order).toMatchObject({
      status: 'processing',
      verdict: 'undetermined',
      failureReason: null,
      waiting: { reason: why, partner: why === 'waiting_partner' ? 'powers' : null },
      decidedAt: null,
      certificate: null,
    });
    expect(order.timeline.map(({ type }) => type)).toEqual(['order_created', 'waiting']);
  });
});

describe('a review settles what is uncertain, and the order is decided again', () => {
  it.each([
    ['does_not_apply', { status: 'completed', verdict: 'quorum', failureReason: null }],
    ['applies', { status: 'failed', verdict: 'no_quorum', failureReason: 'all_reserved' }],
  ])('a reservation in words that %s', async (outcome, end) => {
    const order = await waitingOrder('other_reservation');
    const answer = await review(order, [
      { kind: 'reservation', party: 0, person: personOf(order), reservation: 0, outcome },
    ]);
    expect(answer.status).toBe(202);
    expect(await desk.until(order.orderKey, isDecided)).toMatchObject(end);
  });

  const readText = [{ id: 'ata', requires: [{ group: 'A', min: 1 }] }];
  const asksForTwo = [{ id: 'ata', requires: [{ group: 'A', min: 2 }] }];

  it.each([
    ['lets one sign', { outcome: 'applies', alternatives: readText }, { verdict: 'quorum' }],
    ['asks for two', { outcome: 'applies', alternatives: asksForTwo }, { failureReason: 'no_grouping' }],
    ['does not concern the act', { outcome: 'does_not_apply' }, { failureReason: 'no_rule' }],
  ])('a rule whose text %s', async (_, settlement, end) => {
    const order = await waitingOrder('unread_rule');
    const answer = await review(order, [{ kind: 'rule', party: 0, rule: 'regra-1', ...settlement }]);
    expect(answer.status).toBe(202);
    expect(await desk.until(order.orderKey, isDecided)).toMatchObject(end);
  });

  it.each([
    ['applies', { failureReason: 'forbidden' }],
    ['does_not_apply', { verdict: 'quorum' }],
  ])('a restriction in words that %s', async (outcome, end) => {
    const order = await waitingOrder('unread_restriction');
    await review(order, [{ kind: 'rule', party: 0, rule: 'regra-2', outcome }]);
    expect(await desk.until(order.orderKey, isDecided)).toMatchObject(end);
  });

  it('keeps who, why and on what evidence, in table, timeline and audit trail', async () => {
    const order = await waitingOrder('other_reservation');
    await review(order, [
      { kind: 'reservation', party: 0, person: personOf(order), reservation: 0, outcome: 'does_not_apply' },
    ]);
    const decided = await desk.until(order.orderKey, isDecided);
    expect(decided.timeline.map(({ type, by }) => [type, by])).toEqual([
      ['order_created', 'area-CRD01'],
      ['waiting', 'lastro'],
      ['reviewed', 'staff-CRD01'],
      ['decided', 'lastro'],
    ]);
    const { rows: reviews } = await desk.db.query(
      'SELECT autor, motivo, evidencia FROM revisoes WHERE envelope_id = $1',
      [order.orderKey],
    );
    expect(reviews).toEqual([{ autor: 'staff-CRD01', motivo: reason, evidencia: evidence }]);
    const { rows: audit } = await desk.db.query(
      `SELECT quem FROM trilha_auditoria WHERE recurso = $1 AND acao = 'order.review'`,
      [order.orderKey],
    );
    expect(audit).toEqual([{ quem: 'staff-CRD01' }]);
  });

  it('needs each party settled: one settled doubt of two leaves the order waiting', async () => {
    const order = await waitingOrder('other_reservation', {
      guarantors: [orderOf('unread_restriction').requester],
    });
    await review(order, [
      { kind: 'reservation', party: 0, person: personOf(order), reservation: 0, outcome: 'does_not_apply' },
    ]);
    const half = await desk.until(order.orderKey, ({ parties }) => parties[0]?.verdict === 'quorum');
    expect(half).toMatchObject({ status: 'processing', waiting: { reason: 'needs_review' } });
    await review(order, [{ kind: 'rule', party: 1, rule: 'regra-2', outcome: 'does_not_apply' }]);
    expect(await desk.until(order.orderKey, isDecided)).toMatchObject({ verdict: 'quorum' });
  });
});

describe('a review is refused', () => {
  it('from the one who created the order', async () => {
    const staff = await desk.token('CRD01', 'orders:read orders:write orders:review');
    const { orderKey } = await desk.place(orderOf('other_reservation'), { as: staff });
    const order = await desk.until(orderKey, isWaiting);
    const settlement = { kind: 'reservation', party: 0, person: personOf(order), reservation: 0 };
    expect(await review(order, [{ ...settlement, outcome: 'does_not_apply' }], staff)).toMatchObject({
      status: 403,
      body: { type: '/problems/second-person-required' },
    });
  });

  it('of an order that is decided', async () => {
    const order = await desk.decide(orderOf('alone'));
    const settlement = { kind: 'rule', party: 0, rule: 'regra-1', outcome: 'does_not_apply' };
    expect(await review(order, [settlement])).toMatchObject({
      status: 409,
      body: { type: '/problems/conflict' },
    });
  });

  it('of an order that is cancelled while the review is read, and leaves no trace', async () => {
    const order = await waitingOrder('unread_restriction');
    const { answer } = await transaction(desk.db, async (tx) => {
      await tx.query('SELECT FROM envelopes WHERE envelope_id = $1 FOR UPDATE', [order.orderKey]);
      const asked = review(order, [{ kind: 'rule', party: 0, rule: 'regra-2', outcome: 'does_not_apply' }]);
      await eventually('the review to wait for the order', async () => {
        const { rowCount } = await desk.db.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND query LIKE '%INSERT INTO revisoes%'`,
        );
        return rowCount === 1 ? true : undefined;
      });
      await tx.query(
        `UPDATE envelopes SET status_envelope = 'falha', motivo_falha = 'cancelada', motivo_espera = NULL,
           parceiro_esperado = NULL, decidido_em = now() WHERE envelope_id = $1`,
        [order.orderKey],
      );
      // In an object: returned by itself, the transaction would wait for it, and it for the transaction.
      return { answer: asked };
    });
    expect(await answer).toMatchObject({ status: 409, body: { type: '/problems/conflict' } });
    const { rowCount } = await desk.db.query('SELECT FROM revisoes WHERE envelope_id = $1', [order.orderKey]);
    expect(rowCount).toBe(0);
    expect((await desk.order(order.orderKey)).timeline.map(({ type }) => type)).not.toContain('reviewed');
  });

  it.each([
    [
      'a party that is not there',
      { kind: 'rule', party: 3, rule: 'regra-1', outcome: 'does_not_apply' },
      '/settlements/0/party',
    ],
    [
      'a rule that could be read',
      { kind: 'rule', party: 0, rule: 'regra-1', outcome: 'does_not_apply' },
      '/settlements/0/rule',
    ],
    [
      'a rule that is not there',
      { kind: 'rule', party: 0, rule: 'regra-9', outcome: 'does_not_apply' },
      '/settlements/0/rule',
    ],
    [
      'alternatives for a rule that does not apply',
      {
        kind: 'rule',
        party: 0,
        rule: 'regra-2',
        outcome: 'does_not_apply',
        alternatives: [{ id: 'a', mandatory: ['x'] }],
      },
      '/settlements/0/alternatives',
    ],
    [
      'a person who is not there',
      { kind: 'reservation', party: 0, person: 'pes_0', reservation: 0, outcome: 'applies' },
      '/settlements/0',
    ],
  ])('where it names %s', async (_, settlement, pointer) => {
    const order = await waitingOrder('unread_restriction');
    const answer = await review<Refusal>(order, [settlement]);
    expect(answer).toMatchObject({ status: 422, body: { type: '/problems/validation-failed' } });
    expect(answer.body.violations.map((violation) => violation.pointer)).toEqual([pointer]);
  });

  it.each([
    ['nothing', undefined, '/settlements/0/alternatives'],
    [
      'a group that is not there',
      [{ id: 'ata', requires: [{ group: 'Z', min: 1 }] }],
      '/settlements/0/alternatives/0/requires/0/group',
    ],
    ['nobody', [{ id: 'ata' }], '/settlements/0/alternatives/0'],
    [
      'a stranger',
      [{ id: 'ata', mandatory: ['pes_00000000000000000000'] }],
      '/settlements/0/alternatives/0/mandatory/0',
    ],
  ])('where the text is read as %s: what is taken can be decided', async (_, alternatives, pointer) => {
    const order = await waitingOrder('unread_rule');
    const answer = await review<Refusal>(order, [
      { kind: 'rule', party: 0, rule: 'regra-1', outcome: 'applies', alternatives },
    ]);
    expect(answer.status).toBe(422);
    expect(answer.body.violations.map((violation) => violation.pointer)).toEqual([pointer]);
    expect(await desk.order(order.orderKey)).toMatchObject({ status: 'processing' });
  });

  it('where it settles one doubt twice', async () => {
    const order = await waitingOrder('unread_restriction');
    const settlement = { kind: 'rule', party: 0, rule: 'regra-2' };
    const answer = await review<Refusal>(order, [
      { ...settlement, outcome: 'applies' },
      { ...settlement, outcome: 'does_not_apply' },
    ]);
    expect(answer.body.violations.map(({ pointer }) => pointer)).toEqual(['/settlements/1']);
  });

  it('without a reason, with every fault of its form at once', async () => {
    const order = await waitingOrder('unread_rule');
    const answer = await desk.call<Refusal>('POST', `/v1/orders/${order.orderKey}/review`, {
      as: reviewer,
      body: { reason: 'ok', evidence: 'a\u0000b', settlements: [{ kind: 'guess' }] },
    });
    expect(answer.status).toBe(422);
    expect(answer.body.violations.map(({ pointer }) => pointer)).toEqual([
      '/reason',
      '/evidence',
      '/settlements/0/kind',
    ]);
  });
});
