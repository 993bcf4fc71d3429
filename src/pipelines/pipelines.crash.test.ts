import { beforeAll, describe, expect, it } from 'vitest';
import {
  calmWorld,
  faultPoints,
  killedPlan,
  killedWorld,
  planFaultPoints,
  stormyWorld,
  type World,
} from '../../test/crash/pipeline-crash.ts';
import { replaysAgree } from '../../test/crash/pipeline-replay.ts';

// All 200 seeds take several minutes: LASTRO_CRASH_SEEDS=0-99 takes a part of them.
const [first = 0, last = 199] = (process.env['LASTRO_CRASH_SEEDS'] ?? '')
  .split('-')
  .filter(Boolean)
  .map(Number);
const seeds = Array.from({ length: last - first + 1 }, (_, n) => first + n);

let calm: World;

beforeAll(async () => {
  calm = await calmWorld();
});

describe('killed at any named point and run again', () => {
  it.each(seeds)('seed %i: as if nobody had disturbed it', async (seed) => {
    expect(await stormyWorld(seed)).toEqual(calm);
  });

  it.each(faultPoints)('a process killed with SIGKILL %s', async (point) => {
    const { world, killed } = await killedWorld(point, 1);
    expect(killed).toBe(true);
    expect(world).toEqual(calm);
  });

  it.each(planFaultPoints)(
    'a plan killed with SIGKILL %s leaves a branch, and nothing else',
    async (point) => {
      const { world, killed, left } = await killedPlan(point);
      expect(killed).toBe(true);
      expect(left).toEqual([expect.stringMatching(/^scratch_/)]);
      expect(world).toEqual(calm);
    },
  );
});

describe('recorded inputs in order, twice, shuffled and with overlaps give the same silver and gold', () => {
  it('windows', () => replaysAgree({ full: false, numRuns: 40 }));
  it('full snapshots with deletions', () => replaysAgree({ full: true, numRuns: 40 }));
});
