import type { Pool } from 'pg';
import type { EnqueueOptions, Jobs, Queue } from '../platform/jobs.ts';
import { type Db, type Tx, transaction } from '../platform/postgres.ts';
import { type Report, type ReportRow, reportOfRow } from './report.ts';

/**
 * A job is a turn, not a report: who takes it makes the report whose turn it is. So the queue's order is the fair
 * one whatever order the jobs come in, and a lost or doubled job costs a look at the table.
 */
export const reportQueue: Queue<object> = {
  name: 'report',
  retryLimit: 10,
  retryDelaySeconds: 2,
  retryDelayMaxSeconds: 60,
  // Longer than a report may take (REPORT_MAX_SECONDS has this as its upper bound).
  expireInSeconds: 6 * 3_600,
  urgent: true,
};

/** How long a claim holds without a sign of life. */
export const claimSeconds = 20;

const pickLock = 5_278_000_061;

export const giveTurn = (jobs: Pick<Jobs, 'enqueue'>, tx: Tx, options: EnqueueOptions = {}): Promise<void> =>
  jobs.enqueue(tx, reportQueue, {}, options);

// Of the clients that have something to be made and are below their share, the one with the fewest in the making,
// among these the one whose last turn is longest ago; of its reports the oldest. A claim that ran out was a process
// that died.
const pickSql = `
  SELECT r.relatorio_id FROM relatorios r
  LEFT JOIN vez_relatorios v USING (cliente_id)
  CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM relatorios o
    WHERE o.cliente_id = r.cliente_id AND o.status_relatorio = 'em_andamento'
      AND o.prazo_execucao > clock_timestamp()
  ) em_curso
  WHERE (r.status_relatorio = 'na_fila' AND r.nao_antes <= $1
      OR r.status_relatorio = 'em_andamento' AND r.prazo_execucao <= clock_timestamp())
    AND em_curso.n < $2
    AND ($3::text IS NULL OR r.relatorio_id = $3)
  ORDER BY em_curso.n, v.ultima_vez NULLS FIRST, r.relatorio_id
  LIMIT 1`;

const claimSql = `
  UPDATE relatorios SET status_relatorio = 'em_andamento', executor = $2, execucao = execucao + 1,
    tentativas = tentativas + 1, prazo_execucao = clock_timestamp() + make_interval(secs => $3),
    iniciado_em = coalesce(iniciado_em, $4), linhas_feitas = NULL, linhas_previstas = NULL
  WHERE relatorio_id = $1 RETURNING *`;

export type ClaimDeps = { readonly db: Pool; readonly clock: () => Date; readonly runningPerClient: number };

/**
 * Claims the report whose turn it is, or the one named where it is free; null where there is none. Claims are made
 * one after the other: each sees the one before, or two workers could give one client two turns.
 */
export const claimReport = async (
  { db, clock, runningPerClient }: ClaimDeps,
  { holder, id }: { holder: string; id?: string },
): Promise<Report | null> =>
  transaction(db, async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [pickLock]);
    const now = clock();
    const { rows: picked } = await tx.query<{ relatorio_id: string }>(pickSql, [
      now,
      // A person at the terminal who waits for this very report is not held up by the client's other ones.
      id === undefined ? runningPerClient : 1_000_000,
      id ?? null,
    ]);
    if (!picked[0]) return null;
    const { rows } = await tx.query<ReportRow>(claimSql, [picked[0].relatorio_id, holder, claimSeconds, now]);
    const report = rows[0] && reportOfRow(rows[0]);
    if (!report) return null;
    await tx.query(
      `INSERT INTO vez_relatorios VALUES ($1, clock_timestamp())
       ON CONFLICT (cliente_id) DO UPDATE SET ultima_vez = excluded.ultima_vez`,
      [report.clientId],
    );
    return report;
  });

export type Claim = { readonly id: string; readonly execution: number };

/** Renews a claim and notes how far the work is. false: it was cancelled, or another execution has it. */
export const renewClaim = async (
  db: Db,
  { id, execution }: Claim,
  { rows, expectedRows }: { rows: number | null; expectedRows: number | null },
): Promise<boolean> => {
  const { rowCount } = await db.query(
    `UPDATE relatorios SET prazo_execucao = clock_timestamp() + make_interval(secs => $3),
       linhas_feitas = $4, linhas_previstas = $5
     WHERE relatorio_id = $1 AND execucao = $2 AND status_relatorio = 'em_andamento'`,
    [id, execution, claimSeconds, rows, expectedRows],
  );
  return rowCount === 1;
};

/** Puts a report back. `counts`: this was a try that failed; else it was only interrupted. false: no longer ours. */
export const putBack = async (
  tx: Tx,
  { id, execution }: Claim,
  { notBefore, counts }: { notBefore: Date; counts: boolean },
): Promise<boolean> => {
  const { rowCount } = await tx.query(
    `UPDATE relatorios SET status_relatorio = 'na_fila', executor = NULL, prazo_execucao = NULL, nao_antes = $3,
       tentativas = tentativas - CASE WHEN $4 THEN 0 ELSE 1 END, linhas_feitas = NULL, linhas_previstas = NULL
     WHERE relatorio_id = $1 AND execucao = $2 AND status_relatorio = 'em_andamento'`,
    [id, execution, notBefore, counts],
  );
  return rowCount === 1;
};

/** Whether a client has something in the queue: a turn that found it at its limit went by unused. */
export const hasQueued = async (tx: Tx, clientId: string): Promise<boolean> => {
  const { rows } = await tx.query<{ queued: boolean }>(
    `SELECT EXISTS (SELECT FROM relatorios WHERE cliente_id = $1 AND status_relatorio = 'na_fila') AS queued`,
    [clientId],
  );
  return rows[0]?.queued === true;
};
