/** Cuts a list into runs of items that weigh no more than `most` together, or are one item. */
export function* portions<T>(
  items: readonly T[],
  weigh: (item: T) => number,
  most: number,
): Generator<readonly T[]> {
  let from = 0;
  let weight = 0;
  for (const [at, item] of items.entries()) {
    const more = weigh(item);
    if (at > from && weight + more > most) {
      yield items.slice(from, at);
      from = at;
      weight = 0;
    }
    weight += more;
  }
  if (from < items.length) yield items.slice(from);
}
