import { countBits } from './bits.ts';

/**
 * The size of a smallest set of people that meets each of the given sets; undefined when that takes more
 * than `steps` looks at a set. Tries one size after the other: the sizes met in practice are small.
 */
export const smallestHittingSet = (sets: readonly number[], steps: number): number | undefined => {
  let left = steps;
  const canHit = (size: number, hit: number, kept: number): boolean => {
    let apart = 0;
    let packed = 0;
    let branch = 0;
    let fewest = 33;
    // By index: `for … of` over numbers is many times slower here, and this loop is most of a small decision.
    for (let i = 0; i < sets.length; i++) {
      const set = sets[i] ?? 0;
      left -= 1;
      if ((set & hit) !== 0) continue;
      const free = set & ~kept;
      const choices = countBits(free);
      if (choices < fewest) {
        fewest = choices;
        branch = free;
      }
      // Sets with nobody in common need a person each.
      if ((free & packed) === 0) {
        packed |= free;
        apart += 1;
        if (apart > size) return false;
      }
    }
    if (fewest === 33) return true;
    let rest = branch;
    let keep = kept;
    while (rest !== 0 && left > 0) {
      const bit = rest & -rest;
      rest &= ~bit;
      if (canHit(size - 1, hit | bit, keep)) return true;
      // What follows may assume that this person is not taken: every set with them has been tried.
      keep |= bit;
    }
    return false;
  };
  for (let size = 1; left > 0; size++) {
    if (canHit(size, 0, 0)) return size;
  }
  return undefined;
};
