import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { recordAudit } from '../platform/audit.ts';
import type { Principal } from '../platform/auth.ts';
import {
  answeredBefore,
  answerToKeep,
  type IdempotencyKey,
  type KeptAnswer,
  keepAnswerSql,
  keptAnswerValues,
  keyOfBody,
  requestInProgress,
  takeIdempotencyKey,
} from '../platform/idempotency.ts';
import type { Jobs } from '../platform/jobs.ts';
import { type Db, type Tx, transaction } from '../platform/postgres.ts';
import { Problem } from '../platform/problem.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { newId } from '../shared/ids.ts';
import { maskText } from '../shared/mask.ts';
import type { ReportRequest, ReportViewer } from './contract.ts';
import { type EndingDeps, tell } from './ending.ts';
import { checkLimits, lockClient, type ReportLimits } from './limits.ts';
import type { ReportMaker } from './maker.ts';
import { giveTurn } from './queue.ts';
import { isEnded, type Report, type ReportRow, reportOfRow } from './report.ts';
import { type BodyDeps, parseReportBody, type ReportBody } from './request-body.ts';
import { rightsOf } from './rights.ts';
import { reportView } from './view.ts';

export type PlaceDeps = Omit<BodyDeps, 'maker'> &
  EndingDeps & {
    readonly db: Pool;
    readonly jobs: Pick<Jobs, 'enqueue'>;
    readonly maker: Pick<ReportMaker, 'parse' | 'authorize'>;
    readonly clock: () => Date;
    readonly limits: ReportLimits;
  };

/**
 * Who asks, under which request id, and from where. The terminal's operator holds the database: limits do not bind
 * them, and they see everybody's reports; what they do is in the audit trail under their name.
 */
export type Caller = {
  readonly principal: Principal;
  readonly requestId: string;
  readonly origin: 'api' | 'terminal';
  /** Why an operator looks into a report that may be somebody else's. */
  readonly purpose?: string;
};

export type PlacedReport = KeptAnswer & { readonly replayed: boolean };

/**
 * Takes a request for a report. It, its audit row, its idempotent answer and its turn in the queue commit in one
 * transaction. The same request with the same rights may get the file of an earlier one, if that is young enough.
 * @throws Problem `validation-failed` with every violation; `forbidden`; `report-limit`; `idempotency-key-reused`,
 * `request-in-progress`
 */
export const placeReport = async (
  deps: PlaceDeps,
  caller: Caller,
  body: unknown,
  idempotencyKey: string | undefined,
): Promise<PlacedReport> => {
  const { principal } = caller;
  const key = keyOfBody(principal, idempotencyKey, 'report', body);
  const answered = key && (await answeredBefore(deps.db, key, deps.clock()));
  if (answered) return { ...answered, replayed: true };
  const accepted = parseReportBody(deps, body);
  const viewer = await rightsOf(deps.db, principal, { scope: 'reports:write', unmasked: accepted.unmasked });
  const denied = deps.maker.authorize(accepted.request, viewer);
  if (denied !== null) throw new Problem('forbidden', `This report is not for this token: ${denied}.`);
  const print = fingerprint(principal, accepted.request, viewer);
  return transaction(deps.db, (tx) => storeReport(deps, tx, caller, { ...accepted, viewer, print }, key));
};

/** Equal requests of one client with equal rights have one; purpose and notices do not change the file. */
const fingerprint = (
  { clientId, subject }: Principal,
  request: ReportRequest,
  { areas, clients, unmasked }: ReportViewer,
): string =>
  createHash('sha256')
    .update(canonicalJson({ clientId, subject, request, areas, clients, unmasked }))
    .digest('hex');

type Accepted = ReportBody & { viewer: ReportViewer; print: string };

const storeReport = async (
  deps: PlaceDeps,
  tx: Tx,
  caller: Caller,
  accepted: Accepted,
  key: IdempotencyKey | undefined,
): Promise<PlacedReport> => {
  const now = deps.clock();
  if (key && (await takeIdempotencyKey(tx, key.owner, key.key, now)).state !== 'free')
    throw requestInProgress();
  const { clientId } = caller.principal;
  await lockClient(tx, clientId);
  const id = newId('rpt', now);
  const reused = await reuse(deps, tx, { id, caller, accepted, now });
  if (!reused && caller.origin === 'api') await checkLimits(tx, deps.limits, { clientId, now });
  const report = reused ?? (await insertReport(tx, { id, caller, accepted, now }));
  await recordAudit(tx, {
    at: now,
    by: caller.principal.subject,
    action: 'report.request',
    resource: id,
    requestId: caller.requestId,
    detail: {
      purpose: maskText(accepted.purpose),
      kind: accepted.request.kind,
      format: accepted.request.format,
      unmasked: accepted.viewer.unmasked,
      origin: caller.origin,
      // The parameters may be a person's CPF: the trail proves which they were, and does not tell.
      request: accepted.print,
      ...(reused ? { reusedFrom: reused.reusedFrom } : {}),
    },
  });
  if (reused) await tell(deps, tx, reused, now);
  else await giveTurn(deps.jobs, tx);
  const answer = {
    status: reused ? 200 : 202,
    location: `/v1/reports/${id}`,
    body: JSON.stringify(reportView(report, now)),
  };
  if (key) {
    const kept = answerToKeep(key, answer, now);
    const { rowCount } = await tx.query(keepAnswerSql({ now: 1, first: 2 }), [
      now,
      ...keptAnswerValues(kept),
    ]);
    if (rowCount !== 1) throw requestInProgress();
  }
  return { ...answer, replayed: false };
};

type NewReport = { id: string; caller: Caller; accepted: Accepted; now: Date };

const columns = ({ id, caller: { principal, origin }, accepted, now }: NewReport): unknown[] => [
  id,
  principal.clientId,
  principal.subject,
  origin,
  accepted.purpose,
  JSON.stringify(accepted.request),
  JSON.stringify(accepted.viewer),
  accepted.print,
  JSON.stringify(accepted.notify),
  now,
];

const insertReport = async (tx: Tx, report: NewReport): Promise<Report> => {
  const { rows } = await tx.query<ReportRow>(
    `INSERT INTO relatorios (relatorio_id, cliente_id, solicitante, origem, finalidade, pedido, visao,
       impressao_digital, avisar, criado_em, nao_antes)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) RETURNING *`,
    columns(report),
  );
  if (!rows[0]) throw new Error('expected the report that was inserted');
  return reportOfRow(rows[0]);
};

/** A finished report over the file of an equal one, which expires when that one does; null where there is none. */
const reuse = async ({ limits }: PlaceDeps, tx: Tx, report: NewReport): Promise<Report | null> => {
  const { now } = report;
  const { rows } = await tx.query<ReportRow>(
    `INSERT INTO relatorios (relatorio_id, cliente_id, solicitante, origem, finalidade, pedido, visao,
       impressao_digital, avisar, criado_em, nao_antes, status_relatorio, aproveitado_de, iniciado_em, terminado_em,
       linhas_feitas, linhas_previstas, linhas, bytes, hash_sha256, tipo_conteudo, objeto, snapshot_id, expira_em)
     SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, 'concluido', relatorio_id, $10, $10,
       linhas, linhas, linhas, bytes, hash_sha256, tipo_conteudo, objeto, snapshot_id, expira_em
     FROM relatorios
     WHERE impressao_digital = $8 AND status_relatorio = 'concluido' AND aproveitado_de IS NULL
       AND terminado_em > $11 AND expira_em > $12
     ORDER BY terminado_em DESC LIMIT 1
     -- Against housekeeping, which expires rows and then removes the files that none has.
     FOR SHARE
     RETURNING *`,
    [
      ...columns(report),
      new Date(now.getTime() - limits.reuseSeconds * 1_000),
      new Date(now.getTime() + limits.linkSeconds * 1_000),
    ],
  );
  return rows[0] ? reportOfRow(rows[0]) : null;
};

/** Waits until a report has ended, at most so long; answers it as it is then. */
export const waitForReport = async (
  db: Db,
  id: string,
  { seconds, signal }: { seconds: number; signal?: AbortSignal },
): Promise<Report | null> => {
  const until = performance.now() + seconds * 1_000;
  for (let pauseMs = 50; ; pauseMs = Math.min(400, pauseMs * 1.5)) {
    const { rows } = await db.query<ReportRow>('SELECT * FROM relatorios WHERE relatorio_id = $1', [id]);
    const report = rows[0] ? reportOfRow(rows[0]) : null;
    if (!report || isEnded(report) || signal?.aborted || performance.now() >= until) return report;
    await sleep(pauseMs);
  }
};
