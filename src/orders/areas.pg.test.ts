import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoPeople } from '../../sandbox/demo-people.ts';
import { type Desk, isWaiting, openDesk, orderOf } from '../../test/services/desk.ts';
import type { AreaStandards, Areas } from './areas.ts';
import type { OrderSummary } from './view.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk();
});
afterAll(() => desk.close());

const standards = async (area: string, as: string) =>
  desk.call<AreaStandards & { type: string }>('GET', `/v1/areas/${area}/standards`, { as });

describe('the areas of a token', () => {
  it('are named once the desk knows them', async () => {
    const as = await desk.token('CRD02', 'orders:read orders:write');
    expect((await desk.call<Areas>('GET', '/v1/areas', { as })).body).toEqual({
      items: [{ areaId: 'CRD02', name: null }],
      all: false,
    });
    await desk.decide(orderOf('alone', { areaId: 'CRD02' }), { as });
    expect((await desk.call<Areas>('GET', '/v1/areas', { as })).body.items).toEqual([
      { areaId: 'CRD02', name: 'Crédito Rural' },
    ]);
  });

  it('are all where the token says so, of which those are listed that were used', async () => {
    const as = await desk.token('*', 'orders:read');
    const { body } = await desk.call<Areas>('GET', '/v1/areas', { as });
    expect(body).toMatchObject({ all: true });
    expect(body.items.map(({ areaId }) => areaId)).toContain('CRD02');
  });
});

describe("an area's standards", () => {
  it('have the names of the domains, and only what the area allows', async () => {
    const { status, body } = await standards('CAM01', await desk.token('CAM01', 'orders:read'));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      areaId: 'CAM01',
      name: 'Câmbio',
      active: true,
      platforms: [{ key: 'bankline', name: expect.any(String) }],
      signatureMethods: [{ key: 'digital', name: expect.any(String) }],
      powers: [{ key: 'close_fx_contract', name: expect.any(String), consultsPowers: true }],
      requesterTypes: ['company'],
      amount: { required: true, minCents: 100, maxCents: 5_000_000_000 },
      guarantors: { min: 0, max: 0 },
      callbackAllowed: false,
    });
  });

  it('say which acts need the representatives to be declared', async () => {
    const { body } = await standards('CRD01', await desk.token('CRD01', 'orders:read'));
    const declared = body.powers.filter(({ consultsPowers }) => !consultsPowers);
    expect(declared.map(({ key }) => key)).toEqual(['sign_receipt_term']);
  });

  it('are not told of other areas, nor of areas that are not there', async () => {
    expect((await standards('CRD01', await desk.token('CRD02', 'orders:read'))).status).toBe(403);
    expect((await standards('XXX99', await desk.token('*', 'orders:read'))).status).toBe(404);
  });

  it('are unavailable, not absent, while the partner is', async () => {
    desk.sandbox.faults.add({ partner: 'parameters', kind: 'error' });
    try {
      const { status, body } = await standards('CTA01', await desk.token('CTA01', 'orders:read'));
      expect([status, body.type]).toEqual([503, '/problems/partner-unavailable']);
    } finally {
      desk.sandbox.faults.remove();
    }
  });
});

describe('what a reviewer has to see', () => {
  it('is what can be settled, with its text, and what the order rests on', async () => {
    const reservation = await desk.until(
      (await desk.place(orderOf('other_reservation'))).orderKey,
      isWaiting,
    );
    const [doubt] = reservation.parties[0]?.doubts ?? [];
    expect(doubt).toMatchObject({ kind: 'reservation', text: expect.stringMatching(/\w/) });
    expect(reservation.parties[0]?.people.map(({ id }) => id)).toContain(
      doubt?.kind === 'reservation' && doubt.person,
    );
    const rule = await desk.until((await desk.place(orderOf('unread_rule'))).orderKey, isWaiting);
    expect(rule.parties[0]?.doubts).toMatchObject([{ kind: 'rule', effect: 'permit' }]);
    expect(rule.evidence.map(({ partner }) => partner)).toContain('powers');
    expect(rule.evidence[0]?.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(new Date(rule.evidence[0]?.receivedAt ?? '').getTime()).toBeGreaterThan(0);
  });

  it('is nothing where the decision is not open', async () => {
    const decided = await desk.decide(orderOf('joint'));
    expect(decided.parties[0]?.doubts).toEqual([]);
  });

  it('is listed by what is waited for', async () => {
    type Page = { items: OrderSummary[] };
    const { body } = await desk.call<Page>('GET', '/v1/orders?waiting=needs_review');
    expect(body.items.length).toBeGreaterThanOrEqual(2);
    expect(new Set(body.items.map(({ waiting }) => waiting?.reason))).toEqual(new Set(['needs_review']));
    const partner = await desk.call<Page>('GET', '/v1/orders?waiting=waiting_partner');
    expect(partner.body.items).toEqual([]);
    const everywhere = await desk.token('*', 'orders:read');
    const all = await desk.call<Page>('GET', '/v1/orders?waiting=needs_review', { as: everywhere });
    expect(all.body.items).toEqual(body.items);
  });
});

it('the demo people are of areas that the sandbox has', async () => {
  for (const area of new Set(demoPeople.flatMap(({ areas }) => areas)))
    expect(
      (await standards(area === '*' ? 'CRD01' : area, await desk.token('*', 'orders:read'))).status,
    ).toBe(200);
});
