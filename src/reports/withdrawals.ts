import type { Pool } from 'pg';
import { recordAudit } from '../platform/audit.ts';
import { transaction } from '../platform/postgres.ts';
import { newId } from '../shared/ids.ts';
import type { Right } from './rights.ts';

/** Who acts: a person at the terminal, or an administrator's token. */
export type Operator = { readonly subject: string; readonly requestId: string };

export type KeptWithdrawal = {
  readonly id: string;
  readonly clientId: string;
  readonly subject: string | null;
  readonly right: Right | null;
  readonly reason: string;
  readonly by: string;
  readonly at: Date;
};

type Deps = { readonly db: Pool; readonly clock: () => Date };

/**
 * Takes rights away at once, from the next check on: of a client (or only of one of its subjects), every right or one.
 * The issuer's tokens go on saying what they say until they expire.
 */
export const withdrawRight = (
  { db, clock }: Deps,
  operator: Operator,
  given: { clientId: string; subject?: string | undefined; right: Right | null; reason: string },
): Promise<KeptWithdrawal> =>
  transaction(db, async (tx) => {
    const at = clock();
    const id = newId('wdr', at);
    const { clientId, subject = null, right, reason } = given;
    await tx.query(
      `INSERT INTO direitos_retirados (retirada_id, cliente_id, solicitante, tipo_direito, valor_direito, motivo,
         retirado_por, retirado_em)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [id, clientId, subject, right?.type ?? null, right?.value ?? null, reason, operator.subject, at],
    );
    // A client's document is no secret to who looks the row up, and none of the trail's business.
    const detail = {
      clientId,
      right: right && (right.type === 'client' ? { type: 'client' } : right),
      reason,
    };
    await recordAudit(tx, {
      at,
      by: operator.subject,
      action: 'report.rights_withdrawn',
      resource: id,
      requestId: operator.requestId,
      detail,
    });
    return { id, clientId, subject, right, reason, by: operator.subject, at };
  });

/** Gives back what was withdrawn. false: there is no such withdrawal in force. */
export const restoreRight = ({ db, clock }: Deps, operator: Operator, id: string): Promise<boolean> =>
  transaction(db, async (tx) => {
    const at = clock();
    const { rowCount } = await tx.query(
      `UPDATE direitos_retirados SET devolvido_por = $2, devolvido_em = $3
       WHERE retirada_id = $1 AND devolvido_em IS NULL`,
      [id, operator.subject, at],
    );
    if (rowCount !== 1) return false;
    await recordAudit(tx, {
      at,
      by: operator.subject,
      action: 'report.rights_restored',
      resource: id,
      requestId: operator.requestId,
    });
    return true;
  });

/** What is withdrawn now, newest first. */
export const listWithdrawals = async (db: Pool): Promise<KeptWithdrawal[]> => {
  const { rows } = await db.query<{
    retirada_id: string;
    cliente_id: string;
    solicitante: string | null;
    tipo_direito: Right['type'] | null;
    valor_direito: string | null;
    motivo: string;
    retirado_por: string;
    retirado_em: Date;
  }>('SELECT * FROM direitos_retirados WHERE devolvido_em IS NULL ORDER BY retirada_id DESC');
  return rows.map((row) => ({
    id: row.retirada_id,
    clientId: row.cliente_id,
    subject: row.solicitante,
    right:
      row.tipo_direito === null || row.valor_direito === null
        ? null
        : { type: row.tipo_direito, value: row.valor_direito },
    reason: row.motivo,
    by: row.retirado_por,
    at: row.retirado_em,
  }));
};
