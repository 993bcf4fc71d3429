import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { assemblyPoints } from '../../src/orders/assembly.ts';
import { notificationPoints } from '../../src/orders/notification.ts';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { migrate } from '../../src/platform/migrations.ts';
import { openPool } from '../../src/platform/postgres.ts';
import { type Desk, openDesk } from '../services/desk.ts';
import { placeMany } from './decidable-orders.ts';
import { type Ends, expectSettledOnce, untilSettled } from './invariants.ts';
import { startWorkerProcess } from './workers.ts';

let desk: Desk | undefined;
afterEach(async () => {
  await desk?.close();
  desk = undefined;
});

describe('200 orders', () => {
  it('survive workers that are killed at each named point, three times each', async () => {
    desk = await openDesk({ worker: false });
    const expected = new Map<string, Ends>();
    await placeMany(desk, 200, expected);
    const points = [...assemblyPoints, ...notificationPoints];
    let seed = 20_261_122;
    const upTo = (most: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return 1 + (seed % most);
    };
    for (const point of [...points, ...points, ...points]) {
      const worker = await startWorkerProcess(desk, { point, at: upTo(4) });
      await Promise.race([worker.ended, sleep(10_000)]);
      worker.kill();
      await worker.ended;
      // Later rounds need orders to die on.
      await placeMany(desk, 4, expected);
    }
    const survivor = await startWorkerProcess(desk);
    await untilSettled(desk.db);
    survivor.kill();
    await survivor.ended;
    await expectSettledOnce(desk.db, desk.sandbox, expected);
  });

  it('of a worker that is killed for good are taken over within 20 seconds', async () => {
    desk = await openDesk({ worker: false });
    const expected = new Map<string, Ends>();
    const slow = desk.sandbox.faults.add({ partner: '*', kind: 'latency', ms: 400 });
    const doomed = await startWorkerProcess(desk);
    const survivor = await startWorkerProcess(desk);
    await placeMany(desk, 60, expected);
    doomed.kill();
    await doomed.ended;
    const killedAt = Date.now();
    desk.sandbox.faults.remove(slow.id);
    await untilSettled(desk.db);
    const { rows } = await desk.db.query<{ last: Date }>('SELECT max(decidido_em) AS last FROM envelopes');
    expect((rows[0]?.last.getTime() ?? 0) - killedAt).toBeLessThan(20_000);
    survivor.kill();
    await survivor.ended;
    await expectSettledOnce(desk.db, desk.sandbox, expected);
  });

  it('wait for a partner that is down for a minute, and then finish by themselves', async () => {
    desk = await openDesk();
    const expected = new Map<string, Ends>();
    const { id } = desk.sandbox.faults.add({ partner: 'powers', kind: 'outage' });
    await placeMany(desk, 40, expected);
    await sleep(60_000);
    const { rows } = await desk.db.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM envelopes
       WHERE status_envelope = 'falha' AND tipo_requisitante = 'pessoa_juridica'
         AND (parametros->>'consultsPowers')::bool`,
    );
    expect(rows[0]?.n, 'orders failed while the partner was away').toBe(0);
    desk.sandbox.faults.remove(id);
    await untilSettled(desk.db);
    await expectSettledOnce(desk.db, desk.sandbox, expected);
  });

  it('outlive the database, killed in the middle and started again', async () => {
    const home = await mkdtemp(join(tmpdir(), 'lastro-crash-'));
    const server = await startEmbeddedPostgres({ home });
    const pool = openPool({ url: server.url });
    await migrate(pool);
    desk = await openDesk({ database: { pool, url: server.url, drop: () => pool.end() } });
    const expected = new Map<string, Ends>();
    await placeMany(desk, 60, expected);
    const { rows } = await pool.query<{ pid: number }>(
      `SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int AS pid`,
    );
    process.kill(rows[0]?.pid ?? 0, 'SIGKILL');
    await sleep(500);
    const again = await startEmbeddedPostgres({ home });
    expect(again.url).toBe(server.url);
    await placeMany(desk, 60, expected);
    await untilSettled(desk.db);
    await expectSettledOnce(desk.db, desk.sandbox, expected);
    await desk.close();
    desk = undefined;
    await again.stop();
    await rm(home, { recursive: true, force: true });
  });
});
