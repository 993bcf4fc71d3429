import type { Pool } from 'pg';
import { recordAudit } from '../platform/audit.ts';
import type { Principal } from '../platform/auth.ts';
import type { Jobs } from '../platform/jobs.ts';
import { type Db, transaction } from '../platform/postgres.ts';
import { Problem } from '../platform/problem.ts';
import type { SignUrl } from '../platform/store/store.ts';
import { maskText } from '../shared/mask.ts';
import type { ReportLimits } from './limits.ts';
import type { ReportMaker } from './maker.ts';
import type { Caller } from './place.ts';
import { giveTurn, hasQueued } from './queue.ts';
import {
  fileName,
  isReportId,
  type Report,
  type ReportFile,
  type ReportRow,
  type ReportStatus,
  reportOfRow,
  toStatusRelatorio,
} from './report.ts';
import { mayHave, rightsOf } from './rights.ts';
import { isDownloadable, type ReportView, reportView } from './view.ts';

export type OwnerDeps = {
  readonly db: Pool;
  readonly jobs: Pick<Jobs, 'enqueue'>;
  readonly maker: Pick<ReportMaker, 'authorize'>;
  readonly clock: () => Date;
  readonly limits: Pick<ReportLimits, 'linkSeconds'>;
  readonly signedUrl: SignUrl;
};

/** Whose reports: null, everybody's. */
export type Owner = Pick<Principal, 'clientId' | 'subject'> | null;

/** The operator of the installation has everybody's reports at hand, through the database that they hold. */
const ownerOf = ({ principal, origin }: Caller): Owner => (origin === 'terminal' ? null : principal);

const notFound = (id: string): Problem => new Problem('not-found', `There is no report ${id}.`);

/** @throws Problem `not-found`, also for a report of somebody else: that it exists is no one else's business */
export const findReport = async (db: Db, owner: Owner, id: string): Promise<Report> => {
  if (!isReportId(id)) throw notFound(id);
  const { rows } = await db.query<ReportRow>(
    `SELECT * FROM relatorios
     WHERE relatorio_id = $1 AND ($2::text IS NULL OR cliente_id = $2 AND solicitante = $3)`,
    [id, owner?.clientId ?? null, owner?.subject ?? null],
  );
  if (!rows[0]) throw notFound(id);
  return reportOfRow(rows[0]);
};

export type ReportFilter = {
  readonly status?: ReportStatus | undefined;
  readonly kind?: string | undefined;
  readonly unread?: boolean | undefined;
  /** Id of the last report of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
};

export type ReportPage = {
  readonly items: ReportView[];
  readonly next: string | null;
  readonly unread: number;
};

/** The owner's reports, newest first, and how many of them ended unread: the portal's notice. */
export const listReports = async (
  { db, clock }: Pick<OwnerDeps, 'db' | 'clock'>,
  owner: Owner,
  { status, kind, unread, after, limit }: ReportFilter,
): Promise<ReportPage> => {
  const now = clock();
  const { rows } = await db.query<ReportRow>(
    `SELECT * FROM relatorios
     WHERE ($1::text IS NULL OR cliente_id = $1 AND solicitante = $2) AND ($3::text IS NULL OR relatorio_id < $3)
       -- A file is not there any more from its instant on, also while no run has noted it yet.
       AND ($4::text IS NULL OR $4 = CASE WHEN status_relatorio = 'concluido' AND expira_em <= $7 THEN 'expirado'
         ELSE status_relatorio END)
       AND ($5::text IS NULL OR pedido->>'kind' = $5)
       AND (NOT $6 OR status_relatorio IN ('concluido', 'falha') AND aviso_lido_em IS NULL)
     ORDER BY relatorio_id DESC LIMIT $8`,
    [
      owner?.clientId ?? null,
      owner?.subject ?? null,
      after ?? null,
      status === undefined ? null : toStatusRelatorio(status),
      kind ?? null,
      unread ?? false,
      now,
      limit + 1,
    ],
  );
  const { rows: counts } = await db.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM relatorios WHERE ($1::text IS NULL OR cliente_id = $1 AND solicitante = $2)
       AND status_relatorio IN ('concluido', 'falha') AND aviso_lido_em IS NULL`,
    [owner?.clientId ?? null, owner?.subject ?? null],
  );
  const items = rows.slice(0, limit).map((row) => reportView(reportOfRow(row), now));
  return {
    items,
    next: rows.length > limit ? (items.at(-1)?.reportId ?? null) : null,
    unread: counts[0]?.n ?? 0,
  };
};

/** Marks the notice of a report as read; doing so again changes nothing. */
export const markRead = async (
  { db, clock }: Pick<OwnerDeps, 'db' | 'clock'>,
  owner: Owner,
  id: string,
): Promise<ReportView> => {
  await findReport(db, owner, id);
  await db.query(
    'UPDATE relatorios SET aviso_lido_em = $2 WHERE relatorio_id = $1 AND aviso_lido_em IS NULL AND terminado_em IS NOT NULL',
    [id, clock()],
  );
  return reportView(await findReport(db, owner, id), clock());
};

/**
 * Cancels a report that has not ended; the process that makes it stops within seconds, and can't commit any more.
 * Cancelling a cancelled one again changes nothing.
 * @throws Problem `not-found`; `conflict` where it has ended otherwise
 */
export const cancelReport = async (
  { db, jobs, clock }: Pick<OwnerDeps, 'db' | 'jobs' | 'clock'>,
  caller: Caller,
  id: string,
): Promise<ReportView> => {
  const { principal, requestId } = caller;
  await findReport(db, ownerOf(caller), id);
  const at = clock();
  await transaction(db, async (tx) => {
    const { rows } = await tx.query<{ cliente_id: string; finalidade: string }>(
      `UPDATE relatorios SET status_relatorio = 'cancelado', terminado_em = $2, executor = NULL, prazo_execucao = NULL
       WHERE relatorio_id = $1 AND status_relatorio IN ('na_fila', 'em_andamento') RETURNING cliente_id, finalidade`,
      [id, at],
    );
    if (!rows[0]) return;
    await recordAudit(tx, {
      at,
      by: principal.subject,
      action: 'report.cancel',
      resource: id,
      requestId,
      detail: { purpose: maskText(caller.purpose ?? rows[0].finalidade) },
    });
    if (await hasQueued(tx, rows[0].cliente_id)) await giveTurn(jobs, tx);
  });
  const after = await findReport(db, ownerOf(caller), id);
  if (after.status !== 'cancelled')
    throw new Problem('conflict', `The report is ${after.status} and can't be cancelled.`);
  return reportView(after, at);
};

const withoutFile: Record<Exclude<ReportStatus, 'completed'>, (report: Report) => Problem> = {
  queued: () => notReady('It waits for its turn.', '5'),
  running: () => notReady('It is being made.', '5'),
  failed: ({ failure }) => notReady(`It failed: ${failure?.message ?? ''}`),
  cancelled: () => notReady('It was cancelled.'),
  expired: () => expired(),
};

const notReady = (detail: string, retryAfter?: string): Problem =>
  new Problem('report-not-ready', detail, retryAfter ? { headers: { 'retry-after': retryAfter } } : {});

const expired = (): Problem =>
  new Problem('report-expired', 'Files are kept for some days only. Ask for the report again.');

/**
 * Lets the owner have the file, if the rights that they have at this moment still cover all that is in it. Every
 * permission and every refusal is in the audit trail, with the purpose of the report, before the file is given out.
 * @throws Problem `not-found`, `forbidden`, `report-not-ready`, `report-expired`
 */
export const permitDownload = async (
  deps: Pick<OwnerDeps, 'db' | 'maker' | 'clock'>,
  caller: Caller,
  id: string,
): Promise<{ report: Report; file: ReportFile }> => {
  const { db, maker, clock } = deps;
  const { principal, requestId, origin } = caller;
  const report = await findReport(db, ownerOf(caller), id);
  const now = clock();
  if (report.status !== 'completed') throw withoutFile[report.status](report);
  if (!isDownloadable(report, now) || !report.file) throw expired();
  const entry = { at: now, by: principal.subject, resource: id, requestId };
  const purpose = maskText(caller.purpose ?? report.purpose);
  try {
    const held = await rightsOf(db, principal, { scope: 'reports:read', unmasked: report.viewer.unmasked });
    if (!mayHave(held, report.viewer))
      throw new Problem('forbidden', 'The file holds data that this token does not allow any more.');
    const denied = maker.authorize(report.request, held);
    if (denied !== null) throw new Problem('forbidden', `This report is not for this token: ${denied}.`);
  } catch (error) {
    if (error instanceof Problem && error.type === 'forbidden')
      await recordAudit(db, {
        ...entry,
        action: 'report.download_refused',
        detail: { purpose, origin, why: error.message },
      });
    throw error;
  }
  const { file } = report;
  await transaction(db, async (tx) => {
    // Locked against the run that expires it: a file whose download was permitted is there for its link's life.
    const { rowCount } = await tx.query(
      `UPDATE relatorios SET downloads = downloads + 1, aviso_lido_em = coalesce(aviso_lido_em, $2)
       WHERE relatorio_id = $1 AND status_relatorio = 'concluido'`,
      [id, now],
    );
    if (rowCount !== 1) throw expired();
    await recordAudit(tx, {
      ...entry,
      action: 'report.download',
      detail: { purpose, origin, sha256: file.sha256, unmasked: report.viewer.unmasked },
    });
  });
  return { report, file };
};

/** A link to the file that lives for minutes. @throws Problem as `permitDownload` */
export const downloadLink = async (deps: OwnerDeps, caller: Caller, id: string): Promise<string> => {
  const { report, file } = await permitDownload(deps, caller, id);
  return deps.signedUrl(file.key, {
    expiresInSeconds: deps.limits.linkSeconds,
    filename: fileName(report),
  });
};
