import type { Pool } from 'pg';
import { Gauge } from 'prom-client';
import { openIncident, resolveIncident, type ServiceNow, type Subject } from '../platform/incidents.ts';
import { GiveUp, type Jobs, type Queue } from '../platform/jobs.ts';
import type { Log } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { RunLastro } from '../platform/own-process.ts';
import { transaction } from '../platform/postgres.ts';
import { loadPipelines } from './catalogue.ts';
import type { Pipeline } from './declaration.ts';
import { dueWindows } from './due.ts';
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

export type PipelineWorkDeps = {
  readonly jobs: Jobs;
  readonly db: Pool;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: () => Date;
  readonly runLastro: RunLastro;
  /** Folder of the user's own files. */
  readonly folder: string | undefined;
  /** Pipelines at once. */
  readonly concurrency: number;
  readonly serviceNow?: ServiceNow;
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
  // A file of the user's own that can't be loaded must not keep the desk's worker from starting; the schedules say it again.
  const listed = await loadPipelines(deps.folder).catch((error: unknown) => {
    deps.log.error({ err: error }, 'the pipelines could not be loaded');
    return [];
  });
  watchAge(
    deps,
    listed.map(({ pipeline }) => pipeline),
  );
};

/**
 * Adds a job for every pipeline that has something due. Jobs of one pipeline run one after the other; one that was
 * queued twice finds nothing the second time.
 */
export const startDue = async (
  deps: Pick<PipelineWorkDeps, 'jobs' | 'db' | 'clock' | 'folder' | 'log' | 'serviceNow'>,
  every: 'hour' | 'day',
): Promise<void> => {
  const listed = await loadPipelines(deps.folder);
  for (const { pipeline } of listed) {
    for (const cadence of cadencesOf(pipeline)) {
      if (cadence.every !== every) continue;
      const due = await dueWindows(deps.db, pipeline, { now: deps.clock(), cadence: cadence.name });
      if (due.length === 0) continue;
      const { name } = pipeline;
      await transaction(deps.db, (tx) =>
        deps.jobs.enqueue(tx, runQueue, { pipeline: name, cadence: cadence.name }, { key: name }),
      );
    }
    await alertWhenStale(deps, pipeline);
  }
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

const subjectOf = (pipeline: string, what: 'failed' | 'stale'): Subject => ({
  id: `lastro:pipeline:${pipeline}:${what}`,
  part: 'Lastro pipelines',
  title: what === 'failed' ? `Pipeline ${pipeline} failed` : `Pipeline ${pipeline} is stale`,
});

const tellIncident = async (
  { serviceNow, log }: Pick<PipelineWorkDeps, 'serviceNow' | 'log'>,
  tell: (serviceNow: ServiceNow) => Promise<unknown>,
): Promise<void> => {
  if (!serviceNow) return;
  await tell(serviceNow).catch((error: unknown) => log.warn({ err: error }, 'ServiceNow was not told'));
};

/** When the newest done window of each pipeline ended. */
const newestDone = async (db: Pool): Promise<Map<string, Date>> => {
  const found = await db.query<{ pipeline: string; to: Date }>(
    `SELECT pipeline, max(window_to) AS to FROM intervals WHERE state = 'done' GROUP BY pipeline`,
  );
  return new Map(found.rows.map(({ pipeline, to }) => [pipeline, to]));
};

const hoursSince = (now: Date, to: Date | undefined): number =>
  to === undefined ? Number.POSITIVE_INFINITY : Math.max(0, (now.getTime() - to.getTime()) / 3_600_000);

const alertWhenStale = async (
  deps: Pick<PipelineWorkDeps, 'db' | 'clock' | 'log' | 'serviceNow'>,
  { name, freshness }: Pipeline,
): Promise<void> => {
  if (!freshness) return;
  const age = hoursSince(deps.clock(), (await newestDone(deps.db)).get(name));
  const subject = subjectOf(name, 'stale');
  if (age <= freshness.hours) {
    await tellIncident(deps, (serviceNow) => resolveIncident(serviceNow, subject, 'It is fresh again.'));
    return;
  }
  const text = `its newest window ended ${Number.isFinite(age) ? `${Math.round(age)} h ago` : 'never'}, the target is ${freshness.hours} h`;
  deps.log.warn({ pipeline: name, age, target: freshness.hours }, `pipeline is stale: ${text}`);
  await tellIncident(deps, (serviceNow) =>
    openIncident(serviceNow, subject, { again: `Still: ${text}`, description: `Pipeline ${name}: ${text}.` }),
  );
};

const watchAge = ({ db, metrics, clock, log }: PipelineWorkDeps, pipelines: readonly Pipeline[]): void => {
  new Gauge({
    name: 'lastro_pipeline_age_hours',
    help: 'Hours since the end of the newest done window, by pipeline.',
    labelNames: ['pipeline'] as const,
    registers: [metrics],
    async collect() {
      const newest = await newestDone(db).catch((error: unknown) => {
        log.warn({ err: error }, 'ages of pipelines could not be read');
        return new Map<string, Date>();
      });
      for (const { name } of pipelines) {
        const to = newest.get(name);
        if (to) this.set({ pipeline: name }, hoursSince(clock(), to));
      }
    },
  });
};
