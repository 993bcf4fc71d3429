import type {
  Alternative,
  Group,
  Person,
  QuorumInput,
  Requirement,
  Rule,
} from '../../src/quorum/contract.ts';

/** A person whom nothing holds back. */
export const eligible = (id: string): Person => ({
  id,
  operator: { active: true, accountAccess: true },
});

/** A group of people without dates. */
export const group = (id: string, ...people: string[]): Group => ({
  id,
  members: people.map((person) => ({ person })),
});

/** `group: min` for each requirement. */
export const requires = (mins: Record<string, Requirement['min']>): Requirement[] =>
  Object.entries(mins).map(([name, min]) => ({ group: name, min }));

/** A permitting rule for the power of `newCase`. */
export const rule = (id: string, alternatives: Alternative[], more: Partial<Rule> = {}): Rule => ({
  id,
  version: 1,
  coverage: 'complete',
  power: 'sign',
  alternatives,
  ...more,
});

/** A small valid case: p1 to p4 are eligible, and any one of them may sign. */
export const newCase = (more: Partial<QuorumInput> = {}): QuorumInput => ({
  at: '2026-11-22T12:00:00-03:00',
  act: { power: 'sign', amountCents: 100_000, channel: 'bankline', product: 'credit' },
  requiresChannelAccess: true,
  groups: [group('A', 'p1', 'p2', 'p3', 'p4')],
  rules: [rule('r1', [{ id: 'a1', requires: requires({ A: 1 }) }])],
  people: ['p1', 'p2', 'p3', 'p4'].map(eligible),
  ...more,
});
