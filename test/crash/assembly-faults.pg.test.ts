import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assemble, assemblyPoints } from '../../src/orders/assembly.ts';
import { notificationPoints, notifyParticipants } from '../../src/orders/notification.ts';
import { type Desk, openDesk } from '../services/desk.ts';
import { callbackUrl, decidable } from './decidable-orders.ts';
import { type Ends, expectSettledOnce } from './invariants.ts';

// A crash as a fault inside the process: the job stops at a named point and is run again, as often as chance
// says, sometimes beside a twin. The real kills are in worker-kills.pg.test.ts.

class Crash extends Error {}

const points = [...assemblyPoints, ...notificationPoints];
let desk: Desk;
beforeAll(async () => {
  desk = await openDesk({ worker: false });
});
afterAll(() => desk.close());

const crashAt = (point: string | undefined) => (passed: string) => {
  if (passed === point) throw new Crash(passed);
};

/** Runs a job until it is through: first cut off at each of the points in turn, then left alone. */
const runThrough = async (
  job: (reached: (point: string) => void) => Promise<void>,
  crashes: readonly string[],
): Promise<void> => {
  for (const point of [...crashes, undefined])
    await job(crashAt(point)).catch((error: unknown) => {
      if (!(error instanceof Crash)) throw error;
    });
};

const jobDeps = () => {
  const { db, jobs, partners, clock, log, keys, orders } = desk.parts;
  return { db, jobs, partners, clock, log, keys, idOf: orders.idOf };
};
const context = { signal: new AbortController().signal };

const assembleThrough = (orderKey: string, crashes: readonly string[]): Promise<void> =>
  runThrough(
    (reached) =>
      assemble({ ...jobDeps(), reached }, { orderKey, requestId: 'req_crashtest', attempt: 0 }, context),
    crashes,
  );

describe('an order whose job is cut off anywhere', () => {
  it('is decided once, with one message, and its people are notified once', async () => {
    const expected = new Map<string, Ends>();
    const scenario = fc.record({
      which: fc.nat(decidable.length - 1),
      crashes: fc.array(fc.constantFrom(...points), { maxLength: 4 }),
      twins: fc.boolean(),
      callback: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ which, crashes, twins, callback }) => {
        const chosen = decidable[which];
        if (!chosen) throw new Error('no such case');
        const { orderKey } = await desk.place(callback ? { ...chosen.request, callbackUrl } : chosen.request);
        const { verdict, failureReason = null } = chosen.ends;
        expected.set(orderKey, { verdict, failureReason });
        const runs = twins ? [crashes, crashes.toReversed()] : [crashes];
        await Promise.all(runs.map((at) => assembleThrough(orderKey, at)));
        await runThrough(
          (reached) =>
            notifyParticipants({ ...jobDeps(), reached }, { orderKey, requestId: 'req_crashtest' }, context),
          crashes,
        );
      }),
      { numRuns: 150, seed: 20_261_122 },
    );
    await expectSettledOnce(desk.db, desk.sandbox, expected);
  }, 600_000);

  it('continues from evidence: a partner whose answer was kept is not asked again', async () => {
    const joint = decidable[0];
    if (!joint) throw new Error('no case');
    const { orderKey } = await desk.place(joint.request);
    await assembleThrough(orderKey, ['evidence-kept', 'decided', 'outcome-written']);
    const { rows } = await desk.db.query(
      `SELECT parceiro, count(*)::int AS answers FROM evidencias
       WHERE envelope_id = $1 AND parceiro IN ('powers', 'registry') GROUP BY parceiro ORDER BY parceiro`,
      [orderKey],
    );
    expect(rows).toEqual([
      { parceiro: 'powers', answers: 1 },
      { parceiro: 'registry', answers: 1 },
    ]);
  });
});
