import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { makeArchivedOrders } from '../../sandbox/archived-orders.ts';
import { jdbcCatalog } from '../../src/lake/catalog/jdbc.ts';
import { openDuckDb } from '../../src/lake/duckdb-session.ts';
import { openFileCache } from '../../src/lake/file-cache.ts';
import { openLake } from '../../src/lake/tables.ts';
import { mailPoints } from '../../src/platform/mail.ts';
import { removeDeadWorkFolders } from '../../src/platform/work-folder.ts';
import { removeOrphans } from '../../src/reports/housekeeping.ts';
import { placeReport } from '../../src/reports/place.ts';
import { reportPoints } from '../../src/reports/run.ts';
import { type Desk, openDesk } from '../services/desk.ts';
import { startWorkerProcess } from './workers.ts';

let desk: Desk | undefined;
afterEach(async () => {
  await desk?.close();
  desk = undefined;
});

const fillArchive = async ({ db, home, parts }: Desk, count: number): Promise<void> => {
  const { store } = parts.store;
  const lake = openLake({ store, catalog: jdbcCatalog({ db }), clock: () => new Date() });
  const session = await openDuckDb({ temporaryParent: home });
  try {
    const files = await openFileCache({ store, folder: join(home, 'cache-of-the-test'), maxBytes: 1e9 });
    await makeArchivedOrders({ lake, session, files }, { count, months: 3, areas: 5 });
  } finally {
    await session.close();
  }
};

const formats = ['csv', 'ndjson', 'parquet', 'json', 'xlsx', 'pdf'];

const place = async ({ parts, sandbox }: Desk, client: number, n: number): Promise<string> => {
  const placed = await placeReport(
    { ...parts.reports, sendsMail: true, callbackProblem: () => undefined },
    {
      principal: {
        clientId: `client-${client}`,
        subject: `client-${client}`,
        scopes: new Set(['reports:read', 'reports:write']),
        areas: new Set(['*']),
        clients: new Set(),
      },
      requestId: 'req_crashtest',
      origin: 'api',
    },
    {
      kind: 'area-orders',
      parameters: { areaId: `ARE0${1 + (n % 5)}` },
      format: formats[n % formats.length],
      purpose: 'Teste de queda',
      notify: { email: 'alguem@cliente.example', callbackUrl: `${sandbox.url}/sandbox/webhooks/reports` },
    },
    undefined,
  );
  return placed.location.split('/').at(-1) ?? '';
};

const untilEnded = async ({ db }: Desk): Promise<void> => {
  let open = -1;
  for (let tries = 0; tries < 3_000 && open !== 0; tries++) {
    const { rows } = await db.query<{ n: number }>(
      `SELECT (SELECT count(*)::int FROM relatorios WHERE status_relatorio IN ('na_fila', 'em_andamento'))
         + (SELECT count(*)::int FROM emails WHERE status_envio = 'pendente') AS n`,
    );
    open = rows[0]?.n ?? 0;
    if (open !== 0) await sleep(100);
  }
  expect(open, 'reports and e-mails that are left').toBe(0);
};

type Ended = {
  relatorio_id: string;
  status_relatorio: string;
  motivo_falha: string | null;
  objeto: string | null;
  hash_sha256: string | null;
  linhas: string | null;
  ends: number;
  messages: number;
  mails: number;
};

const endedReports = async ({ db }: Desk): Promise<Ended[]> => {
  const { rows } = await db.query<Ended>(
    `SELECT r.relatorio_id, r.status_relatorio, r.motivo_falha, r.objeto, r.hash_sha256, r.linhas,
       (SELECT count(*)::int FROM trilha_auditoria t
        WHERE t.recurso = r.relatorio_id AND t.acao IN ('report.completed', 'report.failed')) AS ends,
       (SELECT count(*)::int FROM mensagens m WHERE m.envelope_id = r.relatorio_id) AS messages,
       (SELECT count(*)::int FROM emails e WHERE e.email_id LIKE r.relatorio_id || '.%') AS mails
     FROM relatorios r ORDER BY relatorio_id`,
  );
  return rows;
};

describe('reports whose workers are killed with SIGKILL at each named point, twice each', () => {
  it('are all finished or cleanly failed, each end told once; no part of a file is there to be had', async () => {
    desk = await openDesk({
      worker: false,
      env: { REPORT_OPEN_PER_CLIENT: '1000', REPORT_REUSE_SECONDS: '0' },
    });
    const { store } = desk.parts.store;
    await fillArchive(desk, 3_000);
    const ids: string[] = [];
    for (let n = 0; n < 24; n++) ids.push(await place(desk, n % 4, n));
    const env = { SMTP_URL: desk.sandbox.smtp, WEBHOOK_ALLOW_PRIVATE: 'true' };
    const points = [...reportPoints, ...mailPoints];
    let killed = 0;
    for (const [turn, point] of [...points, ...points].entries()) {
      const worker = await startWorkerProcess(desk, { point, at: 1 + (turn % 2), env });
      if ((await Promise.race([worker.ended, sleep(10_000)])) === 'SIGKILL') killed += 1;
      worker.kill();
      await worker.ended;
      // Whatever is said to be done is whole, at any time.
      for (const { objeto, hash_sha256 } of await endedReports(desk)) {
        if (objeto === null) continue;
        const bytes = await (await store.get(objeto)).bytes();
        expect(createHash('sha256').update(bytes).digest('hex')).toBe(hash_sha256);
      }
      for (let n = 0; n < 2; n++) ids.push(await place(desk, n, turn + n));
    }
    expect(killed, 'workers that met their point').toBeGreaterThan(points.length);
    const survivor = await startWorkerProcess(desk, { env });
    await untilEnded(desk);
    survivor.kill();
    await survivor.ended;
    const ended = await endedReports(desk);
    expect(ended.map(({ relatorio_id }) => relatorio_id)).toEqual([...ids].sort());
    for (const report of ended) {
      expect(report).toMatchObject({ ends: 1, messages: 1, mails: 1 });
      if (report.status_relatorio === 'concluido') expect(Number(report.linhas)).toBeGreaterThan(0);
      else expect(report).toMatchObject({ status_relatorio: 'falha', motivo_falha: 'interrupted' });
    }
    expect(ended.filter(({ status_relatorio }) => status_relatorio === 'concluido').length).toBeGreaterThan(
      ids.length / 2,
    );
    // A message may come twice where its sender died before it could note it, and then says so by its id.
    const mails = desk.sandbox.mail.list();
    expect(new Set(mails.map(({ messageId }) => messageId)).size).toBe(ids.length);

    await removeOrphans({ ...desk.parts, store, limits: desk.parts.reports.limits });
    const stored: string[] = [];
    for await (const { key } of store.list('reports/')) stored.push(key);
    expect(stored.sort()).toEqual(ended.flatMap(({ objeto }) => objeto ?? []).sort());
    // What the killed ones staged goes with the next process; the folder of a live one (this one) stays.
    await desk.parts.reports.workFolder();
    await removeDeadWorkFolders(desk.home);
    expect(await readdir(join(desk.home, 'tmp'))).toEqual([
      expect.stringContaining(`process-${process.pid}-`),
    ]);
  });
});
