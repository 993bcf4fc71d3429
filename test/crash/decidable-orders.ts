import { sandboxCases } from '../../sandbox/cases.ts';
import type { Desk } from '../services/desk.ts';
import type { Ends } from './invariants.ts';

/** The sandbox's cases that end by themselves, with how. */
export const decidable = sandboxCases().flatMap(({ request, expect: ends }) =>
  'verdict' in ends ? [{ request, ends }] : [],
);

/** Public, and nobody: with a callback the outcome has follow-up jobs, and a transaction of several statements. */
export const callbackUrl = 'https://example.com/hook';

/** Places `count` orders, the branches in turn, every third with a callback, and adds their ends to `expected`. */
export const placeMany = async (
  desk: Pick<Desk, 'place'>,
  count: number,
  expected: Map<string, Ends>,
): Promise<void> => {
  for (let index = 0; index < count; index++) {
    const chosen = decidable[index % decidable.length];
    if (!chosen) throw new Error('no case');
    const change = index % 3 === 0 ? { callbackUrl } : {};
    const { orderKey } = await desk.place({ ...chosen.request, ...change });
    const { verdict, failureReason = null } = chosen.ends;
    expected.set(orderKey, { verdict, failureReason });
  }
};
