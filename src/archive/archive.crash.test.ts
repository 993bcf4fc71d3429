import { describe, expect, it } from 'vitest';
import { crashSeed, faultPoints, killedRun } from '../../test/crash/archive-crash.ts';

describe('killed at any named point, with failing calls and orders that change meanwhile', () => {
  // Each has a database and a lake of its own, and mostly waits for disks: five at a time.
  it.concurrent.each(Array.from({ length: 1_000 }, (_, seed) => seed))(
    'seed %i: never in neither place, never twice, never without a receipt, never when changed',
    (seed) => crashSeed(seed),
  );

  it.each(faultPoints.flatMap((point) => [1, 2, 3].map((nth) => ({ point, nth }))))(
    'a process killed with SIGKILL $point, time $nth',
    async ({ point, nth }) => {
      expect(await killedRun({ point, nth, seed: 3 + nth })).toEqual({ killed: true });
    },
  );
});
