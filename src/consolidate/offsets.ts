/** Offsets of one topic and partition, both ends included. */
export type OffsetRange = { readonly first: number; readonly last: number };

/** Sorted ranges that neither overlap nor touch. */
export const mergeRanges = (ranges: readonly OffsetRange[]): OffsetRange[] => {
  const merged: { first: number; last: number }[] = [];
  for (const { first, last } of ranges.toSorted((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before && first <= before.last + 1) before.last = Math.max(before.last, last);
    else merged.push({ first, last });
  }
  return merged;
};

/**
 * Takes in ranges in the order of their first offsets, many thousands of them, and keeps them merged, with the
 * offsets that came twice.
 */
export const openRanges = () => {
  const merged: { first: number; last: number }[] = [];
  const repeated: OffsetRange[] = [];
  return {
    add: (first: number, last: number): void => {
      const before = merged.at(-1);
      if (before && first < before.first) {
        throw new Error(`expected ranges in order, found ${first} after ${before.first}`);
      }
      if (!before || first > before.last + 1) {
        merged.push({ first, last });
        return;
      }
      if (first <= before.last) repeated.push({ first, last: Math.min(last, before.last) });
      before.last = Math.max(before.last, last);
    },
    merged: (): readonly OffsetRange[] => merged,
    repeated: (): OffsetRange[] => mergeRanges(repeated),
  };
};

/**
 * The offsets that appear more than once: in two of `fresh`, or in one of them and in `known`. Only there can a
 * document be a duplicate, so only there are documents compared.
 */
export const findOverlaps = (
  fresh: readonly OffsetRange[],
  known: readonly OffsetRange[] = [],
): OffsetRange[] => {
  const overlaps: OffsetRange[] = [];
  const all = [...mergeRanges(known), ...fresh].toSorted((a, b) => a.first - b.first);
  let seenTo = Number.NEGATIVE_INFINITY;
  for (const { first, last } of all) {
    if (first <= seenTo) overlaps.push({ first, last: Math.min(last, seenTo) });
    seenTo = Math.max(seenTo, last);
  }
  return mergeRanges(overlaps);
};

/**
 * Offsets that are missing between the first and the last known one. What came before the first is unknown, not
 * missing: the topic may have begun before the sink. A topic that is compacted or transactional has gaps that
 * are no loss.
 */
export const findGaps = (known: readonly OffsetRange[]): OffsetRange[] => {
  const merged = mergeRanges(known);
  return merged.slice(1).map(({ first }, index) => ({
    first: (merged[index] as OffsetRange).last + 1,
    last: first - 1,
  }));
};
