import type { Fence } from '../platform/leases.ts';
import * as ledger from '../platform/ledger.ts';
import type { Db, Tx } from '../platform/postgres.ts';
import { maskText } from '../shared/mask.ts';
import { monthOf } from './due.ts';
import type { ScanPosition } from './select.ts';

/** What `lastro archive run --json` prints. */
export type Counts = {
  /** Orders read from DynamoDB. */
  read: number;
  /** Of them: in no final status, too young, not fit for the table, put back lately, waiting for their removal. */
  open: number;
  young: number;
  unfit: number;
  restored: number;
  waiting: number;
  /** Versions put into the lake and proven there. */
  archived: number;
  /** Archived before as the same version, and in the table again. */
  again: number;
  batches: number;
  bytes: number;
  removed: number;
  /** Removed by somebody else before. */
  gone: number;
  /** Changed since they were read: they stay, and are archived again. */
  changed: number;
  /** Without a version number and with too many attributes to prove that they are unchanged: they stay. */
  unprovable: number;
  seconds: number;
};

export const noCounts = (): Counts => ({
  ...{
    read: 0,
    open: 0,
    young: 0,
    unfit: 0,
    restored: 0,
    waiting: 0,
    archived: 0,
    again: 0,
    batches: 0,
    bytes: 0,
  },
  ...{ removed: 0, gone: 0, changed: 0, unprovable: 0, seconds: 0 },
});

export const pipeline = 'archive';

/** One archive run at a time for a table. */
export const leaseName = (table: string): string => `archive:${table}`;

/** Longer than a slow garbage collection, short enough that the next run need not wait long for a killed one. */
export const leaseTtlMs = 60_000;

/** What batches, scans and runs are about. */
export const sourceOf = (table: string): string => `dynamodb:${table}`;

/** What the ledger calls the orders of an area. */
export const ledgerSource = (table: string, areaId: string): string => `${sourceOf(table)} ${areaId}`;

export type ArchiveRun = {
  readonly runId: string;
  readonly table: string;
  readonly fence: Fence;
  readonly at: Date;
};

export const insertRun = async (db: Db, run: ArchiveRun): Promise<void> => {
  // A run that was killed wrote no end; the lease says that it is gone.
  await db.query(
    `UPDATE archive_runs SET state = 'failed', finished_at = clock_timestamp(), error = 'it was killed'
     WHERE source = $1 AND state = 'running'`,
    [sourceOf(run.table)],
  );
  await db.query(
    `INSERT INTO archive_runs (run_id, source, state, fence, started_at) VALUES ($1, $2, 'running', $3, $4)`,
    [run.runId, sourceOf(run.table), String(run.fence.token), run.at],
  );
};

export const endRun = async (db: Db, runId: string, counts: Counts, error?: string): Promise<void> => {
  await db.query(
    `UPDATE archive_runs SET state = $2, finished_at = clock_timestamp(), counts = $3, error = $4
     WHERE run_id = $1 AND state = 'running'`,
    [
      runId,
      error === undefined ? 'done' : 'failed',
      JSON.stringify(counts),
      error === undefined ? null : maskText(error),
    ],
  );
};

/** Begins work on an area's month of creation: planned, done before and due again, or a hole that is tried again. */
export const beginWindow = async (
  tx: Tx,
  run: ArchiveRun,
  { areaId, month }: { areaId: string; month: Date },
): Promise<string> => {
  const source = ledgerSource(run.table, areaId);
  const { intervals } = await ledger.plan(tx, { pipeline, source, windows: [monthOf(month)] });
  const interval = intervals[0] as ledger.Interval;
  return restartWindow(tx, run, interval);
};

/** Begins a run of an interval, whatever state it is in. @throws TransitionError where another run has it */
export const restartWindow = async (
  tx: Tx,
  run: ArchiveRun,
  { id, source }: ledger.Interval,
): Promise<string> => {
  const reason = `run ${run.runId}`;
  await ledger.abandonExhausted(tx, { pipeline, source });
  const state = (await ledger.readInterval(tx, id))?.state;
  if (state === 'done') await ledger.reopen(tx, { id, fence: run.fence, to: 'planned', reason });
  if (state === 'hole') await ledger.refill(tx, { id, reason });
  await ledger.start(tx, { id, fence: run.fence, runId: run.runId });
  return id;
};

/** Where a scan of this table stopped, if one did. */
export const readScan = async (db: Db, table: string): Promise<ScanPosition | undefined> => {
  const { rows } = await db.query<{ segments: (ScanPosition[number] | 'start')[] }>(
    'SELECT segments FROM archive_scans WHERE source = $1',
    [sourceOf(table)],
  );
  return rows[0]?.segments.map((each) => (each === 'start' ? undefined : each));
};

/** Null: the scan came to its end. */
export const saveScan = async (db: Db, table: string, position: ScanPosition | null): Promise<void> => {
  if (position === null || position.every((each) => each === null)) {
    await db.query('DELETE FROM archive_scans WHERE source = $1', [sourceOf(table)]);
    return;
  }
  await db.query(
    `INSERT INTO archive_scans (source, segments, updated_at) VALUES ($1, $2, clock_timestamp())
     ON CONFLICT (source) DO UPDATE SET segments = $2, updated_at = clock_timestamp()`,
    [sourceOf(table), JSON.stringify(position.map((each) => (each === undefined ? 'start' : each)))],
  );
};

/**
 * Ends windows that earlier runs began and that have nothing left to archive: their orders changed, were removed by
 * others, or were archived in another window. To be called when a run has seen every order; those that failed in this
 * run stay as they are.
 */
export const settleLeftovers = async (tx: Tx, run: ArchiveRun, areaId: string | undefined): Promise<void> => {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM intervals i
     WHERE pipeline = $1 AND (source = $2 OR ($2::text IS NULL AND starts_with(source, $3))) AND state <> 'done'
       AND run_id IS DISTINCT FROM $4
       AND NOT EXISTS (SELECT FROM archive_batches b WHERE b.interval_id = i.id AND b.state = 'committed')`,
    [
      pipeline,
      areaId === undefined ? null : ledgerSource(run.table, areaId),
      `${sourceOf(run.table)} `,
      run.runId,
    ],
  );
  for (const { id } of rows) {
    const interval = await ledger.readInterval(tx, id);
    if (!interval) continue;
    await restartWindow(tx, run, interval);
    const { fence, runId } = run;
    await ledger.markDone(tx, { id, fence, runId, output: { run: runId, nothingLeft: true } });
  }
};
