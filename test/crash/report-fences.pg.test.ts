import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ReportTooLargeError } from '../../src/reports/errors.ts';
import { renewClaim } from '../../src/reports/queue.ts';
import { type RunDeps, runReport } from '../../src/reports/run.ts';
import { openReportRoom, type ReportRoom, tellingAll } from './report-room.ts';

// A process that was only slow wakes up when another one has taken its report over. Nothing that it still does may
// show: what the scenarios of report-faults.pg.test.ts look at (ended once, whole files) is too little to tell, since
// the late one's file is whole too.

let room: ReportRoom;
beforeAll(async () => {
  room = await openReportRoom();
});
afterAll(() => room.close());
afterEach(() => room.clear());

const signal = new AbortController().signal;

type Row = { status_relatorio: string; execucao: string; tentativas: number; linhas_feitas: string | null };

const rowOf = async (id: string): Promise<Row & { objeto: string | null; executor: string | null }> => {
  const { rows } = await room.deps.db.query(
    `SELECT status_relatorio, execucao::text, tentativas, linhas_feitas::text, objeto, executor
     FROM relatorios WHERE relatorio_id = $1`,
    [id],
  );
  return rows[0];
};

/** Starts making the report and stops at the point until `resume`. */
const stopAt = async (point: string, change: Partial<RunDeps> = {}) => {
  const met = Promise.withResolvers<void>();
  const resumed = Promise.withResolvers<void>();
  const ended = runReport(
    {
      ...room.deps,
      ...change,
      reached: (passed) => {
        if (passed !== point) return;
        met.resolve();
        return resumed.promise;
      },
    },
    { signal },
  );
  await met.promise;
  return {
    resume: async () => {
      resumed.resolve();
      await ended;
    },
  };
};

/** A slow process at `point`, and the one that took its report over, which has just claimed it. */
const takenOver = async (point: string, change: Partial<RunDeps> = {}) => {
  const id = await room.place('client', 'ord-1', tellingAll);
  const slow = await stopAt(point, { ...change, holder: 'slow' });
  await room.claimsRunOut();
  const second = await stopAt('report-claimed', { holder: 'second' });
  return { id, slow, second };
};

const untouched = { status_relatorio: 'em_andamento', execucao: '2', tentativas: 2, executor: 'second' };

describe('a process whose report was taken over', () => {
  it('can not finish it, and takes back what it stored', async () => {
    const { id, slow, second } = await takenOver('report-uploaded');
    await slow.resume();
    expect(await rowOf(id)).toMatchObject({ ...untouched, objeto: null });
    const stored: string[] = [];
    for await (const { key } of room.store.list('reports/')) stored.push(key);
    expect(stored).toEqual([]);
    await second.resume();
    expect(await rowOf(id)).toMatchObject({
      status_relatorio: 'concluido',
      objeto: expect.stringMatching(/\/2\.csv$/),
    });
  });

  it.each([
    ['fail it for good', new ReportTooLargeError('too many rows')],
    ['put it back for another try', new Error('the disk is full')],
  ])('can not %s', async (_, error) => {
    const maker = { ...room.deps.maker, produce: () => Promise.reject(error) };
    const { id, slow, second } = await takenOver('report-allowed', { maker });
    await slow.resume();
    expect(await rowOf(id)).toMatchObject(untouched);
    await second.resume();
    expect(await rowOf(id)).toMatchObject({ status_relatorio: 'concluido', tentativas: 2 });
  });

  it('can not hold on to it, nor say how far it is', async () => {
    const { id, slow, second } = await takenOver('report-allowed');
    expect(await renewClaim(room.deps.db, { id, execution: 1 }, { rows: 7, expectedRows: 9 })).toBe(false);
    expect(await rowOf(id)).toMatchObject({ ...untouched, linhas_feitas: null });
    expect(await renewClaim(room.deps.db, { id, execution: 2 }, { rows: 7, expectedRows: 9 })).toBe(true);
    await second.resume();
    await slow.resume();
    expect(await rowOf(id)).toMatchObject({ objeto: expect.stringMatching(/\/2\.csv$/) });
  });

  it('stops working on it', async () => {
    const stopped = Promise.withResolvers<unknown>();
    const produce: RunDeps['maker']['produce'] = (_, options) =>
      new Promise((_resolve, reject) => {
        options.signal.addEventListener('abort', () => {
          stopped.resolve(options.signal.reason);
          reject(options.signal.reason as Error);
        });
      });
    const { id, slow, second } = await takenOver('report-allowed', {
      maker: { ...room.deps.maker, produce },
      renewEveryMs: 20,
    });
    const resumed = slow.resume();
    expect(await stopped.promise).toMatchObject({ message: 'cancelled, or taken over' });
    await resumed;
    expect(await rowOf(id)).toMatchObject(untouched);
    await second.resume();
  });
});
