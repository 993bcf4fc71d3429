import type {
  Alternative,
  Group,
  Membership,
  Person,
  QuorumInput,
  Requirement,
  Reservation,
  Rule,
} from '../../src/quorum/contract.ts';
import type { Random } from './random.ts';

const POWERS = ['sign', 'sign', 'sign', 'sign', 'sign', 'sign', 'pay'];
const CHANNELS = ['bankline', 'app'];
const PRODUCTS = ['credit', 'fx'];
// Few instants, so that equal ones, and ones equal to the instant of the decision, come up often.
const INSTANTS = [
  '2025-01-01T00:00:00-03:00',
  '2026-03-01T00:00:00Z',
  '2026-11-22T12:00:00-03:00',
  '2026-11-22T15:00:00.250Z',
  '2026-12-31T23:59:59-03:00',
  '2027-06-01T00:00:00+02:00',
];
const AMOUNTS = [0, 1, 100, 5_000, 10_000];

/** A valid input with all the contract's constructs mixed, for `people` people at most. */
export const randomCase = (random: Random, mostPeople = 8): QuorumInput => {
  const ids = random.shuffle(
    ['p1', 'p10', 'p2', 'Z', 'é', 'a', 'p9', '\u{1F600}', '\uFFFD', 'b', 'c', 'd'].slice(0, 12),
  );
  const people = ids
    .slice(0, Math.min(mostPeople, 2 + random.below(mostPeople)))
    .map((id) => randomPerson(random, id));
  const names = people.map(({ id }) => id);
  const groups = ['A', 'B', 'C', 'D']
    .slice(0, 1 + random.below(4))
    .map((id) => randomGroup(random, id, names));
  const requester = random.chance(0.4) ? random.pick([...names, 'stranger']) : undefined;
  const rules = Array.from({ length: random.chance(0.05) ? 0 : 1 + random.below(3) }, (_, index) =>
    randomRule(random, `r${index}`, names, groups, requester !== undefined),
  );
  return {
    at: random.pick(INSTANTS.slice(1, 5)),
    act: {
      power: 'sign',
      amountCents: random.chance(0.2) ? null : random.pick(AMOUNTS),
      channel: random.pick(CHANNELS),
      ...(random.chance(0.6) && { product: random.pick(PRODUCTS) }),
    },
    ...(random.chance(0.2) && { context: { party: 'x', nested: [1, 0.5, { 'a/b': null }] } }),
    ...(requester !== undefined && { requester }),
    requiresChannelAccess: random.chance(0.5),
    ...(random.chance(0.1) && { unavailable: random.chance(0.5) ? ['rules'] : ['groups', 'rules'] }),
    ...(random.chance(0.5) && { signed: random.shuffle(random.some(names, 0.4)) }),
    groups,
    rules,
    people,
    ...(random.chance(0.2) && { limit: 1 + random.below(5) }),
  };
};

const randomPerson = (random: Random, id: string): Person => ({
  id,
  ...(random.chance(0.9) && {
    operator: random.chance(0.08)
      ? null
      : { active: random.chance(0.93), accountAccess: random.chance(0.93) },
  }),
  ...(random.chance(0.35) && {
    reservations: Array.from({ length: random.below(3) }, () => randomReservation(random)),
  }),
});

const randomReservation = (random: Random): Reservation => {
  const scope = {
    ...(random.chance(0.4) && { powers: random.some(['sign', 'pay'], 0.5) }),
    ...(random.chance(0.4) && { channels: random.some(CHANNELS, 0.5) }),
    ...(random.chance(0.4) && { products: random.some(PRODUCTS, 0.5) }),
  };
  switch (random.below(8)) {
    case 0:
      return { kind: 'suspended', ...scope };
    case 1:
    case 2:
      return { kind: 'other', text: 'only together with the board', ...scope };
    case 3:
    case 4:
    case 5:
      return { kind: 'value_limit', maxCents: random.pick(AMOUNTS), ...scope };
    default:
      return { kind: 'validity', ...randomSpan(random), ...scope };
  }
};

const randomSpan = (random: Random): { from?: string | null; to?: string | null } => {
  const start = random.below(INSTANTS.length - 1);
  const end = start + 1 + random.below(INSTANTS.length - start - 1);
  return {
    ...(random.chance(0.5) && { from: random.chance(0.2) ? null : (INSTANTS[start] ?? null) }),
    ...(random.chance(0.5) && { to: random.chance(0.2) ? null : (INSTANTS[end] ?? null) }),
  };
};

const randomGroup = (random: Random, id: string, people: readonly string[]): Group => {
  const members: Membership[] = [];
  for (const person of random.some(people, random.chance(0.1) ? 0.1 : random.pick([0.5, 0.7, 0.9]))) {
    if (random.chance(0.8)) members.push({ person });
    else if (random.chance(0.5)) members.push({ person, ...randomSpan(random) });
    else {
      const middle = random.pick(INSTANTS.slice(1, 5));
      members.push({ person, to: middle }, { person, from: middle });
    }
  }
  return { id, members: random.shuffle(members) };
};

const randomRule = (
  random: Random,
  id: string,
  people: readonly string[],
  groups: readonly Group[],
  hasRequester: boolean,
): Rule => {
  const forbids = random.chance(0.07);
  const unread = random.chance(forbids ? 0.5 : 0.07);
  const least = random.pick(AMOUNTS);
  return {
    id,
    version: 1 + random.below(3),
    ...((forbids || random.chance(0.3)) && { effect: forbids ? 'forbid' : 'permit' }),
    coverage: unread ? 'unknown' : 'complete',
    power: random.pick(POWERS),
    ...(random.chance(0.4) && { channels: random.chance(0.5) ? [] : random.some(CHANNELS, 0.8) }),
    ...(random.chance(0.2) && { products: random.chance(0.5) ? [] : random.some(PRODUCTS, 0.8) }),
    ...(random.chance(0.2) && randomSpan(random)),
    ...(random.chance(0.25) && {
      band: {
        ...(random.chance(0.7) && { minCents: random.chance(0.2) ? null : least }),
        ...(random.chance(0.7) && {
          maxCents: random.chance(0.2) ? null : least + random.pick([1, 100, 9_000]),
        }),
      },
    }),
    ...(!forbids &&
      !unread && {
        alternatives: Array.from({ length: random.below(4) }, (_, index) =>
          randomAlternative(random, `a${index}`, people, groups, hasRequester),
        ),
      }),
  };
};

const randomAlternative = (
  random: Random,
  id: string,
  people: readonly string[],
  groups: readonly Group[],
  hasRequester: boolean,
): Alternative => {
  const mandatory = random.chance(0.3) ? random.shuffle(random.some(people, 0.25)) : [];
  const fewest = mandatory.length > 0 ? 0 : 1;
  const requires = Array.from(
    { length: fewest + random.below(4 - fewest) },
    (): Requirement => ({
      group: random.pick(groups).id,
      min: random.chance(0.12)
        ? 'all'
        : random.chance(0.12)
          ? 'majority'
          : 1 + random.below(random.pick([1, 2, 2, 2, 4])),
    }),
  );
  const pairs = random.chance(0.4) && people.length > 1 ? randomPairs(random, people) : undefined;
  return {
    id,
    ...((requires.length > 0 || random.chance(0.5)) && { requires }),
    ...(random.chance(0.5) && { counting: random.chance(0.5) ? 'cumulative' : 'distinct' }),
    ...((mandatory.length > 0 || random.chance(0.2)) && { mandatory }),
    ...(pairs && { notTogether: pairs }),
    ...(hasRequester && random.chance(0.5) && { excludesRequester: random.chance(0.8) }),
  };
};

const randomPairs = (random: Random, people: readonly string[]): [string, string][] =>
  Array.from({ length: 1 + random.below(5) }, () => {
    const [a, b] = random.shuffle(people);
    return [a ?? '', b ?? ''];
  });
