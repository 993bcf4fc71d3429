import { openIncident, resolveIncident } from '../platform/incidents.ts';
import { GiveUp, type Jobs, type Queue } from '../platform/jobs.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { RunLastro } from '../platform/own-process.ts';
import { transaction } from '../platform/postgres.ts';
import { type AlertDeps, alertOn, subjectOf, tellIncident } from './alerts.ts';
import { type Catalogue, loadPipelines } from './catalogue.ts';
import { dueWindows } from './due.ts';
import { watchPipelines } from './gauges.ts';
import { type CadenceName, cadencesOf } from './windows.ts';

type RunJob = { pipeline: string; cadence: CadenceName };
type GoldJob = { pipeline: string };

const often = { retryLimit: 3, retryDelaySeconds: 30, retryDelayMaxSeconds: 300, expireInSeconds: 600 };
const long = { retryLimit: 4, retryDelaySeconds: 60, retryDelayMaxSeconds: 900, expireInSeconds: 4 * 3_600 };

/** At each full hour: hourly windows and snapshots. */
export const hourlyQueue: Queue<object> = { name: 'pipelines_hourly', ...often };
/** At 02:00 UTC: daily windows and snapshots, D-1. */
export const dailyQueue: Queue<object> = { name: 'pipelines_daily', ...often };
/** What is due of one pipeline, into bronze and silver; then gold, by a job that follows. */
export const runQueue: Queue<RunJob> = { name: 'pipeline_run', ...long, orderedByKey: true };
export const goldQueue: Queue<GoldJob> = { name: 'pipeline_gold', ...long, orderedByKey: true };

export const pipelineQueues: readonly Queue<object>[] = [hourlyQueue, dailyQueue, runQueue, goldQueue];

export type PipelineWorkDeps = AlertDeps & {
  readonly jobs: Jobs;
  readonly metrics: Metrics;
  readonly runLastro: RunLastro;
  /** Folder of the user's own files. */
  readonly folder: string | undefined;
  /** Pipelines at once. */
  readonly concurrency: number;
};

/**
 * Keeps the schedules and runs pipelines until the job system is closed, each in a process of its own: its memory and
 * what may end it are its own. What downtime left is due at the next hour: windows are counted from the ledger.
 */
export const workOnPipelines = async (deps: PipelineWorkDeps): Promise<void> => {
  const { jobs } = deps;
  await jobs.work(hourlyQueue, 1, () => startDue(deps, 'hour'));
  await jobs.work(dailyQueue, 1, () => startDue(deps, 'day'));
  await jobs.work(runQueue, deps.concurrency, (job, { signal }) => runDue(deps, job, signal));
  await jobs.work(goldQueue, 1, (job, { signal }) => followGold(deps, job, signal));
  await jobs.schedule({ queue: hourlyQueue, cron: '0 * * * *' });
  await jobs.schedule({ queue: dailyQueue, cron: '0 2 * * *' });
  // A file of the user's own that can't be loaded keeps nothing else from running; the schedules say it again.
  tellBroken(deps, await loadPipelines(deps.folder));
  watchPipelines(deps, () => loadPipelines(deps.folder));
};

/**
 * Adds a job for every pipeline that has something due. Jobs of one pipeline run one after the other; one that was
 * queued twice finds nothing the second time.
 */
export const startDue = async (
  deps: Pick<PipelineWorkDeps, 'jobs' | 'folder'> & AlertDeps,
  every: 'hour' | 'day',
): Promise<void> => {
  const catalogue = await loadPipelines(deps.folder);
  tellBroken(deps, catalogue);
  for (const { pipeline } of catalogue.listed) {
    for (const cadence of cadencesOf(pipeline)) {
      if (cadence.every !== every) continue;
      const due = await dueWindows(deps.db, pipeline, { now: deps.clock(), cadence: cadence.name });
      if (due.length === 0) continue;
      const { name } = pipeline;
      await transaction(deps.db, (tx) =>
        deps.jobs.enqueue(tx, runQueue, { pipeline: name, cadence: cadence.name }, { key: name }),
      );
    }
    await alertOn(deps, pipeline);
  }
};

const tellBroken = ({ log }: Pick<PipelineWorkDeps, 'log'>, { broken }: Catalogue): void => {
  for (const { file, error } of broken) log.error({ file }, `a pipeline file is skipped: ${error}`);
};

const runDue = async (
  deps: PipelineWorkDeps,
  { pipeline, cadence }: RunJob,
  signal: AbortSignal,
): Promise<void> => {
  const args = ['pipeline', 'run', pipeline, '--cadence', cadence, '--layer', 'silver', '--json'];
  const subject = subjectOf(pipeline, 'failed');
  try {
    await runCommand(deps, args, signal);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    await tellIncident(deps, (serviceNow) =>
      openIncident(serviceNow, subject, {
        again: `It failed again: ${message}`,
        description: `${message}\nWhat was captured is kept, and silver stands as it was. See docs/pipelines.md.`,
      }),
    );
    throw error;
  }
  await tellIncident(deps, (serviceNow) => resolveIncident(serviceNow, subject, 'A run passed.'));
  await transaction(deps.db, (tx) => deps.jobs.enqueue(tx, goldQueue, { pipeline }, { key: pipeline }));
};

const followGold = (deps: PipelineWorkDeps, { pipeline }: GoldJob, signal: AbortSignal): Promise<void> =>
  runCommand(deps, ['pipeline', 'run', pipeline, '--layer', 'gold', '--json'], signal);

const runCommand = async (
  { log, runLastro }: PipelineWorkDeps,
  args: string[],
  signal: AbortSignal,
): Promise<void> => {
  const { code, stdout, stderr } = await runLastro(args, { signal });
  const words = stderr.trim().split('\n').at(-1) ?? '';
  if (code === 0) {
    log.info({ pipeline: args[2], runs: JSON.parse(stdout) as unknown }, 'pipeline ran');
    return;
  }
  if (code === 2) throw new GiveUp(words);
  throw new Error(failureIn(stdout) ?? (words || `the run ended with ${code}`));
};

/** What a run's JSON says went wrong. */
const failureIn = (stdout: string): string | undefined => {
  try {
    const results = JSON.parse(stdout) as { error?: string; windows?: { error?: string }[] }[];
    return results
      .flatMap(({ error, windows = [] }) => [error, ...windows.map((each) => each.error)])
      .find((e) => e);
  } catch {
    return undefined;
  }
};
