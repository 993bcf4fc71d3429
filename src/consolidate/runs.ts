import type { Fence } from '../platform/leases.ts';
import * as ledger from '../platform/ledger.ts';
import type { Db, Tx } from '../platform/postgres.ts';
import { maskText } from '../shared/mask.ts';

/** What `lastro consolidate --json` prints. */
export type Summary = {
  /** Objects of the source that are input by their name, skipped ones too. */
  readonly files: number;
  /** Taken by an earlier run, and the same still. */
  readonly skipped: number;
  /** documents = rows + quarantined + duplicates */
  readonly documents: number;
  readonly rows: number;
  readonly quarantined: number;
  readonly duplicates: number;
  /** Ranges of Kafka offsets that are missing between known ones. */
  readonly gaps: number;
  /** Of the objects that were read. */
  readonly bytesIn: number;
  /** Of the Parquet files that were added. */
  readonly bytesOut: number;
  readonly dataFiles: number;
  readonly seconds: number;
  /** Of the events' table after the run; null while it has none. */
  readonly snapshotId: string | null;
};

export type RunKind = 'consolidate' | 'replay';
export type RunState = 'running' | 'done' | 'failed' | 'rolled_back';

export type Run = {
  readonly runId: string;
  readonly table: string;
  readonly kind: RunKind;
  readonly source: string;
  readonly state: RunState;
  readonly startedAt: Date;
  readonly finishedAt: Date | null;
  readonly counts: Summary | null;
  readonly snapshotId: string | null;
  readonly error: string | null;
};

type RunRow = {
  run_id: string;
  table_name: string;
  kind: RunKind;
  source: string;
  state: RunState;
  started_at: Date;
  finished_at: Date | null;
  counts: Summary | null;
  snapshot_id: string | null;
  error: string | null;
};

const toRun = (row: RunRow): Run => ({
  runId: row.run_id,
  table: row.table_name,
  kind: row.kind,
  source: row.source,
  state: row.state,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
  counts: row.counts,
  snapshotId: row.snapshot_id,
  error: row.error,
});

/** Newest first. */
export const listRuns = async (db: Db, filter: { table?: string; limit?: number } = {}): Promise<Run[]> => {
  const found = await db.query<RunRow>(
    `SELECT * FROM consolidate_runs WHERE $1::text IS NULL OR table_name = $1 ORDER BY started_at DESC, run_id DESC LIMIT $2`,
    [filter.table ?? null, filter.limit ?? 50],
  );
  return found.rows.map(toRun);
};

export const findRun = async (db: Db, runId: string): Promise<Run | undefined> => {
  const found = await db.query<RunRow>('SELECT * FROM consolidate_runs WHERE run_id = $1', [runId]);
  return found.rows[0] && toRun(found.rows[0]);
};

export type NewRun = {
  readonly runId: string;
  readonly table: string;
  readonly kind: RunKind;
  readonly source: string;
  readonly fence: Fence;
  readonly at: Date;
};

/** The id of a batch: of its snapshots in the lake and of its feedback. */
export const batchCommitId = (runId: string, index: number): string => `${runId}-${index}`;

/** Name of the lease that guards a table: held by its consolidation, its replays and its rollbacks. */
export const leaseName = (table: string): string => `consolidate/${table}`;

/** How long a run that died keeps the next one out. */
export const leaseTtlMs = 30_000;

export const pipeline = 'consolidate';

const dayOf = (at: Date): ledger.Window => {
  const from = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()));
  return { from, to: new Date(from.getTime() + 86_400_000) };
};

// A day is never given up: what a failed run left lies in the bucket, and the next run takes it.
const maxAttempts = 1_000_000;

/**
 * Records a run's start, and its day in the ledger as running. Runs that the lease shows to be dead are closed.
 * Answers the ledger's interval.
 */
export const startRun = async (tx: Tx, run: NewRun): Promise<string> => {
  await tx.query(
    `UPDATE consolidate_runs SET state = 'failed', finished_at = clock_timestamp(), error = 'ended without a report'
     WHERE table_name = $1 AND state = 'running'`,
    [run.table],
  );
  await tx.query(
    `INSERT INTO consolidate_runs (run_id, table_name, kind, source, state, fence, started_at)
     VALUES ($1, $2, $3, $4, 'running', $5, $6)`,
    [run.runId, run.table, run.kind, run.source, String(run.fence.token), run.at],
  );
  const place = { pipeline, source: ledgerSource(run) };
  const { intervals } = await ledger.plan(tx, { ...place, windows: [dayOf(run.at)], maxAttempts });
  const day = intervals[0];
  if (!day) throw new Error(`the ledger did not plan a window for ${place.source}`);
  if (day.state === 'done') {
    await ledger.reopen(tx, {
      id: day.id,
      fence: run.fence,
      to: 'planned',
      reason: `run ${run.runId} looks again`,
    });
  }
  if (day.state === 'hole') await ledger.refill(tx, { id: day.id, reason: `run ${run.runId}` });
  await ledger.start(tx, { id: day.id, fence: run.fence, runId: run.runId });
  return day.id;
};

/** What the ledger calls a run's work. */
export const ledgerSource = ({ table, source }: { table: string; source: string }): string =>
  `${source} > ${table}`;

/**
 * Records that the run is done, in the transaction of its last commit. Earlier days that failed are done with
 * it: a run takes everything that the source shows.
 */
export const finishRun = async (tx: Tx, run: NewRun, interval: string, summary: Summary): Promise<void> => {
  await tx.query(
    `UPDATE consolidate_runs SET state = 'done', finished_at = clock_timestamp(), counts = $2, snapshot_id = $3
     WHERE run_id = $1`,
    [run.runId, JSON.stringify(summary), summary.snapshotId],
  );
  const { fence, runId } = run;
  await ledger.markDone(tx, { id: interval, fence, runId, output: { ...summary } });
  const left = await tx.query<{ id: string }>(
    `SELECT id FROM intervals WHERE pipeline = $1 AND source = $2 AND state IN ('planned', 'running', 'failed') AND window_to <= $3`,
    [pipeline, ledgerSource(run), dayOf(run.at).from],
  );
  for (const { id } of left.rows) {
    await ledger.start(tx, { id, fence, runId });
    await ledger.markDone(tx, { id, fence, runId, output: { coveredBy: runId } });
  }
};

/** Records that the run failed; what its earlier batches committed stays, and the next run goes on from there. */
export const failRun = async (
  tx: Tx,
  run: NewRun,
  interval: string | undefined,
  error: string,
): Promise<void> => {
  await tx.query(
    `UPDATE consolidate_runs SET state = 'failed', finished_at = clock_timestamp(), error = $2
     WHERE run_id = $1 AND state = 'running'`,
    [run.runId, maskText(error)],
  );
  if (interval === undefined) return;
  await ledger.markFailed(tx, { id: interval, fence: run.fence, runId: run.runId, error });
};
