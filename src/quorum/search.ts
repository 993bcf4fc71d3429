import type { ClassAlternative, Classes, Counts } from './classes.ts';
import { noCounts } from './classes.ts';
import type { Steps } from './network.ts';
import { canFill, filledBy } from './network.ts';

/** A set of people, as counts, that satisfies an alternative; 'none' when it is proven that there is no such set. */
export type Found = Counts | 'none' | 'unknown';

/**
 * Looks for a set inside `counts` that satisfies one of the alternatives. 'unknown' only for those with pairs,
 * each of which may use its share of the steps: a hard one does not hide that the next is easy.
 */
export const findSatisfying = (classes: Classes, counts: Counts, steps: Steps): Found => {
  let isOpen = false;
  let untried = classes.alternatives.length;
  for (const alternative of classes.alternatives) {
    const share = { left: Math.ceil(steps.left / untried) };
    untried -= 1;
    const before = share.left;
    const found = findInAlternative(classes, alternative, counts, share);
    steps.left -= before - share.left;
    if (found === 'unknown') isOpen = true;
    else if (found !== 'none') return found;
  }
  return isOpen ? 'unknown' : 'none';
};

/** The same for one alternative. */
export const findInAlternative = (
  classes: Classes,
  alternative: ClassAlternative,
  counts: Counts,
  steps: Steps,
): Found => {
  const { mandatory, conflicts, network } = alternative;
  for (const own of mandatory) if ((counts[own] ?? 0) < (classes.everyone[own] ?? 0)) return 'none';
  if (!conflicts) return canFill(network, counts, steps) ? takenFrom(classes, alternative, counts) : 'none';
  if (!canFill(network, counts, steps)) return 'none';
  const open = counts.slice();
  for (const own of mandatory) dropConflicting(alternative, own, open);
  return searchPairFree(classes, alternative, open, steps);
};

/** Empties the classes that may not sign with this one. */
export const dropConflicting = ({ conflicts }: ClassAlternative, own: number, counts: Counts): void => {
  for (const other of conflicts?.[own] ?? []) counts[other] = 0;
};

/**
 * Branches on a person (class) of a pair that the relaxed solution would take: either with it and without all
 * that it excludes, or without it. Each branch must still fill all slots with at most one of each clique.
 */
const searchPairFree = (
  classes: Classes,
  alternative: ClassAlternative,
  counts: Counts,
  steps: Steps,
): Found => {
  const stack: Counts[] = [counts];
  for (let open = stack.pop(); open; open = stack.pop()) {
    if (steps.left <= 0) return 'unknown';
    if (!canFill(alternative.network, open, steps)) continue;
    const taken = takenFrom(classes, alternative, open);
    const clash = worstClash(alternative, taken, open, steps);
    steps.left -= open.length;
    if (clash === undefined) return taken;
    const without = open.slice();
    without[clash] = 0;
    dropConflicting(alternative, clash, open);
    // The branch with the person is looked at first: it settles more.
    stack.push(without, open);
  }
  return 'none';
};

/** The class with the most conflicts still open, among those taken that clash; undefined when none does. */
const worstClash = (
  { conflicts }: ClassAlternative,
  taken: Counts,
  open: Counts,
  steps: Steps,
): number | undefined => {
  let worst: number | undefined;
  let most = 0;
  for (let own = 0; own < taken.length; own++) {
    if (taken[own] === 0) continue;
    const others = conflicts?.[own] ?? [];
    steps.left -= others.length;
    const clashes = (taken[own] ?? 0) > (open[own] ?? 0) || others.some((other) => (taken[other] ?? 0) > 0);
    if (!clashes) continue;
    let degree = 0;
    for (const other of others) if ((open[other] ?? 0) > 0) degree += 1;
    if (degree > most) {
      most = degree;
      worst = own;
    }
  }
  return worst;
};

/** A satisfying choice out of `counts`, which fill every slot: the last flow's, or each slot's first people. */
const takenFrom = (classes: Classes, alternative: ClassAlternative, counts: Counts): Counts => {
  const { network, mandatory } = alternative;
  const taken =
    network.distinct && !network.disjoint
      ? filledBy(network, counts.length)
      : takenBySlot(alternative, counts);
  for (const own of mandatory) taken[own] = classes.everyone[own] ?? 0;
  return taken;
};

const takenBySlot = ({ network, conflicts }: ClassAlternative, counts: Counts): Counts => {
  const { need, start, edgeClass } = network;
  const taken = noCounts(counts.length);
  const barred = new Uint8Array(counts.length);
  const sums = new Int32Array(need.length);
  for (let slot = 0; slot < need.length; slot++) {
    const [from, to] = [start[slot] ?? 0, start[slot + 1] ?? 0];
    for (let edge = from; edge < to; edge++)
      sums[slot] = (sums[slot] ?? 0) + (taken[edgeClass[edge] ?? 0] ?? 0);
    // First the people whom nobody taken excludes; only when they are too few, anyone.
    for (const anyone of [false, true]) {
      for (let edge = from; edge < to && (sums[slot] ?? 0) < (need[slot] ?? 0); edge++) {
        const own = edgeClass[edge] ?? 0;
        if (!anyone && barred[own] === 1) continue;
        const more = Math.min((counts[own] ?? 0) - (taken[own] ?? 0), (need[slot] ?? 0) - (sums[slot] ?? 0));
        if (more <= 0) continue;
        taken[own] = (taken[own] ?? 0) + more;
        sums[slot] = (sums[slot] ?? 0) + more;
        for (const other of conflicts?.[own] ?? []) barred[other] = 1;
      }
    }
  }
  return taken;
};

/**
 * An addition to `base` out of `candidates` with which one of the alternatives is satisfied; undefined when none
 * was found. It is minimal, over all alternatives, unless it used the steps up.
 */
export const findAddition = (
  classes: Classes,
  base: Counts,
  candidates: Counts,
  steps: Steps,
  alternatives: readonly ClassAlternative[] = classes.alternatives,
): Counts | undefined => {
  const reduce = (addition: Counts, find: (counts: Counts) => Found): Counts | undefined => {
    const found = find(addCounts(base, addition));
    if (typeof found === 'string') return undefined;
    // People of a class are alike, so those of the base are taken first.
    return found.map((count, own) => Math.max(0, count - (base[own] ?? 0)));
  };
  // Within one alternative first, which is much less work than asking all of them about so many people.
  for (const alternative of alternatives) {
    const within = (counts: Counts): Found => findInAlternative(classes, alternative, counts, steps);
    const found = reduce(candidates, within);
    if (!found) continue;
    const own = shrink(found, (less) => reduce(less, within));
    return shrink(own, (less) =>
      steps.left > 0 ? reduce(less, (counts) => findSatisfying(classes, counts, steps)) : undefined,
    );
  }
  return undefined;
};

/** Takes one after the other away while what is left still does, from the last class down. */
const shrink = (addition: Counts, reduce: (less: Counts) => Counts | undefined): Counts => {
  let current = addition;
  for (let own = current.length - 1; own >= 0; own--) {
    while ((current[own] ?? 0) > 0) {
      const less = current.slice();
      less[own] = (less[own] ?? 0) - 1;
      const smaller = reduce(less);
      if (!smaller) break;
      current = smaller;
    }
  }
  return current;
};

/** How many of each class there are in both together. */
export const addCounts = (a: Counts, b: Counts): Counts => a.map((count, own) => count + (b[own] ?? 0));
