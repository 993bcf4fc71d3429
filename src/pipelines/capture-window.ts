import type { Pool } from 'pg';
import type { Lake } from '../lake/tables.ts';
import type { Fence } from '../platform/leases.ts';
import type { Window } from '../platform/ledger.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { newId } from '../shared/ids.ts';
import {
  captureIdOf,
  commitBronze,
  ensureBronze,
  findSame,
  type PlacedCapture,
  type SetFacts,
  writeBronze,
} from './bronze.ts';
import type { Pipeline } from './declaration.ts';
import type { Fault } from './faults.ts';
import { type Capture, openPageReader, type ReaderDeps, sha256 } from './page-reader.ts';
import { beginning, findOpenSet, leaveSet, moveSet, openSet, type Progress } from './sets.ts';
import { type CadenceName, cadencesOf, type RangeRequest, requestsOf, stepOf } from './windows.ts';

/** Bodies of one bronze file and its commit: so much is fetched again after a SIGKILL, and held in memory. */
export const flushBytes = 8 * 1024 * 1024;
const flushPages = 500;

/** A reading that was begun longer ago is not gone on with: its cursors and offsets mean something else by now. */
const resumeMs = 6 * 3_600_000;

export type CaptureDeps = ReaderDeps & {
  readonly pool: Pool;
  readonly lake: Lake;
  readonly fault?: Fault;
  readonly onPage?: (capture: Capture) => void;
};

export type CaptureRequest = {
  readonly pipeline: Pipeline;
  readonly cadence: CadenceName;
  readonly window: Window;
  readonly fence: Fence;
  readonly attemptId: string;
  /** Of the last done window, for sources that go on from it. */
  readonly watermark: string | null;
  readonly signal: AbortSignal;
  /** Joins the commit that completes the set: what follows from it, such as the next job. */
  readonly onComplete?: (tx: Tx) => Promise<void>;
};

export type CapturedSet = {
  readonly setId: string;
  readonly calls: number;
  readonly bytes: number;
  readonly resumed: boolean;
};

const planHash = (requests: readonly RangeRequest[]): string =>
  sha256(
    canonicalJson(
      requests.map(({ slice, from, to }) => ({ slice, from: from.toISOString(), to: to.toISOString() })),
    ),
  ).slice(0, 16);

/** Goes on with the window's reading, or begins one. */
const openReading = async (
  deps: CaptureDeps,
  { pipeline, cadence, window }: CaptureRequest,
  plan: string,
): Promise<{ setId: string; progress: Progress; resumed: boolean }> => {
  const place = { pipeline: pipeline.name, source: cadence, from: window.from, to: window.to };
  return transaction(deps.pool, async (tx) => {
    const open = await findOpenSet(tx, place);
    const now = deps.clock();
    const fresh = open && now.getTime() - open.openedAt.getTime() < resumeMs && open.progress.plan === plan;
    if (open && fresh) return { setId: open.setId, progress: open.progress, resumed: true };
    if (open) await leaveSet(tx, open.setId);
    const setId = newId('set', now);
    const progress = beginning(plan);
    await openSet(tx, place, { setId, progress, at: now });
    return { setId, progress, resumed: false };
  });
};

/**
 * Fetches every page of a window into bronze. Pages are committed in batches, each with how far the reading has come;
 * a page that fails for good commits the pages before it, and the next call goes on with the one that failed.
 * @throws PageError @throws FenceLostError
 */
export const captureWindow = async (deps: CaptureDeps, request: CaptureRequest): Promise<CapturedSet> => {
  const { pipeline, cadence, window, signal } = request;
  const requests = requestsOf(pipeline, cadence, window);
  const reading = await openReading(deps, request, planHash(requests));
  const { setId } = reading;
  const stepMs = stepOf(cadencesOf(pipeline).find(({ name }) => name === cadence) ?? { every: 'day' });
  const facts: SetFacts = { pipeline: pipeline.name, setId, cadence, ...window };
  const read = openPageReader(pipeline, { ...deps, clock: risingClock(deps.clock) });
  const batch = openBatch(deps, request, facts);
  let progress = reading.progress;
  try {
    while (progress.request < requests.length) {
      const range = requests[progress.request];
      if (!range) break;
      const at = progress;
      const refused = (capture: Capture): void => batch.add(at.request, range, capture);
      const asked = { ...range, stepMs, watermark: request.watermark };
      const { capture, after } = await read(asked, at, refused, signal);
      batch.add(at.request, range, capture);
      deps.onPage?.(capture);
      progress = after
        ? { ...after, request: at.request, plan: at.plan }
        : { ...beginning(at.plan), request: at.request + 1 };
      await deps.fault?.('after-page');
      if (batch.isFull()) await batch.flush(progress, false);
    }
  } catch (error) {
    // The pages before are kept, unless this run was replaced or its database is away: then they are fetched again.
    await batch
      .flush(progress, false)
      .then(batch.settled)
      .catch(() => {});
    throw error;
  }
  await batch.flush(progress, true);
  await batch.settled();
  await deps.fault?.('after-bronze');
  return { setId, resumed: reading.resumed, ...batch.totals() };
};

/** Instants that never repeat, so that "newest" is always clear within a run. */
const risingClock = (clock: () => Date): (() => Date) => {
  let last = 0;
  return () => {
    last = Math.max(last + 1, clock().getTime());
    return new Date(last);
  };
};

const openBatch = (
  deps: CaptureDeps,
  { pipeline, fence, attemptId, onComplete }: CaptureRequest,
  facts: SetFacts,
) => {
  const commitBatch = async (
    batch: readonly PlacedCapture[],
    progress: Progress,
    complete: boolean,
    seen: { watermark: string | null; completedAt: Date },
  ): Promise<void> => {
    const same = await findSame(deps.pool, pipeline.name, batch);
    const news = batch.filter(({ captureId }) => !same.has(captureId));
    const written =
      news.length === 0
        ? undefined
        : await writeBronze(deps.lake, await ensureBronze(deps.lake, pipeline.name), facts, news);
    await transaction(deps.pool, async (tx) => {
      const commitId = `${attemptId}-bronze-${flushes}`;
      await commitBronze(deps.lake, tx, { fence, facts, captures: batch, same, written, commitId });
      await moveSet(tx, facts.setId, {
        progress,
        watermark: seen.watermark,
        completedAt: complete ? seen.completedAt : null,
      });
      if (complete) await onComplete?.(tx);
      await deps.fault?.('at-bronze-commit');
    });
    flushes++;
  };
  let committing: Promise<void> = Promise.resolve();
  let captures: PlacedCapture[] = [];
  let held = 0;
  let flushes = 0;
  let watermark: string | null = null;
  let completedAt = deps.clock();
  const totals = { calls: 0, bytes: 0 };
  return {
    add: (request: number, range: RangeRequest, capture: Capture): void => {
      captures.push({ captureId: captureIdOf(pipeline.name, capture), request, range, capture });
      held += capture.body.length;
      totals.calls++;
      totals.bytes += capture.body.length;
      watermark = capture.watermark ?? watermark;
      completedAt = capture.fetchedAt;
    },
    isFull: (): boolean => held >= flushBytes || captures.length >= flushPages,
    /** Begins a commit; the pages after it are fetched meanwhile. Waits for the one before. */
    flush: async (progress: Progress, complete: boolean): Promise<void> => {
      const batch = captures;
      const seen = { watermark, completedAt };
      captures = [];
      held = 0;
      await committing;
      if (batch.length === 0 && !complete) return;
      committing = commitBatch(batch, progress, complete, seen);
      // Its failure is thrown where it is waited for.
      committing.catch(() => {});
    },
    settled: (): Promise<void> => committing,
    totals: () => totals,
  };
};
