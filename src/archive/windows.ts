import type { DuckSession } from '../lake/duckdb-session.ts';
import { append, loadTable, revertCommit } from '../lake/tables.ts';
import * as ledger from '../platform/ledger.ts';
import { transaction } from '../platform/postgres.ts';
import { publicJwks } from '../platform/signing-keys.ts';
import { newId } from '../shared/ids.ts';
import type { ArchiveDeps } from './archive-run.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import {
  type Batch,
  findBatch,
  finishBatch,
  insertBatch,
  markVerified,
  type NewBatch,
  openBatches,
  rejectBatch,
} from './batches.ts';
import type { Lane } from './lanes.ts';
import type { Rebuilder } from './rebuild-threads.ts';
import { makeLeaves } from './receipt.ts';
import { removeVerified } from './remove.ts';
import { type ArchiveRun, beginWindow, type Counts, restartWindow, sourceOf } from './runs.ts';
import type { Stage } from './staging.ts';
import { publishRoot, statementOf, VerificationError, verifiedOrders, verifyBatch } from './verify.ts';
import { writeStage } from './write.ts';

/** What the steps of a run share. */
export type RunRoom = {
  readonly deps: ArchiveDeps;
  readonly run: ArchiveRun;
  /** Opened at its first use: most runs of a small window have nothing to write. */
  readonly session: () => Promise<DuckSession>;
  readonly rebuilder: Rebuilder;
  /** One batch at a time in each: DuckDB, the table's commits, the threads that rebuild, DynamoDB. */
  readonly lanes: Readonly<Record<'write' | 'commit' | 'verify' | 'remove', Lane>>;
  readonly counts: Counts;
  /** Names of attributes that this run has seen. */
  readonly knownNames: Set<string>;
  readonly signal: AbortSignal;
};

/**
 * Takes one window's staged orders through all steps: Parquet, commit, proof, removal. A batch is written while the one
 * before it is read back, never more than one ahead. Each step is left to the next run where this one dies: what was
 * committed is found by `openBatches`, what was not is selected again.
 * @throws VerificationError what was committed cannot be read back as it was; it is out of the table again
 */
export const archiveWindow = async (room: RunRoom, stages: readonly Stage[]): Promise<void> => {
  const { deps, run, lanes } = room;
  const [first] = stages;
  if (!first) return;
  const intervalId = await lanes.commit(() => transaction(deps.pool, (tx) => beginWindow(tx, run, first)));
  await settleWindow(room, intervalId, async () => {
    let proving: Promise<void> = Promise.resolve();
    try {
      for (const stage of stages) {
        room.signal.throwIfAborted();
        const batchId = await commitStage(room, intervalId, stage);
        const former = proving;
        proving = proveBatch(room, batchId);
        proving.catch(() => {});
        await deps.fault?.('ahead-commit');
        await (deps.overlap ? former : proving);
      }
      await proving;
    } finally {
      // What is committed is proven also where a batch before it failed; and nothing goes on after the window's end.
      await proving.catch(() => {});
    }
  });
  for (const batch of await dueForRemoval(room, intervalId))
    await lanes.remove(() => removeBatch(room, batch));
};

/** Runs the work of an interval and records how it ended. */
const settleWindow = async ({ deps, run }: RunRoom, id: string, work: () => Promise<void>): Promise<void> => {
  const { fence, runId } = run;
  try {
    await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // A zombie may report nothing, and a database that is away takes no report: the first error counts.
    await transaction(deps.pool, (tx) => ledger.markFailed(tx, { id, fence, runId, error: message })).catch(
      () => {},
    );
    throw error;
  }
  await transaction(deps.pool, (tx) => ledger.markDone(tx, { id, fence, runId, output: { run: runId } }));
};

const commitStage = async (
  { deps, run, session, lanes, counts }: RunRoom,
  intervalId: string,
  stage: Stage,
): Promise<string> => {
  const { lake, pool } = deps;
  const archivedAt = deps.clock();
  const batchId = newId('arc', archivedAt);
  const table = await loadTable(lake, archivedOrdersTable);
  const file = await lanes.write(() =>
    deps.timed('parquet', async () =>
      writeStage({ lake, session: await session() }, table, stage, archivedAt),
    ),
  );
  await deps.fault?.('after-parquet');
  const { orders } = stage;
  const receipts = { orders, ...makeLeaves(orders, archivedAt.toISOString()) };
  const batch: Omit<NewBatch, 'snapshotId'> = {
    ...{
      batchId,
      runId: run.runId,
      intervalId,
      source: sourceOf(run.table),
      areaId: stage.areaId,
      month: stage.month,
    },
    ...{ orders: orders.ids.length, bytes: file.bytes, files: [file.path], archivedAt },
  };
  // The lake's pointer, the batch and its receipts: all or nothing. A lost answer is resolved by the next run, which
  // finds the batch or does not.
  const commit = (): Promise<void> =>
    transaction(pool, async (tx) => {
      const summary = { 'lastro.run': run.runId };
      const committed = await append(
        lake,
        archivedOrdersTable,
        { add: [file] },
        { commitId: batchId, tx, summary },
      );
      await insertBatch(tx, run.fence, { ...batch, snapshotId: committed.snapshotId }, receipts);
      await deps.fault?.('before-commit');
    });
  await lanes.commit(() => deps.timed('commit', commit));
  await deps.fault?.('after-commit');
  counts.bytes += file.bytes;
  return batchId;
};

const requireBatch = async ({ deps }: RunRoom, batchId: string): Promise<Batch> => {
  const batch = await findBatch(deps.pool, batchId);
  if (!batch) throw new Error(`batch ${batchId} is not in the database that has just committed it`);
  return batch;
};

/** Reads a committed batch back and, where all is as it was, signs and publishes its root. */
const proveBatch = async (room: RunRoom, batchId: string): Promise<void> => {
  const { deps, run, counts } = room;
  const { lake, pool, keys } = deps;
  const batch = await requireBatch(room, batchId);
  await deps.fault?.('before-verify');
  try {
    const { orders, root } = await room.lanes.verify(() =>
      deps.timed('verify', () => verifyBatch({ lake, db: pool, rebuilder: room.rebuilder }, batch)),
    );
    await deps.fault?.('after-verify');
    const published = await publishRoot({ store: lake.store, keys }, statementOf(batch, root));
    await deps.fault?.('after-publish');
    const verifiedAt = deps.clock();
    const removeAfter = new Date(verifiedAt.getTime() + deps.removeDelayMs);
    await transaction(pool, (tx) =>
      markVerified(tx, run.fence, batchId, { root, ...published, verifiedAt, removeAfter }),
    );
    await deps.fault?.('after-proof');
    counts.archived += orders;
    counts.batches++;
    deps.report?.proven?.(batch.areaId, batch.month, orders);
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    await transaction(pool, async (tx) => {
      await revertCommit(lake, archivedOrdersTable, batchId, { tx });
      await rejectBatch(tx, run.fence, batchId, { differences: error.differences.slice(0, 1_000) });
    });
    throw error;
  }
};

const dueForRemoval = async ({ deps, run }: RunRoom, intervalId: string): Promise<Batch[]> => {
  const open = await openBatches(deps.pool, sourceOf(run.table));
  return open.filter((batch) => batch.intervalId === intervalId && mayRemove(batch, deps.clock()));
};

const mayRemove = (batch: Batch, now: Date): boolean =>
  batch.state === 'verified' && batch.removeAfter !== null && batch.removeAfter <= now;

const removeBatch = async (room: RunRoom, batch: Batch): Promise<void> => {
  const { deps, run, counts, knownNames, signal } = room;
  const { lake, pool, keys, table } = deps;
  const removal = {
    ...{ pool, table, fence: run.fence, concurrency: deps.concurrency, knownNames },
    notice: (message: string) => deps.report?.notice?.(message),
    ...(deps.fault ? { fault: deps.fault } : {}),
  };
  await deps.timed('remove', async () => {
    for await (const orders of verifiedOrders({ lake, db: pool, jwks: publicJwks(keys) }, batch)) {
      signal.throwIfAborted();
      const outcomes = await removeVerified(removal, orders);
      for (const name of ['removed', 'gone', 'changed', 'unprovable'] as const)
        counts[name] += outcomes[name] ?? 0;
      deps.report?.removed?.(orders.length);
    }
  });
  await transaction(pool, (tx) => finishBatch(tx, run.fence, batch.batchId));
  await deps.fault?.('after-finish');
};

/** Goes on with what earlier runs left: batches that are not proven yet, and those whose orders may be removed now. */
export const resumeBatches = async (room: RunRoom, batches: readonly Batch[]): Promise<void> => {
  const { deps, run } = room;
  for (const batch of batches) {
    room.signal.throwIfAborted();
    if (batch.state === 'committed') {
      const interval = await ledger.readInterval(deps.pool, batch.intervalId);
      if (!interval)
        throw new Error(`batch ${batch.batchId} names interval ${batch.intervalId}, which is not there`);
      const id = await transaction(deps.pool, (tx) => restartWindow(tx, run, interval));
      await settleWindow(room, id, () => proveBatch(room, batch.batchId));
    }
    const now = await requireBatch(room, batch.batchId);
    if (mayRemove(now, deps.clock())) await removeBatch(room, now);
  }
};
