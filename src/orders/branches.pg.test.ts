import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sandboxCases } from '../../sandbox/cases.ts';
import { type Desk, openDesk } from '../../test/services/desk.ts';

let desk: Desk;

beforeAll(async () => {
  desk = await openDesk();
});
afterAll(() => desk.close());

const byEnd = Object.groupBy(sandboxCases(), ({ expect: end }) =>
  'status' in end ? 'refused' : end.verdict,
);

describe('an order with quorum is completed', () => {
  it.each(byEnd.quorum ?? [])('$name', async ({ request }) => {
    const order = await desk.decide(request);
    expect(order).toMatchObject({
      status: 'completed',
      verdict: 'quorum',
      failureReason: null,
      waiting: null,
    });
    expect(order.parties.map(({ verdict }) => verdict)).toEqual(order.parties.map(() => 'quorum'));
  });
});

describe('an order without quorum fails with its reason', () => {
  it.each(byEnd.no_quorum ?? [])('$name', async ({ request, expect: end }) => {
    const order = await desk.decide(request);
    expect(order).toMatchObject({ status: 'failed', ...end, waiting: null });
  });
});

describe('an order that breaks a rule of the area is refused', () => {
  it.each(byEnd.refused ?? [])('$name', async ({ request }) => {
    const answer = await desk.call<{ type: string; violations: unknown[] }>('POST', '/v1/orders', {
      body: request,
    });
    expect(answer).toMatchObject({ status: 422, body: { type: '/problems/validation-failed' } });
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.body.violations.length).toBeGreaterThan(0);
  });

  it('and leaves nothing behind', async () => {
    const { rows } = await desk.db.query('SELECT count(*)::int AS n FROM envelopes');
    expect(rows).toEqual([{ n: (byEnd.quorum?.length ?? 0) + (byEnd.no_quorum?.length ?? 0) }]);
  });
});

describe('simulation decides as the order would be, and stores none', () => {
  const decided = sandboxCases().filter(({ expect: end }) => 'verdict' in end);

  it.each(decided)('$name', async ({ request, expect: end }) => {
    const answer = await desk.call('POST', '/v1/orders/simulate', { body: request });
    expect(answer).toMatchObject({ status: 200, body: { ...end, waiting: null } });
  });

  it('but the access is in the audit trail', async () => {
    const { rows } = await desk.db.query(
      `SELECT count(*)::int AS n, min(quem) AS quem, count(*) FILTER (WHERE requisicao LIKE 'req_%')::int AS with_id
       FROM trilha_auditoria WHERE acao = 'order.simulate'`,
    );
    expect(rows).toEqual([{ n: decided.length, quem: 'area-CRD01', with_id: decided.length }]);
  });
});
