import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Desk, eventually, openDesk } from '../../test/services/desk.ts';
import { eventsOf, smallReports } from '../../test/services/reports.ts';
import type { Right } from './rights.ts';
import type { ReportView } from './view.ts';
import { listWithdrawals, restoreRight, withdrawRight } from './withdrawals.ts';

const operator = { subject: 'local:plantão', requestId: 'req_operator' };

let desk: Desk;
const gate: { open: Promise<void> } = { open: Promise.resolve() };
const maker = smallReports(() => gate.open);

beforeAll(async () => {
  desk = await openDesk({ maker });
});
afterAll(() => desk.close());

const tokenOf = (scope = 'reports:read reports:write reports:unmasked') => desk.token('CRD01', scope);

const withdraw = (clientId: string, right: Right | null) =>
  withdrawRight(desk.parts.reports, operator, { clientId, right, reason: 'Contrato encerrado' });

const ask = async (body: object, wait = 10) =>
  desk.call<ReportView>('POST', `/v1/reports?wait=${wait}`, { as: await tokenOf(), body });

const forbidden = { status: 403, body: { type: '/problems/forbidden' } };

let n = 0;
const fresh = (change: object = {}) => eventsOf(`ord-${n++}`, change);

describe('rights that are withdrawn', () => {
  it.each<[string, Right | null]>([
    ['all', null],
    ['the area', { type: 'area', value: 'CRD01' }],
    ['the scope', { type: 'scope', value: 'reports:unmasked' }],
  ])(
    'before the request refuse it, after it fail it, after its end keep its file back: %s',
    async (_, right) => {
      // After its end.
      const done = await ask(fresh({ unmasked: true }));
      expect(done.body.status).toBe('completed');
      // Between request and execution: the request waits behind another client's report that is being made.
      const held = Promise.withResolvers<void>();
      gate.open = held.promise;
      const queued = await ask(fresh({ unmasked: true }), 0);
      await eventually('its start', async () => {
        const { rows } = await desk.db.query(
          `SELECT FROM relatorios WHERE relatorio_id = $1 AND status_relatorio = 'em_andamento'`,
          [queued.body.reportId],
        );
        return rows.length > 0 ? true : undefined;
      });
      // The process that makes it dies after the rights are withdrawn; who takes over looks at them again.
      const { id } = await withdraw('staff-CRD01', right);
      await desk.db.query(
        `UPDATE relatorios SET status_relatorio = 'na_fila', executor = NULL, prazo_execucao = NULL, execucao = execucao + 1
       WHERE relatorio_id = $1`,
        [queued.body.reportId],
      );
      held.resolve();
      gate.open = Promise.resolve();
      // A turn for it, as the housekeeping would give.
      await desk.db.query(
        `UPDATE relatorios SET nao_antes = now() - interval '1 hour' WHERE relatorio_id = $1`,
        [queued.body.reportId],
      );
      const { keepReports } = await import('./housekeeping.ts');
      await keepReports({
        ...desk.parts.reports,
        ...desk.parts,
        store: desk.parts.store.store,
        limits: desk.parts.reports.limits,
      });
      const failed = await eventually('its end', async () => {
        const { body } = await desk.call<ReportView>('GET', `/v1/reports/${queued.body.reportId}`, {
          as: await tokenOf(),
        });
        return body.status === 'failed' ? body : undefined;
      });
      expect(failed).toMatchObject({ failure: { reason: 'not_allowed' }, links: { download: null } });
      // Before the request.
      expect(await ask(fresh({ unmasked: true }))).toMatchObject(forbidden);
      const refused = await desk.call('GET', `/v1/reports/${done.body.reportId}/download`, {
        as: await tokenOf(),
      });
      expect(refused).toMatchObject(forbidden);
      const { rows } = await desk.db.query(
        `SELECT FROM trilha_auditoria WHERE recurso = $1 AND acao = 'report.download_refused'`,
        [done.body.reportId],
      );
      expect(rows).toHaveLength(1);
      expect(await listWithdrawals(desk.db)).toMatchObject([{ id, clientId: 'staff-CRD01', right }]);
      expect(await restoreRight(desk.parts.reports, operator, id)).toBe(true);
      expect(await restoreRight(desk.parts.reports, operator, id)).toBe(false);
      const again = await desk.call('GET', `/v1/reports/${done.body.reportId}/download`, {
        as: await tokenOf(),
      });
      expect(again.status).toBe(303);
    },
  );

  it('take nothing from other clients', async () => {
    const { id } = await withdraw('area-CRD01', null);
    expect((await ask(fresh())).status).toBe(200);
    await restoreRight(desk.parts.reports, operator, id);
  });
});

describe('a token with fewer rights than the file was made with', () => {
  it('does not get it', async () => {
    const done = await ask(fresh({ unmasked: true }));
    const narrow = await desk.token('CRD01', 'reports:read orders:review');
    expect((await desk.call('GET', `/v1/reports/${done.body.reportId}`, { as: narrow })).status).toBe(200);
    expect(
      await desk.call('GET', `/v1/reports/${done.body.reportId}/download`, { as: narrow }),
    ).toMatchObject(forbidden);
  });

  it('can not ask for unmasked data, nor for a report that is not for it', async () => {
    const as = await desk.token('CRD01', 'reports:read reports:write');
    for (const body of [
      fresh({ unmasked: true }),
      { ...fresh(), kind: 'area-orders', parameters: { areaId: 'CRD02' } },
    ])
      expect(await desk.call('POST', '/v1/reports', { as, body })).toMatchObject(forbidden);
  });
});
