/** A repeatable source of random numbers: the same seed gives the same cases on every machine. */
export type Random = {
  /** A whole number from 0 to `below` − 1. */
  below: (below: number) => number;
  /** True with the given chance. */
  chance: (chance: number) => boolean;
  /** One of the items. */
  pick: <T>(items: readonly T[]) => T;
  /** Some of the items, each with the given chance, in their order. */
  some: <T>(items: readonly T[], chance: number) => T[];
  /** The items in another order. */
  shuffle: <T>(items: readonly T[]) => T[];
};

export const newRandom = (seed: number): Random => {
  let state = seed >>> 0;
  // mulberry32
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  const chance = (probability: number): boolean => next() < probability;
  const pick = <T>(items: readonly T[]): T => {
    const item = items[below(items.length)];
    if (item === undefined) throw new RangeError('expected at least one item to pick from, found none');
    return item;
  };
  const some = <T>(items: readonly T[], probability: number): T[] => items.filter(() => chance(probability));
  const shuffle = <T>(items: readonly T[]): T[] =>
    items
      .map((item) => ({ item, key: next() }))
      .sort((a, b) => a.key - b.key)
      .map(({ item }) => item);
  return { below, chance, pick, some, shuffle };
};
