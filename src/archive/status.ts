import { ancestry } from '../lake/metadata.ts';
import { findTable, type Lake, tableFiles } from '../lake/tables.ts';
import { findHoles } from '../platform/ledger-views.ts';
import type { Db } from '../platform/postgres.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import type { Counts } from './runs.ts';
import { pipeline, sourceOf } from './runs.ts';

export type ArchiveStatus = {
  readonly lastRun: {
    readonly runId: string;
    readonly state: string;
    readonly startedAt: string;
    readonly finishedAt: string | null;
    readonly counts: Counts | null;
    readonly error: string | null;
  } | null;
  /** Batches by state, with their orders. */
  readonly batches: Readonly<Record<string, { batches: number; orders: number }>>;
  /** Receipts by what became of the order in DynamoDB. */
  readonly orders: Readonly<Record<string, number>>;
  /** Proven orders that wait for their removal, and when the next of them may be removed. */
  readonly waiting: { readonly orders: number; readonly next: string | null };
  /** Windows that are missing. */
  readonly holes: readonly { source: string; from: string; to: string; error: string | null }[];
  readonly table: {
    readonly files: number;
    readonly bytes: number;
    readonly rows: number;
    readonly smallFiles: number;
    readonly snapshots: number;
  } | null;
};

/** Objects below this are not moved to colder classes by S3, and cost more there than they save. */
export const leastColdBytes = 128 * 1024;

/** How the archive of a table stands. */
export const archiveStatus = async (
  { db, lake }: { db: Db; lake: Lake },
  table: string,
): Promise<ArchiveStatus> => {
  const source = sourceOf(table);
  const { rows: runs } = await db.query<{
    run_id: string;
    state: string;
    started_at: Date;
    finished_at: Date | null;
    counts: Counts | null;
    error: string | null;
  }>('SELECT * FROM archive_runs WHERE source = $1 ORDER BY started_at DESC, run_id DESC LIMIT 1', [source]);
  const { rows: batches } = await db.query<{ state: string; batches: number; orders: number }>(
    `SELECT state, count(*)::int AS batches, sum(orders)::int AS orders FROM archive_batches WHERE source = $1 GROUP BY state`,
    [source],
  );
  const { rows: outcomes } = await db.query<{ outcome: string; orders: number; next: Date | null }>(
    `SELECT r.outcome, count(*)::int AS orders, min(b.remove_after) FILTER (WHERE r.outcome IN ('pending', 'removing')) AS next
     FROM archive_receipts r JOIN archive_batches b USING (batch_id) WHERE b.source = $1 GROUP BY r.outcome`,
    [source],
  );
  const open = outcomes.filter(({ outcome }) => outcome === 'pending' || outcome === 'removing');
  const next = open.map((each) => each.next).filter((each) => each !== null);
  const holes = (await findHoles(db, { pipeline })).filter(
    (hole) => hole.interval !== undefined && hole.source.startsWith(`${source} `),
  );
  const [run] = runs;
  return {
    lastRun: run
      ? {
          runId: run.run_id,
          state: run.state,
          startedAt: run.started_at.toISOString(),
          finishedAt: run.finished_at?.toISOString() ?? null,
          counts: run.counts,
          error: run.error,
        }
      : null,
    batches: Object.fromEntries(batches.map(({ state, ...counts }) => [state, counts])),
    orders: Object.fromEntries(outcomes.map(({ outcome, orders }) => [outcome, orders])),
    waiting: {
      orders: open.reduce((sum, { orders }) => sum + orders, 0),
      next: next.length > 0 ? new Date(Math.min(...next.map((each) => each.getTime()))).toISOString() : null,
    },
    holes: holes.map(({ source: of, from, to, interval }) => ({
      source: of,
      from: from.toISOString(),
      to: to.toISOString(),
      error: interval?.error ?? null,
    })),
    table: await tableSize(lake),
  };
};

const tableSize = async (lake: Lake): Promise<ArchiveStatus['table']> => {
  const table = await findTable(lake, archivedOrdersTable);
  if (!table) return null;
  const files = (await tableFiles(lake, table)).filter(({ content }) => content === 'data');
  return {
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    rows: files.reduce((sum, { records }) => sum + records, 0),
    smallFiles: files.filter(({ bytes }) => bytes < leastColdBytes).length,
    snapshots: ancestry(table.metadata, table.metadata['current-snapshot-id']).length,
  };
};
