import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { mintToken } from '../../sandbox/token.ts';
import { type CallOptions, type Desk, eventually, openDesk } from '../../test/services/desk.ts';
import { eventsOf, pause, smallReports, textOf } from '../../test/services/reports.ts';
import type { ProduceInput, ProduceOptions } from './contract.ts';
import type { ReportPage } from './owner.ts';
import type { ReportView } from './view.ts';

let desk: Desk;
let asArea: string;
let during: (input: ProduceInput, options: ProduceOptions) => Promise<void> | void = () => {};
const maker = smallReports((input, options) => during(input, options));

beforeAll(async () => {
  desk = await openDesk({
    maker,
    env: { REPORT_OPEN_PER_CLIENT: '6', REPORT_DAILY_PER_CLIENT: '60', REPORT_REUSE_SECONDS: '600' },
  });
  asArea = await desk.token('CRD01', 'reports:read reports:write');
});
afterAll(() => desk.close());
beforeEach(() => {
  during = () => {};
});

const staff = (area = 'CRD01') => desk.token(area, 'reports:read reports:write reports:unmasked');

const ask = (body: object, { as = asArea, ...options }: CallOptions & { wait?: number } = {}) =>
  desk.call<ReportView>('POST', `/v1/reports?wait=${options.wait ?? 10}`, { ...options, as, body });

const look = (id: string, as = asArea) => desk.call<ReportView>('GET', `/v1/reports/${id}`, { as });

const ended = (id: string, as = asArea) =>
  eventually('the end of a report', async () => {
    const { body } = await look(id, as);
    return ['queued', 'running'].includes(body.status) ? undefined : body;
  });

const download = async (id: string, as = asArea) => {
  const redirect = await desk.call('GET', `/v1/reports/${id}/download`, { as });
  const location = redirect.headers.get('location');
  return { redirect, file: location ? await desk.call('GET', location, { as: null }) : undefined };
};

const audited = async (resource: string) => {
  const { rows } = await desk.db.query<{ acao: string; quem: string; detalhe: string }>(
    'SELECT acao, quem, detalhe FROM trilha_auditoria WHERE recurso = $1 ORDER BY sequencia',
    [resource],
  );
  return rows.map(({ acao, quem, detalhe }) => ({ acao, quem, ...(JSON.parse(detalhe) as object) }));
};

describe('a report', () => {
  it('is asked for, made, and downloaded over a link that lives for minutes', async () => {
    const asked = await ask(eventsOf('ord-1'), { wait: 0 });
    expect(asked.status).toBe(202);
    expect(asked.headers.get('retry-after')).toBe('2');
    const { reportId } = asked.body;
    expect(asked.headers.get('location')).toBe(`/v1/reports/${reportId}`);
    expect(asked.body).toMatchObject({
      status: 'queued',
      purpose: 'Atender pedido do cliente',
      unmasked: false,
    });
    const done = await ended(reportId);
    const text = textOf({
      request: { kind: 'order-events', parameters: { orderId: 'ord-1' }, format: 'csv', options: {} },
      viewer: { areas: [], clients: [], unmasked: false, scopes: [] },
    });
    expect(done).toMatchObject({
      status: 'completed',
      rows: 10,
      progress: { rows: 10, expectedRows: 10 },
      bytes: text.length,
      sha256: createHash('sha256').update(text).digest('hex'),
      fileName: expect.stringMatching(/^order-events-\d{4}-\d\d-\d\d\.csv$/),
      unread: true,
      downloads: 0,
      links: { download: `/v1/reports/${reportId}/download` },
    });
    const { redirect, file } = await download(reportId);
    expect(redirect.status).toBe(303);
    expect(redirect.headers.get('cache-control')).toBe('no-store');
    expect(file).toMatchObject({ status: 200, text });
    expect(file?.headers.get('content-disposition')).toContain(done.fileName);
    expect((await look(reportId)).body).toMatchObject({ downloads: 1, unread: false });
    expect(await audited(reportId)).toMatchObject([
      { acao: 'report.request', quem: 'area-CRD01', purpose: 'Atender pedido do cliente' },
      { acao: 'report.completed', quem: 'lastro', rows: 10 },
      { acao: 'report.download', quem: 'area-CRD01', purpose: 'Atender pedido do cliente' },
    ]);
  });

  it('gives its link as JSON to a page, which sees no redirection', async () => {
    const { body } = await ask(eventsOf('ord-link'));
    const path = `/v1/reports/${body.reportId}/download`;
    const link = await desk.call<{ url: string; expiresInSeconds: number }>('GET', path, {
      as: asArea,
      headers: { accept: 'application/json' },
    });
    expect(link).toMatchObject({ status: 200, body: { expiresInSeconds: 300 } });
    expect(link.headers.get('cache-control')).toBe('no-store');
    expect((await desk.call('GET', link.body.url, { as: null })).status).toBe(200);
    expect((await look(body.reportId)).body).toMatchObject({ downloads: 1, unread: false });
    const others = await desk.call('GET', path, {
      as: await desk.token('CRD02', 'reports:read'),
      headers: { accept: 'application/json' },
    });
    expect(others.status).toBe(404);
  });

  it('that is small is answered at once with ?wait=', async () => {
    const asked = await ask(eventsOf('ord-2'));
    expect(asked).toMatchObject({ status: 200, body: { status: 'completed' } });
    during = (_, options) => pause(3_000, options);
    const slow = await ask(eventsOf('ord-3'), { wait: 1 });
    expect(slow.status).toBe(202);
    await desk.call('POST', `/v1/reports/${slow.body.reportId}/cancel`, { as: asArea });
  });

  it('is refused with every violation at once', async () => {
    const answer = await ask({
      kind: 'order-events',
      format: 'docx',
      purpose: 'x',
      notify: { email: 'nobody', callbackUrl: 'http://10.0.0.1/' },
    });
    expect(answer.status).toBe(422);
    const { violations } = answer.body as unknown as { violations: { pointer: string }[] };
    expect(violations.map(({ pointer }) => pointer).sort()).toEqual([
      '/format',
      '/notify/email',
      '/parameters/orderId',
      '/purpose',
    ]);
    const unreachable = await ask(
      eventsOf('ord-1', { notify: { email: 'a@b.example', callbackUrl: 'http://10.0.0.1/' } }),
    );
    expect(unreachable.body).toMatchObject({
      violations: [{ pointer: '/notify/callbackUrl' }, { pointer: '/notify/email' }],
    });
    expect((await ask([])).status).toBe(422);
    expect((await ask(eventsOf('ord-1'), { wait: 11 })).status).toBe(422);
  });

  it('is cancelled where it waits or is made, and never after its end', async () => {
    during = (_, options) => pause(60_000, options);
    const { body } = await ask(eventsOf('ord-4'), { wait: 0 });
    await eventually('its start', async () =>
      (await look(body.reportId)).body.status === 'running' ? true : undefined,
    );
    const cancel = () => desk.call<ReportView>('POST', `/v1/reports/${body.reportId}/cancel`, { as: asArea });
    expect(await cancel()).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    expect(await cancel()).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    expect((await download(body.reportId)).redirect).toMatchObject({
      status: 409,
      body: { type: '/problems/report-not-ready' },
    });
    during = () => {};
    const done = await ask(eventsOf('ord-5'));
    expect(await desk.call('POST', `/v1/reports/${done.body.reportId}/cancel`, { as: asArea })).toMatchObject(
      { status: 409, body: { type: '/problems/conflict' } },
    );
  });

  it('of an equal request is not made twice within its time, unless the rights differ', async () => {
    const first = await ask(eventsOf('ord-6'));
    const before = maker.made.length;
    const again = await ask(eventsOf('ord-6', { purpose: 'Outra finalidade' }), { wait: 0 });
    expect(again).toMatchObject({
      status: 200,
      body: { status: 'completed', reusedFrom: first.body.reportId, sha256: first.body.sha256 },
    });
    expect(again.body.expiresAt).toBe(first.body.expiresAt);
    expect(maker.made).toHaveLength(before);
    expect((await download(again.body.reportId)).file?.status).toBe(200);
    expect(await audited(again.body.reportId)).toMatchObject([
      { acao: 'report.request', purpose: 'Outra finalidade', reusedFrom: first.body.reportId },
      { acao: 'report.download' },
    ]);
    const as = await staff();
    const masked = await ask(eventsOf('ord-6'), { as });
    const unmasked = await ask(eventsOf('ord-6', { unmasked: true }), { as });
    expect([masked.body.reusedFrom, unmasked.body.reusedFrom]).toEqual([null, null]);
    expect(unmasked.body.sha256).not.toBe(masked.body.sha256);
  });

  it('is one, however many requests carry its key at once', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => ask(eventsOf('ord-7'), { wait: 0, headers })),
    );
    const taken = answers.filter(({ status }) => status !== 409);
    expect(new Set(taken.map(({ body }) => body.reportId)).size).toBe(1);
    for (const { status, body } of answers.filter((answer) => answer.status === 409))
      expect([status, body]).toMatchObject([409, { type: '/problems/request-in-progress' }]);
    const replay = await ask(eventsOf('ord-7'), { wait: 0, headers });
    expect(replay.headers.get('idempotent-replayed')).toBe('true');
    expect(replay.body.reportId).toBe(taken[0]?.body.reportId);
    expect((await ask(eventsOf('ord-8'), { headers })).body).toMatchObject({
      type: '/problems/idempotency-key-reused',
    });
  });

  it('is in its owner’s list, newest first, page by page, until its notice is read', async () => {
    const as = await desk.token('CRD02', 'reports:read reports:write');
    const ids: string[] = [];
    for (const order of ['a', 'b', 'c']) ids.unshift((await ask(eventsOf(order), { as })).body.reportId);
    const page = (query: string) => desk.call<ReportPage>('GET', `/v1/reports${query}`, { as });
    const first = await page('?limit=2');
    expect(first.body).toMatchObject({ unread: 3, next: ids[1] });
    const second = await page(`?limit=2&cursor=${first.body.next}`);
    expect([...first.body.items, ...second.body.items].map(({ reportId }) => reportId)).toEqual(ids);
    expect(second.body.next).toBeNull();
    await desk.call('POST', `/v1/reports/${ids[0]}/read`, { as });
    const unread = await page('?unread=true');
    expect(unread.body.items.map(({ reportId }) => reportId)).toEqual(ids.slice(1));
    expect((await page('?status=failed')).body.items).toEqual([]);
    expect((await page('?kind=order-rules')).body.items).toEqual([]);
    expect((await page('?kind=%00')).status).toBe(422);
    expect((await page('?cursor=x')).body).toMatchObject({ type: '/problems/invalid-cursor' });
    const { body } = await desk.call<{ items: { name: string }[] }>('GET', '/v1/reports/kinds', { as });
    expect(body.items.map(({ name }) => name)).toContain('order-events');
  });
});

describe('somebody else’s report', () => {
  it('is not there: not to be seen, cancelled, read or downloaded', async () => {
    const { reportId } = (await ask(eventsOf('ord-9'))).body;
    const other = await desk.token('CRD02', 'reports:read reports:write');
    const client = await mintToken({
      issuer: desk.sandbox.issuer,
      client: '12ABC34501DE35',
      scope: 'reports:read reports:write',
    });
    for (const as of [other, await staff(), client.token])
      for (const [method, path] of [
        ['GET', ''],
        ['GET', '/download'],
        ['POST', '/cancel'],
        ['POST', '/read'],
      ] as const)
        expect(await desk.call(method, `/v1/reports/${reportId}${path}`, { as })).toMatchObject({
          status: 404,
          body: { type: '/problems/not-found' },
        });
    const list = await desk.call<ReportPage>('GET', '/v1/reports', { as: client.token });
    expect(list.body).toEqual({ items: [], next: null, unread: 0 });
  });
});

describe('the limits of a client', () => {
  it('are told with when to try again, and what is open is counted exactly', async () => {
    during = (_, options) => pause(60_000, options);
    const as = await desk.token('CAM01', 'reports:read reports:write');
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => ask(eventsOf(`open-${n}`), { as, wait: 0 })),
    );
    const taken = answers.filter(({ status }) => status === 202);
    expect(taken).toHaveLength(6);
    for (const answer of answers.filter(({ status }) => status !== 202)) {
      expect(answer).toMatchObject({
        status: 429,
        body: { type: '/problems/report-limit', limit: { name: 'open', most: 6 } },
      });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    for (const { body } of taken) await desk.call('POST', `/v1/reports/${body.reportId}/cancel`, { as });
    await desk.db.query(
      `INSERT INTO relatorios (relatorio_id, cliente_id, solicitante, origem, finalidade, pedido, visao,
         impressao_digital, criado_em, nao_antes, status_relatorio)
       SELECT 'rpt_' || lpad(n::text, 26, '0'), 'area-CAM01', 'x', 'api', 'x', '{}', '{}', '', now(), now(), 'cancelado'
       FROM generate_series(1, 60) n`,
    );
    const daily = await ask(eventsOf('daily'), { as });
    expect(daily).toMatchObject({ status: 429, body: { limit: { name: 'daily', most: 60 } } });
    expect(Number(daily.headers.get('retry-after'))).toBeLessThanOrEqual(86_400);
  });
});

describe('the file of a report', () => {
  it('ends by policy: first the row, then the object', async () => {
    const { body } = await ask(eventsOf('ord-10'));
    await desk.db.query(`UPDATE relatorios SET expira_em = now() WHERE relatorio_id = $1`, [body.reportId]);
    expect((await look(body.reportId)).body).toMatchObject({ status: 'expired', links: { download: null } });
    expect((await download(body.reportId)).redirect).toMatchObject({
      status: 410,
      body: { type: '/problems/report-expired' },
    });
  });
});
