import { recordAudit } from '../platform/audit.ts';
import type { Jobs } from '../platform/jobs.ts';
import { planMail } from '../platform/mail.ts';
import { postMessage } from '../platform/outbox.ts';
import type { Tx } from '../platform/postgres.ts';
import { newId } from '../shared/ids.ts';
import { giveTurn, hasQueued } from './queue.ts';
import { type Report, type ReportFailure, type ReportFile, type ReportRow, reportOfRow } from './report.ts';

export type EndingDeps = {
  readonly jobs: Pick<Jobs, 'enqueue'>;
  /** Where clients reach the API: `https://desk.example`, without a slash at its end. */
  readonly publicUrl: string;
};

export type Ending =
  | { readonly status: 'completed'; readonly file: ReportFile; readonly expiresAt: Date }
  | { readonly status: 'failed'; readonly failure: ReportFailure };

const endSql = `
  UPDATE relatorios SET status_relatorio = $3, motivo_falha = $4, mensagem_falha = $5, objeto = $6, linhas = $7,
    linhas_feitas = $7, linhas_previstas = $7, bytes = $8, hash_sha256 = $9, tipo_conteudo = $10, snapshot_id = $11,
    expira_em = $12, terminado_em = $13, executor = NULL, prazo_execucao = NULL
  WHERE relatorio_id = $1 AND execucao = $2 AND status_relatorio IN ('na_fila', 'em_andamento') RETURNING *`;

/**
 * The commit point of a report. Its file becomes downloadable here or never; with it come the audit row, the webhook,
 * the e-mail, the portal's notice and the next turn of a client that was at its limit.
 * null: it was cancelled, or another execution has it; then nothing is written.
 */
export const endReport = async (
  deps: EndingDeps,
  tx: Tx,
  { id, execution, ending, at }: { id: string; execution: number; ending: Ending; at: Date },
): Promise<Report | null> => {
  const file = ending.status === 'completed' ? ending.file : null;
  const failure = ending.status === 'failed' ? ending.failure : null;
  const { rows } = await tx.query<ReportRow>(endSql, [
    id,
    execution,
    ending.status === 'completed' ? 'concluido' : 'falha',
    failure?.reason ?? null,
    failure?.message ?? null,
    file?.key ?? null,
    file?.rows ?? null,
    file?.bytes ?? null,
    file?.sha256 ?? null,
    file?.contentType ?? null,
    file?.snapshotId ?? null,
    ending.status === 'completed' ? ending.expiresAt : null,
    at,
  ]);
  const report = rows[0] && reportOfRow(rows[0]);
  if (!report) return null;
  await recordAudit(tx, {
    at,
    by: 'lastro',
    action: `report.${ending.status}`,
    resource: id,
    detail: file ? { rows: file.rows, sha256: file.sha256 } : { reason: failure?.reason },
  });
  await tell(deps, tx, report, at);
  if (await hasQueued(tx, report.clientId)) await giveTurn(deps.jobs, tx);
  return report;
};

/** Plans what tells of an end: a webhook, an e-mail. Neither carries the data; the link needs the reader's rights. */
export const tell = async (
  { jobs, publicUrl }: EndingDeps,
  tx: Tx,
  report: Report,
  at: Date,
): Promise<void> => {
  const { email, callbackUrl } = report.notify;
  const link = `${publicUrl}/v1/reports/${report.id}`;
  if (callbackUrl !== undefined) {
    const id = newId('msg', at);
    const type = `report.${report.status}`;
    const body = JSON.stringify({
      type,
      id,
      reportId: report.id,
      kind: report.request.kind,
      rows: report.file?.rows ?? null,
      bytes: report.file?.bytes ?? null,
      sha256: report.file?.sha256 ?? null,
      expiresAt: report.expiresAt?.toISOString() ?? null,
      failure: report.failure,
      link,
      endedAt: at.toISOString(),
    });
    await postMessage({ jobs }, tx, { id, type, orderKey: report.id, areaId: null, body, at, callbackUrl });
  }
  // People follow it with a browser: the portal lets them sign in, the API would only refuse them.
  const page = `${publicUrl}/portal/relatorios/${report.id}`;
  if (email !== undefined) await planMail(jobs, tx, { to: email, ...mailOf(report, page) }, at);
};

const dayAndTime = new Intl.DateTimeFormat('pt-BR', {
  dateStyle: 'short',
  timeStyle: 'short',
  timeZone: 'America/Sao_Paulo',
});

const mailOf = (report: Report, link: string): { id: string; subject: string; text: string } => {
  const done = report.status === 'completed';
  const id = `${report.id}.${report.status}`;
  const until = report.expiresAt ? ` até ${dayAndTime.format(report.expiresAt)} (horário de Brasília)` : '';
  const body = done
    ? `O relatório ${report.id} está pronto. O arquivo pode ser baixado${until}, por quem tem acesso a ele:\n\n${link}`
    : `O relatório ${report.id} não pôde ser gerado. O motivo está em:\n\n${link}`;
  return {
    id,
    subject: done ? 'Seu relatório está pronto' : 'Seu relatório não pôde ser gerado',
    text: `${body}\n\nPor segurança, esta mensagem não contém dados. Mensagem automática; não responda.\n`,
  };
};
