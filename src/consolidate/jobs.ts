import type { Pool } from 'pg';
import { GiveUp, type Jobs, type Queue } from '../platform/jobs.ts';
import { readLease } from '../platform/leases.ts';
import type { Log } from '../platform/log.ts';
import type { RunLastro } from '../platform/own-process.ts';
import { leaseName } from './runs.ts';
import { consolidateQueue, roundArguments, type ScheduledRun, scheduledRun } from './schedules.ts';

export const consolidateQueues: readonly Queue<object>[] = [consolidateQueue];

export type ConsolidateWorkDeps = {
  readonly jobs: Jobs;
  readonly db: Pool;
  readonly log: Log;
  readonly runLastro: RunLastro;
};

/**
 * Takes the rounds of scheduled sources until the job system is closed. A round is a process: its memory, its
 * threads and what may end it are its own, and the orders in hand of this one don't feel them.
 */
export const workOnConsolidation = async (deps: ConsolidateWorkDeps): Promise<void> => {
  await deps.jobs.work(consolidateQueue, 1, (job, { signal }) => runRound(deps, job, signal));
};

const runRound = async (
  { db, log, runLastro }: ConsolidateWorkDeps,
  job: ScheduledRun,
  signal: AbortSignal,
): Promise<void> => {
  const { success, data: run, error } = scheduledRun.safeParse(job);
  if (!success) throw new GiveUp(`the schedule's data is not valid: ${error.message}`);
  const { table } = run;
  // A round that takes longer than the schedule's pace: the next ones have nothing to do.
  const holder = await readLease(db, leaseName(table));
  if (holder && holder.until > new Date()) {
    log.info({ table, holder: holder.holder }, 'consolidation: another run holds the table');
    return;
  }
  const { code, stdout, stderr } = await runLastro(roundArguments(run), { signal });
  if (code === 0) {
    log.info({ table, summary: JSON.parse(stdout) as unknown }, 'consolidated');
    return;
  }
  const words = stderr.trim().split('\n').at(-1) ?? '';
  if (code === 2) throw new GiveUp(words);
  throw new Error(words || `the run ended with ${code}`);
};
