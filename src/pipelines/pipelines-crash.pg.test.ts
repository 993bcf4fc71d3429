import { describe, expect, it } from 'vitest';
import { calmWorld, stormyWorld } from '../../test/crash/pipeline-crash.ts';

describe('killed at any named point and run again', () => {
  // Two hundred seeds and real SIGKILLs: pipelines.crash.test.ts.
  it('gives the tables, the windows and the watermark of a run that nobody disturbed', async () => {
    const calm = await calmWorld();
    expect(calm['silver']).toHaveLength(8);
    expect(calm['history']).toHaveLength(2);
    expect(calm['quarantine']).toHaveLength(1);
    for (const seed of [1, 2]) expect(await stormyWorld(seed), `seed ${seed}`).toEqual(calm);
  }, 300_000);
});
