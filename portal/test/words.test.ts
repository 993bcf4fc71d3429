import { describe, expect, it } from 'vitest';
import { areas } from '../../sandbox/areas.ts';
import { demoPeople } from '../../sandbox/demo-people.ts';
import { parseOrderRequest } from '../../src/orders/request.ts';
import { checkStandards } from '../../src/orders/standards.ts';
import { areaSchema } from '../../src/partners/parameters.ts';
import { problemTypes } from '../../src/platform/problem.ts';
import { parseReportRequest, reportKinds } from '../../src/reports/reports.ts';
import { archiveAge } from '../src/words/archive-age.ts';
import { problemWords } from '../src/words/problems.ts';
import { violationWords } from '../src/words/violations.ts';
import { kindAbout } from '../src/words/words.ts';

it('the age of the archive is told in words', () => {
  expect(['6mo', '1y', '90d', '1mo', '2y'].map(archiveAge)).toEqual([
    'seis meses',
    'um ano',
    '90 dias',
    'um mês',
    'dois anos',
  ]);
});

describe('problems', () => {
  /** Of links and bytes, which the portal never asks for by itself. */
  const elsewhere = ['unsupported-media-type', 'link-invalid', 'link-expired', 'range-not-satisfiable'];

  it('of every type of the API have words of their own', () => {
    const types = Object.keys(problemTypes).filter((type) => !elsewhere.includes(type));
    const unknown = types.filter(
      (type) => problemWords({ type, status: 400 }).title === 'O pedido não foi aceito',
    );
    expect(unknown).toEqual([]);
  });

  it('of other origin are told by their status', () => {
    expect(problemWords({ type: 'unknown', status: 502 }).title).toContain('indisponível');
    expect(problemWords({ type: 'unknown', status: 400 }).title).toBe('O pedido não foi aceito');
  });
});

const fallback = /^Valor não aceito/;

describe('violations', () => {
  const parameters = areaSchema.parse(areas[0]);
  const domains = { platforms: [], signatureMethods: [], powers: [] };
  const cpf = '52998224725';
  const bodies: Record<string, unknown>[] = [
    {},
    { requester: { type: 'company', document: '1' }, amountCents: null },
    { requester: { type: 'person', document: '1' }, amountCents: 1, power: '', platform: '', areaId: '' },
    {
      requester: { type: 'person', document: cpf },
      amountCents: 10 ** 12,
      guarantors: Array.from({ length: 6 }, () => ({ type: 'person', document: cpf })),
      callbackUrl: 'x',
      contractId: 'x'.repeat(65),
      requestedBy: '1',
      representatives: [{ document: cpf, name: '', email: 'x', phone: '1', party: '2' }],
      signing: [{ groups: [], rules: [] }],
      power: 'x',
      platform: 'x',
      signatureMethod: 'x',
    },
    {
      requester: { type: 'company', document: '12ABC34501DE35' },
      power: 'sign_receipt_term',
      amountCents: 100,
    },
    {
      requester: { type: 'company', document: '12ABC34501DE35' },
      power: 'sign_credit_contract',
      representatives: [],
      signing: [{ groups: [], rules: [{}] }],
    },
  ];

  it.each(bodies)('of an order %# are told in Portuguese', (body) => {
    const { request, violations } = parseOrderRequest(body);
    const all = [...violations, ...checkStandards(request, parameters, domains)];
    expect(all.length).toBeGreaterThan(0);
    expect(all.map(({ message }) => message).filter((text) => fallback.test(violationWords(text)))).toEqual(
      [],
    );
  });

  it('of a report are told in Portuguese', () => {
    const requests = [
      {},
      ...reportKinds.map(({ name: kind }) => ({ kind, format: 'csv' })),
      { kind: 'area-orders', format: 'pdf', from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' },
      { kind: 'area-orders', format: 'pdf', parameters: { areaId: '' }, status: 'X' },
    ];
    const all = requests.flatMap((request) => parseReportRequest(request).violations);
    expect(all.length).toBeGreaterThan(10);
    expect(all.map(({ message }) => message).filter((text) => fallback.test(violationWords(text)))).toEqual(
      [],
    );
  });

  it('that are new are shown as the API says them', () => {
    expect(violationWords('expected the moon')).toBe('Valor não aceito (expected the moon).');
  });
});

it('every kind of report is told what it is', () => {
  expect(reportKinds.map(({ name }) => name).filter((name) => !kindAbout[name])).toEqual([]);
});

it('the demo people cover each way of using the portal', () => {
  const all = new Set(demoPeople.flatMap(({ scopes }) => scopes));
  for (const scope of ['orders:read', 'orders:write', 'orders:review', 'reports:write'])
    expect(all).toContain(scope);
});
