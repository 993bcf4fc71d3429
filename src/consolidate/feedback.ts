import type { Pool } from 'pg';
import { holderName, LeaseHeldError, withLease } from '../platform/leases.ts';
import type { Db } from '../platform/postgres.ts';
import type { CheckBody } from './feedback-schemas.ts';

export type KafkaMessage = {
  readonly topic: string;
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
};

/** Sends messages and resolves when the broker has them on every replica that it waits for. */
export type SendMessages = (messages: readonly KafkaMessage[]) => Promise<void>;

export type FeedbackDeps = {
  readonly pool: Pool;
  readonly send: SendMessages;
  readonly check: CheckBody;
  readonly deadLetterTopic: string;
  readonly signal?: AbortSignal;
};

export type Delivered = {
  readonly sent: number;
  /** Not sent but put, with the reason, into the dead-letter topic. */
  readonly dead: number;
  /** What waits still, and why the last attempt failed. */
  readonly pending: number;
  readonly error?: string;
};

type Row = {
  message_id: string;
  topic: string;
  key: string;
  schema: string;
  body: string;
  attempts: number;
};

const pageSize = 200;
/** Brokers refuse more by default; a message that never fits must not hold up those behind it. */
const maxMessageBytes = 900_000;
const retryLimitSeconds = 900;

/**
 * Sends the feedback that is owed, in the order in which it was stored, one deliverer at a time. Each message is
 * checked against its JSON Schema first; one that fails goes to the dead-letter topic with the reason, once, and is never looked
 * at again. A broker that is down leaves all as it is for a later call, with growing waits.
 *
 * A message may arrive twice (its acknowledgement was lost): its id, in the body and in the header `id`, is the same.
 */
export const deliverFeedback = async (deps: FeedbackDeps): Promise<Delivered> => {
  const lease = {
    pool: deps.pool,
    name: 'consolidate-feedback',
    holder: holderName('feedback'),
    ttlMs: 30_000,
  };
  try {
    return await withLease({ ...lease, ...(deps.signal ? { signal: deps.signal } : {}) }, ({ signal }) =>
      deliverPages({ ...deps, signal }),
    );
  } catch (error) {
    if (!(error instanceof LeaseHeldError)) throw error;
    return { sent: 0, dead: 0, pending: await countPending(deps.pool), error: error.message };
  }
};

const deliverPages = async (deps: FeedbackDeps & { signal: AbortSignal }): Promise<Delivered> => {
  const { pool, signal } = deps;
  let sent = 0;
  let dead = 0;
  for (;;) {
    signal.throwIfAborted();
    const rows = await nextPage(pool);
    if (rows.length === 0) return { sent, dead, pending: await countPending(pool) };
    const checked = rows.map((row) => ({ row, fault: findFault(deps.check, row) }));
    try {
      await deps.send(checked.map(({ row, fault }) => toMessage(deps.deadLetterTopic, row, fault)));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      await postpone(pool, rows, message);
      return { sent, dead, pending: await countPending(pool), error: message };
    }
    await markSent(pool, checked);
    const bad = checked.filter(({ fault }) => fault !== undefined).length;
    dead += bad;
    sent += rows.length - bad;
  }
};

/** The oldest messages, if the oldest is due: later ones never overtake it. */
const nextPage = async (db: Db): Promise<Row[]> => {
  const found = await db.query<Row & { due: boolean }>(
    `SELECT message_id, topic, key, schema, body::text AS body, attempts, next_attempt_at <= clock_timestamp() AS due
     FROM consolidate_feedback WHERE state = 'pending' ORDER BY seq LIMIT $1`,
    [pageSize],
  );
  return found.rows[0]?.due ? found.rows : [];
};

const findFault = (check: CheckBody, { schema, body }: Row): string | undefined => {
  const bytes = Buffer.byteLength(body);
  if (bytes > maxMessageBytes) return `expected at most ${maxMessageBytes} bytes, found ${bytes}`;
  return check(schema, JSON.parse(body));
};

const toMessage = (deadLetterTopic: string, row: Row, fault: string | undefined): KafkaMessage => {
  const headers = { id: row.message_id, schema: row.schema };
  if (fault === undefined) return { topic: row.topic, key: row.key, value: row.body, headers };
  const value = JSON.stringify({
    id: row.message_id,
    topic: row.topic,
    key: row.key,
    schema: row.schema,
    reason: fault,
    body: row.body.slice(0, 100_000),
  });
  return {
    topic: deadLetterTopic,
    key: row.key,
    value,
    headers: { ...headers, reason: fault.slice(0, 1_000) },
  };
};

const markSent = async (
  db: Db,
  checked: readonly { row: Row; fault: string | undefined }[],
): Promise<void> => {
  await db.query(
    `UPDATE consolidate_feedback f SET state = CASE WHEN c.fault IS NULL THEN 'sent' ELSE 'dead' END, error = c.fault,
       attempts = attempts + 1, sent_at = clock_timestamp()
     FROM unnest($1::text[], $2::text[]) AS c (id, fault) WHERE f.message_id = c.id AND f.state = 'pending'`,
    [checked.map(({ row }) => row.message_id), checked.map(({ fault }) => fault ?? null)],
  );
};

/** Only the head waits: while it is not due, nothing behind it is sent. */
const postpone = async (db: Db, rows: readonly Row[], error: string): Promise<void> => {
  await db.query(
    `UPDATE consolidate_feedback SET attempts = attempts + 1, error = $2,
       next_attempt_at = clock_timestamp() + least($3, power(2, least(attempts, 20))) * interval '1 second'
     WHERE message_id = $1`,
    [rows[0]?.message_id, error, retryLimitSeconds],
  );
};

const countPending = async (db: Db): Promise<number> => {
  const found = await db.query<{ count: string }>(
    `SELECT count(*) AS count FROM consolidate_feedback WHERE state = 'pending'`,
  );
  return Number(found.rows[0]?.count);
};
