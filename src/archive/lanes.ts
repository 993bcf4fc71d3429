/** Work that takes turns: one at a time, in the order in which it came. */
export type Lane = <T>(work: () => Promise<T>) => Promise<T>;

export const openLane = (): Lane => {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  };
};

/**
 * Runs `work` over the items, at most `limit` at once, keeping their order. After a failure nothing more is begun, and
 * what has begun is waited for before the first failure is thrown: nothing goes on behind the back of whoever called.
 */
export const mapSettled = async <T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = new Array(items.length);
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length && failures.length === 0; at = next++) {
      try {
        results[at] = await work(items[at] as T);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
};
