import type { Interval, Window } from '../platform/ledger.ts';
import { allIntervals } from '../platform/ledger-views.ts';
import type { Db } from '../platform/postgres.ts';
import type { Pipeline } from './declaration.ts';
import {
  type CadenceName,
  cadenceName,
  cadenceNamed,
  cutRange,
  dueRange,
  gapsIn,
  hourMs,
  snapshotWindow,
  stepOf,
} from './windows.ts';

/** A hole that an API's failure left is tried again after so long, by whichever run comes next. */
export const holeRetryMs = 6 * hourMs;

/** Why a window is due: it has passed; a gap was left; it failed; its run died; a hole is tried again. */
export type DueReason = 'due' | 'gap' | 'planned' | 'retry' | 'hole' | 'again';

export type DueWindow = Window & {
  readonly cadence: CadenceName;
  readonly reason: DueReason;
  /** Asked again beside what is done: the ledger has no part in it. */
  readonly again?: boolean;
};

export type DueOptions = {
  readonly now: Date;
  /** Only this cadence. */
  readonly cadence?: CadenceName | undefined;
  /** All holes, also those that an operator made. */
  readonly refill?: boolean | undefined;
};

/** The windows that a run would take now, oldest first of each cadence. Changes nothing. */
export const dueWindows = async (db: Db, pipeline: Pipeline, options: DueOptions): Promise<DueWindow[]> => {
  const names: CadenceName[] = 'full' in pipeline.windows ? ['full'] : pipeline.windows.map(cadenceName);
  const due: DueWindow[] = [];
  for (const name of names) {
    if (options.cadence !== undefined && options.cadence !== name) continue;
    const intervals: Interval[] = [];
    for await (const interval of allIntervals(db, { pipeline: pipeline.name, source: name })) {
      intervals.push(interval);
    }
    const known = intervals.flatMap((interval) => {
      const reason = reasonOf(interval, options);
      const { from, to } = interval;
      return reason === undefined ? [] : [{ cadence: name, from, to, reason }];
    });
    due.push(...[...known, ...missingWindows(pipeline, name, intervals, options.now)].sort(byStart));
  }
  return due;
};

const byStart = (a: Window, b: Window): number => a.from.getTime() - b.from.getTime();

const reasonOf = (interval: Interval, { now, refill }: DueOptions): DueReason | undefined => {
  const { state, attempts, maxAttempts, finishedAt } = interval;
  if (state === 'planned') return 'planned';
  if (state === 'running') return 'retry';
  if (state === 'failed') return attempts < maxAttempts ? 'retry' : undefined;
  if (state !== 'hole') return undefined;
  if (refill === true) return 'hole';
  // An operator's skip and a rollback leave attempts; a failure uses them all up.
  const failed = attempts >= maxAttempts;
  return failed && now.getTime() - (finishedAt?.getTime() ?? 0) >= holeRetryMs ? 'hole' : undefined;
};

const missingWindows = (
  pipeline: Pipeline,
  name: CadenceName,
  intervals: readonly Interval[],
  now: Date,
): DueWindow[] => {
  if ('full' in pipeline.windows) {
    const window = snapshotWindow(pipeline.windows.every, now);
    const covered = intervals.some(({ to }) => to.getTime() >= window.to.getTime());
    // A snapshot makes up for those that were missed before it: its window begins where the last one ended.
    const last = intervals.reduce((latest, { to }) => Math.max(latest, to.getTime()), 0);
    const from = last > 0 && last < window.from.getTime() ? new Date(last) : window.from;
    return covered ? [] : [{ from, to: window.to, cadence: name, reason: 'due' }];
  }
  const cadence = cadenceNamed(pipeline, name);
  const range = cadence && dueRange(cadence, now);
  if (!cadence || !range) return [];
  const last = intervals.reduce((latest, { to }) => Math.max(latest, to.getTime()), 0);
  return gapsIn(range, intervals).flatMap((gap) =>
    cutRange(gap, stepOf(cadence), cadence.catchUpSpan ?? 366).map((window) => ({
      ...window,
      cadence: name,
      reason: window.from.getTime() < last ? ('gap' as const) : ('due' as const),
    })),
  );
};

export type BackfillRange = Window & { readonly cadence: CadenceName };

/**
 * The windows by which a range is taken (again): what is missing of it in the ledger's own windows, holes included,
 * and what is done asked once more beside them.
 */
export const backfillWindows = async (
  db: Db,
  pipeline: Pipeline,
  { cadence: name, from, to }: BackfillRange,
): Promise<DueWindow[]> => {
  const cadence = cadenceNamed(pipeline, name);
  if (!cadence) throw new Error(`${pipeline.name} has no ${name} windows`);
  const intervals: Interval[] = [];
  for await (const interval of allIntervals(db, { pipeline: pipeline.name, source: name, from, to })) {
    intervals.push(interval);
  }
  const span = cadence.catchUpSpan ?? 366;
  const step = stepOf(cadence);
  const missing = gapsIn({ from, to }, intervals).flatMap((gap) =>
    cutRange(gap, step, span).map((window) => ({ ...window, cadence: name, reason: 'gap' as const })),
  );
  const open = intervals
    .filter(({ state }) => state !== 'done')
    .map((interval) => ({ cadence: name, from: interval.from, to: interval.to, reason: 'hole' as const }));
  const notDone = [...missing, ...open];
  const again = gapsIn({ from, to }, notDone).flatMap((part) =>
    cutRange(part, step, span).map((window) => ({
      ...window,
      cadence: name,
      reason: 'again' as const,
      again: true,
    })),
  );
  return [...notDone, ...again].sort(byStart);
};
