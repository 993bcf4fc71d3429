import { describe, it } from 'vitest';
import { replaysAgree } from '../../test/crash/pipeline-replay.ts';

describe('recorded inputs in order, twice, shuffled and with overlaps give the same silver and gold', () => {
  // Forty recordings of each: pipelines.crash.test.ts.
  it('windows', () => replaysAgree({ full: false, numRuns: 1, mostReadings: 3 }), 300_000);
  it(
    'full snapshots with deletions',
    () => replaysAgree({ full: true, numRuns: 1, mostReadings: 3 }),
    300_000,
  );
});
