import { describe, expect, it } from 'vitest';
import { checkDeclaredSigning } from '../../src/orders/declared-signing.ts';
import { parseOrderRequest } from '../../src/orders/request.ts';
import { reviewSchema } from '../../src/orders/review.ts';
import { parseReportRequest, reportKinds } from '../../src/reports/reports.ts';
import type { AreaStandards } from '../src/api/openapi.ts';
import {
  companiesOf,
  emptyOrder,
  type NewOrderState,
  nextId,
  orderBody,
} from '../src/pages/new-order-form.ts';
import { orderQuery } from '../src/pages/order-query.ts';
import { reportBody, reportStateOf } from '../src/pages/report-form.ts';
import { doubtsOf, emptyReview, reviewBody } from '../src/pages/review-form.ts';

const standards: AreaStandards = {
  areaId: 'CRD01',
  name: 'Crédito',
  active: true,
  platforms: [{ key: 'bankline', name: 'Bankline' }],
  signatureMethods: [{ key: 'digital', name: 'Digital' }],
  powers: [
    { key: 'consulted', name: 'Consultado', consultsPowers: true },
    { key: 'declared', name: 'Declarado', consultsPowers: false },
  ],
  requesterTypes: ['company', 'person'],
  amount: { required: true, minCents: null, maxCents: null },
  guarantors: { min: 0, max: 5 },
  maxRepresentatives: 20,
  callbackAllowed: true,
};

const filled: NewOrderState = {
  ...emptyOrder('CRD01'),
  platform: 'bankline',
  signatureMethod: 'digital',
  power: 'consulted',
  amount: '125.000,00',
  requester: { id: 0, type: 'company', document: '12.abc.345/01de-35' },
};

describe('a new order', () => {
  it('is a request that the API can read', () => {
    const { body, violations } = orderBody(filled, standards);
    expect(violations).toEqual([]);
    expect(body).toEqual({
      areaId: 'CRD01',
      platform: 'bankline',
      signatureMethod: 'digital',
      power: 'consulted',
      amountCents: 12_500_000,
      requester: { type: 'company', document: '12ABC34501DE35' },
      guarantors: [],
    });
    expect(parseOrderRequest(body).violations).toEqual([]);
  });

  it('has no amount where none is written, and tells one that can not be read', () => {
    expect(orderBody({ ...filled, amount: ' ' }, standards)).toMatchObject({
      body: { amountCents: null },
      violations: [],
    });
    expect(orderBody({ ...filled, amount: '1.5' }, standards).violations).toEqual([
      { pointer: '/amountCents', message: 'not an amount' },
    ]);
  });

  it('declares who signs only where the area does not consult powers', () => {
    const person = {
      id: 1,
      party: '',
      document: '529.982.247-25',
      name: ' Ana ',
      email: '',
      phone: '(11) 98888-7777',
    };
    const state: NewOrderState = {
      ...filled,
      power: 'declared',
      guarantors: [{ id: 1, type: 'company', document: '11.222.333/0001-81' }],
      representatives: [
        person,
        { ...person, id: 2, party: '11222333000181', document: '111.444.777-35', email: 'b@x.example' },
      ],
      signers: { '11222333000181': 'all' },
    };
    const { body } = orderBody(state, standards);
    expect(body.representatives).toEqual([
      { document: '52998224725', name: 'Ana', party: '12ABC34501DE35', phone: '11988887777' },
      {
        document: '11144477735',
        name: 'Ana',
        party: '11222333000181',
        email: 'b@x.example',
        phone: '11988887777',
      },
    ]);
    const parsed = parseOrderRequest(body);
    expect(parsed.violations).toEqual([]);
    expect(checkDeclaredSigning(parsed.request)).toEqual([]);
    expect(orderBody({ ...state, power: 'consulted' }, standards).body.signing).toBeUndefined();
  });

  it('has each company once, and ids that no item has', () => {
    const guarantors = [
      { id: 3, type: 'company' as const, document: '12ABC34501DE35' },
      { id: 1, type: 'person' as const, document: '52998224725' },
    ];
    expect(companiesOf({ ...filled, guarantors })).toEqual(['12ABC34501DE35']);
    expect(nextId(guarantors)).toBe(4);
    expect(nextId([])).toBe(1);
  });
});

describe('a review', () => {
  const party = (doubts: unknown[]) => ({ doubts }) as never;
  const doubts = doubtsOf({
    parties: [
      party([
        { kind: 'reservation', person: 'pes_1', reservation: 0, text: 'x' },
        { kind: 'rule', rule: 'regra-2', version: 1, effect: 'permit', groups: ['A', 'B'] },
      ]),
      party([{ kind: 'rule', rule: 'regra-2', version: 1, effect: 'forbid', groups: [] }]),
    ],
  });
  const [reservation, rule, prohibition] = doubts.map(({ key }) => key);

  it('says only what was answered', () => {
    const body = reviewBody(doubts, {
      ...emptyReview,
      answers: {
        [reservation ?? '']: { outcome: 'open', requires: [] },
        [prohibition ?? '']: { outcome: 'applies', requires: [{ id: 1, group: 'A', min: '1' }] },
      },
      reason: '  Li o contrato social. ',
      evidence: 'protocolo 1',
    });
    expect(body).toEqual({
      reason: 'Li o contrato social.',
      evidence: 'protocolo 1',
      settlements: [{ kind: 'rule', party: 1, rule: 'regra-2', outcome: 'applies' }],
    });
    expect(reviewSchema.safeParse(body).success).toBe(true);
  });

  it('says who signs by a rule that permits', () => {
    const requires = [
      { id: 1, group: 'A', min: '2' },
      { id: 2, group: 'B', min: 'majority' },
    ];
    const body = reviewBody(doubts, {
      answers: { [rule ?? '']: { outcome: 'applies', requires } },
      reason: 'Li o contrato.',
      evidence: 'x',
    });
    expect(body.settlements).toEqual([
      {
        kind: 'rule',
        party: 0,
        rule: 'regra-2',
        outcome: 'applies',
        alternatives: [
          {
            id: 'revisada',
            requires: [
              { group: 'A', min: 2 },
              { group: 'B', min: 'majority' },
            ],
          },
        ],
      },
    ]);
    expect(reviewSchema.safeParse(body).success).toBe(true);
  });
});

describe('a report', () => {
  const kind = (name: string) => {
    const found = reportKinds.find((one) => one.name === name);
    return found && { ...found, parameters: [...found.parameters], columns: [...found.columns] };
  };
  const asked = (query: string, change: object = {}) => {
    const state = { ...reportStateOf(new URLSearchParams(query)), purpose: 'Auditoria', ...change };
    return reportBody(state, kind(state.kind));
  };

  it('begins with what the link to it says', () => {
    expect(asked('kind=order-participants&orderId=ord_1')).toMatchObject({
      kind: 'order-participants',
      parameters: { orderId: 'ord_1' },
    });
  });

  it('has whole days of São Paulo, the last one too', () => {
    expect(asked('kind=area-orders&areaId=CRD01&de=2026-01-01&ate=2026-01-31')).toMatchObject({
      from: '2026-01-01T00:00:00-03:00',
      to: '2026-02-01T00:00:00-03:00',
    });
  });

  it('sends what its kind and format take, and no more', () => {
    expect(asked('kind=area-orders&areaId=CRD01&orderId=x', { format: 'csv' })).toEqual({
      kind: 'area-orders',
      parameters: { areaId: 'CRD01' },
      format: 'csv',
      options: { separator: ';', bom: true },
      purpose: 'Auditoria',
    });
    expect(asked('kind=area-orders&areaId=CRD01', { flat: true }).options).toEqual({});
    expect(asked('kind=order-rules&orderId=x', { flat: true }).options).toEqual({ json: 'flat' });
  });

  it.each(reportKinds.map(({ name }) => name))('%s can be read by the API', (name) => {
    const parameters =
      'areaId=CRD01&contractId=c&clientId=529.982.247-25&requesterId=r&participantId=p&orderId=o';
    const { purpose: _, ...request } = asked(`kind=${name}&${parameters}`);
    expect(parseReportRequest(request).violations).toEqual([]);
  });

  it('takes the punctuation out of documents, and leaves other keys of clients alone', () => {
    expect(asked('kind=client-orders&clientId=529.982.247-25').parameters).toEqual({
      clientId: '52998224725',
    });
    expect(asked('kind=client-orders&clientId=cli_00-1').parameters).toEqual({ clientId: 'cli_00-1' });
  });
});

it('the list of orders asks what its address says', () => {
  expect(orderQuery(new URLSearchParams('situacao=failed&de=2026-01-01&ate=2026-01-01&area=CRD01'))).toEqual({
    limit: 25,
    areaId: 'CRD01',
    status: 'failed',
    from: '2026-01-01T00:00:00-03:00',
    to: '2026-01-02T00:00:00-03:00',
  });
  expect(orderQuery(new URLSearchParams('situacao=nada'))).toEqual({ limit: 25 });
});
