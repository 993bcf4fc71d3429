import type { Pool } from 'pg';
import { type SealDeps, sealAudit } from '../platform/audit.ts';
import type { Jobs, Queue } from '../platform/jobs.ts';
import type { Log } from '../platform/log.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import { newId } from '../shared/ids.ts';
import { assemblyQueue } from './assembly.ts';
import { endWithoutVerdict } from './cancellation.ts';

const once = { retryLimit: 0, retryDelaySeconds: 1, retryDelayMaxSeconds: 1, expireInSeconds: 3_000 };

/** What must be timely: time limits and the audit's seal. Two at once do no harm: each locks what it takes. */
export const housekeepingQueue: Queue<object> = { ...once, name: 'housekeeping' };
export const housekeepingCron = '* * * * *';

/** What may take long: the removal of what is past its retention. */
export const retentionQueue: Queue<object> = { ...once, name: 'retention' };
export const retentionCron = '17 * * * *';

export type HousekeepingDeps = {
  db: Pool;
  jobs: Pick<Jobs, 'enqueue' | 'enqueueAll'>;
  clock: () => Date;
  log: Log;
  sqsUrl?: string | undefined;
  seal: Omit<SealDeps, 'db' | 'clock'>;
};

/** Rows that one statement takes: a long table is cleaned over many short transactions. */
const batch = 1_000;

/** Time limits, abandoned drafts, and the seal of the audit trail. */
export const keepHouse = async (
  deps: HousekeepingDeps,
): Promise<{ overdue: number; abandoned: number; sealed: number }> => {
  const now = deps.clock();
  const report = {
    abandoned: await endAbandonedDrafts(deps, now),
    overdue: await decideOverdue(deps, now),
    sealed: await sealAudit({ db: deps.db, clock: deps.clock, ...deps.seal }),
  };
  if (Object.values(report).some((count) => count > 0)) deps.log.info(report, 'housekeeping');
  return report;
};

/** Removes what is past its retention, in small transactions. */
export const removeExpired = async ({
  db,
  clock,
  log,
}: Pick<HousekeepingDeps, 'db' | 'clock' | 'log'>): Promise<{
  idempotencyKeys: number;
  evidence: number;
  messages: number;
}> => {
  const now = clock();
  const report = {
    idempotencyKeys: await removeBatches(db, expiredKeysSql, now),
    evidence: await removeBatches(db, expiredEvidenceSql, now),
    messages: await removeBatches(db, expiredMessagesSql, now),
  };
  log.info(report, 'retention');
  return report;
};

/** Orders past the area's time limit get one more attempt, which decides them or ends them as undetermined. */
const decideOverdue = ({ db, jobs }: HousekeepingDeps, now: Date): Promise<number> =>
  transaction(db, async (tx) => {
    const { rows } = await tx.query<{ envelope_id: string; tentativas: number }>(
      `SELECT envelope_id, tentativas FROM envelopes
       WHERE status_envelope IN ('rascunho', 'em_processamento') AND prazo_decisao <= $1
       ORDER BY prazo_decisao LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED`,
      [now, batch],
    );
    await jobs.enqueueAll(
      tx,
      assemblyQueue,
      rows.map(({ envelope_id: orderKey, tentativas: attempt }) => ({
        orderKey,
        requestId: newId('req', now),
        attempt,
      })),
    );
    return rows.length;
  });

/** A draft past the area's retention was never assembled: its job died and nobody redrove it. */
const endAbandonedDrafts = ({ db, jobs, clock, sqsUrl }: HousekeepingDeps, now: Date): Promise<number> =>
  transaction(db, async (tx: Tx) => {
    const { rows } = await tx.query<{ envelope_id: string; area_id: string }>(
      `SELECT envelope_id, area_id FROM envelopes
       WHERE status_envelope = 'rascunho' AND prazo_decisao <= $1
         AND data_criacao < $1::timestamptz - make_interval(days => (parametros->>'draftRetentionDays')::int)
       ORDER BY prazo_decisao LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED`,
      [now, batch],
    );
    for (const { envelope_id: orderKey, area_id: areaId } of rows)
      await endWithoutVerdict({ clock, jobs, sqsUrl }, tx, {
        order: { orderKey, areaId },
        author: 'lastro',
        requestId: newId('req', now),
        reason: 'abandoned',
        action: 'order.abandon',
      });
    return rows.length;
  });

const expiredKeysSql = `
  DELETE FROM chaves_idempotencia WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM chaves_idempotencia WHERE expira_em < $1 LIMIT ${batch} FOR UPDATE SKIP LOCKED))`;

/** Evidence goes when the legal term of its decided order has passed: the term in force when it was taken. */
const expiredEvidenceSql = `
  DELETE FROM evidencias v WHERE v.ctid = ANY (ARRAY(
    SELECT v2.ctid FROM envelopes e JOIN evidencias v2 USING (envelope_id)
    WHERE e.decidido_em < $1::timestamptz - interval '365 days'
      AND e.decidido_em < $1::timestamptz - make_interval(days => (e.parametros->>'evidenceRetentionDays')::int)
    LIMIT ${batch}))`;

/** Messages stay for those who pull them late; undelivered ones stay until someone has looked at them. */
const expiredMessagesSql = `
  DELETE FROM mensagens WHERE mensagem_id = ANY (ARRAY(
    SELECT m.mensagem_id FROM mensagens m
    WHERE m.data_criacao < $1::timestamptz - interval '90 days'
      AND NOT EXISTS (SELECT FROM entregas d WHERE d.mensagem_id = m.mensagem_id AND d.status_entrega <> 'entregue')
    LIMIT ${batch}))`;

const removeBatches = async (db: Pool, sql: string, now: Date): Promise<number> => {
  let removed = 0;
  for (;;) {
    const { rowCount } = await db.query(sql, [now]);
    removed += rowCount ?? 0;
    if ((rowCount ?? 0) < batch) return removed;
  }
};
