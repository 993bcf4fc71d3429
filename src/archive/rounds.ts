import { transaction } from '../platform/postgres.ts';
import type { ArchiveRequest } from './archive-run.ts';
import { openBatches, reopenRemoval } from './batches.ts';
import { before, duenessOf } from './due.ts';
import { textOf } from './item.ts';
import { mapSettled } from './lanes.ts';
import { readScan, saveScan, settleLeftovers, sourceOf } from './runs.ts';
import { type ScanPosition, type Selected, selectOrders } from './select.ts';
import { type Again, openSink, type Round } from './sink.ts';
import { removeStage } from './staging.ts';
import { archiveWindow, type RunRoom, resumeBatches } from './windows.ts';

/** Takes note of windows that could not be proven, so that they do not keep the others from being archived. */
export type Collect = (work: Promise<void>) => Promise<void>;

/** Of a round: while one is written another is read back, and the orders of a third are removed. */
const windowsAtOnce = 3;

/**
 * Selects what is due and archives it in rounds. A round is selected while the one before it is archived, never more
 * than one ahead; how far the scan has come is saved when everything before that place is archived. Killed in between,
 * what was selected ahead is selected again.
 */
export const selectAndArchive = async (
  room: RunRoom,
  request: ArchiveRequest & { signal: AbortSignal },
  folder: string,
  collect: Collect,
): Promise<void> => {
  const { deps, run } = room;
  const facts = await deps.table.describe();
  // A part of the areas says nothing of how far the whole has come.
  const isWhole = request.areaId === undefined;
  const from = isWhole && !facts.index ? await readScan(deps.pool, run.table) : undefined;
  const cutoff = (areaId: string): Date => before(run.at, request.areaAges.get(areaId) ?? request.olderThan);
  const ages = [request.olderThan, ...request.areaAges.values()];
  // A round that fails ends the selection of the next one.
  const failed = new AbortController();
  const signal = AbortSignal.any([request.signal, failed.signal]);
  const orders = selectOrders(deps.table, {
    facts,
    createdBefore: new Date(Math.max(...ages.map((age) => before(run.at, age).getTime()))),
    segments: deps.segments,
    from,
    areaId: request.areaId,
    mayBeDue: (item) => ['due', 'unfit'].includes(duenessOf(item, cutoff(textOf(item.area_id) ?? ''))),
    signal,
  });
  await inRounds(room, orders, { cutoff, folder, failed }, async (round, position) => {
    await archiveRound(room, round, collect);
    if (isWhole && position !== undefined) await saveScan(deps.pool, run.table, position);
  });
  if (isWhole) await saveScan(deps.pool, run.table, null);
  // A scan that was taken up half-way has not seen the orders before.
  if (from === undefined) await transaction(deps.pool, (tx) => settleLeftovers(tx, run, request.areaId));
};

type Rounds = {
  readonly cutoff: (areaId: string) => Date;
  readonly folder: string;
  readonly failed: AbortController;
};

/** Nothing of it goes on when it ends, however it ends: the lease is let go then. */
const inRounds = async (
  room: RunRoom,
  orders: AsyncGenerator<Selected>,
  { cutoff, folder, failed }: Rounds,
  archive: (round: Round, position?: ScanPosition) => Promise<void>,
): Promise<void> => {
  const { deps, counts } = room;
  const sink = openSink(room, cutoff, folder);
  // Full rounds make large files; but where nothing is being archived, waiting for a full one leaves processors idle.
  const least = deps.limits.roundOrders / 4;
  let isArchiving = false;
  let inWork: Promise<void> = Promise.resolve();
  const handOver = async (position?: ScanPosition): Promise<void> => {
    await deps.fault?.('after-select');
    await inWork;
    isArchiving = true;
    inWork = archive(sink.takeRound(), position).finally(() => {
      isArchiving = false;
    });
    inWork.catch((error: unknown) => failed.abort(error));
    if (!deps.overlap) await inWork;
  };
  try {
    for await (const { items, position } of orders) {
      await deps.timed('select', () => sink.take(items));
      deps.report?.selected?.(counts.read, sink.due());
      if (isArchiving) await deps.fault?.('ahead-select');
      failed.signal.throwIfAborted();
      if (sink.isFull() || (deps.overlap && !isArchiving && sink.staged() >= least)) await handOver(position);
    }
    await handOver();
    await inWork;
  } finally {
    await inWork.catch(() => {});
  }
};

const archiveRound = async (room: RunRoom, { windows, again }: Round, collect: Collect): Promise<void> => {
  await mapSettled(windows, room.deps.overlap ? windowsAtOnce : 1, async (stages) => {
    await collect(archiveWindow(room, stages));
    for (const stage of stages) await removeStage(stage);
  });
  await archiveAgain(room, again, collect);
};

const archiveAgain = async (room: RunRoom, again: Again, collect: Collect): Promise<void> => {
  const { deps, run } = room;
  if (again.size === 0) return;
  for (const [batchId, positions] of again) {
    await transaction(deps.pool, (tx) => reopenRemoval(tx, run.fence, batchId, positions));
    room.counts.again += positions.length;
  }
  const open = await openBatches(deps.pool, sourceOf(run.table));
  for (const batch of open) if (again.has(batch.batchId)) await collect(resumeBatches(room, [batch]));
};
