import type { Jobs, Queue } from './jobs.ts';
import { byArea, type Db, type Tx } from './postgres.ts';

export type Channel = 'webhook' | 'sqs';

/** One delivery of one message. Those of one key (an order) go out one after the other. */
export const deliveryQueue: Queue<{ messageId: string; channel: Channel }> = {
  name: 'delivery',
  retryLimit: 12,
  retryDelaySeconds: 5,
  retryDelayMaxSeconds: 3_600,
  expireInSeconds: 120,
  orderedByKey: true,
};

export type OutboxDeps = {
  jobs: Pick<Jobs, 'enqueue'>;
  /** Queue of another team's system that gets every message; absent: none. */
  sqsUrl?: string | undefined;
};

export type Deliveries = { messageId: string; orderKey: string; callbackUrl: string | null };

/**
 * Plans a stored message's deliveries, in the transaction that stored it. Readers who pull need none of this.
 */
export const planDeliveries = async (
  { jobs, sqsUrl }: OutboxDeps,
  tx: Tx,
  { messageId, orderKey, callbackUrl }: Deliveries,
): Promise<void> => {
  const targets: [Channel, string][] = [];
  if (callbackUrl) targets.push(['webhook', callbackUrl]);
  if (sqsUrl) targets.push(['sqs', sqsUrl]);
  for (const [channel, target] of targets) {
    await tx.query('INSERT INTO entregas (mensagem_id, canal, destino) VALUES ($1, $2, $3)', [
      messageId,
      channel,
      target,
    ]);
    await jobs.enqueue(tx, deliveryQueue, { messageId, channel }, { key: `${orderKey}:${channel}` });
  }
};

/**
 * Stores a message and plans its deliveries, in the transaction of what it tells of. `orderKey` is what it is about,
 * an order or a report: deliveries about one thing go out in order. Without an area nobody can pull it.
 */
export const postMessage = async (
  deps: OutboxDeps,
  tx: Tx,
  message: {
    id: string;
    type: string;
    orderKey: string;
    areaId: string | null;
    body: string;
    at: Date;
    callbackUrl: string | null;
  },
): Promise<void> => {
  await tx.query(
    `INSERT INTO mensagens (mensagem_id, area_id, envelope_id, tipo, corpo, data_criacao)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [message.id, message.areaId, message.orderKey, message.type, message.body, message.at],
  );
  await planDeliveries(deps, tx, {
    messageId: message.id,
    orderKey: message.orderKey,
    callbackUrl: message.callbackUrl,
  });
};

export type MessagePage = { messages: unknown[]; next: string };

const startCursor = '0-0';

const largest = { xid8: 2n ** 64n - 1n, bigint: 2n ** 63n - 1n };

/** Whether a text is a cursor that `readMessages` can have given. */
export const isMessageCursor = (text: string): boolean => {
  const [, transaction, sequence] = /^(\d{1,20})-(\d{1,19})$/.exec(text) ?? [];
  return (
    transaction !== undefined &&
    sequence !== undefined &&
    BigInt(transaction) <= largest.xid8 &&
    BigInt(sequence) <= largest.bigint
  );
};

/**
 * Messages after a cursor, in an order that no later commit can change: only those of transactions older than
 * every open one are shown, so a reader that keeps the last cursor misses nothing.
 */
export const readMessages = async (
  db: Db,
  {
    areas,
    after = startCursor,
    limit,
  }: { areas: readonly string[] | null; after?: string | undefined; limit: number },
): Promise<MessagePage> => {
  const [transaction, sequence] = after.split('-');
  const oldest = (inArea: string): string =>
    `SELECT corpo, transacao, sequencia FROM mensagens
     WHERE ${inArea} AND transacao < pg_snapshot_xmin(pg_current_snapshot())
       AND (transacao, sequencia) > ($1::text::xid8, $2::bigint)
     ORDER BY transacao, sequencia LIMIT $3`;
  const { rows } = await db.query<{ corpo: string; transacao: string; sequencia: string }>(
    // Ordered by the table's columns: a bare name would mean the answer's, which are text and sort as such.
    `SELECT corpo, transacao::text, sequencia::text FROM (${byArea(areas, 4, oldest)}) m
     ORDER BY m.transacao, m.sequencia LIMIT $3`,
    [transaction, sequence, limit, ...(areas ?? [])],
  );
  const last = rows.at(-1);
  return {
    messages: rows.map(({ corpo }) => JSON.parse(corpo) as unknown),
    next: last ? `${last.transacao}-${last.sequencia}` : after,
  };
};
