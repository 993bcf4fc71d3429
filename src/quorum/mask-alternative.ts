import { countBits, orderKey } from './bits.ts';
import { NOBODY } from './prepare.ts';
import type { Alternative } from './rules.ts';

/** An alternative over masks of people; see `orderKey` for which bit is whose. */
export type MaskAlternative = {
  /** Two to the number of people. */
  readonly span: number;
  readonly slots: readonly Slot[];
  readonly distinct: boolean;
  /** The slots have no person in common, so that counting each on its own is exact. */
  readonly disjoint: boolean;
  readonly mandatory: number;
  readonly pairs: readonly number[];
  readonly possible: boolean;
};

/** `need` people out of `mask`, from which the excluded requester is gone. */
export type Slot = { readonly mask: number; readonly need: number };

/** The bit of a person among `people`. */
export const bitOf = (people: number, rank: number): number => 1 << (people - 1 - rank);

/** One mask for a list of ranks. */
export const maskOf = (people: number, ranks: readonly number[]): number => {
  let mask = 0;
  for (const rank of ranks) mask |= 1 << (people - 1 - rank);
  return mask;
};

/**
 * Two requirements over the same people become one: with different people for each, their numbers add up;
 * counted on their own, the larger includes the other.
 */
export const toMasks = (people: number, alternative: Alternative): MaskAlternative => {
  const { requires, distinct, mandatory, notTogether, excluded } = alternative;
  const without = excluded === NOBODY ? -1 : ~bitOf(people, excluded);
  const slots: { mask: number; need: number }[] = [];
  let union = 0;
  let disjoint = true;
  for (const { members, need } of requires) {
    const mask = maskOf(people, members) & without;
    let same: { mask: number; need: number } | undefined;
    for (let i = 0; i < slots.length && !same; i++) if (slots[i]?.mask === mask) same = slots[i];
    if (same) same.need = distinct ? same.need + need : Math.max(same.need, need);
    else {
      if ((union & mask) !== 0) disjoint = false;
      union |= mask;
      slots.push({ mask, need });
    }
  }
  const required = maskOf(people, mandatory);
  // The excluded requester can be no part of a coalition, so a mandatory one makes the alternative impossible.
  const possible = alternative.possible && (required & without) === required;
  const pairs: number[] = [];
  for (let i = 0; i < notTogether.length; i += 2) {
    pairs.push(bitOf(people, notTogether[i] ?? 0) | bitOf(people, notTogether[i + 1] ?? 0));
  }
  return { span: 2 ** people, slots, distinct, disjoint, mandatory: required, pairs, possible };
};

/** Whether the people of the mask fill every requirement, mandatory people and pairs aside. */
export const fills = (alternative: MaskAlternative, mask: number): boolean => {
  for (const slot of alternative.slots) if (countBits(slot.mask & mask) < slot.need) return false;
  if (!alternative.distinct || alternative.disjoint) return true;
  return matches(alternative.slots, mask);
};

/** Whether no pair that may not sign together is inside the mask. */
export const isPairFree = (alternative: MaskAlternative, mask: number): boolean => {
  for (const pair of alternative.pairs) if ((pair & mask) === pair) return false;
  return true;
};

/** Bipartite matching by augmenting paths: each place of a slot takes a person of its own. */
const matches = (slots: readonly Slot[], mask: number): boolean => {
  const held = new Int32Array(slots.length);
  let free = mask;
  let tried = 0;
  const take = (slotIndex: number): boolean => {
    const slot = slots[slotIndex] ?? { mask: 0, need: 0 };
    const spare = slot.mask & free;
    if (spare !== 0) {
      const bit = spare & -spare;
      free &= ~bit;
      held[slotIndex] = (held[slotIndex] ?? 0) | bit;
      return true;
    }
    for (let other = 0; other < slots.length; other++) {
      if (other === slotIndex) continue;
      let movable = slot.mask & (held[other] ?? 0) & ~tried;
      while (movable !== 0) {
        const bit = movable & -movable;
        tried |= bit;
        if (take(other)) {
          held[other] = (held[other] ?? 0) & ~bit;
          held[slotIndex] = (held[slotIndex] ?? 0) | bit;
          return true;
        }
        // Looking for another place may have tried more people.
        movable &= ~tried;
      }
    }
    return false;
  };
  for (let index = 0; index < slots.length; index++) {
    for (let place = 0; place < (slots[index]?.need ?? 0); place++) {
      tried = 0;
      if (!take(index)) return false;
    }
  }
  return true;
};

/**
 * The keys of all inclusion-minimal sets of people of `pool` that satisfy the alternative, repeats possible;
 * undefined when filling the places one way after the other would take more than `most` ways.
 */
export const minimalSets = (
  alternative: MaskAlternative,
  pool: number,
  most: number,
): number[] | undefined => {
  const { slots, mandatory, possible } = alternative;
  if (!possible || (mandatory & ~pool) !== 0 || !isPairFree(alternative, mandatory)) return [];
  let ways = 1;
  for (const { mask, need } of slots) {
    ways *= choose(countBits(mask & pool), need);
    if (ways > most) return undefined;
  }
  if (ways === 0) return [];
  return alternative.distinct ? distinctSets(alternative, pool) : cumulativeSets(alternative, pool);
};

/**
 * All minimal sets of a distinct alternative are of one size: they are the mandatory people and a basis of
 * what is left of a transversal matroid once those are in. So the smallest unions are the minimal ones.
 */
const distinctSets = (alternative: MaskAlternative, pool: number): number[] => {
  const { span, slots, mandatory, disjoint } = alternative;
  // Worked out before pairs thin out the sets: a larger one that they leave would still not be minimal.
  const size = mandatory === 0 || disjoint ? sizeByCounts(alternative) : smallestUnion(alternative, pool);
  const keys: number[] = [];
  fillDistinct(slots, pool, (used) => {
    const mask = used | mandatory;
    if (mandatory !== 0 && countBits(mask) !== size) return;
    if (isPairFree(alternative, mask)) keys.push(orderKey(span, size, mask));
  });
  return keys;
};

const MASK_BITS = 32;

/** The size of a minimal set where no mandatory person is in two slots. */
const sizeByCounts = ({ slots, mandatory }: MaskAlternative): number => {
  let size = countBits(mandatory);
  for (const { mask, need } of slots) size += Math.max(0, need - countBits(mask & mandatory));
  return size;
};

const smallestUnion = ({ slots, mandatory }: MaskAlternative, pool: number): number => {
  let smallest = MASK_BITS;
  fillDistinct(slots, pool, (used) => {
    smallest = Math.min(smallest, countBits(used | mandatory));
  });
  return smallest;
};

/** The person with the smallest id. Taken first, the sets come up nearly in the order they are sorted into. */
const highestBit = (mask: number): number => 1 << (31 - Math.clz32(mask));

/** Calls `then` with each set of people that fills all slots, once for each way to do so. */
const fillDistinct = (slots: readonly Slot[], pool: number, then: (used: number) => void): void => {
  /** Takes `open` more people for a slot, all of them from `rest`; then goes on with the next slot. */
  const fill = (index: number, open: number, rest: number, used: number): void => {
    if (open === 0) {
      const next = slots[index + 1];
      if (next) fill(index + 1, next.need, next.mask & pool & ~used, used);
      else then(used);
      return;
    }
    let left = rest;
    while (left !== 0) {
      const bit = highestBit(left);
      left &= ~bit;
      fill(index, open - 1, left, used | bit);
    }
  };
  fill(-1, 0, 0, 0);
};

/** A cumulative slot takes only what the ones before it left open; what came out too large is dropped. */
const cumulativeSets = (alternative: MaskAlternative, pool: number): number[] => {
  const { span, slots, mandatory } = alternative;
  const keys: number[] = [];
  const fill = (index: number, open: number, rest: number, used: number): void => {
    if (open <= 0) {
      const next = slots[index + 1];
      if (next) {
        const stillOpen = next.need - countBits(next.mask & used);
        fill(index + 1, stillOpen, next.mask & pool & ~used, used);
      } else if (isPairFree(alternative, used) && hasNoSpare(alternative, used)) {
        keys.push(orderKey(span, countBits(used), used));
      }
      return;
    }
    let left = rest;
    while (left !== 0) {
      const bit = highestBit(left);
      left &= ~bit;
      fill(index, open - 1, left, used | bit);
    }
  };
  fill(-1, 0, 0, mandatory);
  return keys;
};

/** Whether each person of the set is mandatory, or one of its slots has nobody to spare. */
export const hasNoSpare = ({ slots, mandatory }: MaskAlternative, mask: number): boolean => {
  let needed = mandatory;
  for (const slot of slots) if (countBits(slot.mask & mask) === slot.need) needed |= slot.mask;
  return (mask & ~needed) === 0;
};

/** Binomial coefficient as a double. */
const choose = (from: number, count: number): number => {
  const least = Math.min(count, from - count);
  let ways = least < 0 ? 0 : 1;
  for (let i = 1; i <= least; i++) ways = (ways * (from - least + i)) / i;
  return ways;
};
