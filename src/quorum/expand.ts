import type { Vector } from './minimal-vectors.ts';

/** Sorted ranks. */
export type RankSet = readonly number[];

/** The order of the contract for sets of one size or weight: element by element. */
export const compareSets = (a: RankSet, b: RankSet): number => {
  const both = Math.min(a.length, b.length);
  for (let i = 0; i < both; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
};

/**
 * The first `limit` sets that the vectors stand for, by weight and then element by element. `members` are the
 * people of each class, `weights` what one of them adds.
 */
export const firstSets = (
  vectors: readonly Vector[],
  members: readonly RankSet[],
  weights: ArrayLike<number>,
  limit: number,
): number[][] => {
  const starts = vectors
    .map((vector) => ({ vector, weight: weigh(vector, weights), first: firstSet(vector, members) }))
    .sort((a, b) => a.weight - b.weight || compareSets(a.first, b.first))
    // Each vector has a set of its own at its place in this order, so no later vector has one of the first.
    .slice(0, limit);
  const sets: number[][] = [];
  for (let at = 0; at < starts.length && sets.length < limit; ) {
    const weight = starts[at]?.weight;
    let best: number[][] = [];
    const wanted = limit - sets.length;
    for (; starts[at]?.weight === weight; at++) {
      const start = starts[at];
      if (!start) break;
      const last = best.length < wanted ? undefined : best[wanted - 1];
      if (last && compareSets(start.first, last) > 0) continue;
      best = best.concat(setsOf(start.vector, members, wanted, last));
      best.sort(compareSets);
      best.length = Math.min(best.length, wanted);
    }
    sets.push(...best);
  }
  return sets;
};

/** How many sets the vectors stand for; infinity when that is more than 2^53 − 1. */
export const countSets = (vectors: readonly Vector[], members: readonly RankSet[]): number => {
  let total = 0;
  for (const vector of vectors) {
    let ways = 1;
    for (let i = 0; i < vector.length; i += 2) {
      ways *= choose(members[vector[i] ?? 0]?.length ?? 0, vector[i + 1] ?? 0);
      if (ways > Number.MAX_SAFE_INTEGER) return Number.POSITIVE_INFINITY;
    }
    total += ways;
    if (total > Number.MAX_SAFE_INTEGER) return Number.POSITIVE_INFINITY;
  }
  return total;
};

const weigh = (vector: Vector, weights: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < vector.length; i += 2) sum += (weights[vector[i] ?? 0] ?? 0) * (vector[i + 1] ?? 0);
  return sum;
};

const firstSet = (vector: Vector, members: readonly RankSet[]): number[] => {
  const set: number[] = [];
  for (let i = 0; i < vector.length; i += 2) {
    set.push(...(members[vector[i] ?? 0]?.slice(0, vector[i + 1]) ?? []));
  }
  return set.sort((a, b) => a - b);
};

/** The first sets of one vector in order, up to `most` of them and up to `last`. */
const setsOf = (
  vector: Vector,
  members: readonly RankSet[],
  most: number,
  last: RankSet | undefined,
): number[][] => {
  const open = new Map<number, number>();
  const spare = new Map<number, number>();
  const people: { rank: number; own: number }[] = [];
  let size = 0;
  for (let i = 0; i < vector.length; i += 2) {
    const [own, count] = [vector[i] ?? 0, vector[i + 1] ?? 0];
    const ranks = members[own] ?? [];
    open.set(own, count);
    spare.set(own, ranks.length - count);
    size += count;
    for (const rank of ranks) people.push({ rank, own });
  }
  people.sort((a, b) => a.rank - b.rank);
  const sets: number[][] = [];
  const chosen: number[] = [];
  const choosePerson = (at: number): boolean => {
    if (chosen.length === size) {
      if (last && compareSets(chosen, last) > 0) return false;
      sets.push([...chosen]);
      return sets.length < most;
    }
    const person = people[at];
    if (!person) return true;
    const { rank, own } = person;
    const wanted = open.get(own) ?? 0;
    if (wanted > 0) {
      open.set(own, wanted - 1);
      chosen.push(rank);
      const goOn = choosePerson(at + 1);
      chosen.pop();
      open.set(own, wanted);
      if (!goOn) return false;
    }
    const left = spare.get(own) ?? 0;
    if (wanted > 0 && left === 0) return true;
    spare.set(own, left - 1);
    const goOn = choosePerson(at + 1);
    spare.set(own, left);
    return goOn;
  };
  choosePerson(0);
  return sets;
};

/** Binomial coefficient; infinity when it is more than 2^53 − 1. */
const choose = (from: number, count: number): number => {
  const steps = Math.min(count, from - count);
  let ways = 1;
  for (let i = 1; i <= steps; i++) {
    const product = ways * (from - i + 1);
    // The quotient may be small enough where the product before it is not.
    if (product > Number.MAX_SAFE_INTEGER) return chooseOfMany(from, steps);
    ways = product / i;
  }
  return ways;
};

const chooseOfMany = (from: number, count: number): number => {
  let ways = 1n;
  for (let i = 1; i <= count; i++) {
    ways = (ways * BigInt(from - i + 1)) / BigInt(i);
    if (ways > MOST) return Number.POSITIVE_INFINITY;
  }
  return Number(ways);
};

const MOST = BigInt(Number.MAX_SAFE_INTEGER);
