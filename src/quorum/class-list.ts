import type { Classes, Counts } from './classes.ts';
import { compareSets, countSets, firstSets } from './expand.ts';
import type { Vector } from './minimal-vectors.ts';
import { findMinimalVectors, toVector } from './minimal-vectors.ts';
import { findAddition } from './search.ts';

export type ListRequest = {
  readonly classes: Classes;
  /** The classes with everyone apart, made when first asked for. */
  readonly apart: () => Classes;
  /** People who are there in any case, at no cost. */
  readonly base: readonly number[];
  /** People to choose from. */
  readonly candidates: readonly number[];
  /** By rank: what each adds to the weight of a set, which comes first in the order. */
  readonly weights: ArrayLike<number>;
  readonly limit: number;
  readonly steps: number;
  /** An addition that is known already. */
  readonly known?: Counts;
};

export type Listed = {
  readonly sets: number[][];
  /** A lower bound unless `totalExact`. */
  readonly total: number;
  readonly totalExact: boolean;
  /** The sets are proven to be the first. */
  readonly orderExact: boolean;
};

/** Vectors beyond this are not worth their memory. */
const MOST_VECTORS = 3000;

/**
 * The first minimal additions to `base`, by weight and then by ids. Over classes first; where these give too
 * many vectors, person by person, which finds the first ones in order without going through the others.
 */
export const listFirst = (request: ListRequest): Listed => {
  const { classes, base, candidates, limit } = request;
  const byClass = findMinimalVectors({
    classes,
    base: classes.count(base),
    candidates: classes.count(candidates),
    steps: { left: request.steps },
    most: MOST_VECTORS,
  });
  const isCandidate = new Set(candidates);
  const members = classes.members.map((ranks) => ranks.filter((rank) => isCandidate.has(rank)));
  // The people of a class are alike, in their weight too.
  const weights = classes.members.map(([rank = 0]) => request.weights[rank] ?? 1);
  if (byClass.complete) {
    const total = countSets(byClass.vectors, members);
    return {
      sets: firstSets(byClass.vectors, members, weights, limit),
      total: Math.min(total, Number.MAX_SAFE_INTEGER),
      totalExact: total <= Number.MAX_SAFE_INTEGER,
      orderExact: true,
    };
  }
  const personal = listByPerson(request);
  if (personal.orderExact && personal.sets.length === limit) {
    const total = Math.min(countSets(byClass.vectors, members), Number.MAX_SAFE_INTEGER);
    return { sets: personal.sets, total: Math.max(total, limit), totalExact: false, orderExact: true };
  }
  const vectors = withOthers(byClass.vectors, request);
  const sets = merge(personal.sets, firstSets(vectors, members, weights, limit), request);
  const total = Math.min(countSets(vectors, members), Number.MAX_SAFE_INTEGER);
  if (sets.length === 0) sets.push(...anySet(request, members, weights));
  return { sets, total: Math.max(total, sets.length), totalExact: false, orderExact: personal.orderExact };
};

/** An alternative may take this part of the steps. */
const SHARES = 8;

/** Adds an addition for each alternative, so that a list cut short is not one alternative's alone. */
const withOthers = (
  vectors: readonly Vector[],
  { classes, base, candidates, steps }: ListRequest,
): readonly Vector[] => {
  const byKey = new Map(vectors.map((vector) => [vector.join(' '), vector]));
  const [there, open] = [classes.count(base), classes.count(candidates)];
  let left = steps;
  for (const alternative of classes.alternatives) {
    if (left <= 0) break;
    const share = { left: Math.ceil(steps / SHARES) };
    left -= share.left;
    const found = findAddition(classes, there, open, share, [alternative]);
    // Steps used up: it may not be minimal.
    if (!found || share.left <= 0) continue;
    left += share.left;
    const vector = toVector(found);
    byKey.set(vector.join(' '), vector);
  }
  return [...byKey.values()];
};

/** One set at least, where neither way came to its first: there is a coalition, and one is to be shown. */
const anySet = (
  { classes, base, candidates, steps, known }: ListRequest,
  members: readonly (readonly number[])[],
  weights: readonly number[],
): number[][] => {
  const one = known ?? findAddition(classes, classes.count(base), classes.count(candidates), { left: steps });
  return one ? firstSets([toVector(one)], members, weights, 1) : [];
};

const listByPerson = (request: ListRequest): { sets: number[][]; orderExact: boolean } => {
  const { base, candidates, limit, weights } = request;
  const apart = request.apart();
  const { vectors, complete, hasFirst } = findMinimalVectors({
    classes: apart,
    base: apart.count(base),
    candidates: apart.count(candidates),
    steps: { left: request.steps },
    most: limit,
  });
  const ownWeights = apart.members.map(([rank = 0]) => weights[rank] ?? 1);
  const isUniform = candidates.every((rank) => weights[rank] === weights[candidates[0] ?? 0]);
  return {
    sets: firstSets(vectors, apart.members, ownWeights, limit),
    orderExact: complete || (hasFirst && isUniform),
  };
};

/** Two lists as one, in order and without repeats. */
const merge = (a: number[][], b: number[][], { weights, limit }: ListRequest): number[][] => {
  const weigh = (set: readonly number[]): number => set.reduce((sum, rank) => sum + (weights[rank] ?? 1), 0);
  const byKey = new Map([...a, ...b].map((set) => [set.join(' '), { set, weight: weigh(set) }]));
  return [...byKey.values()]
    .sort((x, y) => x.weight - y.weight || compareSets(x.set, y.set))
    .slice(0, limit)
    .map(({ set }) => set);
};
