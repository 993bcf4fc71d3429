import { beforeAll, describe, expect, it } from 'vitest';
import {
  calmWorld,
  faultPoints,
  killedWorld,
  stormyWorld,
  type World,
} from '../../test/crash/pipeline-crash.ts';
import { replaysAgree } from '../../test/crash/pipeline-replay.ts';

let calm: World;

beforeAll(async () => {
  calm = await calmWorld();
});

describe('killed at any named point and run again', () => {
  it.each(Array.from({ length: 200 }, (_, seed) => seed))(
    'seed %i: as if nobody had disturbed it',
    async (seed) => {
      expect(await stormyWorld(seed)).toEqual(calm);
    },
  );

  it.each(faultPoints)('a process killed with SIGKILL %s', async (point) => {
    const { world, killed } = await killedWorld(point, 1);
    expect(killed).toBe(true);
    expect(world).toEqual(calm);
  });
});

describe('recorded inputs in order, twice, shuffled and with overlaps give the same silver and gold', () => {
  it('windows', () => replaysAgree({ full: false, numRuns: 40 }));
  it('full snapshots with deletions', () => replaysAgree({ full: true, numRuns: 40 }));
});
