import type { Alternative, QuorumInput, Rule } from '../../src/quorum/contract.ts';
import type { Random } from './random.ts';

export type LargeCase = {
  people: number;
  groups: number;
  rules?: number;
  alternatives?: number;
  /** Requirements of each alternative; all groups when absent. */
  requirements?: number;
  mostMin?: number;
  /** Chance that a person is in a group; without it everyone is in exactly one. */
  overlap?: number;
  /** Pairs that may not sign together, for each alternative. */
  pairs?: number;
  counting?: 'distinct' | 'cumulative';
  signed?: number;
  /** Chance that a person is suspended. */
  blocked?: number;
};

/** A case with many people, for which every person has an id in the order of the numbers. */
export const largeCase = (random: Random, shape: LargeCase): QuorumInput => {
  const ids = Array.from({ length: shape.people }, (_, i) => `p${String(i).padStart(3, '0')}`);
  const groups = Array.from({ length: shape.groups }, (_, index) => ({
    id: `g${index}`,
    members: ids
      .filter((_, i) =>
        shape.overlap === undefined ? i % shape.groups === index : random.chance(shape.overlap),
      )
      .map((person) => ({ person })),
  }));
  const newAlternative = (index: number): Alternative => ({
    id: `a${index}`,
    counting: shape.counting ?? 'distinct',
    requires: random
      .shuffle(groups)
      .slice(0, shape.requirements ?? shape.groups)
      .map(({ id }) => ({ group: id, min: 1 + random.below(shape.mostMin ?? 4) })),
    ...(shape.pairs !== undefined && { notTogether: randomPairs(random, ids, shape.pairs) }),
  });
  const newRule = (index: number): Rule => ({
    id: `r${index}`,
    version: 1,
    coverage: 'complete',
    power: 'sign',
    alternatives: Array.from({ length: shape.alternatives ?? 1 }, (_, i) => newAlternative(i)),
  });
  return {
    at: '2026-11-22T12:00:00-03:00',
    act: { power: 'sign', amountCents: null, channel: 'bankline' },
    requiresChannelAccess: false,
    ...(shape.signed !== undefined && { signed: ids.slice(0, shape.signed) }),
    groups,
    rules: Array.from({ length: shape.rules ?? 1 }, (_, i) => newRule(i)),
    people: ids.map((id) => ({
      id,
      reservations: random.chance(shape.blocked ?? 0) ? [{ kind: 'suspended' as const }] : [],
    })),
  };
};

const randomPairs = (random: Random, ids: readonly string[], count: number): [string, string][] =>
  Array.from({ length: count }, () => {
    const first = random.below(ids.length);
    const second = (first + 1 + random.below(ids.length - 1)) % ids.length;
    return [ids[first] ?? '', ids[second] ?? ''];
  });
