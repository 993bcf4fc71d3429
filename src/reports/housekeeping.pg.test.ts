import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReportRoom, type ReportRoom, reportLimits } from '../../test/crash/report-room.ts';
import { eventsOf, smallReports } from '../../test/services/reports.ts';
import { ObjectNotFoundError } from '../platform/store/store.ts';
import { reportsThatMayHold } from './held-orders.ts';
import { keepReports, removeOrphans } from './housekeeping.ts';
import { placeReport } from './place.ts';
import { scratchPrefix } from './report.ts';
import { runReport } from './run.ts';

let room: ReportRoom;
beforeAll(async () => {
  room = await openReportRoom();
});
afterAll(() => room.close());

const signal = new AbortController().signal;
const keep = () => keepReports({ ...room.deps, limits: reportLimits });
const orphans = (clock = room.deps.clock) => removeOrphans({ ...room.deps, clock, limits: reportLimits });

const keyOf = async (id: string): Promise<string> => {
  const { rows } = await room.deps.db.query<{ objeto: string }>(
    'SELECT objeto FROM relatorios WHERE relatorio_id = $1',
    [id],
  );
  return rows[0]?.objeto ?? '';
};

const made = async (client: string, order: string): Promise<{ id: string; key: string }> => {
  const id = await room.place(client, order);
  await runReport(room.deps, { id, signal });
  return { id, key: await keyOf(id) };
};

const statusOf = async (id: string) => {
  const { rows } = await room.deps.db.query<{ status_relatorio: string }>(
    'SELECT status_relatorio FROM relatorios WHERE relatorio_id = $1',
    [id],
  );
  return rows[0]?.status_relatorio;
};

const isStored = (key: string): Promise<boolean> =>
  room.store.get(key).then(
    () => true,
    (error: unknown) => {
      if (error instanceof ObjectNotFoundError) return false;
      throw error;
    },
  );

describe('files past their time', () => {
  it('end with their rows, but for those that another report still has', async () => {
    const old = await made('a', 'ord-1');
    const fresh = await made('a', 'ord-2');
    const principal = {
      clientId: 'a',
      subject: 'a',
      scopes: new Set(['reports:read', 'reports:write']),
      areas: new Set(['CRD01']),
      clients: new Set<string>(),
    };
    const reused = await placeReport(
      {
        ...room.deps,
        limits: { ...reportLimits, reuseSeconds: 600 },
        maker: smallReports(),
        sendsMail: false,
      },
      { principal, requestId: 'req_reuse', origin: 'api' },
      eventsOf('ord-1'),
      undefined,
    );
    expect(reused.status).toBe(200);
    await room.deps.db.query(
      `UPDATE relatorios SET expira_em = now() - interval '1 s' WHERE relatorio_id = $1`,
      [old.id],
    );
    expect(await keep()).toMatchObject({ expired: 1 });
    expect([await statusOf(old.id), await isStored(old.key)]).toEqual(['expirado', true]);
    await room.deps.db.query(
      `UPDATE relatorios SET expira_em = now() - interval '1 s' WHERE aproveitado_de = $1`,
      [old.id],
    );
    expect(await keep()).toMatchObject({ expired: 1 });
    expect([await isStored(old.key), await isStored(fresh.key)]).toEqual([false, true]);
    expect(await keep()).toMatchObject({ expired: 0 });
  });

  it('go later where the run was killed between row and object', async () => {
    const { id, key } = await made('a', 'ord-3');
    await room.deps.db.query(`UPDATE relatorios SET status_relatorio = 'expirado' WHERE relatorio_id = $1`, [
      id,
    ]);
    expect(await orphans()).toBe(1);
    expect(await isStored(key)).toBe(false);
  });
});

describe('objects that no report has', () => {
  it('are removed where they can never be committed, and left where they can', async () => {
    const running = await room.place('b', 'ord-1');
    await room.deps.db.query(
      `UPDATE relatorios SET status_relatorio = 'em_andamento', execucao = 2, executor = 'x',
         prazo_execucao = now() - interval '1 hour' WHERE relatorio_id = $1`,
      [running],
    );
    const left = [
      `reports/${running}/2.csv`,
      `${scratchPrefix(running, 2)}data/a.parquet`,
      'reports/notes.txt',
    ];
    // Of an execution that died, with what its engine had put there meanwhile.
    const gone = [`reports/${running}/1.csv`, `${scratchPrefix(running, 1)}data/a.parquet`];
    for (const key of [...left, ...gone]) await room.store.put(key, 'x');
    expect(await orphans()).toBe(2);
    expect(await Promise.all(left.map(isStored))).toEqual([true, true, true]);
    expect(await Promise.all(gone.map(isStored))).toEqual([false, false]);
  });

  it('of reports that this database does not know are left until they are older than any file that is kept', async () => {
    const key = 'reports/rpt_01ARZ3NDEKTSV4RRFFQ69G5FAV/1.csv';
    await room.store.put(key, 'x');
    expect(await orphans()).toBe(0);
    const later = new Date(Date.now() + (reportLimits.keepHours + 25) * 3_600_000);
    expect(await orphans(() => later)).toBe(1);
    expect(await isStored(key)).toBe(false);
  });
});

describe('turns that were lost', () => {
  it('are given again for what waits and for claims that ran out', async () => {
    const waiting = await room.place('c', 'ord-1');
    room.turns.splice(0);
    expect((await keep()).turns).toBe(1);
    await room.deps.db.query(
      `UPDATE relatorios SET nao_antes = now() - interval '1 minute' WHERE relatorio_id = $1`,
      [waiting],
    );
    expect((await keep()).turns).toBe(2);
    expect(room.turns).toHaveLength(3);
  });
});

describe('rows past their time', () => {
  it('are removed a year after their end, files long gone', async () => {
    const { id } = await made('d', 'ord-1');
    const age = (days: number) =>
      room.deps.db.query(
        `UPDATE relatorios SET terminado_em = now() - make_interval(days => $2), status_relatorio = 'expirado'
         WHERE relatorio_id = $1`,
        [id, days],
      );
    await age(364);
    await keep();
    expect(await statusOf(id)).toBe('expirado');
    await age(366);
    expect(await keep()).toMatchObject({ removed: 1 });
    expect(await statusOf(id)).toBeUndefined();
  });
});

describe('reports that may hold an order', () => {
  it('are those over its area and period, unless they are about another order alone', async () => {
    const area = { kind: 'area-orders', parameters: { areaId: 'CRD01' } };
    const placed = async (change: object) => {
      const id = await room.place('e', 'ord-1', change);
      await runReport(room.deps, { id, signal });
      return id;
    };
    const [one, another] = [await placed({}), await placed({ parameters: { orderId: 'ord-2' } })];
    const before = await placed({ ...area, to: '2025-01-01T00:00:00Z' });
    const during = await placed({ ...area, from: '2025-01-01T00:00:00Z', to: '2025-02-01T00:00:00Z' });
    const mayHold = (areaId: string) =>
      reportsThatMayHold(room.deps.db, [
        { orderId: 'ord-1', areaId, createdAt: new Date('2025-01-15T12:00:00Z') },
      ]);
    const ours = [one, another, before, during];
    expect((await mayHold('CRD01')).filter((id) => ours.includes(id))).toEqual([one, during]);
    expect(await mayHold('CRD02')).toEqual([]);
    expect(await reportsThatMayHold(room.deps.db, [])).toEqual([]);
    await room.deps.db.query(`UPDATE relatorios SET status_relatorio = 'expirado' WHERE relatorio_id = $1`, [
      one,
    ]);
    expect(await mayHold('CRD01')).not.toContain(one);
  });
});
