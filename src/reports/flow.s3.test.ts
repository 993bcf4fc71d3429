import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openReportRoom } from '../../test/crash/report-room.ts';
import { type Desk, openDesk } from '../../test/services/desk.ts';
import { eventsOf, smallReports, textOf } from '../../test/services/reports.ts';
import { startPlainS3 } from '../../test/services/s3.ts';
import { openStore } from '../platform/store/open-store.ts';
import { keepReports, removeOrphans } from './housekeeping.ts';
import { cancelReport } from './owner.ts';
import { type RunDeps, runReport } from './run.ts';
import type { ReportView } from './view.ts';

type StandIn = Awaited<ReturnType<typeof startPlainS3>>;

let s3: StandIn;
/** Asked before each request to S3. */
let fault: (request: { method: string; key: string; count: number }) => number | 'lost' | undefined;

beforeAll(async () => {
  s3 = await startPlainS3({ fault: (request) => fault(request), latencyMs: 1 });
  vi.stubEnv('AWS_ACCESS_KEY_ID', s3.credentials.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', s3.credentials.secretAccessKey);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await s3.close();
});
afterEach(() => {
  fault = () => undefined;
  vi.useRealTimers();
});
fault = () => undefined;

const filesIn = (): string[] => [...s3.objects.keys()].filter((key) => key.includes('/reports/'));

describe('reports whose files lie in S3', () => {
  let desk: Desk;
  let as: string;
  beforeAll(async () => {
    desk = await openDesk({
      maker: smallReports(),
      env: { OBJECT_STORE: 's3://banco/desk', AWS_ENDPOINT_URL: s3.endpoint, AWS_REGION: s3.region },
    });
    as = await desk.token('CRD01', 'reports:read reports:write');
  });
  afterAll(() => desk.close());

  const ask = async (order: string): Promise<ReportView> =>
    (await desk.call<ReportView>('POST', '/v1/reports?wait=10', { as, body: eventsOf(order) })).body;

  const linkTo = async ({ reportId }: ReportView): Promise<string> => {
    const answer = await desk.call('GET', `/v1/reports/${reportId}/download`, { as });
    expect(answer.status).toBe(303);
    return answer.headers.get('location') ?? '';
  };

  it('are stored there, and read over a link of S3 that holds for its minutes and its object alone', async () => {
    const report = await ask('ord-1');
    expect(report).toMatchObject({ status: 'completed', rows: 10 });
    expect(filesIn()).toEqual([`banco/desk/reports/${report.reportId}/1.csv`]);
    const link = await linkTo(report);
    expect(link.startsWith(`${s3.endpoint}/banco/desk/reports/`)).toBe(true);
    expect(new URL(link).searchParams.get('X-Amz-Expires')).toBe('300');
    const file = await fetch(link);
    expect(file.status).toBe(200);
    expect(file.headers.get('content-disposition')).toContain(report.fileName);
    const bytes = Buffer.from(await file.arrayBuffer());
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(report.sha256);

    const other = await ask('ord-2');
    expect((await fetch(link.replace(report.reportId, other.reportId))).status).toBe(403);
    expect((await fetch(link.replace('X-Amz-Expires=300', 'X-Amz-Expires=3000'))).status).toBe(403);
    vi.setSystemTime(Date.now() + 301_000);
    expect((await fetch(link)).status).toBe(403);
  });

  it('leave it when their time is over', async () => {
    const report = await ask('ord-3');
    const link = await linkTo(report);
    await desk.db.query(`UPDATE relatorios SET expira_em = now() WHERE relatorio_id = $1`, [report.reportId]);
    await keepReports({ ...desk.parts, store: desk.parts.store.store, limits: desk.parts.reports.limits });
    expect(filesIn().filter((key) => key.includes(report.reportId))).toEqual([]);
    expect((await fetch(link)).status).toBe(404);
    expect(await desk.call('GET', `/v1/reports/${report.reportId}/download`, { as })).toMatchObject({
      status: 410,
      body: { type: '/problems/report-expired' },
    });
  });

  it('are whole where S3 fails and loses answers', async () => {
    fault = ({ count }) => (count % 3 === 0 ? 503 : count % 4 === 0 ? 'lost' : undefined);
    for (let n = 0; n < 6; n++) {
      const report = await ask(`faults-${n}`);
      expect(report).toMatchObject({ status: 'completed', rows: 10 });
      const stored = s3.objects.get(`banco/desk/reports/${report.reportId}/1.csv`);
      expect(stored?.toString()).toBe(
        textOf({
          request: { kind: '', parameters: { orderId: `faults-${n}` }, format: 'csv', options: {} },
          viewer: { areas: [], clients: [], unmasked: false, scopes: [] },
        }),
      );
    }
  });
});

describe('a large report on its way to S3', () => {
  /** Six parts of an upload. */
  const bytes = Buffer.alloc(48 * 1024 * 1024, 'lastro,');

  const large: RunDeps['maker'] = {
    ...smallReports(),
    produce: async (_, { folder }) => {
      const path = join(folder, 'report.csv');
      await writeFile(path, bytes);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return {
        path,
        rows: 10,
        expectedRows: 10,
        bytes: bytes.length,
        sha256,
        contentType: 'text/csv',
        snapshotId: null,
      };
    },
  };

  it('that is cancelled leaves neither an object nor the parts of an upload', async () => {
    const room = await openReportRoom();
    const opened = await openStore('s3://banco/room', {
      s3: { region: s3.region, endpoint: s3.endpoint, credentials: s3.credentials },
    });
    try {
      const deps: RunDeps = { ...room.deps, store: opened.store, maker: large, renewEveryMs: 10 };
      const id = await room.place('client', 'ord-1');
      const principal = {
        clientId: 'client',
        subject: 'client',
        scopes: new Set(['reports:write']),
        areas: new Set(['CRD01']),
        clients: new Set<string>(),
      };
      // The first part is kept waiting, again and again, until the report is cancelled.
      let cancelled: Promise<unknown> | undefined;
      let isCancelled = false;
      fault = ({ method }) => {
        if (method !== 'PUT' || isCancelled) return undefined;
        cancelled ??= cancelReport(
          { ...room.deps },
          { principal, requestId: 'req_cancelled', origin: 'api' },
          id,
        ).then(() => {
          isCancelled = true;
        });
        return 503;
      };
      await runReport(deps, { signal: new AbortController().signal });
      await cancelled;
      const { rows } = await room.deps.db.query('SELECT status_relatorio, objeto FROM relatorios');
      expect(rows).toEqual([{ status_relatorio: 'cancelado', objeto: null }]);
      expect(filesIn().filter((key) => key.includes(id))).toEqual([]);
      expect(s3.openUploads()).toBe(0);
      fault = () => undefined;
      // The same file arrives whole where nobody cancels it.
      const other = await room.place('client', 'ord-2');
      await runReport(deps, { signal: new AbortController().signal });
      expect(s3.objects.get(`banco/room/reports/${other}/1.csv`)?.equals(bytes)).toBe(true);
      expect(s3.openUploads()).toBe(0);
      await removeOrphans({ ...deps, limits: { keepHours: 72 } });
      expect(filesIn().filter((key) => key.includes('/room/'))).toHaveLength(1);
    } finally {
      await opened.close();
      await room.close();
    }
  });
});
