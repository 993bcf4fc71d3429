/** How many bits of a 32-bit mask are set. */
export const countBits = (mask: number): number => {
  let rest = mask - ((mask >>> 1) & 0x55555555);
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333);
  return (((rest + (rest >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
};

/**
 * Sets are masks in which the smaller id has the higher bit, so that of two sets the one that comes first by
 * ids, element by element, is the larger number. One key therefore orders by weight and then by ids; `span` is
 * two to the number of people, which keeps the keys of few people small integers.
 */
export const orderKey = (span: number, weight: number, mask: number): number =>
  weight * span + (span - 1 - mask);

/** The mask that a key was made of: its low bits, which `&` takes from a number of any size. */
export const maskOfKey = (span: number, key: number): number => span - 1 - (key & (span - 1));

/** Most people whose sets fit a mask: bit 30 and up would make it negative. */
export const MASK_PEOPLE = 30;

/** Sorts keys and drops repeats, in place; short lists, the usual case, without the cost of a library sort. */
export const sortUnique = (keys: number[]): void => {
  if (keys.length > 40) keys.sort((a, b) => a - b);
  else insertionSort(keys);
  let end = 0;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] ?? 0;
    if (end === 0 || keys[end - 1] !== key) keys[end++] = key;
  }
  keys.length = end;
};

const insertionSort = (keys: number[]): void => {
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] ?? 0;
    let at = i - 1;
    for (; at >= 0; at--) {
      const before = keys[at] ?? 0;
      if (before <= key) break;
      keys[at + 1] = before;
    }
    keys[at + 1] = key;
  }
};

/** The inclusion-minimal masks of sorted keys, at most `most`: no subset of a set ever comes after it. */
export const minimalMasks = (span: number, keys: readonly number[], most: number): number[] => {
  const minimal: number[] = [];
  for (let i = 0; i < keys.length && minimal.length < most; i++) {
    const mask = maskOfKey(span, keys[i] ?? 0);
    if (!containsAny(mask, minimal)) minimal.push(mask);
  }
  return minimal;
};

/** Whether one of the sets is inside `mask`. */
const containsAny = (mask: number, sets: readonly number[]): boolean => {
  for (let i = 0; i < sets.length; i++) {
    const set = sets[i] ?? 0;
    if ((set & mask) === set) return true;
  }
  return false;
};
