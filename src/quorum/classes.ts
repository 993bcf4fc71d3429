import type { Problem } from './findings.ts';
import type { Network, Scratch } from './network.ts';
import { newNetwork, newScratch } from './network.ts';
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
  const live: Live[] = [];
  problem.alternatives.forEach((alternative, index) => {
    if (isPossible(alternative)) live.push({ alternative, index });
  });
  const { asked, traits } = traitsOf(problem, live);
  const own = apart ? asked.map((isAsked, rank) => (isAsked ? rank : NOBODY)) : partition(asked, traits);
  if (!apart) for (const { alternative } of live) splitByPairs(own, alternative.notTogether);
  const { classOf, members } = numbered(own);
  const count = (ranks: readonly number[]): Counts => {
    const counts = noCounts(members.length);
    for (const rank of ranks) {
      const at = classOf[rank] ?? NOBODY;
      if (at !== NOBODY) counts[at] = (counts[at] ?? 0) + 1;
    }
    return counts;
  };
  const scratch = newScratch(members.length);
  return {
    members,
    alternatives: live.map(({ alternative, index }) => toClasses(alternative, index, classOf, scratch)),
    everyone: members.map((ranks) => ranks.length),
    count,
  };
};

type Live = { readonly alternative: Alternative; readonly index: number };

const isPossible = ({ possible, mandatory, excluded, notTogether }: Alternative): boolean => {
  if (!possible || mandatory.includes(excluded)) return false;
  if (mandatory.length < 2) return true;
  for (let i = 0; i < notTogether.length; i += 2) {
    if (mandatory.includes(notTogether[i] ?? 0) && mandatory.includes(notTogether[i + 1] ?? 0)) return false;
  }
  return true;
};

/** By rank, who is asked for by an alternative at all, and what tells one person from another, pairs aside. */
const traitsOf = (problem: Problem, live: readonly Live[]): { asked: boolean[]; traits: string[][] } => {
  const signed = new Set(problem.signed ?? []);
  const uncertain = new Set(problem.uncertain);
  const asked: boolean[] = new Array(problem.people).fill(false);
  const traits = asked.map((_, rank) => [
    `${problem.repairs[rank]}${signed.has(rank) ? 's' : ''}${uncertain.has(rank) ? 'u' : ''}`,
  ]);
  const groups = new Set<readonly number[]>();
  for (const { alternative, index } of live) {
    for (const { members } of alternative.requires) groups.add(members);
    for (const rank of alternative.mandatory) {
      asked[rank] = true;
      traits[rank]?.push(`m${index}`);
    }
    if (alternative.excluded !== NOBODY) traits[alternative.excluded]?.push(`x${index}`);
  }
  let groupIndex = 0;
  for (const members of groups) {
    for (const rank of members) {
      asked[rank] = true;
      traits[rank]?.push(`g${groupIndex}`);
    }
    groupIndex += 1;
  }
  return { asked, traits };
};

/** By rank, the first rank with the same traits; nobody for people who are not asked for. */
const partition = (asked: readonly boolean[], traits: readonly string[][]): number[] => {
  const firstByTraits = new Map<string, number>();
  return traits.map((own, rank) => {
    if (!asked[rank]) return NOBODY;
    const key = own.join(' ');
    const first = firstByTraits.get(key) ?? rank;
    firstByTraits.set(key, first);
    return first;
  });
};

/** Tells people of one class apart who may not sign with the same people. Those on their own need no look. */
const splitByPairs = (own: number[], notTogether: ArrayLike<number>): void => {
  if (notTogether.length === 0) return;
  const sizes = new Map<number, number>();
  for (const first of own) sizes.set(first, (sizes.get(first) ?? 0) + 1);
  const isShared = own.map((first) => first !== NOBODY && (sizes.get(first) ?? 0) > 1);
  const others: number[][] = [];
  for (let i = 0; i < notTogether.length; i += 2) {
    const a = notTogether[i] ?? 0;
    const b = notTogether[i + 1] ?? 0;
    if (own[a] === NOBODY || own[b] === NOBODY) continue;
    if (isShared[a]) addTo(others, a, b);
    if (isShared[b]) addTo(others, b, a);
  }
  const firstByKey = new Map<string, number>();
  for (let rank = 0; rank < own.length; rank++) {
    if (!isShared[rank]) continue;
    const key = `${own[rank]}:${sortedUnique(others[rank] ?? []).join(' ')}`;
    const first = firstByKey.get(key) ?? rank;
    firstByKey.set(key, first);
    own[rank] = first;
  }
};

/** In place: with hundreds of thousands of pairs a copy of each list would be felt. */
const sortedUnique = (ranks: number[]): number[] => {
  ranks.sort((a, b) => a - b);
  let kept = 0;
  for (let i = 0; i < ranks.length; i++) {
    const rank = ranks[i] ?? 0;
    if (i > 0 && rank === ranks[i - 1]) continue;
    ranks[kept] = rank;
    kept += 1;
  }
  ranks.length = kept;
  return ranks;
};

/** Numbers the classes in the order of their first ranks. */
const numbered = (own: readonly number[]): { classOf: number[]; members: number[][] } => {
  const members: number[][] = [];
  const classOf: number[] = [];
  own.forEach((first, rank) => {
    if (first === NOBODY) classOf.push(NOBODY);
    else if (first === rank) {
      classOf.push(members.length);
      members.push([rank]);
    } else {
      const known = classOf[first] ?? NOBODY;
      classOf.push(known);
      members[known]?.push(rank);
    }
  });
  return { classOf, members };
};

const toClasses = (
  alternative: Alternative,
  index: number,
  classOf: readonly number[],
  scratch: Scratch,
): ClassAlternative => {
  const { distinct, excluded } = alternative;
  const classes = scratch.used.length;
  const classAt = (rank: number): number => classOf[rank] ?? NOBODY;
  const conflicts = conflictsOf(alternative, classAt, classes);
  const slots = mergeSlots(alternative).map(({ ranks, need }) => ({
    need,
    classes: [...new Set(ranks.filter((rank) => rank !== excluded).map(classAt))],
  }));
  return {
    index,
    distinct,
    mandatory: [...new Set(alternative.mandatory.map(classAt))].sort((a, b) => a - b),
    conflicts,
    network: newNetwork(classes, slots, conflicts, distinct, scratch),
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
  { notTogether }: Alternative,
  classAt: (rank: number) => number,
  classes: number,
): Conflicts | undefined => {
  if (notTogether.length === 0) return undefined;
  const paired: number[][] = [];
  for (let i = 0; i < notTogether.length; i += 2) {
    const a = classAt(notTogether[i] ?? 0);
    const b = classAt(notTogether[i + 1] ?? 0);
    // A pair with somebody nobody asks for can never be inside a minimal set.
    if (a === NOBODY || b === NOBODY) continue;
    addTo(paired, a, b);
    addTo(paired, b, a);
  }
  if (paired.length === 0) return undefined;
  const conflicts: (readonly number[])[] = [];
  for (let own = 0; own < classes; own++) {
    const others = paired[own];
    conflicts.push(others ? sortedUnique(others) : NOBODY_ELSE);
  }
  return conflicts;
};

/** Most people are in no pair, and there may be thousands of alternatives: a list is made for who needs one. */
const addTo = (lists: number[][], own: number, other: number): void => {
  const list = lists[own];
  if (list) list.push(other);
  else lists[own] = [other];
};

const NOBODY_ELSE: readonly number[] = [];
