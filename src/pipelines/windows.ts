import type { Window } from '../platform/ledger.ts';
import type { Cadence, Pipeline, Slice } from './declaration.ts';

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** What the ledger calls a cadence. */
export type CadenceName = 'daily' | 'hourly' | 'full';

export const stepOf = ({ every }: { every: 'hour' | 'day' }): number => (every === 'hour' ? hourMs : dayMs);

export const cadenceName = ({ every }: { every: 'hour' | 'day' }): 'daily' | 'hourly' =>
  every === 'hour' ? 'hourly' : 'daily';

/** The cadences of a pipeline by the names that the ledger knows them by. */
export const cadencesOf = (pipeline: Pipeline): { name: CadenceName; every: 'hour' | 'day' }[] =>
  'full' in pipeline.windows
    ? [{ name: 'full', every: pipeline.windows.every }]
    : pipeline.windows.map((cadence) => ({ name: cadenceName(cadence), every: cadence.every }));

export const cadenceNamed = (pipeline: Pipeline, name: CadenceName): Cadence | undefined =>
  'full' in pipeline.windows ? undefined : pipeline.windows.find((cadence) => cadenceName(cadence) === name);

/** The range in which a cadence's windows are due at an instant: from its first one to the last that has passed. */
export const dueRange = (cadence: Cadence, now: Date): Window | undefined => {
  const step = stepOf(cadence);
  const from = new Date(`${cadence.from}T00:00:00Z`);
  // Lag 1 is D-1: today's window has not passed before tomorrow.
  const passed = Math.floor(now.getTime() / step) - Math.max(0, (cadence.lag ?? 1) - 1);
  const to = new Date(passed * step);
  return from < to ? { from, to } : undefined;
};

/** The window of a full snapshot that is taken now. */
export const snapshotWindow = (every: 'hour' | 'day', now: Date): Window => {
  const step = stepOf({ every });
  const from = new Date(Math.floor(now.getTime() / step) * step);
  return { from, to: new Date(from.getTime() + step) };
};

/** Cuts a range into windows of at most `span` steps, so that each boundary is one of whole steps. */
export const cutRange = ({ from, to }: Window, step: number, span: number): Window[] => {
  const windows: Window[] = [];
  for (let at = from.getTime(); at < to.getTime(); at += step * span) {
    windows.push({ from: new Date(at), to: new Date(Math.min(at + step * span, to.getTime())) });
  }
  return windows;
};

/** The parts of a range that no window covers. `covered` may be in any order. */
export const gapsIn = (range: Window, covered: readonly Window[]): Window[] => {
  const gaps: Window[] = [];
  let at = range.from.getTime();
  for (const window of covered.toSorted((a, b) => a.from.getTime() - b.from.getTime())) {
    if (window.to.getTime() <= at) continue;
    const end = Math.min(window.from.getTime(), range.to.getTime());
    if (end > at) gaps.push({ from: new Date(at), to: new Date(end) });
    at = Math.max(at, window.to.getTime());
    if (at >= range.to.getTime()) break;
  }
  if (at < range.to.getTime()) gaps.push({ from: new Date(at), to: range.to });
  return gaps;
};

/** One request of a window, but for its pages. */
export type RangeRequest = { readonly slice: Slice; readonly from: Date; readonly to: Date };

/**
 * What has to be asked for a window: every slice, over the window and what its lookback takes in again, in ranges of
 * at most the request's span.
 */
export const requestsOf = (pipeline: Pipeline, name: CadenceName, window: Window): RangeRequest[] => {
  const slices = pipeline.slices && pipeline.slices.length > 0 ? pipeline.slices : [{}];
  const cadence = cadenceNamed(pipeline, name);
  if (!cadence) return slices.map((slice) => ({ slice, ...window }));
  const step = stepOf(cadence);
  const first = new Date(`${cadence.from}T00:00:00Z`).getTime();
  const back = window.from.getTime() - (cadence.lookback ?? 0) * step;
  const from = new Date(Math.min(window.from.getTime(), Math.max(first, back)));
  const ranges = cutRange({ from, to: window.to }, step, cadence.requestSpan ?? 366);
  return slices.flatMap((slice) => ranges.map((range) => ({ slice, ...range })));
};
