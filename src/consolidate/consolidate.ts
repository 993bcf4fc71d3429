import type { Pool } from 'pg';
import type { FileCache } from '../lake/file-cache.ts';
import {
  createTable,
  findTable,
  type Lake,
  type PartitionBy,
  requireTransactions,
  type Table,
} from '../lake/tables.ts';
import { type Fence, holderName, withLease } from '../platform/leases.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import { newId } from '../shared/ids.ts';
import { type BatchCounts, commitBatch, writeBatch } from './batch.ts';
import type { Domain } from './domain-models.ts';
import { refreshDomains } from './domains.ts';
import { type Limits, watchLimits } from './limits.ts';
import { findGaps } from './offsets.ts';
import { partitionColumns } from './partition.ts';
import { type Batch, openPlanner, type Plan } from './plan.ts';
import { portions } from './portions.ts';
import { type BatchReading, openReaders, type Readers } from './read.ts';
import { failRun, finishRun, leaseName, leaseTtlMs, type NewRun, type Summary, startRun } from './runs.ts';
import type { Source } from './source.ts';
import { defaultPartitionBy, eventColumns, quarantineColumns, quarantineTable } from './tables.ts';
import { loadOffsets, loadTaken } from './taken.ts';
import { openWorkroom, type Workroom } from './workroom.ts';

/** Where a test may stop the run: each is a state of the world that a crash can leave behind. */
export type FaultPoint =
  | 'after-read'
  | 'after-parquet'
  | 'before-commit'
  | 'after-commit'
  | 'before-feedback';

/** What a run tells while it works. */
export type Report = {
  readonly started?: (runId: string) => void;
  readonly planned?: (plan: Plan) => void;
  /** Files and bytes that were read since the last call. */
  readonly progress?: (files: number, bytes: number) => void;
  /** Something that people should know, though the run goes on. */
  readonly notice?: (message: string) => void;
};

export type ConsolidateDeps = {
  readonly pool: Pool;
  readonly lake: Lake;
  readonly files: FileCache;
  readonly clock: () => Date;
  /** Parent of what is staged. Each table has its folder there, emptied when a run begins. */
  readonly stagingFolder: string;
  readonly limits: Limits;
  /** Models that are refreshed after the events. */
  readonly domains?: readonly Domain[];
  /** Kafka topic of the feedback; absent: none is stored. */
  readonly feedbackTopic?: string;
  readonly report?: Report;
  /** Called at each named point; what it throws ends the run as a crash would. */
  readonly fault?: (point: FaultPoint) => void | Promise<void>;
};

export type ConsolidateRequest = {
  readonly source: Source;
  readonly table: string;
  /** Of a table that this run makes. Default: day(ingested_at). */
  readonly partitionBy?: readonly PartitionBy[];
  /** Small leftovers wait for a later run. */
  readonly wait?: { readonly bytes: number; readonly forMs: number };
  readonly signal?: AbortSignal;
  /** Threads that were started early, over the same source and limits. The run closes them. Default: its own. */
  readonly readers?: Readers;
};

export type Consolidated = { readonly runId: string; readonly summary: Summary };

/** What a run would do now. Changes nothing and holds no lease. */
export const planOnly = async (
  deps: Pick<ConsolidateDeps, 'pool' | 'lake' | 'limits' | 'clock' | 'report'>,
  request: ConsolidateRequest,
): Promise<Plan> => {
  const readers = readersOf(deps, request);
  try {
    return await makePlan(deps, request, readers, await findTable(deps.lake, request.table));
  } finally {
    await readers.close();
  }
};

/**
 * Takes every object of the source that no earlier run took into the table: documents as rows, what is no
 * document into the quarantine beside it. Each batch is one commit (rows, quarantine, the index of taken objects,
 * offsets, the ledger, the feedback owed): killed anywhere and run again, the table is the same.
 *
 * One run a table at a time. The domains are refreshed after the events, in commits of their own.
 * @throws AloneCatalogError the lake's catalog cannot commit together with the database; nothing was done
 * @throws SourceError the source cannot be listed
 * @throws LeaseHeldError another run holds the table; its message says who
 * @throws FenceLostError the run was replaced; nothing of the refused batch was committed
 * @throws BatchLimitError a batch needed more memory or time than its share
 * @throws DomainError a domain's model failed or broke its key or a test; the events are committed
 */
export const consolidate = async (
  deps: ConsolidateDeps,
  request: ConsolidateRequest,
): Promise<Consolidated> => {
  const { pool, lake } = deps;
  const { table, signal } = request;
  // Started before the lease is asked for, which they need not wait for.
  const readers = readersOf(deps, request);
  try {
    requireTransactions(lake, 'consolidation');
    const lease = { pool, name: leaseName(table), holder: holderName('consolidate'), ttlMs: leaseTtlMs };
    return await withLease({ ...lease, ...(signal ? { signal } : {}) }, (held) =>
      runUnderLease(deps, { ...request, readers, signal: held.signal }, held.fence),
    );
  } finally {
    await readers.close();
  }
};

const readersOf = (
  { limits }: Pick<ConsolidateDeps, 'limits'>,
  { readers, source, signal }: ConsolidateRequest,
): Readers => readers ?? openReaders({ source, limits: limits.read, signal });

type HeldRequest = ConsolidateRequest & { readonly signal: AbortSignal; readonly readers: Readers };

const runUnderLease = async (
  deps: ConsolidateDeps,
  request: HeldRequest,
  fence: Fence,
): Promise<Consolidated> => {
  const started = performance.now();
  const at = deps.clock();
  const { table, source, readers } = request;
  const run: NewRun = { runId: newId('run', at), table, kind: 'consolidate', source: source.url, fence, at };
  const interval = await transaction(deps.pool, (tx) => startRun(tx, run));
  deps.report?.started?.(run.runId);
  let room: Workroom | undefined;
  try {
    room = await openWorkroom(deps, { table, readers });
    const summary = await runBatches(deps, request, { run, interval, room, started });
    const { session } = room;
    await refreshDomains({ ...deps, session }, { run, domains: deps.domains ?? [], signal: request.signal });
    await deps.fault?.('before-feedback');
    return { runId: run.runId, summary };
  } catch (error) {
    const message = failureText(error);
    // A zombie's report is refused like its commit, and a database that is away takes none: the error that
    // counts is the first one.
    await transaction(deps.pool, (tx) => failRun(tx, run, interval, message)).catch(() => {});
    throw error;
  } finally {
    await room?.close();
  }
};

export const stoppedEarly = 'stopped before its end; what was committed stands';

const failureText = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'AbortError' ? stoppedEarly : error.message;
};

type RunState = {
  readonly run: NewRun;
  readonly interval: string;
  readonly room: Workroom;
  readonly started: number;
};

/** Whoever makes the table first wins; the other one takes it as it is. */
const ensureTable = async (
  lake: Lake,
  name: string,
  definition: Parameters<typeof createTable>[2],
): Promise<Table> => (await findTable(lake, name)) ?? (await createTable(lake, name, definition));

const makePlan = async (
  { pool, limits, clock, report }: Pick<ConsolidateDeps, 'pool' | 'limits' | 'clock' | 'report'>,
  { source, table: name, partitionBy = defaultPartitionBy, wait, signal }: ConsolidateRequest,
  readers: Readers,
  table: Table | null,
): Promise<Plan> => {
  const columns = table ? partitionColumns(table) : partitionBy.map(({ column }) => column);
  const planner = openPlanner({
    split: { topic: columns.includes('topic'), kafkaPartition: columns.includes('kafka_partition') },
    batchBytes: limits.batchBytes,
    batchFiles: limits.batchFiles,
    ...(wait ? { wait: { ...wait, now: clock() } } : {}),
  });
  const { folders: listing, notices } = await readers.listing;
  signal?.throwIfAborted();
  for (const message of notices) report?.notice?.(message);
  // What was taken of a few folders at a time: a source that keeps its old files costs time, not memory.
  for (const folders of portions(listing, ({ sizes }) => sizes.length, lookedUpAtOnce)) {
    const paths = folders.map(({ path }) => path);
    const taken = await loadTaken(pool, name, source.url, paths);
    for (const folder of folders) planner.add(folder, taken.get(folder.path));
  }
  return planner.plan();
};

const lookedUpAtOnce = 20_000;

const runBatches = async (
  deps: ConsolidateDeps,
  request: HeldRequest,
  { run, interval, room, started }: RunState,
): Promise<Summary> => {
  const { pool, lake, domains = [] } = deps;
  const { table: name, signal, partitionBy = defaultPartitionBy } = request;
  const events = await ensureTable(lake, name, { columns: eventColumns, partitionBy });
  const quarantine = await ensureTable(lake, quarantineTable(name), {
    columns: quarantineColumns,
    partitionBy: [{ column: 'quarantined_at', transform: 'month' }],
  });
  const plan = await makePlan(deps, request, room.readers, events);
  deps.report?.planned?.(plan);
  const books = openBooks(plan, events.metadata['current-snapshot-id'] ?? null);

  const finish = async (tx: Tx): Promise<void> => {
    const offsets = await loadOffsets(tx, name, plan.places);
    const gaps = offsets.flatMap(({ ranges }) => findGaps(ranges)).length;
    await finishRun(tx, run, interval, books.summary(gaps, performance.now() - started));
  };
  for (const [index, batch] of plan.batches.entries()) {
    signal.throwIfAborted();
    const watch = watchLimits({
      limits: deps.limits,
      batch: `batch ${index + 1} of ${plan.batches.length}`,
      notice: (message) => deps.report?.notice?.(message),
    });
    try {
      const reading = await readBatch(deps, room, batch, AbortSignal.any([signal, watch.signal]));
      // Nothing is left to read: what the threads hold is room for DuckDB.
      if (index === plan.batches.length - 1) await room.readers.close();
      await deps.fault?.('after-read');
      const facts = { sourceUrl: run.source, runId: run.runId, ingestedAt: run.at, group: batch.group };
      const tools = { db: pool, lake, session: room.session, files: deps.files };
      const written = await writeBatch(tools, { name, events, quarantine }, facts, batch, reading);
      await room.forget(reading);
      await deps.fault?.('after-parquet');
      watch.signal.throwIfAborted();
      await transaction(pool, async (tx) => {
        const commit = { run, index, written, domains: domains.map((domain) => domain.name) };
        const done = await commitBatch(lake, tx, { ...commit, feedbackTopic: deps.feedbackTopic });
        books.add(done.counts, done.snapshotId);
        if (index === plan.batches.length - 1) await finish(tx);
        await deps.fault?.('before-commit');
      });
      tellOddities(deps, reading, books.last());
    } finally {
      watch.stop();
    }
    await deps.fault?.('after-commit');
  }
  if (plan.batches.length === 0) await transaction(pool, finish);
  return books.closed();
};

const readBatch = (
  deps: ConsolidateDeps,
  room: Workroom,
  batch: Batch,
  signal: AbortSignal,
): Promise<BatchReading> =>
  room.readers.read(batch, {
    folder: room.folder,
    signal,
    onProgress: (files, bytes) => deps.report?.progress?.(files, bytes),
  });

/** Adds up the batches. A run's summary is fixed in the transaction of its last commit, and read afterwards. */
const openBooks = (plan: Plan, snapshotBefore: string | null) => {
  const total = {
    files: plan.files + plan.skipped + plan.deferred,
    skipped: plan.skipped,
    documents: 0,
    rows: 0,
    quarantined: 0,
    duplicates: 0,
    gaps: 0,
    bytesIn: 0,
    bytesOut: 0,
    dataFiles: 0,
    seconds: 0,
    snapshotId: snapshotBefore,
  };
  let last: BatchCounts | undefined;
  return {
    add: (counts: BatchCounts, snapshotId: string | null): void => {
      total.skipped += counts.unchanged;
      for (const name of [
        'documents',
        'rows',
        'quarantined',
        'duplicates',
        'bytesIn',
        'bytesOut',
        'dataFiles',
      ] as const) {
        total[name] += counts[name];
      }
      total.snapshotId = snapshotId ?? total.snapshotId;
      last = counts;
    },
    last: () => last,
    summary: (gaps: number, ms: number): Summary => {
      total.gaps = gaps;
      total.seconds = Math.round(ms) / 1000;
      return { ...total };
    },
    closed: (): Summary => ({ ...total }),
  };
};

const tellOddities = (
  { report }: ConsolidateDeps,
  reading: BatchReading,
  counts: BatchCounts | undefined,
): void => {
  const notice = report?.notice;
  if (!notice || !counts) return;
  for (const { file, message } of reading.unread.slice(0, 20)) {
    notice(`${file.folder}${file.name} was left for the next run: ${message}`);
  }
  if (counts.unread > 20) notice(`${counts.unread - 20} more files were left for the next run`);
  if (counts.rewritten > 0) {
    notice(
      `${counts.rewritten} files were written again with other content since they were taken: taken again`,
    );
  }
  if (counts.conflicts > 0) {
    notice(
      `${counts.conflicts} documents have the Kafka offset of another document with other content: all are kept`,
    );
  }
};
