import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeOrphans } from '../../src/reports/housekeeping.ts';
import { type RunDeps, reportPoints, runReport } from '../../src/reports/run.ts';
import {
  expectEndedOnce,
  expectWhole,
  openReportRoom,
  type ReportRoom,
  reportLimits,
  tellingAll,
} from './report-room.ts';

// A killed process as one that never comes back from a named point; a zombie as one that comes back after another
// has taken its work over. The real kills are in reports.crash.test.ts.

let room: ReportRoom;
beforeAll(async () => {
  room = await openReportRoom();
});
afterAll(() => room.close());

const signal = new AbortController().signal;

type Stuck = { readonly resume: () => void; readonly ended: Promise<unknown> };

/** Runs until the process is stuck at the point, or done. */
const runUntil = async (deps: RunDeps, point: string | undefined): Promise<Stuck | undefined> => {
  const met = Promise.withResolvers<void>();
  const resumed = Promise.withResolvers<void>();
  const ended = runReport(
    {
      ...deps,
      reached: (passed) => {
        if (passed !== point) return;
        met.resolve();
        return resumed.promise;
      },
    },
    { signal },
  );
  const outcome = await Promise.race([
    met.promise.then(() => 'stuck' as const),
    ended.then(() => 'done' as const),
  ]);
  return outcome === 'stuck' ? { resume: () => resumed.resolve(), ended } : undefined;
};

/** A pool on which the answer of the n-th COMMIT is lost: it was done, and nobody hears of it. */
const losingAnswers = (pool: pg.Pool, nth: number): pg.Pool => {
  let commits = 0;
  return new Proxy(pool, {
    get: (target, name) => {
      if (name !== 'connect') return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name);
      return async () => {
        const client = await target.connect();
        return new Proxy(client, {
          get: (inner, member) => {
            const value: unknown = Reflect.get(inner, member);
            if (member !== 'query') return typeof value === 'function' ? value.bind(inner) : value;
            return async (...args: unknown[]) => {
              const answer: unknown = await Reflect.apply(inner.query, inner, args);
              if (args[0] === 'COMMIT' && ++commits === nth)
                throw new Error('Connection terminated unexpectedly');
              return answer;
            };
          },
        });
      };
    },
  });
};

describe('a report whose process is killed anywhere', () => {
  it('ends once, by whoever takes over, and what can be downloaded is always whole', async () => {
    const scenario = fc.record({
      crashes: fc.array(fc.constantFrom(...reportPoints), { maxLength: 5 }),
      reports: fc.integer({ min: 1, max: 3 }),
      zombies: fc.array(fc.nat(4), { maxLength: 3 }),
      twins: fc.boolean(),
      sweeps: fc.boolean(),
      lostAnswer: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    });
    let seed = 0;
    await fc.assert(
      fc.asyncProperty(scenario, async ({ crashes, reports, zombies, twins, sweeps, lostAnswer }) => {
        const client = `client-${seed++}`;
        const ids: string[] = [];
        for (let n = 0; n < reports; n++) ids.push(await room.place(client, `ord-${n}`, tellingAll));
        const stuck: Stuck[] = [];
        for (const [turn, point] of crashes.entries()) {
          const left = await runUntil(room.deps, point);
          if (left) stuck.push(left);
          await room.claimsRunOut();
          // The sweep of orphans runs whenever it does, also between what a zombie stores and what it tries to commit.
          if (sweeps) await removeOrphans({ ...room.deps, limits: reportLimits });
          await expectWhole(room);
          // A process that was only slow wakes up when another may have its work already.
          for (const zombie of stuck.filter((_, index) => zombies.includes(index) && index < turn)) {
            zombie.resume();
            await zombie.ended;
            await expectWhole(room);
          }
        }
        if (lostAnswer !== undefined)
          await runReport({ ...room.deps, db: losingAnswers(room.deps.db, lostAnswer) }, { signal }).catch(
            () => {},
          );
        await room.claimsRunOut();
        await room.deps.db.query(
          `UPDATE relatorios SET nao_antes = now() - interval '1 s' WHERE status_relatorio = 'na_fila'`,
        );
        const finish = async (): Promise<void> => {
          while (await runReport(room.deps, { signal }));
        };
        await Promise.all(twins ? [finish(), finish(), finish()] : [finish()]);
        // The zombies that are left come last, after everything has ended.
        for (const zombie of stuck) {
          zombie.resume();
          await zombie.ended;
        }
        await expectEndedOnce(room, ids);
        await room.clear();
      }),
      { numRuns: 200, seed: 20_261_125 },
    );
    expect(await readdir(join(room.folder, 'reports'))).toEqual([]);
  }, 240_000);

  it('fails cleanly where every process that begins it dies', async () => {
    const id = await room.place('unlucky', 'ord-poison', tellingAll);
    for (let n = 0; n < 3; n++) {
      expect(await runUntil(room.deps, 'report-allowed')).toBeDefined();
      await room.claimsRunOut();
    }
    await runReport(room.deps, { signal });
    const { rows } = await room.deps.db.query('SELECT motivo_falha FROM relatorios WHERE relatorio_id = $1', [
      id,
    ]);
    expect(rows).toEqual([{ motivo_falha: 'interrupted' }]);
    await expectEndedOnce(room, [id]);
  });
});

/** Never ends by itself. On a busy machine the signal may have come before this is asked. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
    if (signal.aborted) reject(signal.reason as Error);
  });

describe('a report that can not be made', () => {
  const failing = (error: Error): RunDeps => ({
    ...room.deps,
    maker: { ...room.deps.maker, produce: () => Promise.reject(error) },
  });

  it('for a technical reason is tried three times, then fails, and says no more than that', async () => {
    const id = await room.place('technical', 'ord-1', tellingAll);
    for (let n = 0; n < 3; n++) {
      await room.deps.db.query(
        `UPDATE relatorios SET nao_antes = now() - interval '1 s' WHERE relatorio_id = $1`,
        [id],
      );
      await runReport(failing(new Error('disk 10.0.0.7 full for 529.982.247-25')), { signal });
    }
    const { rows } = await room.deps.db.query<{ motivo_falha: string; mensagem_falha: string }>(
      'SELECT motivo_falha, mensagem_falha FROM relatorios WHERE relatorio_id = $1',
      [id],
    );
    expect(rows).toMatchObject([{ motivo_falha: 'technical' }]);
    expect(rows[0]?.mensagem_falha).not.toMatch(/10\.0|529/);
    await expectEndedOnce(room, [id]);
  });

  it('because a row is missing, or the file changed on its way, gives no file', async () => {
    for (const wrong of [{ expectedRows: 11 }, { sha256: '0'.repeat(64) }, { bytes: 1 }]) {
      const id = await room.place('short', 'ord-1', tellingAll);
      const produce: RunDeps['maker']['produce'] = async (input, options) => ({
        ...(await room.deps.maker.produce(input, options)),
        ...wrong,
      });
      for (let n = 0; n < 3; n++) {
        await room.deps.db.query(
          `UPDATE relatorios SET nao_antes = now() - interval '1 s' WHERE relatorio_id = $1`,
          [id],
        );
        await runReport({ ...room.deps, maker: { ...room.deps.maker, produce } }, { signal });
      }
      const { rows } = await room.deps.db.query(
        'SELECT status_relatorio FROM relatorios WHERE relatorio_id = $1',
        [id],
      );
      expect(rows).toEqual([{ status_relatorio: 'falha' }]);
      await expectEndedOnce(room, [id]);
    }
  });

  it('because it takes longer than a report may is ended, once', async () => {
    const id = await room.place('slow', 'ord-1', tellingAll);
    const produce: RunDeps['maker']['produce'] = (_, options) => untilAborted(options.signal);
    const deps = { ...room.deps, limits: { ...reportLimits, maxSeconds: 0.05 } };
    await runReport({ ...deps, maker: { ...room.deps.maker, produce } }, { signal });
    const { rows } = await room.deps.db.query('SELECT motivo_falha FROM relatorios WHERE relatorio_id = $1', [
      id,
    ]);
    expect(rows).toEqual([{ motivo_falha: 'time_limit' }]);
    await expectEndedOnce(room, [id]);
  });

  it('is put back untried when its process is told to stop', async () => {
    const id = await room.place('stopped', 'ord-1', tellingAll);
    const stop = new AbortController();
    const produce: RunDeps['maker']['produce'] = (_, options) => {
      stop.abort();
      return untilAborted(options.signal);
    };
    await runReport({ ...room.deps, maker: { ...room.deps.maker, produce } }, { signal: stop.signal });
    const { rows } = await room.deps.db.query(
      'SELECT status_relatorio, tentativas FROM relatorios WHERE relatorio_id = $1',
      [id],
    );
    expect(rows).toEqual([{ status_relatorio: 'na_fila', tentativas: 0 }]);
    await runReport(room.deps, { signal });
    await expectEndedOnce(room, [id]);
  });
});
