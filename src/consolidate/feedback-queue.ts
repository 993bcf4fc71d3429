import type { Tx } from '../platform/postgres.ts';
import { batchCommitId, type NewRun } from './runs.ts';

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
  /** JSON text: what is sent keeps every digit of its numbers. */
  readonly body: string;
};

/** Stores messages in the transaction of what they tell of. A second message with the same id is not stored. */
export const queueFeedback = async (tx: Tx, ...messages: readonly Feedback[]): Promise<void> => {
  await tx.query(
    `INSERT INTO consolidate_feedback (message_id, run_id, topic, key, schema, body)
     SELECT id, "runId", topic, key, schema, body::json
     FROM jsonb_to_recordset($1) AS m (id text, "runId" text, topic text, key text, schema text, body text)
     ON CONFLICT (message_id) DO NOTHING`,
    [JSON.stringify(messages)],
  );
};

export type BatchTold = {
  readonly documents: number;
  readonly rows: number;
  readonly quarantined: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly reasons: Readonly<Record<string, number>>;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly snapshotId: string | null;
  readonly quarantineSnapshotId: string | null;
};

/** What is told of a committed batch; see `batchSchema`. */
export const batchMessage = (topic: string, run: NewRun, index: number, told: BatchTold): Feedback => {
  const id = batchCommitId(run.runId, index);
  const body = {
    type: 'consolidate.batch_committed',
    id,
    runId: run.runId,
    batch: index,
    table: run.table,
    source: run.source,
    at: run.at.toISOString(),
    documents: told.documents,
    rows: told.rows,
    duplicates: told.duplicates,
    conflicts: told.conflicts,
    bytesIn: told.bytesIn,
    bytesOut: told.bytesOut,
    snapshotId: told.snapshotId,
    quarantine: {
      documents: told.quarantined,
      reasons: told.reasons,
      snapshotId: told.quarantineSnapshotId,
    },
  };
  return { id, runId: run.runId, topic, key: run.table, schema: 'batch', body: JSON.stringify(body) };
};
