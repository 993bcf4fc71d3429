import { describe, expect, it } from 'vitest';
import { crashSeed, faultPoints, killedRun } from '../../test/crash/consolidate-crash.ts';

describe('killed at any named point and run again', () => {
  it.each(Array.from({ length: 200 }, (_, seed) => seed))(
    'seed %i: the same tables, no orphan after cleaning, each feedback once',
    async (seed) => {
      const { calm, stormy, feedback } = await crashSeed(seed);
      expect(stormy).toEqual(calm);
      expect(feedback.sent.toSorted()).toEqual(feedback.owed.toSorted());
    },
  );

  it.each(faultPoints.flatMap((point) => [1, 2].map((nth) => ({ point, nth }))))(
    'a process killed with SIGKILL $point, time $nth',
    async ({ point, nth }) => {
      const { calm, stormy, feedback, killed } = await killedRun(7, point, nth);
      // `before-feedback` is met once a run.
      expect(killed).toBe(point !== 'before-feedback' || nth === 1);
      expect(stormy).toEqual(calm);
      expect(feedback.sent.toSorted()).toEqual(feedback.owed.toSorted());
    },
  );
});
