import type { Tx } from '../platform/postgres.ts';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A message to the event layer, owed from the commit that it tells of. */
export type Feedback = {
  /** Consumers drop ids that they have seen. */
  readonly id: string;
  readonly runId: string;
  readonly topic: string;
  /** Kafka's message key: messages of one key stay in order. */
  readonly key: string;
  /** Name of the JSON Schema that the body must satisfy before it is sent. */
  readonly schema: string;
  readonly body: { readonly [key: string]: JsonValue };
};

/** Stores messages in the transaction of what they tell of. A second message with the same id is not stored. */
export const queueFeedback = async (tx: Tx, ...messages: readonly Feedback[]): Promise<void> => {
  await tx.query(
    `INSERT INTO consolidate_feedback (message_id, run_id, topic, key, schema, body)
     SELECT id, "runId", topic, key, schema, body
     FROM jsonb_to_recordset($1) AS m (id text, "runId" text, topic text, key text, schema text, body jsonb)
     ON CONFLICT (message_id) DO NOTHING`,
    [JSON.stringify(messages)],
  );
};
