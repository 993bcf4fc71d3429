import { type OutboxDeps, postMessage } from '../platform/outbox.ts';
import type { Tx } from '../platform/postgres.ts';
import { newId } from '../shared/ids.ts';
import { messageOfEnd } from './messages.ts';
import type { FailureReason } from './model.ts';
import type { OrderSummary } from './view.ts';

type EndedOrder = {
  order: Pick<OrderSummary, 'orderKey' | 'areaId'> & { callbackUrl?: string | undefined };
  author: string;
  requestId: string;
};

type EndDeps = OutboxDeps & { clock: () => Date };

/** Ends an open order as cancelled, with its message. Answers whether it was still open. */
export const cancelOrder = (deps: EndDeps, tx: Tx, ended: EndedOrder): Promise<boolean> =>
  endWithoutVerdict(deps, tx, { ...ended, reason: 'cancelada', action: 'order.cancel' });

/**
 * Ends an open order for a reason that is no answer of the engine. Decided orders stay as they are.
 */
export const endWithoutVerdict = async (
  { clock, ...outbox }: EndDeps,
  tx: Tx,
  {
    order,
    author,
    requestId,
    reason,
    action,
  }: EndedOrder & { reason: Extract<FailureReason, 'cancelada' | 'abandoned'>; action: string },
): Promise<boolean> => {
  const at = clock();
  const { rows } = await tx.query<{ callback: string | null }>(
    `UPDATE envelopes SET status_envelope = 'falha', motivo_falha = $2, coro_completo = NULL, motivo_espera = NULL,
       parceiro_esperado = NULL, data_atualizacao = $3, atualizado_por = $4, decidido_em = $3
     WHERE envelope_id = $1 AND status_envelope IN ('rascunho', 'em_processamento')
     RETURNING pedido->>'callbackUrl' AS callback`,
    [order.orderKey, reason, at, author],
  );
  const [row] = rows;
  if (!row) return false;
  await tx.query(
    `WITH trilha AS (
       INSERT INTO trilha_auditoria (quando, quem, acao, recurso, area_id, requisicao)
       VALUES ($2, $3, $4, $1, $5, $6)
     )
     INSERT INTO eventos_envelope (envelope_id, tipo_evento, data_evento, autor, detalhe)
     VALUES ($1, $7, $2, $3, '{}')`,
    [
      order.orderKey,
      at,
      author,
      action,
      order.areaId,
      requestId,
      reason === 'cancelada' ? 'cancelled' : 'abandoned',
    ],
  );
  const id = newId('msg', at);
  const message = messageOfEnd({ id, order, reason, at });
  await postMessage(outbox, tx, { ...message, callbackUrl: row.callback });
  return true;
};
