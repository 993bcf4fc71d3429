import type { Fence } from '../platform/leases.ts';
import type { Json, Window } from '../platform/ledger.ts';
import type { Db, Tx } from '../platform/postgres.ts';
import { maskText } from '../shared/mask.ts';
import type { CadenceName } from './windows.ts';

export type RunKind = 'window' | 'rebuild' | 'replay' | 'gold';

/** `captured`: bronze has it whole. `skipped`: nothing in it was new. */
export type RunState = 'running' | 'captured' | 'done' | 'skipped' | 'failed' | 'rolled_back';

/** What a run did, as its report says it. */
export type RunReport = {
  readonly calls?: number;
  readonly bytes?: number;
  readonly resumed?: boolean;
  readonly records?: number;
  readonly added?: number;
  readonly restated?: number;
  readonly removed?: number;
  readonly duplicates?: number;
  readonly quarantined?: number;
  readonly notices?: readonly string[];
  readonly seconds?: number;
};

/** Where the tables and the watermark stood after a run: what a rollback to it puts back. */
export type RunSnapshots = {
  /** Snapshot of each table by name; null: it had none. */
  readonly tables: Readonly<Record<string, string | null>>;
  readonly seenTo: string | null;
  readonly changedTo: string | null;
  readonly codeHash: string;
};

export type Run = {
  readonly attemptId: string;
  readonly runId: string | null;
  readonly pipeline: string;
  readonly kind: RunKind;
  readonly source: string;
  readonly window: Window | null;
  readonly state: RunState;
  readonly codeHash: string;
  readonly inputHash: string | null;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
  readonly report: RunReport | null;
  readonly snapshots: RunSnapshots | null;
  readonly error: string | null;
};

type RunRow = {
  attempt_id: string;
  run_id: string | null;
  pipeline: string;
  kind: RunKind;
  source: string;
  window_from: Date | null;
  window_to: Date | null;
  state: RunState;
  code_hash: string;
  input_hash: string | null;
  started_at: Date;
  finished_at: Date | null;
  report: RunReport | null;
  snapshots: RunSnapshots | null;
  error: string | null;
};

const toRun = (row: RunRow): Run => ({
  attemptId: row.attempt_id,
  runId: row.run_id,
  pipeline: row.pipeline,
  kind: row.kind,
  source: row.source,
  window: row.window_from && row.window_to ? { from: row.window_from, to: row.window_to } : null,
  state: row.state,
  codeHash: row.code_hash,
  inputHash: row.input_hash,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
  report: row.report,
  snapshots: row.snapshots,
  error: row.error,
});

/** Newest first. */
export const listRuns = async (
  db: Db,
  { pipeline, limit = 20 }: { pipeline?: string; limit?: number } = {},
): Promise<Run[]> => {
  const found = await db.query<RunRow>(
    'SELECT * FROM pipeline_runs WHERE $1::text IS NULL OR pipeline = $1 ORDER BY seq DESC LIMIT $2',
    [pipeline ?? null, limit],
  );
  return found.rows.map(toRun);
};

/** By the attempt's id, or the newest done one with a run id. */
export const findRun = async (db: Db, id: string): Promise<Run | undefined> => {
  const found = await db.query<RunRow>(
    `SELECT * FROM pipeline_runs WHERE attempt_id = $1 OR run_id = $1 ORDER BY (state = 'done') DESC, seq DESC LIMIT 1`,
    [id],
  );
  return found.rows[0] && toRun(found.rows[0]);
};

export type NewRun = {
  readonly attemptId: string;
  readonly pipeline: string;
  readonly kind: RunKind;
  readonly source: CadenceName | 'silver' | 'gold';
  readonly window: Window | null;
  readonly fence: Fence;
  readonly codeHash: string;
  readonly at: Date;
};

/** Records a start. Runs that the lease shows to be dead are closed. */
export const startRun = async (tx: Tx, run: NewRun): Promise<void> => {
  // A gold table's lease is another one: its tokens say nothing of the pipeline's runs.
  if (run.kind !== 'gold')
    await tx.query(
      `UPDATE pipeline_runs SET state = 'failed', finished_at = clock_timestamp(), error = 'ended without a report'
     WHERE pipeline = $1 AND state IN ('running', 'captured') AND fence < $2 AND kind <> 'gold'`,
      [run.pipeline, String(run.fence.token)],
    );
  await tx.query(
    `INSERT INTO pipeline_runs (attempt_id, pipeline, kind, source, window_from, window_to, state, fence, code_hash, started_at)
     VALUES ($1, $2, $3, $4, $5, $6, 'running', $7, $8, $9)`,
    [
      run.attemptId,
      run.pipeline,
      run.kind,
      run.source,
      run.window?.from ?? null,
      run.window?.to ?? null,
      String(run.fence.token),
      run.codeHash,
      run.at,
    ],
  );
};

export const finishRun = async (
  tx: Tx,
  attemptId: string,
  {
    state,
    runId,
    inputHash,
    report,
    snapshots,
  }: {
    state: 'done' | 'skipped' | 'captured';
    runId: string | null;
    inputHash: string | null;
    report: RunReport;
    snapshots: RunSnapshots | null;
  },
): Promise<void> => {
  await tx.query(
    `UPDATE pipeline_runs SET state = $2, run_id = $3, input_hash = $4, report = coalesce(report, '{}') || $5::jsonb, snapshots = $6,
       finished_at = CASE WHEN $2 = 'captured' THEN NULL ELSE clock_timestamp() END
     WHERE attempt_id = $1`,
    [
      attemptId,
      state,
      runId,
      inputHash,
      JSON.stringify(report),
      snapshots === null ? null : JSON.stringify(snapshots),
    ],
  );
};

export const failRun = async (tx: Tx, attemptId: string, error: string): Promise<void> => {
  await tx.query(
    `UPDATE pipeline_runs SET state = 'failed', finished_at = clock_timestamp(), error = $2
     WHERE attempt_id = $1 AND state IN ('running', 'captured')`,
    [attemptId, maskText(error)],
  );
};

/** What silver was last made with. */
export type SilverState = {
  readonly codeHash: string;
  readonly seenTo: Date | null;
  readonly changedTo: Date | null;
};

export const readSilverState = async (db: Db, pipeline: string): Promise<SilverState | undefined> => {
  const found = await db.query<{ code_hash: string; seen_to: Date | null; changed_to: Date | null }>(
    'SELECT * FROM pipeline_silver WHERE pipeline = $1',
    [pipeline],
  );
  const row = found.rows[0];
  return row && { codeHash: row.code_hash, seenTo: row.seen_to, changedTo: row.changed_to };
};

export const writeSilverState = async (tx: Tx, pipeline: string, state: SilverState): Promise<void> => {
  await tx.query(
    `INSERT INTO pipeline_silver (pipeline, code_hash, seen_to, changed_to, built_at) VALUES ($1, $2, $3, $4, clock_timestamp())
     ON CONFLICT (pipeline) DO UPDATE SET code_hash = $2, seen_to = $3, changed_to = $4, built_at = clock_timestamp()`,
    [pipeline, state.codeHash, state.seenTo, state.changedTo],
  );
};

/** A report as the ledger keeps it. */
export const toLedgerOutput = (report: object): Json => JSON.parse(JSON.stringify(report)) as Json;
