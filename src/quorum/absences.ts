import type { ClassAlternative, Classes, Counts } from './classes.ts';
import { noCounts } from './classes.ts';
import type { Steps } from './network.ts';
import { fewestToBreak } from './network.ts';
import { findAddition, findInAlternative, findSatisfying } from './search.ts';

/**
 * The fewest people of `counts` whose absence leaves no coalition, which is one more than the absences that
 * are tolerated. `proven` is false when the steps ran out: `fewest` is then a lower bound.
 *
 * Tries one number after the other from a lower bound. To break the coalitions like a found one, so many of
 * some class must go that too few remain of it; fewer of that class would change nothing.
 */
export const fewestAbsences = (
  classes: Classes,
  counts: Counts,
  steps: Steps,
): { fewest: number; proven: boolean } => {
  const floor = noCounts(counts.length);
  const bound = lowerBound(classes, counts, steps);
  if (bound.isExact) return { fewest: bound.fewest, proven: true };
  let fewest = Math.max(1, bound.fewest);
  while (steps.left > 0) {
    const broken = canBreak(classes, counts, floor, fewest, steps);
    if (broken === true && steps.left > 0) return { fewest, proven: true };
    if (broken === 'unknown' || steps.left <= 0) break;
    fewest += 1;
  }
  return { fewest, proven: false };
};

/** Whether the absence of `most` people can break every coalition, where no class goes below its floor. */
const canBreak = (
  classes: Classes,
  counts: Counts,
  floor: Counts,
  most: number,
  steps: Steps,
): boolean | 'unknown' => {
  const found = findSatisfying(classes, counts, steps);
  if (typeof found === 'string') return found === 'none' ? true : 'unknown';
  if (most <= 0 || lowerBound(classes, counts, steps).fewest > most) return false;
  const coalition = findAddition(classes, noCounts(counts.length), found, steps) ?? found;
  const kept = floor.slice();
  for (let own = 0; own < coalition.length; own++) {
    const taken = coalition[own] ?? 0;
    if (taken === 0 || taken <= (kept[own] ?? 0)) continue;
    const gone = (counts[own] ?? 0) - taken + 1;
    if (gone <= most) {
      if (steps.left <= 0) return 'unknown';
      const without = counts.slice();
      without[own] = taken - 1;
      const broken = canBreak(classes, without, kept, most - gone, steps);
      if (broken !== false) return broken;
    }
    // Everything with so many of this class gone has been tried.
    kept[own] = taken;
  }
  return false;
};

/**
 * Steps beyond those given that the bound may take: it is exact for most rules, and worth more than the search from
 * it, but for hundreds of rules over hundreds of groups it would take minutes.
 */
const OVERDRAFT = 200_000_000;

/**
 * Every alternative must be broken, and those with nobody in common each take people of their own; an
 * alternative without pairs takes exactly as many as its tightest requirements have to spare.
 */
const lowerBound = (classes: Classes, counts: Counts, steps: Steps): { fewest: number; isExact: boolean } => {
  const bounds: { fewest: number; alternative: ClassAlternative }[] = [];
  let isExact = true;
  for (const alternative of classes.alternatives) {
    const fewest = steps.left < -OVERDRAFT ? 'unknown' : fewestFor(classes, alternative, counts, steps);
    if (fewest === 'unknown') isExact = false;
    else if (fewest > 0) bounds.push({ fewest, alternative });
  }
  bounds.sort((a, b) => b.fewest - a.fewest || a.alternative.index - b.alternative.index);
  const touched = new Uint8Array(counts.length);
  let fewest = 0;
  for (const { fewest: own, alternative } of bounds) {
    const people = [...alternative.network.classes, ...alternative.mandatory].filter(
      (one) => (counts[one] ?? 0) > 0,
    );
    steps.left -= people.length;
    const isApart = people.every((one) => touched[one] !== 1);
    // Exact when nobody serves two alternatives, and each is broken by its tightest requirements or one person.
    if (!isApart || (alternative.conflicts && alternative.mandatory.length === 0)) isExact = false;
    if (!isApart) continue;
    for (const one of people) touched[one] = 1;
    fewest += own;
  }
  return { fewest, isExact };
};

/** A lower bound for one alternative: 0 when it is broken as it is. Anyone mandatory breaks it alone. */
const fewestFor = (
  classes: Classes,
  alternative: ClassAlternative,
  counts: Counts,
  steps: Steps,
): number | 'unknown' => {
  const found = findInAlternative(classes, alternative, counts, steps);
  if (found === 'none') return 0;
  if (found === 'unknown') return found;
  if (alternative.mandatory.length > 0 || alternative.conflicts) return 1;
  return fewestToBreak(alternative.network, counts, steps, OVERDRAFT) ?? 'unknown';
};
