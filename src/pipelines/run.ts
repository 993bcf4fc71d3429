import { requireTransactions } from '../lake/tables.ts';
import { type Fence, holderName, withLease } from '../platform/leases.ts';
import * as ledger from '../platform/ledger.ts';
import { frontier } from '../platform/ledger-views.ts';
import { transaction } from '../platform/postgres.ts';
import { newId } from '../shared/ids.ts';
import { captureWindow } from './capture-window.ts';
import type { Pipeline } from './declaration.ts';
import { type DueWindow, dueWindows } from './due.ts';
import { measureFreshness } from './freshness.ts';
import { type GoldOutcome, isGoldOwed, refreshGold } from './gold.ts';
import { followersOf, goldGraph, requireGold } from './gold-graph.ts';
import { silverHash } from './model-hash.ts';
import { leaseName, leaseTtlMs, type PipelineDeps } from './pipeline-deps.ts';
import { failRun, finishRun, type RunReport, readSilverState, startRun } from './runs.ts';
import { type LazySession, withLazySession } from './session.ts';
import { waitingSets } from './sets.ts';
import { ExpectationError, settle } from './settle.ts';
import { silverTable } from './silver-tables.ts';
import type { CadenceName } from './windows.ts';

export type RunOptions = {
  readonly cadence?: CadenceName | undefined;
  /** Also holes that an operator made. */
  readonly refill?: boolean | undefined;
  /** Most windows to take; the rest is for the next run. */
  readonly limit?: number | undefined;
  /** Takes exactly these in place of what is due. */
  readonly windows?: readonly DueWindow[] | undefined;
  /** Only up to silver, or only what gold has to follow. Default: all. */
  readonly layer?: 'silver' | 'gold' | undefined;
  /** Makes silver anew even though nothing changed. */
  readonly rebuild?: boolean | undefined;
  readonly signal: AbortSignal;
};

/** What became of one window. */
export type WindowOutcome = {
  readonly attemptId: string;
  readonly cadence: CadenceName | 'silver';
  readonly from: Date | null;
  readonly to: Date | null;
  readonly state: 'done' | 'skipped' | 'failed';
  readonly report: RunReport;
  readonly error?: string;
};

export type PipelineRun = {
  readonly pipeline: string;
  readonly windows: readonly WindowOutcome[];
  readonly gold: readonly GoldOutcome[];
};

/**
 * Moves a pipeline on: whatever is due is captured into bronze, merged into silver and followed by gold. One run of a
 * pipeline at a time. Killed anywhere and run again, the tables are the same.
 * @throws LeaseHeldError @throws FenceLostError
 */
export const runPipeline = (
  deps: PipelineDeps,
  pipeline: Pipeline,
  options: RunOptions,
): Promise<PipelineRun> =>
  withLazySession(deps, async (session) => {
    const { layer, signal } = options;
    const run = { deps, pipeline, session };
    const windows =
      layer === 'gold' || !(await hasWork(run, options))
        ? []
        : await underLease(deps, pipeline, signal, (held) => moveWindows({ ...run, ...held }, options));
    await deps.fault?.('between-layers');
    const gold = layer === 'silver' ? [] : await followGold(deps, session, pipeline, signal);
    if (windows.length > 0 || gold.length > 0) await noteFreshness(deps, session, pipeline, gold);
    return { pipeline: pipeline.name, windows, gold };
  });

/** Measures what the run moved. The run is done without it: `status`, or the next run, measures what is left here. */
export const noteFreshness = async (
  deps: PipelineDeps,
  session: LazySession,
  pipeline: Pipeline,
  gold: readonly GoldOutcome[],
): Promise<void> => {
  const tables = new Set(gold.map((each) => `gold.${each.gold}`));
  const others = deps.pipelines.filter(
    ({ name, freshness }) =>
      name !== pipeline.name && freshness?.tables?.some(({ table }) => tables.has(table)),
  );
  for (const each of [pipeline, ...others]) {
    await measureFreshness(deps, session, each).catch((error: unknown) =>
      deps.notice?.(`freshness of ${each.name} was not measured: ${String(error)}`),
    );
  }
};

/** Whether anything is to be done at all: most runs of a schedule find nothing, and take no lease for it. */
const hasWork = async (
  { deps, pipeline }: Omit<HeldRun, 'fence' | 'signal'>,
  options: RunOptions,
): Promise<boolean> => {
  if (options.rebuild || options.windows !== undefined) return true;
  const state = await readSilverState(deps.pool, pipeline.name);
  if (state !== undefined && state.codeHash !== silverHash(pipeline)) return true;
  if ((await waitingSets(deps.pool, pipeline.name)).length > 0) return true;
  return (await dueWindows(deps.pool, pipeline, { now: deps.clock(), ...options })).length > 0;
};

/** @throws AloneCatalogError before anything is done @throws LeaseHeldError */
export const underLease = async <T>(
  { pool, lake }: PipelineDeps,
  pipeline: Pipeline,
  signal: AbortSignal,
  work: (held: { fence: Fence; signal: AbortSignal }) => Promise<T>,
): Promise<T> => {
  requireTransactions(lake, 'a pipeline');
  return withLease(
    { pool, name: leaseName(pipeline.name), holder: holderName('pipeline'), ttlMs: leaseTtlMs, signal },
    work,
  );
};

/** What a run under the lease works with. */
export type HeldRun = {
  readonly deps: PipelineDeps;
  readonly pipeline: Pipeline;
  readonly session: LazySession;
  readonly fence: Fence;
  readonly signal: AbortSignal;
};

const moveWindows = async (run: HeldRun, options: RunOptions): Promise<WindowOutcome[]> => {
  const { deps, pipeline, signal } = run;
  const outcomes: WindowOutcome[] = [];
  const state = await readSilverState(deps.pool, pipeline.name);
  const changed = state !== undefined && state.codeHash !== silverHash(pipeline);
  const left = (await waitingSets(deps.pool, pipeline.name)).length > 0;
  if (options.rebuild || changed || left) {
    outcomes.push(await rebuildSilver(run, options.rebuild === true));
  }
  const due = options.windows ?? (await dueWindows(deps.pool, pipeline, { now: deps.clock(), ...options }));
  for (const window of due.slice(0, options.limit ?? due.length)) {
    signal.throwIfAborted();
    const outcome = await takeWindow(run, window);
    outcomes.push(outcome);
    if (outcome.state === 'failed' && !outcome.retryOthers) break;
  }
  return outcomes;
};

/** What an earlier run left between bronze and silver, or a model that changed: no answer is asked for. */
const rebuildSilver = async (run: HeldRun, rebuild: boolean): Promise<WindowOutcome> => {
  const { deps, pipeline, fence } = run;
  const at = deps.clock();
  const attemptId = newId('att', at);
  const codeHash = silverHash(pipeline);
  const base = { attemptId, cadence: 'silver' as const, from: null, to: null };
  await transaction(deps.pool, (tx) =>
    startRun(tx, {
      attemptId,
      pipeline: pipeline.name,
      kind: 'rebuild',
      source: 'silver',
      window: null,
      fence,
      codeHash,
      at,
    }),
  );
  try {
    const { state, report } = await settle(deps, { ...run, attemptId, report: {}, rebuild });
    return { ...base, state, report };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    await transaction(deps.pool, (tx) => failRun(tx, attemptId, message)).catch(() => {});
    throw error;
  }
};

/** An empty success, or a contract that one answer breaks, says nothing of other windows; an API that is down does. */
const isOfOneWindow = (error: unknown): boolean => error instanceof ExpectationError;

const takeWindow = async (
  run: HeldRun,
  due: DueWindow,
): Promise<WindowOutcome & { retryOthers: boolean }> => {
  const { deps, pipeline, fence, signal } = run;
  const at = deps.clock();
  const begun = performance.now();
  const attemptId = newId('att', at);
  const { cadence, from, to } = due;
  const base = { attemptId, cadence, from, to };
  const last = await frontier(deps.pool, { pipeline: pipeline.name, source: cadence });
  const interval = await beginWindow(run, due, attemptId, at);
  try {
    const captured = await captureWindow(
      { ...deps, onPage: pageProgress(run, cadence) },
      {
        ...{ pipeline, cadence, window: { from, to }, fence, attemptId, signal },
        watermark: last?.watermark ?? null,
        onComplete: (tx) =>
          finishRun(tx, attemptId, {
            state: 'captured',
            runId: null,
            inputHash: null,
            report: {},
            snapshots: null,
          }),
      },
    );
    await deps.fault?.('between-layers');
    const { calls, bytes, resumed } = captured;
    const seconds = Math.round(performance.now() - begun) / 1000;
    const { state, report } = await settle(deps, {
      ...run,
      attemptId,
      report: { calls, bytes, ...(resumed ? { resumed } : {}), seconds },
    });
    await acknowledge(run, cadence);
    deps.notice?.(`${pipeline.name}: ${cadence} [${from.toISOString()}, ${to.toISOString()}) ${state}`);
    return { ...base, state, report, retryOthers: true };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // A zombie's report is refused like its commit, and a database that is away takes none.
    await transaction(deps.pool, async (tx) => {
      await failRun(tx, attemptId, message);
      if (interval !== undefined) {
        await ledger.markFailed(tx, { id: interval, fence, runId: attemptId, error: message });
      }
    }).catch(() => {});
    if (!isKnown(error)) throw error;
    return { ...base, state: 'failed', report: {}, error: message, retryOthers: isOfOneWindow(error) };
  }
};

const progressEveryMs = 5_000;

/** A line every few seconds, for who watches a long reading. */
const pageProgress = ({ deps, pipeline }: HeldRun, cadence: CadenceName): (() => void) => {
  let pages = 0;
  let shownAt = performance.now();
  return () => {
    pages++;
    if (performance.now() - shownAt < progressEveryMs) return;
    shownAt = performance.now();
    deps.notice?.(`${pipeline.name}: ${pages} pages of a ${cadence} window`);
  };
};

/** Tells the source how far it is committed. It is told again by the next run where this is lost. */
const acknowledge = async ({ deps, pipeline }: HeldRun, cadence: CadenceName): Promise<void> => {
  const { source } = pipeline;
  if (source.kind !== 'custom' || !source.acknowledge) return;
  const done = await frontier(deps.pool, { pipeline: pipeline.name, source: cadence });
  if (done?.watermark == null) return;
  try {
    await source.acknowledge(done.watermark, deps.env);
  } catch (error) {
    deps.notice?.(
      `${pipeline.name}: the source was not told that ${done.watermark} is committed: ${String(error)}`,
    );
  }
};

const known = [
  'PageError',
  'ExpectationError',
  'ContractError',
  'BudgetError',
  'QualityError',
  'SuspiciousSnapshotError',
];

const isKnown = (error: unknown): boolean => error instanceof Error && known.includes(error.name);

const maxAttempts = 5;

const beginWindow = (
  run: HeldRun,
  due: DueWindow,
  attemptId: string,
  at: Date,
): Promise<string | undefined> =>
  transaction(run.deps.pool, async (tx) => {
    const { pipeline, fence } = run;
    const { from, to, cadence } = due;
    const codeHash = silverHash(pipeline);
    await startRun(tx, {
      ...{ attemptId, pipeline: pipeline.name, kind: 'window', source: cadence, window: { from, to } },
      ...{ fence, codeHash, at },
    });
    if (due.again) return undefined;
    const { intervals } = await ledger.plan(tx, {
      pipeline: pipeline.name,
      source: cadence,
      windows: [{ from, to }],
      maxAttempts,
    });
    const [interval] = intervals;
    if (!interval) throw new Error(`the ledger did not plan a window for ${pipeline.name}`);
    if (interval.state === 'hole') await ledger.refill(tx, { id: interval.id, reason: `run ${attemptId}` });
    if (interval.state === 'done') return undefined;
    await ledger.start(tx, { id: interval.id, fence, runId: attemptId });
    return interval.id;
  });

/** Refreshes the gold tables that follow a pipeline, each after what it reads. */
export const followGold = async (
  deps: PipelineDeps,
  session: LazySession,
  pipeline: Pipeline,
  signal: AbortSignal,
): Promise<GoldOutcome[]> => {
  const outcomes: GoldOutcome[] = [];
  if (!(await isGoldOwed(deps.pool, pipeline))) return outcomes;
  const opened = await session();
  const graph = await goldGraph(opened.connection, deps.pipelines);
  requireGold(graph, pipeline);
  for (const { node } of followersOf(graph, silverTable(pipeline.name))) {
    signal.throwIfAborted();
    outcomes.push(await refreshGold({ ...deps, session: opened }, node, signal));
  }
  return outcomes;
};
