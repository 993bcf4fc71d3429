import type { Problem } from './findings.ts';
import type { Network } from './network.ts';
import { newNetwork } from './network.ts';
import { NOBODY } from './prepare.ts';
import type { Alternative } from './rules.ts';

/**
 * People who stand in the same groups, pairs and lists, with the same state, are interchangeable: any of them
 * does where one does. They form a class, and sets of people become vectors of how many of each class, of
 * which there are far fewer.
 */
export type Classes = {
  /** Ranks by class, sorted; classes are in the order of their first rank. */
  readonly members: readonly (readonly number[])[];
  readonly alternatives: readonly ClassAlternative[];
  /** By class, how many there are. */
  readonly everyone: Counts;
  /** By class, how many of the ranks are in it. */
  readonly count: (ranks: readonly number[]) => Counts;
};

export type Conflicts = readonly (readonly number[])[];

/**
 * How many people of each class. Plain arrays: typed ones of this size live outside the heap, and searches make
 * and drop them by the hundred thousand.
 */
export type Counts = number[];

/** Nobody of any class. */
export const noCounts = (classes: number): Counts => new Array(classes).fill(0);

/** An alternative that somebody could satisfy, over classes. */
export type ClassAlternative = {
  /** Its place among the alternatives of the problem. */
  readonly index: number;
  readonly distinct: boolean;
  /** Classes of mandatory people: all of each are. */
  readonly mandatory: readonly number[];
  /** By class, the classes whose people cannot sign with its own; undefined when there are no pairs. */
  readonly conflicts: Conflicts | undefined;
  /** Which classes fill which requirements; the excluded requester fills none. */
  readonly network: Network;
};

/** `apart` makes everyone a class of one: more vectors, but then their order is the order of the sets. */
export const newClasses = (problem: Problem, apart = false): Classes => {
  const possible = problem.alternatives.map((alternative) => isPossible(alternative));
  const live = problem.alternatives.flatMap((alternative, index) =>
    possible[index] ? [{ alternative, index }] : [],
  );
  const traits = traitsOf(problem, live);
  const classByTrait = new Map<string, number>();
  const members: number[][] = [];
  const classOf = new Int32Array(problem.people).fill(NOBODY);
  traits.forEach((trait, rank) => {
    // Nobody asks for this person.
    if (trait.length === STATE_TRAITS) return;
    const key = apart ? String(rank) : trait.join(' ');
    const known = classByTrait.get(key) ?? members.length;
    classByTrait.set(key, known);
    classOf[rank] = known;
    const own = members[known];
    if (own) own.push(rank);
    else members.push([rank]);
  });
  const count = (ranks: readonly number[]): Counts => {
    const counts = noCounts(members.length);
    for (const rank of ranks) {
      const own = classOf[rank] ?? NOBODY;
      if (own !== NOBODY) counts[own] = (counts[own] ?? 0) + 1;
    }
    return counts;
  };
  return {
    members,
    alternatives: live.map(({ alternative, index }) => toClasses(alternative, index, classOf, members)),
    everyone: members.map((ranks) => ranks.length),
    count,
  };
};

const isPossible = ({ possible, mandatory, excluded, notTogether }: Alternative): boolean =>
  possible &&
  !mandatory.includes(excluded) &&
  !notTogether.some(([a, b]) => mandatory.includes(a) && mandatory.includes(b));

/** Every person has these traits; who has no others is asked for by no alternative. */
const STATE_TRAITS = 1;

/** By rank, all that tells one person from another. */
const traitsOf = (
  problem: Problem,
  live: readonly { alternative: Alternative; index: number }[],
): string[][] => {
  const signed = new Set(problem.signed ?? []);
  const uncertain = new Set(problem.uncertain);
  const traits = Array.from({ length: problem.people }, (_, rank) => [
    `${problem.repairs[rank]}${signed.has(rank) ? 's' : ''}${uncertain.has(rank) ? 'u' : ''}`,
  ]);
  const asked = new Uint8Array(problem.people);
  const groups = new Set<readonly number[]>();
  for (const { alternative } of live) {
    for (const { members } of alternative.requires) groups.add(members);
    for (const rank of alternative.mandatory) asked[rank] = 1;
  }
  let groupIndex = 0;
  for (const members of groups) {
    for (const rank of members) {
      asked[rank] = 1;
      traits[rank]?.push(`g${groupIndex}`);
    }
    groupIndex += 1;
  }
  for (const { alternative, index } of live) {
    for (const rank of alternative.mandatory) traits[rank]?.push(`m${index}`);
    if (alternative.excluded !== NOBODY && asked[alternative.excluded]) {
      traits[alternative.excluded]?.push(`x${index}`);
    }
    for (const [a, b] of sortedPairs(alternative)) {
      if (!asked[a] || !asked[b]) continue;
      traits[a]?.push(`${index}-${b}`);
      traits[b]?.push(`${index}-${a}`);
    }
  }
  return traits;
};

// In one order and once each, so that equal sets of pairs read as equal traits.
const sortedPairs = ({ notTogether }: Alternative): (readonly [number, number])[] => {
  const pairs = new Map<number, readonly [number, number]>();
  for (const [a, b] of notTogether) {
    const pair = a < b ? ([a, b] as const) : ([b, a] as const);
    pairs.set(pair[0] * 1024 + pair[1], pair);
  }
  return [...pairs.entries()].sort(([a], [b]) => a - b).map(([, pair]) => pair);
};

const toClasses = (
  alternative: Alternative,
  index: number,
  classOf: Int32Array,
  members: readonly (readonly number[])[],
): ClassAlternative => {
  const { distinct, excluded } = alternative;
  const classAt = (rank: number): number => classOf[rank] ?? NOBODY;
  const conflicts = conflictsOf(alternative, classAt, members.length);
  const slots = mergeSlots(alternative).map(({ ranks, need }) => ({
    need,
    classes: [...new Set(ranks.filter((rank) => rank !== excluded).map(classAt))],
  }));
  return {
    index,
    distinct,
    mandatory: [...new Set(alternative.mandatory.map(classAt))].sort((a, b) => a - b),
    conflicts,
    network: newNetwork(members.length, slots, conflicts, distinct),
  };
};

/** Requirements of the same group: with different people for each, they add up; else the larger has the other. */
const mergeSlots = ({ requires, distinct }: Alternative): { ranks: readonly number[]; need: number }[] => {
  const needByGroup = new Map<readonly number[], number>();
  for (const { members, need } of requires) {
    const before = needByGroup.get(members) ?? 0;
    needByGroup.set(members, distinct ? before + need : Math.max(before, need));
  }
  return [...needByGroup].map(([ranks, need]) => ({ ranks, need }));
};

const conflictsOf = (
  alternative: Alternative,
  classAt: (rank: number) => number,
  classes: number,
): Conflicts | undefined => {
  const found = new Map<number, Set<number>>();
  const add = (from: number, to: number): void => {
    const known = found.get(from);
    if (known) known.add(to);
    else found.set(from, new Set([to]));
  };
  for (const [a, b] of alternative.notTogether) {
    const [first, second] = [classAt(a), classAt(b)];
    // A pair with somebody nobody asks for can never be inside a minimal set.
    if (first === NOBODY || second === NOBODY) continue;
    add(first, second);
    add(second, first);
  }
  if (found.size === 0) return undefined;
  return Array.from({ length: classes }, (_, own) => {
    const others = found.get(own);
    return others ? [...others].sort((a, b) => a - b) : NO_CLASSES;
  });
};

const NO_CLASSES: readonly number[] = [];
