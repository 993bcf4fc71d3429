import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { expect } from 'vitest';
import type { Principal } from '../../src/platform/auth.ts';
import { openLog } from '../../src/platform/log.ts';
import { openMemoryStore } from '../../src/platform/store/memory.ts';
import { removeOrphans } from '../../src/reports/housekeeping.ts';
import { placeReport } from '../../src/reports/place.ts';
import type { RunDeps } from '../../src/reports/run.ts';
import { type TestDatabase, testDatabase } from '../services/postgres.ts';
import { eventsOf, smallReports } from '../services/reports.ts';

export const reportLimits = {
  runningPerClient: 2,
  openPerClient: 1_000,
  dailyPerClient: 100_000,
  keepHours: 72,
  linkSeconds: 300,
  reuseSeconds: 0,
  maxSeconds: 600,
};

/** The flow of reports without HTTP and without a job system: turns are taken by whoever calls `runReport`. */
export const openReportRoom = async () => {
  const database: TestDatabase = await testDatabase({ max: 12 });
  const folder = await mkdtemp(join(tmpdir(), 'lastro-reports-'));
  const { store } = openMemoryStore();
  const turns: number[] = [];
  const deps: RunDeps & { db: pg.Pool } = {
    db: database.pool,
    jobs: {
      enqueue: async (_tx, queue) => {
        if (queue.name === 'report') turns.push(1);
      },
    },
    store,
    maker: smallReports(),
    clock: () => new Date(),
    log: openLog({ level: 'fatal', service: 'test' }),
    limits: reportLimits,
    publicUrl: 'https://desk.example',
    holder: 'test',
    workFolder: async () => folder,
    renewEveryMs: 1_000_000,
  };
  const place = async (clientId: string, orderId: string, change: object = {}): Promise<string> => {
    const principal: Principal = {
      clientId,
      subject: clientId,
      scopes: new Set(['reports:read', 'reports:write']),
      areas: new Set(['CRD01']),
      clients: new Set(),
    };
    const placed = await placeReport(
      { ...deps, limits: reportLimits, maker: smallReports(), sendsMail: true },
      { principal, requestId: 'req_crashtest', origin: 'api' },
      eventsOf(orderId, change),
      undefined,
    );
    return placed.location.split('/').at(-1) ?? '';
  };
  /** What every process that holds a claim leaves behind when it is killed: a claim that runs out. */
  const claimsRunOut = () =>
    database.pool.query(
      `UPDATE relatorios SET prazo_execucao = clock_timestamp() - interval '1 second'
       WHERE status_relatorio = 'em_andamento'`,
    );
  /** Forgets all reports and files, so that a further scenario does not look at those of the ones before. */
  const clear = async (): Promise<void> => {
    await database.pool.query('TRUNCATE relatorios');
    for await (const { key } of store.list('reports/')) await store.remove(key);
  };
  const close = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true });
    await database.drop();
  };
  return { deps, store, folder, turns, place, claimsRunOut, clear, close };
};

export type ReportRoom = Awaited<ReturnType<typeof openReportRoom>>;

/** Whatever can be downloaded is whole: its bytes are those that the row tells of. */
export const expectWhole = async ({ deps, store }: Pick<ReportRoom, 'deps' | 'store'>): Promise<void> => {
  const { rows } = await deps.db.query<{ relatorio_id: string; objeto: string; hash_sha256: string }>(
    `SELECT relatorio_id, objeto, hash_sha256 FROM relatorios WHERE status_relatorio = 'concluido'`,
  );
  for (const { relatorio_id: id, objeto, hash_sha256: sha256 } of rows) {
    const bytes = await (await store.get(objeto)).bytes();
    expect([id, createHash('sha256').update(bytes).digest('hex')]).toEqual([id, sha256]);
  }
};

/** Every report ended, and its end was told once; nothing is stored that no report has. */
export const expectEndedOnce = async (
  { deps, store }: Pick<ReportRoom, 'deps' | 'store'>,
  ids: readonly string[],
): Promise<void> => {
  const { rows } = await deps.db.query(
    `SELECT r.relatorio_id AS id, r.status_relatorio AS status,
       (SELECT count(*)::int FROM trilha_auditoria t
        WHERE t.recurso = r.relatorio_id AND t.acao IN ('report.completed', 'report.failed')) AS ends,
       (SELECT count(*)::int FROM mensagens m WHERE m.envelope_id = r.relatorio_id) AS messages,
       (SELECT count(*)::int FROM emails e WHERE e.email_id LIKE r.relatorio_id || '.%') AS mails
     FROM relatorios r WHERE relatorio_id = ANY ($1)`,
    [ids],
  );
  expect(rows).toHaveLength(ids.length);
  for (const row of rows)
    expect(row).toEqual({
      ...row,
      status: expect.stringMatching(/^(concluido|falha)$/),
      ends: 1,
      messages: 1,
      mails: 1,
    });
  await expectWhole({ deps, store });
  await removeOrphans({ ...deps, limits: reportLimits });
  const { rows: kept } = await deps.db.query<{ objeto: string }>(
    `SELECT objeto FROM relatorios WHERE status_relatorio = 'concluido'`,
  );
  const stored: string[] = [];
  for await (const { key } of store.list('reports/')) stored.push(key);
  expect(stored.sort()).toEqual(kept.map(({ objeto }) => objeto).sort());
};

export const tellingAll = {
  notify: { email: 'alguem@cliente.example', callbackUrl: 'https://example.com/hook' },
};
