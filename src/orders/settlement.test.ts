import { describe, expect, it } from 'vitest';
import type { QuorumInput } from '../quorum/contract.ts';
import { applySettlements, checkSettlements } from './settlement.ts';
import type { OrderView } from './view.ts';

const inputWith = (text: string): QuorumInput => ({
  at: '2026-11-22T12:00:00Z',
  act: { power: 'sign', amountCents: 100, channel: 'bankline' },
  requiresChannelAccess: false,
  groups: [{ id: 'A', members: [{ person: 'p1' }] }],
  rules: [
    {
      id: 'r1',
      version: 1,
      coverage: 'complete',
      power: 'sign',
      alternatives: [{ id: 'a1', requires: [{ group: 'A', min: 1 }] }],
    },
  ],
  people: [{ id: 'p1', reservations: [{ kind: 'other', text, powers: ['sign'] }] }],
});

const seen = inputWith('depende do conselho');

/** As much of an order as a review is held against. */
const order = {
  parties: [{ people: [{ id: 'p1', reasons: [{ code: 'other', reservation: 0 }] }] }],
} as unknown as OrderView;

const settled = (outcome: 'applies' | 'does_not_apply') => {
  const checked = checkSettlements(order, [seen], {
    reason: 'Lida a ata.',
    evidence: 'protocolo',
    settlements: [{ kind: 'reservation', party: 0, person: 'p1', reservation: 0, outcome }],
  });
  if (!('bound' in checked)) throw new Error(JSON.stringify(checked.violations));
  return checked.bound;
};

describe('a settled reservation', () => {
  it('holds the person back for the acts that it is about, or limits nothing', () => {
    expect(applySettlements(seen, settled('applies')).people[0]?.reservations).toEqual([
      { kind: 'suspended', powers: ['sign'] },
    ]);
    expect(applySettlements(seen, settled('does_not_apply')).people[0]?.reservations).toEqual([
      { kind: 'value_limit', maxCents: Number.MAX_SAFE_INTEGER, powers: ['sign'] },
    ]);
  });

  it('is open again where the partner now says something else in its place', () => {
    const now = inputWith('suspenso por decisão judicial');
    expect(applySettlements(now, settled('does_not_apply'))).toEqual(now);
  });
});
