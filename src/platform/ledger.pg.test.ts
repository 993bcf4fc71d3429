import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { acquireLease, type Fence, FenceLostError, releaseLease } from './leases.ts';
import {
  type Interval,
  markDone,
  markFailed,
  plan,
  readInterval,
  refill,
  reopen,
  skip,
  start,
  startNext,
  TransitionError,
  type Window,
  WindowError,
} from './ledger.ts';
import { allIntervals, findHoles, frontier, listIntervals, readHistory } from './ledger-views.ts';
import { type Tx, transaction } from './postgres.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.drop());

let number = 0;
const newName = (): string => `source-${++number}`;
const inTx = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => transaction(database.pool, work);
const day = (n: number): Date => new Date(Date.UTC(2026, 0, n));
const days = (...numbers: number[]): Window[] => numbers.map((n) => ({ from: day(n), to: day(n + 1) }));

const take = async (name = newName()): Promise<Fence> => {
  const answer = await acquireLease(database.pool, { name, holder: 'test', ttlMs: 60_000 });
  if (!answer.acquired) throw new Error('the lease is held');
  return { name, token: answer.lease.token };
};
const expire = (name: string): Promise<unknown> =>
  database.pool.query("UPDATE leases SET expires_at = clock_timestamp() - interval '1 s' WHERE name = $1", [
    name,
  ]);

const planned = async (
  windows: Window[],
  maxAttempts?: number,
): Promise<{ source: string; intervals: Interval[]; id: string }> => {
  const source = newName();
  const { intervals } = await inTx((tx) =>
    plan(tx, { pipeline: 'archive', source, windows, ...(maxAttempts === undefined ? {} : { maxAttempts }) }),
  );
  return { source, intervals, id: intervals[0]?.id ?? '' };
};

describe('plan', () => {
  it('is idempotent and leaves what is there in whatever state', async () => {
    const { source, id } = await planned(days(1, 2));
    const fence = await take();
    await inTx((tx) => start(tx, { id, fence, runId: 'r1' }));
    const again = await inTx((tx) => plan(tx, { pipeline: 'archive', source, windows: days(2, 1, 3) }));
    expect(again.added).toBe(1);
    expect(again.intervals.map((interval) => [interval.from, interval.state])).toEqual([
      [day(2), 'planned'],
      [day(1), 'running'],
      [day(3), 'planned'],
    ]);
  });

  it('refuses overlapping and empty windows as a whole, and names them', async () => {
    const { source } = await planned(days(1));
    const overlapping = [...days(5), { from: new Date('2026-01-01T12:00:00Z'), to: day(3) }];
    const attempt = inTx((tx) => plan(tx, { pipeline: 'archive', source, windows: overlapping }));
    await expect(attempt).rejects.toThrow(WindowError);
    await expect(attempt).rejects.toThrow(
      /2026-01-01T12:00:00.000Z.*overlaps interval \d+ \[2026-01-01T00:00:00.000Z/,
    );
    await expect(
      inTx((tx) => plan(tx, { pipeline: 'archive', source, windows: [{ from: day(9), to: day(9) }] })),
    ).rejects.toThrow(/ends after it begins/);
    expect(await listIntervals(database.pool, { source })).toHaveLength(1);
    // Another pipeline, or another source, may have the same window.
    await inTx((tx) => plan(tx, { pipeline: 'migrate', source, windows: overlapping }));
  });

  it('planned by many at once gives each window once', async () => {
    const source = newName();
    const windows = days(1, 2, 3, 4, 5);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => inTx((tx) => plan(tx, { pipeline: 'archive', source, windows }))),
    );
    expect(answers.reduce((sum, answer) => sum + answer.added, 0)).toBe(5);
    expect(await listIntervals(database.pool, { source })).toHaveLength(5);
  });
});

describe('an interval', () => {
  it('goes from planned to done with its output, in the transaction of the data', async () => {
    const { id } = await planned(days(1));
    const fence = await take();
    const running = await inTx((tx) => start(tx, { id, fence, runId: 'r1', inputHash: 'sha256:aa' }));
    expect(running).toMatchObject({
      state: 'running',
      attempts: 1,
      runId: 'r1',
      fence,
      inputHash: 'sha256:aa',
    });
    const output = { snapshotId: '7391826455', rows: 3 };
    const rolledBack = inTx(async (tx) => {
      await markDone(tx, { id, fence, runId: 'r1', output });
      throw new Error('the commit failed');
    });
    await expect(rolledBack).rejects.toThrow('the commit failed');
    expect(await readInterval(database.pool, id)).toMatchObject({ state: 'running' });
    const done = await inTx((tx) => markDone(tx, { id, fence, runId: 'r1', output, watermark: '42' }));
    expect(done).toMatchObject({ state: 'done', output, watermark: '42', error: null });
    const history = await readHistory(database.pool, id);
    expect(history.map(({ from, to, runId }) => [from, to, runId])).toEqual([
      [null, 'planned', null],
      ['planned', 'running', 'r1'],
      ['running', 'done', 'r1'],
    ]);
  });

  it('fails, is tried again, and becomes a hole when no attempt is left; refilled it has all of them again', async () => {
    const { id } = await planned(days(1), 2);
    const fence = await take();
    for (const [n, state] of [
      [1, 'failed'],
      [2, 'hole'],
    ] as const) {
      await inTx((tx) => start(tx, { id, fence, runId: `r${n}` }));
      const failed = await inTx((tx) =>
        markFailed(tx, { id, fence, runId: `r${n}`, error: 'no space left for 52998224725' }),
      );
      expect(failed).toMatchObject({ state, attempts: n, error: 'no space left for ***.982.247-**' });
    }
    await expect(inTx((tx) => start(tx, { id, fence, runId: 'r3' }))).rejects.toThrow(/found hole/);
    expect(await inTx((tx) => refill(tx, { id }))).toMatchObject({
      state: 'planned',
      attempts: 0,
      error: null,
    });
    await inTx((tx) => start(tx, { id, fence, runId: 'r3' }));
  });

  it('of a holder that is gone is taken over; the late commit of the zombie is refused', async () => {
    const { id } = await planned(days(1));
    const zombie = await take();
    await inTx((tx) => start(tx, { id, fence: zombie, runId: 'r1' }));
    const other = await take();
    await expect(inTx((tx) => start(tx, { id, fence: other, runId: 'r2' }))).rejects.toThrow(
      /found running \(run r1, token 1\)/,
    );
    await expire(zombie.name);
    // Another lease: the zombie's token is still the last one of its own.
    await inTx((tx) => start(tx, { id, fence: other, runId: 'r2' }));
    const late = inTx((tx) => markDone(tx, { id, fence: zombie, runId: 'r1', output: 1 }));
    await expect(late).rejects.toThrow(TransitionError);
    await expect(late).rejects.toThrow(/found running \(run r2/);
    // The same lease: its token has risen.
    const next = await take(zombie.name);
    expect(next.token).toBe(2n);
    await expect(
      inTx((tx) => markFailed(tx, { id, fence: zombie, runId: 'r1', error: 'x' })),
    ).rejects.toThrow(FenceLostError);
    await inTx((tx) => markDone(tx, { id, fence: other, runId: 'r2', output: 2 }));
    expect(await readInterval(database.pool, id)).toMatchObject({ state: 'done', output: 2, attempts: 2 });
  });

  it('whose holders die until no attempt is left becomes a hole', async () => {
    const { id, source } = await planned(days(1), 2);
    for (const runId of ['r1', 'r2']) {
      const fence = await take();
      expect(await inTx((tx) => startNext(tx, { pipeline: 'archive', source, fence, runId }))).toMatchObject({
        id,
        runId,
      });
      await releaseLease(database.pool, fence);
    }
    const fence = await take();
    expect(
      await inTx((tx) => startNext(tx, { pipeline: 'archive', source, fence, runId: 'r3' })),
    ).toBeUndefined();
    expect(await readInterval(database.pool, id)).toMatchObject({
      state: 'hole',
      error: /died without a report/,
    });
  });

  it('is skipped to a hole, and a done one is reopened: to be done again, or as a hole when its data is undone', async () => {
    const { id, intervals, source } = await planned(days(1, 2, 3));
    const [second, third] = [intervals[1]?.id ?? '', intervals[2]?.id ?? ''];
    expect(await inTx((tx) => skip(tx, { id, reason: 'bank holiday' }))).toMatchObject({
      state: 'hole',
      error: 'bank holiday',
    });
    const fence = await take();
    for (const each of [second, third]) {
      await inTx((tx) => start(tx, { id: each, fence, runId: 'r1' }));
      await expect(inTx((tx) => skip(tx, { id: each, reason: 'no' }))).rejects.toThrow(
        /can't skip it.*found running/,
      );
      await inTx((tx) => markDone(tx, { id: each, fence, runId: 'r1', output: { rows: 9 } }));
    }
    await expect(inTx((tx) => refill(tx, { id: second }))).rejects.toThrow(TransitionError);
    await inTx((tx) => reopen(tx, { id: second, fence, to: 'planned', reason: 'late files' }));
    await inTx((tx) => reopen(tx, { id: third, fence, to: 'hole', reason: 'rolled back' }));
    const states = (await listIntervals(database.pool, { source })).map(({ state, output }) => [
      state,
      output,
    ]);
    expect(states).toEqual([
      ['hole', null],
      ['planned', null],
      ['hole', null],
    ]);
    expect((await readHistory(database.pool, third)).at(-2)).toMatchObject({
      to: 'done',
      output: { rows: 9 },
    });
    await expect(
      inTx((tx) => reopen(tx, { id: second, fence: { ...fence, token: 9n }, to: 'hole', reason: '' })),
    ).rejects.toThrow(FenceLostError);
  });

  it('that does not exist is named', async () => {
    await expect(inTx((tx) => skip(tx, { id: '0', reason: '' }))).rejects.toThrow(
      'interval 0: expected one to skip, found none',
    );
  });
});

describe('startNext', () => {
  it('gives workers that ask at once different intervals, oldest first, and then none', async () => {
    const { source, intervals } = await planned(days(1, 2, 3, 4, 5, 6));
    const fence = await take();
    const given = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        inTx((tx) => startNext(tx, { pipeline: 'archive', source, fence, runId: `r${n}` })),
      ),
    );
    const ids = given.flatMap((interval) => (interval ? [interval.id] : []));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.toSorted()).toEqual(intervals.map((interval) => interval.id).toSorted());
  });
});

describe('holes', () => {
  it('are the given up windows and the gaps between windows, also at the ends of an asked range', async () => {
    const { source, intervals } = await planned(days(2, 3, 6));
    await inTx((tx) => skip(tx, { id: intervals[1]?.id ?? '', reason: 'lost' }));
    const seen = (holes: Awaited<ReturnType<typeof findHoles>>): unknown[] =>
      holes.map((hole) => [hole.from.getUTCDate(), hole.to.getUTCDate(), hole.interval?.error]);
    expect(seen(await findHoles(database.pool, { source }))).toEqual([
      [3, 4, 'lost'],
      [4, 6, undefined],
    ]);
    expect(seen(await findHoles(database.pool, { source, from: day(1), to: day(9) }))).toEqual([
      [1, 2, undefined],
      [3, 4, 'lost'],
      [4, 6, undefined],
      [7, 9, undefined],
    ]);
    expect(seen(await findHoles(database.pool, { source, from: day(5), to: day(6) }))).toEqual([
      [5, 6, undefined],
    ]);
    expect(await findHoles(database.pool, { source, from: day(2), to: day(3) })).toEqual([]);
  });

  it('and windows make the range whole, without overlap, whatever was planned', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 5 })), { minLength: 1, maxLength: 12 }),
        async (spans) => {
          const source = newName();
          for (const [from, length] of spans) {
            const windows = [{ from: day(from), to: day(from + length) }];
            await inTx((tx) => plan(tx, { pipeline: 'p', source, windows })).catch((error: unknown) => {
              if (!(error instanceof WindowError)) throw error;
            });
          }
          const holes = await findHoles(database.pool, { pipeline: 'p', source, from: day(0), to: day(50) });
          const pieces = [...(await listIntervals(database.pool, { source })), ...holes].sort(
            (a, b) => a.from.getTime() - b.from.getTime(),
          );
          expect(pieces[0]?.from).toEqual(day(0));
          expect(pieces.at(-1)?.to).toEqual(day(50));
          pieces.slice(1).forEach((piece, n) => {
            expect(piece.from).toEqual(pieces[n]?.to);
          });
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('the frontier', () => {
  it('is the end of the unbroken row of done windows, with its watermark', async () => {
    const { source, intervals } = await planned(days(1, 2, 4, 5));
    const fence = await take();
    const finish = async (n: number): Promise<void> => {
      const id = intervals[n]?.id ?? '';
      await inTx((tx) => start(tx, { id, fence, runId: 'r' }));
      await inTx((tx) => markDone(tx, { id, fence, runId: 'r', output: null, watermark: `w${n}` }));
    };
    const where = { pipeline: 'archive', source };
    await finish(1);
    expect(await frontier(database.pool, where)).toBeUndefined();
    await finish(0);
    expect(await frontier(database.pool, where)).toEqual({ to: day(3), watermark: 'w1' });
    await finish(2);
    expect(await frontier(database.pool, where)).toEqual({ to: day(3), watermark: 'w1' }); // day 3 is a gap
  });
});

describe('the listing', () => {
  it('filters, and pages through everything once', async () => {
    const { source, id } = await planned(days(...Array.from({ length: 25 }, (_, n) => n + 1)));
    await inTx((tx) => skip(tx, { id, reason: 'x' }));
    const all = await Array.fromAsync(allIntervals(database.pool, { source, limit: 4 }));
    expect(all.map((interval) => interval.from.getUTCDate())).toEqual(
      Array.from({ length: 25 }, (_, n) => n + 1),
    );
    expect(await listIntervals(database.pool, { source, states: ['hole', 'failed'] })).toHaveLength(1);
    expect(await listIntervals(database.pool, { source, from: day(3), to: day(5) })).toHaveLength(2);
    expect(await listIntervals(database.pool, { pipeline: 'nothing' })).toEqual([]);
  });
});
