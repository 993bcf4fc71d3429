import type { Jobs, Queue } from '../platform/jobs.ts';
import { deliverMail, type MailDeps, mailQueue } from '../platform/mail.ts';
import { transaction } from '../platform/postgres.ts';
import {
  keepReports,
  type ReportHousekeepingDeps,
  removeOrphans,
  reportHousekeepingCron,
  reportHousekeepingQueue,
  reportOrphansCron,
  reportOrphansQueue,
} from './housekeeping.ts';
import { claimSeconds, giveTurn, reportQueue } from './queue.ts';
import { type RunDeps, runReport } from './run.ts';

/** Every queue of reports: declared by each process that adds to them or works on them. */
export const reportQueues: readonly Queue<object>[] = [
  reportQueue,
  mailQueue,
  reportHousekeepingQueue,
  reportOrphansQueue,
];

export type ReportWorkDeps = Omit<RunDeps, 'limits' | 'jobs'> &
  Omit<ReportHousekeepingDeps, 'limits' | 'jobs'> &
  Omit<MailDeps, 'send'> & {
    readonly jobs: Jobs;
    readonly limits: RunDeps['limits'] & ReportHousekeepingDeps['limits'];
    /** Absent: this installation sends no e-mail. */
    readonly sendMail?: MailDeps['send'] | undefined;
    /** Removes what killed processes staged on this machine. */
    readonly removeDeadFolders?: () => Promise<unknown>;
    /** Reports made at once. */
    readonly concurrency: number;
  };

/**
 * Takes the jobs of reports until the job system is closed. `stop` puts the reports in hand back into the queue, for
 * another process to make: a large one takes longer than a stop may.
 */
export const workOnReports = async (deps: ReportWorkDeps): Promise<{ stop: () => void }> => {
  const { jobs, db, sendMail } = deps;
  const stopping = new AbortController();
  const takeTurn = async (attempt: number): Promise<void> => {
    const made = await runReport(deps, { signal: stopping.signal });
    // The turn of a process that died comes back before its claim has run out: it is tried again after that.
    if (made === null && attempt > 0 && !stopping.signal.aborted)
      await transaction(db, (tx) => giveTurn(jobs, tx, { afterSeconds: claimSeconds }));
  };
  // One fetcher each: jobs that are fetched together also end together, and a small report would wait for a large one.
  for (let slot = 0; slot < deps.concurrency; slot++)
    await jobs.work(reportQueue, 1, (_, { attempt }) => takeTurn(attempt));
  if (sendMail)
    await jobs.work(mailQueue, 4, (job, context) => deliverMail({ ...deps, send: sendMail }, job, context));
  await jobs.work(reportHousekeepingQueue, 1, async () => {
    await keepReports(deps);
  });
  await jobs.work(reportOrphansQueue, 1, async () => {
    await deps.removeDeadFolders?.();
    await removeOrphans(deps);
  });
  await jobs.schedule({ queue: reportHousekeepingQueue, cron: reportHousekeepingCron });
  await jobs.schedule({ queue: reportOrphansQueue, cron: reportOrphansCron });
  return { stop: () => stopping.abort() };
};
