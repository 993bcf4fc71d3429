import { countBits, orderKey } from './bits.ts';
import type { MaskAlternative } from './mask-alternative.ts';
import { hasNoSpare, isPairFree } from './mask-alternative.ts';

/**
 * The keys of all minimal sets of an alternative, by one mark for each subset: work that grows with the
 * subsets alone, however many requirements overlap and however many ways there are to fill them.
 */
export const minimalSetsByTable = (alternative: MaskAlternative, pool: number, people: number): number[] => {
  const { mandatory, possible, distinct } = alternative;
  if (!possible || (mandatory & ~pool) !== 0 || !isPairFree(alternative, mandatory)) return [];
  return distinct ? distinctSets(alternative, pool, people) : cumulativeSets(alternative, pool, people);
};

/** Fills one place at a time and keeps each reached set once. */
const distinctSets = (alternative: MaskAlternative, pool: number, people: number): number[] => {
  const seen = new Uint8Array(2 ** people);
  let reached = [0];
  for (const slot of alternative.slots) {
    for (let place = 0; place < slot.need && reached.length > 0; place++) {
      const next: number[] = [];
      for (const set of reached) {
        let rest = slot.mask & pool & ~set;
        while (rest !== 0) {
          const bit = rest & -rest;
          rest &= ~bit;
          // Every set of one round has the same size, so a mark of an earlier round is never met again.
          if (seen[set | bit] === 1) continue;
          seen[set | bit] = 1;
          next.push(set | bit);
        }
      }
      reached = next;
    }
  }
  const unions = reached.map((set) => set | alternative.mandatory);
  const smallest = unions.reduce((least, set) => Math.min(least, countBits(set)), people);
  return unions
    .filter((set) => countBits(set) === smallest && isPairFree(alternative, set))
    .map((set) => orderKey(alternative.span, smallest, set));
};

const cumulativeSets = (alternative: MaskAlternative, pool: number, people: number): number[] => {
  const keys: number[] = [];
  const all = 2 ** people;
  for (let set = 1; set < all; set++) {
    if ((set & ~pool) !== 0 || (alternative.mandatory & ~set) !== 0) continue;
    if (!alternative.slots.every((slot) => countBits(slot.mask & set) >= slot.need)) continue;
    if (hasNoSpare(alternative, set) && isPairFree(alternative, set)) {
      keys.push(orderKey(alternative.span, countBits(set), set));
    }
  }
  return keys;
};

/** The size of a smallest set of people that meets each of the given sets, by one mark for each subset. */
export const smallestHittingSetByTable = (sets: readonly number[], people: number): number => {
  const all = 2 ** people;
  const holds = new Uint8Array(all);
  for (let i = 0; i < sets.length; i++) holds[sets[i] ?? 0] = 1;
  let most = 0;
  for (let present = 0; present < all; present++) {
    // One of the sets is in these people when it is in them less one; smaller numbers have been marked already.
    for (let rest = present; rest !== 0 && holds[present] === 0; rest &= rest - 1) {
      holds[present] = holds[present & ~(rest & -rest)] ?? 0;
    }
    // Those who are not here meet every set when none is in those who are.
    if (holds[present] === 0) most = Math.max(most, countBits(present));
  }
  return people - most;
};
