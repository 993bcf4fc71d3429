import type { QuorumInput } from '../src/quorum/contract.ts';

const from = '2026-01-01T00:00:00-03:00';
const ids = Array.from({ length: 12 }, (_, i) => `p${String(i + 1).padStart(2, '0')}`);
const members = (...numbers: number[]) =>
  numbers.map((number) => ({ person: ids[number - 1] ?? '', from, to: null }));

/** The three bands of the typical case, `[minCents, maxCents)`. */
export const bands = [
  { minCents: 0, maxCents: 5_000_000 },
  { minCents: 5_000_000, maxCents: 20_000_000 },
  { minCents: 20_000_000, maxCents: null },
];

/** What each alternative of a band asks for, by group. */
export const alternatives = [
  { id: 'a1', mins: { A: 1, B: 1 } },
  { id: 'a2', mins: { A: 2 } },
  { id: 'a3', mins: { B: 1, C: 2 }, mandatory: 'p05' },
  { id: 'a4', mins: { C: 3 } },
] as const;

/** The contract's typical case: 12 people, 3 groups, 3 bands with 4 alternatives each; its verdict is quorum. */
export const typicalCase: QuorumInput = {
  at: '2026-11-22T12:00:00-03:00',
  act: { power: 'sign_credit_contract', amountCents: 12_500_000, channel: 'bankline', product: 'credit' },
  requester: 'p01',
  requiresChannelAccess: true,
  signed: ['p04'],
  groups: [
    { id: 'A', members: members(1, 2, 3, 4) },
    { id: 'B', members: members(4, 5, 6, 7) },
    { id: 'C', members: members(8, 9, 10, 11, 12) },
  ],
  rules: bands.map((band, index) => ({
    id: `r${index + 1}`,
    version: 1,
    coverage: 'complete',
    power: 'sign_credit_contract',
    channels: ['bankline'],
    products: [],
    from,
    to: null,
    band,
    alternatives: alternatives.map(({ id, mins, ...more }) => ({
      id,
      requires: Object.entries(mins).map(([group, min]) => ({ group, min })),
      ...('mandatory' in more && { mandatory: [more.mandatory] }),
    })),
  })),
  people: ids.map((id, index) => ({
    id,
    operator: { active: true, accountAccess: index !== 7 },
    reservations:
      index === 2
        ? [{ kind: 'value_limit', maxCents: 10_000_000 }]
        : index === 5
          ? [{ kind: 'validity', from: null, to: '2026-12-31T00:00:00-03:00' }]
          : [],
  })),
};
