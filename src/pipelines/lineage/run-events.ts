import type { GoldOutcome } from '../gold.ts';
import type { PipelineRun, WindowOutcome } from '../run.ts';
import { type Places, type RunEvent, runEvent, type StepRun } from './openlineage.ts';
import type { Dataset } from './pipeline-lineage.ts';

type Step = Omit<StepRun, 'eventType' | 'at'> & { readonly seconds: number };

const windowSteps = (
  { attemptId, cadence, state, report, error }: WindowOutcome,
  datasets: readonly Dataset[],
  pipeline: string,
): Step[] => {
  const named = (name: string): Dataset[] => datasets.filter((each) => each.name === name);
  const seconds = report.seconds ?? 0;
  const failed = state === 'failed' ? { error: error ?? 'the run failed' } : {};
  const bronze = named(`bronze.${pipeline}`).map((output) => ({ attemptId, output, seconds, ...failed }));
  // A rebuild reads bronze and writes silver: no answer was asked for.
  const written = cadence === 'silver' ? [] : bronze;
  const rows = report.added === undefined ? {} : { rows: report.added };
  const silver = named(`silver.${pipeline}`).map((output) => ({
    attemptId,
    output,
    seconds,
    ...rows,
    ...failed,
  }));
  return [...written, ...silver];
};

const goldStep = (
  { gold, state, rows }: GoldOutcome,
  attemptId: string,
  datasets: readonly Dataset[],
): Step[] =>
  state === 'done' || state === 'unchanged'
    ? datasets
        .filter(({ name }) => name === `gold.${gold}`)
        .map((output) => ({ attemptId, output, rows, seconds: 0 }))
    : [];

/**
 * The events of a run that has ended at `at`: for each step its start, and its end or failure. Steps that had nothing
 * to do have none.
 */
export const runEvents = (
  run: PipelineRun,
  datasets: readonly Dataset[],
  places: Places,
  at: Date,
): RunEvent[] => {
  const last = run.windows.at(-1)?.attemptId ?? `gold ${run.pipeline} ${at.toISOString()}`;
  const steps = [
    ...run.windows.flatMap((window) => windowSteps(window, datasets, run.pipeline)),
    ...run.gold.flatMap((gold) => goldStep(gold, last, datasets)),
  ];
  return steps.flatMap(({ seconds, ...step }) => {
    const begun = new Date(at.getTime() - Math.round(seconds * 1000));
    const { error, rows, ...start } = step;
    return [
      runEvent({ ...start, eventType: 'START', at: begun }, datasets, places),
      runEvent({ ...step, eventType: error === undefined ? 'COMPLETE' : 'FAIL', at }, datasets, places),
    ];
  });
};
