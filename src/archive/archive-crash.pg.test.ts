import { describe, it } from 'vitest';
import { crashSeed } from '../../test/crash/archive-crash.ts';

describe('killed at any named point, with failing calls and orders that change meanwhile', () => {
  // A thousand seeds and real SIGKILLs: archive.crash.test.ts.
  it.each(Array.from({ length: 6 }, (_, seed) => seed))(
    'seed %i: never in neither place, never twice, never without a receipt, never when changed',
    (seed) => crashSeed(seed),
    120_000,
  );
});
