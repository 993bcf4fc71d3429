import type { Pool } from 'pg';
import { maskText } from '../shared/mask.ts';
import { GiveUp, type JobContext } from './jobs.ts';
import type { Log } from './log.ts';
import { type Channel, deliveryQueue } from './outbox.ts';
import type { SendWebhook } from './webhooks.ts';

export type DeliveredMessage = { id: string; orderKey: string; body: string; at: Date };

/** Sends a message to a queue of another team. */
export type SendToQueue = (url: string, message: DeliveredMessage) => Promise<void>;

export type DeliveryDeps = {
  db: Pool;
  log: Log;
  clock: () => Date;
  sendWebhook: SendWebhook;
  sendToQueue: SendToQueue;
};

type Row = {
  destino: string;
  status_entrega: string;
  corpo: string;
  envelope_id: string;
  data_criacao: Date;
};

/**
 * One delivery: at least once, since an answer can be lost after the receiver has acted. What was delivered
 * is not sent again; what fails its last try is dead (`morta`) and waits for `lastro jobs redrive`.
 */
export const deliver = async (
  { db, log, clock, sendWebhook, sendToQueue }: DeliveryDeps,
  { messageId, channel }: { messageId: string; channel: Channel },
  { attempt }: Pick<JobContext, 'attempt'>,
): Promise<void> => {
  const { rows } = await db.query<Row>(
    `SELECT e.destino, e.status_entrega, m.corpo, m.envelope_id, m.data_criacao
     FROM entregas e JOIN mensagens m USING (mensagem_id) WHERE mensagem_id = $1 AND canal = $2`,
    [messageId, channel],
  );
  const [row] = rows;
  if (!row) throw new GiveUp(`message ${messageId} has no delivery by ${channel}: its retention ended`);
  if (row.status_entrega === 'entregue') return;
  const message = { id: messageId, orderKey: row.envelope_id, body: row.corpo, at: row.data_criacao };
  try {
    await (channel === 'webhook' ? sendWebhook(row.destino, message) : sendToQueue(row.destino, message));
  } catch (error) {
    const final = error instanceof GiveUp || attempt >= deliveryQueue.retryLimit;
    await note(db, messageId, channel, final ? 'morta' : 'pendente', clock(), error);
    throw error;
  }
  await note(db, messageId, channel, 'entregue', clock(), null);
  log.info({ orderKey: row.envelope_id, messageId, channel }, 'message delivered');
};

const note = async (
  db: Pool,
  messageId: string,
  channel: Channel,
  status: 'entregue' | 'pendente' | 'morta',
  at: Date,
  error: unknown,
): Promise<void> => {
  await db.query(
    `UPDATE entregas SET status_entrega = $3, tentativas = tentativas + 1, ultimo_erro = $4,
       data_entrega = CASE WHEN $3 = 'entregue' THEN $5::timestamptz END
     WHERE mensagem_id = $1 AND canal = $2`,
    [
      messageId,
      channel,
      status,
      error === null ? null : maskText(error instanceof Error ? error.message : String(error)),
      at,
    ],
  );
};
