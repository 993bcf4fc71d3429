import { resolve } from 'node:path';
import { type CliContext, UserError, write } from '../platform/cli.ts';
import { type Jobs, openJobs } from '../platform/jobs.ts';
import { openLog } from '../platform/log.ts';
import { checkTable, type RunOptions } from './command-options.ts';
import { loadDomains } from './domain-models.ts';
import { listRuns } from './runs.ts';
import {
  addSchedule,
  consolidateQueue,
  listSchedules,
  removeSchedule,
  type ScheduledSource,
} from './schedules.ts';
import { openSource, s3Options } from './source.ts';
import { parsePartitionBy } from './tables.ts';

const withJobs = async <T>(context: CliContext, work: (jobs: Jobs) => Promise<T>): Promise<T> => {
  const { connectionString } = (await context.postgres()).options;
  if (connectionString === undefined) throw new Error('expected a pool that was opened with an address');
  const log = openLog({ level: 'warn', service: 'consolidate' });
  const jobs = await openJobs({ url: connectionString, queues: [consolidateQueue], works: false, log });
  try {
    return await work(jobs);
  } finally {
    await jobs.close();
  }
};

export type ScheduleOptions = RunOptions & { cron?: string };

/** `lastro consolidate schedule add` */
export const addScheduleCommand = async (
  context: CliContext,
  place: string,
  { cron, table, partition, domains, ...options }: ScheduleOptions,
): Promise<void> => {
  if (cron === undefined || table === undefined) {
    throw new UserError('expected --table namespace.name and --cron "…"; see --help');
  }
  checkTable(table);
  // What is wrong is said now, to who declares it, and not at night.
  const source = await openSource(place, s3Options(context.config()));
  if (partition !== undefined) parsePartitionBy(partition);
  if (domains !== undefined) await loadDomains(domains);
  const { waitMb, waitMinutes, batchMb, maxMemoryMb, maxBatchSeconds } = options;
  const scheduled: ScheduledSource = {
    ...{ cron, table, source: source.url },
    ...(partition === undefined ? {} : { partition }),
    ...(domains === undefined ? {} : { domains: resolve(domains) }),
    ...(waitMb === undefined ? {} : { waitMb, waitMinutes }),
    ...(batchMb === undefined ? {} : { batchMb }),
    ...(maxMemoryMb === undefined ? {} : { maxMemoryMb }),
    ...(maxBatchSeconds === undefined ? {} : { maxBatchSeconds }),
  };
  await withJobs(context, (jobs) => addSchedule(jobs, scheduled));
  const text = options.json
    ? JSON.stringify(scheduled)
    : `${table} is consolidated from ${source.url} at ${cron} (UTC) while a worker runs`;
  await write(context.stdout, `${text}\n`);
};

/** `lastro consolidate schedule list` */
export const listSchedulesCommand = async (
  context: CliContext,
  { json }: { json?: boolean },
): Promise<void> => {
  const schedules = await withJobs(context, listSchedules);
  const pool = await context.postgres();
  const shown = await Promise.all(
    schedules.map(async (schedule) => {
      const [last] = await listRuns(pool, { table: schedule.table, limit: 1 });
      const { runId, state, startedAt, error } = last ?? {};
      return { ...schedule, lastRun: last ? { runId, state, startedAt, error } : null };
    }),
  );
  const line = ({ table, source, cron, lastRun }: (typeof shown)[number]): string => {
    const before = lastRun ? `${lastRun.state} ${lastRun.startedAt?.toISOString()}` : 'no run yet';
    return [cron.padEnd(14), table, source, before].join('  ');
  };
  const text = json
    ? JSON.stringify(shown)
    : shown.map(line).join('\n') || '(no source is scheduled; see lastro consolidate schedule add --help)';
  await write(context.stdout, `${text}\n`);
};

/** `lastro consolidate schedule remove` */
export const removeScheduleCommand = async (
  context: CliContext,
  { table = '' }: { table?: string },
): Promise<void> => {
  const removed = await withJobs(context, (jobs) => removeSchedule(jobs, table));
  if (!removed) throw new UserError(`expected a schedule of ${table}, found none`, 1);
  await write(context.stdout, `${table} is scheduled no more; its table and what is in it stay\n`);
};
