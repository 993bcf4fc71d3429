import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { openDuckDb } from '../lake/duckdb-session.ts';
import { openFileCache } from '../lake/file-cache.ts';
import { createTable, findTable, type Lake, requireTransactions } from '../lake/tables.ts';
import { holderName, withLease } from '../platform/leases.ts';
import type { SigningKeys } from '../platform/signing-keys.ts';
import { newId } from '../shared/ids.ts';
import { archivedOrdersDefinition, archivedOrdersTable } from './archived-orders.ts';
import { openBatches } from './batches.ts';
import type { Age } from './due.ts';
import { openLane } from './lanes.ts';
import { refreshOrderLookup } from './order-lookup.ts';
import type { OrdersTable } from './orders-table.ts';
import { openRebuilder } from './rebuild-threads.ts';
import { selectAndArchive } from './rounds.ts';
import {
  type ArchiveRun,
  type Counts,
  endRun,
  insertRun,
  leaseName,
  leaseTtlMs,
  noCounts,
  sourceOf,
} from './runs.ts';
import { VerificationError } from './verify.ts';
import { type RunRoom, resumeBatches } from './windows.ts';

/** Where a test may stop the run: each is a state of the world that a crash can leave behind. */
export type FaultPoint =
  | 'after-select'
  /** Orders of the next round are staged while a round is archived. */
  | 'ahead-select'
  | 'after-parquet'
  | 'before-commit'
  | 'after-commit'
  /** A batch is committed while another one, or its own proof, is under way. */
  | 'ahead-commit'
  | 'before-verify'
  | 'after-verify'
  | 'after-publish'
  | 'after-proof'
  | 'before-remove'
  | 'after-remove'
  | 'after-finish';

export type Report = {
  readonly started?: (runId: string) => void;
  /** Orders read, and of them due. */
  readonly selected?: (read: number, due: number) => void;
  readonly proven?: (areaId: string, month: Date, orders: number) => void;
  readonly removed?: (orders: number) => void;
  /** Something that people should know, though the run goes on. */
  readonly notice?: (message: string) => void;
};

export type Limits = {
  /** Orders and bytes of one commit: one file. */
  readonly batchOrders: number;
  readonly batchBytes: number;
  /** Orders and bytes staged on disk before they are archived; twice as many while the next round is selected. */
  readonly roundOrders: number;
  readonly roundBytes: number;
};

/**
 * Of 100,000 orders of 1.2 KB the ids and hashes take some 20 MB of memory, their file a few dozen MB at most. Larger
 * rounds would make fewer files, which compaction does too, and have less of a run overlap.
 */
export const defaultLimits: Limits = {
  batchOrders: 100_000,
  batchBytes: 500_000_000,
  roundOrders: 100_000,
  roundBytes: 500_000_000,
};

/** Stages of a run whose time is told apart. */
export type Stopwatch = <T>(
  stage: 'select' | 'parquet' | 'commit' | 'verify' | 'remove',
  work: () => Promise<T>,
) => Promise<T>;

export type ArchiveDeps = {
  readonly pool: Pool;
  readonly lake: Lake;
  readonly table: OrdersTable;
  readonly keys: SigningKeys;
  readonly clock: () => Date;
  /** Parent of what is staged; emptied when a run begins. */
  readonly stagingFolder: string;
  readonly limits: Limits;
  /** How long a proven order stays in DynamoDB. */
  readonly removeDelayMs: number;
  /** Removals at once. */
  readonly concurrency: number;
  /** Parts of a scan, where there is no index. */
  readonly segments: number;
  /** Whether a batch is written, and the next round selected, while another is read back. Off: one after the other. */
  readonly overlap: boolean;
  readonly timed: Stopwatch;
  readonly report?: Report;
  /** Called at each named point; what it throws ends the run as a crash would. */
  readonly fault?: (point: FaultPoint) => void | Promise<void>;
};

export type ArchiveRequest = {
  /** Name of the table in DynamoDB. */
  readonly table: string;
  readonly olderThan: Age;
  /** Areas with an age of their own. */
  readonly areaAges: ReadonlyMap<string, Age>;
  readonly areaId?: string;
  readonly signal?: AbortSignal;
};

export type Archived = { readonly runId: string; readonly counts: Counts };

/** A step of the machine's clock would make young orders old. */
const mostClockError = 5 * 60_000;

/**
 * Archives every order that is due: selects, writes to the lake, commits, reads back, proves, removes. Killed anywhere
 * and run again, each order is in DynamoDB or, proven, in the lake; no version is in the lake twice.
 *
 * One run at a time for a table.
 * @throws AloneCatalogError before anything is done @throws LeaseHeldError @throws FenceLostError @throws OrdersTableError
 * @throws VerificationError at the end, when windows could not be proven; the others are archived
 */
export const archiveOrders = async (deps: ArchiveDeps, request: ArchiveRequest): Promise<Archived> => {
  requireTransactions(deps.lake, 'the archive');
  const lease = {
    pool: deps.pool,
    name: leaseName(request.table),
    holder: holderName('archive'),
    ttlMs: leaseTtlMs,
  };
  return withLease(
    { ...lease, ...(request.signal ? { signal: request.signal } : {}) },
    async ({ fence, signal }) => {
      const started = performance.now();
      await requireClock(deps);
      const at = deps.clock();
      const run: ArchiveRun = { runId: newId('run', at), table: request.table, fence, at };
      const counts = noCounts();
      await insertRun(deps.pool, run);
      deps.report?.started?.(run.runId);
      const seconds = (): number => Math.round(performance.now() - started) / 1_000;
      try {
        await runUnderLease(deps, { ...request, signal }, run, counts);
      } catch (error) {
        counts.seconds = seconds();
        const message = error instanceof Error ? error.message : String(error);
        await endRun(deps.pool, run.runId, counts, message).catch(() => {});
        throw error;
      }
      counts.seconds = seconds();
      await endRun(deps.pool, run.runId, counts);
      return { runId: run.runId, counts };
    },
  );
};

/** @throws Error when this machine's clock and the database's are far apart: one of the two is wrong */
const requireClock = async ({ pool, clock }: ArchiveDeps): Promise<void> => {
  const { rows } = await pool.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const difference = clock().getTime() - (rows[0]?.now.getTime() ?? 0);
  if (Math.abs(difference) <= mostClockError) return;
  throw new Error(
    `this machine's clock is ${Math.round(difference / 1_000)} s off the database's, expected at most 300 s; an age counted by a wrong clock would archive young orders: set it right, then run again`,
  );
};

const runUnderLease = async (
  deps: ArchiveDeps,
  request: ArchiveRequest & { signal: AbortSignal },
  run: ArchiveRun,
  counts: Counts,
): Promise<void> => {
  const folder = join(deps.stagingFolder, 'archive');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  if (!(await findTable(deps.lake, archivedOrdersTable))) {
    await createTable(deps.lake, archivedOrdersTable, archivedOrdersDefinition);
  }
  let opened: ReturnType<typeof openDuckDb> | undefined;
  const session = (): ReturnType<typeof openDuckDb> =>
    (opened ??= openDuckDb({ temporaryParent: folder, memoryLimit: '500MB' }));
  const knownNames = new Set<string>();
  const rebuilder = openRebuilder();
  const lanes = { write: openLane(), commit: openLane(), verify: openLane(), remove: openLane() };
  const room: RunRoom = { deps, run, session, rebuilder, lanes, counts, knownNames, signal: request.signal };
  const faults: VerificationError[] = [];
  const collect = async (work: Promise<void>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      // One window's difference does not keep the others from being archived.
      if (!(error instanceof VerificationError)) throw error;
      faults.push(error);
      deps.report?.notice?.(error.message);
    }
  };
  try {
    for (const batch of await openBatches(deps.pool, sourceOf(run.table)))
      await collect(resumeBatches(room, [batch]));
    await selectAndArchive(room, request, folder, collect);
    if (counts.batches > 0) await refreshLookup(room, folder);
  } finally {
    await rebuilder.close();
    await (await opened)?.close();
    await rm(folder, { recursive: true, force: true });
  }
  if (faults[0]) throw faults[0];
};

/** Reports find a client's files by it; without it they search more, so that its failure fails no run. */
const refreshLookup = async ({ deps, session, signal }: RunRoom, folder: string): Promise<void> => {
  try {
    const files = await openFileCache({
      store: deps.lake.store,
      folder: join(folder, 'files'),
      maxBytes: 20_000_000_000,
    });
    await refreshOrderLookup({ lake: deps.lake, session: await session(), files }, { signal });
  } catch (error) {
    deps.report?.notice?.(
      `the lookup of reports is behind: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
};
