import { describe, expect, it } from 'vitest';
import { crashSeed } from '../../test/crash/consolidate-crash.ts';

describe('killed at any named point and run again', () => {
  // Two hundred seeds and real SIGKILLs: consolidate.crash.test.ts.
  it.each([0, 1, 2])(
    'seed %i: the same tables, no orphan after cleaning, each feedback once',
    async (seed) => {
      const { calm, stormy, feedback } = await crashSeed(seed);
      expect(stormy).toEqual(calm);
      expect(feedback.sent.toSorted()).toEqual(feedback.owed.toSorted());
    },
    120_000,
  );
});
