import { describe, expect, it } from 'vitest';
import { compareSeeds, LEAST_IN_700 } from '../../test/quorum/compare.ts';

// Two files for two workers: together 21,000 cases, each decided by both engines and by brute force.
describe('random cases, part 2', () => {
  it.each(Array.from({ length: 15 }, (_, part) => 100_000 + part * 700))(
    'from seed %d agree with brute force',
    (from) => {
      const tally = compareSeeds(from, from + 700);
      for (const [what, least] of LEAST_IN_700) expect(tally[what] ?? 0, what).toBeGreaterThanOrEqual(least);
    },
  );
});
