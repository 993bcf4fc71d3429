import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assemblyPoints } from '../../src/orders/assembly.ts';
import { notificationPoints } from '../../src/orders/notification.ts';
import { type Desk, openDesk } from '../services/desk.ts';
import { decidable, placeMany } from './decidable-orders.ts';
import { type Ends, expectSettledOnce, untilSettled } from './invariants.ts';
import { startWorkerProcess } from './workers.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk({ worker: false });
});
afterAll(() => desk.close());

describe('workers killed with SIGKILL, one at each named point', () => {
  it('leave every order decided once, by whoever takes over', async () => {
    const expected = new Map<string, Ends>();
    await placeMany(desk, decidable.length, expected);
    // One after the other, so that each finds orders left to die on; the last one stays.
    for (const point of [...assemblyPoints, ...notificationPoints.slice(0, 1)]) {
      const worker = await startWorkerProcess(desk, { point });
      const signal = await Promise.race([worker.ended, new Promise((resolve) => setTimeout(resolve, 8_000))]);
      worker.kill();
      await worker.ended;
      expect(['SIGKILL', undefined], point).toContain(signal);
    }
    const survivor = await startWorkerProcess(desk);
    await untilSettled(desk.db);
    survivor.kill();
    await survivor.ended;
    await expectSettledOnce(desk.db, desk.sandbox, expected);
  }, 600_000);
});
