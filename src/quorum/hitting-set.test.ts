import { expect, it } from 'vitest';
import { newRandom } from '../../test/quorum/random.ts';
import { smallestHittingSet } from './hitting-set.ts';
import { smallestHittingSetByTable } from './mask-table.ts';

it('is as large by search as by table', () => {
  const random = newRandom(1);
  for (let round = 0; round < 500; round++) {
    const people = 1 + random.below(10);
    const sets = Array.from({ length: 1 + random.below(20) }, () => 1 + random.below(2 ** people - 1));
    expect(smallestHittingSet(sets, Number.POSITIVE_INFINITY)).toBe(smallestHittingSetByTable(sets, people));
  }
});

it('gives the search up after its steps', () => {
  const sets = Array.from({ length: 2 ** 12 }, (_, mask) => mask).filter(
    (mask) => mask.toString(2).length > 6,
  );
  expect(smallestHittingSet(sets, 10)).toBeUndefined();
});
