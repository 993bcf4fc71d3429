import type { Interval, IntervalState, Json } from './ledger.ts';

/** As it lies in the table. */
export type IntervalRow = {
  id: string;
  pipeline: string;
  source: string;
  window_from: Date;
  window_to: Date;
  state: IntervalState;
  attempts: number;
  max_attempts: number;
  run_id: string | null;
  lease_name: string | null;
  fence: string | null;
  input_hash: string | null;
  output: Json;
  watermark: string | null;
  error: string | null;
  planned_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
};

export const toInterval = (row: IntervalRow): Interval => ({
  id: row.id,
  pipeline: row.pipeline,
  source: row.source,
  from: row.window_from,
  to: row.window_to,
  state: row.state,
  attempts: row.attempts,
  maxAttempts: row.max_attempts,
  runId: row.run_id,
  fence:
    row.lease_name !== null && row.fence !== null ? { name: row.lease_name, token: BigInt(row.fence) } : null,
  inputHash: row.input_hash,
  output: row.output,
  watermark: row.watermark,
  error: row.error,
  plannedAt: row.planned_at,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
});
