import { z } from 'zod';
import { UserError } from '../platform/cli.ts';
import type { Jobs, Queue } from '../platform/jobs.ts';

/** A source that is consolidated again and again: what the command line of a run says of it. */
export const scheduledRun = z.strictObject({
  source: z.string(),
  table: z.string(),
  partition: z.string().optional(),
  /** Absolute: the worker stands in another folder. */
  domains: z.string().optional(),
  waitMb: z.number().optional(),
  waitMinutes: z.number().optional(),
  batchMb: z.number().optional(),
  maxMemoryMb: z.number().optional(),
  maxBatchSeconds: z.number().optional(),
});

export type ScheduledRun = z.output<typeof scheduledRun>;

/**
 * A round of a scheduled source. Tried again soon where it failed; what it leaves, the next round of the schedule
 * takes as well. A run of hours is no dead job: pg-boss beats for it while its worker lives.
 */
export const consolidateQueue: Queue<ScheduledRun> = {
  name: 'consolidate',
  retryLimit: 2,
  retryDelaySeconds: 60,
  retryDelayMaxSeconds: 600,
  expireInSeconds: 12 * 3600,
};

export type ScheduledSource = ScheduledRun & { readonly cron: string };

/**
 * Declares a source, or changes what was declared for its table: one schedule a table.
 * @throws UserError for a cron expression that is none
 */
export const addSchedule = async (jobs: Jobs, { cron, ...data }: ScheduledSource): Promise<void> => {
  try {
    await jobs.schedule({ queue: consolidateQueue, cron, key: data.table, data });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `--cron: expected five fields such as "*/5 * * * *" or "30 2 * * *" (UTC), found ${JSON.stringify(cron)}: ${words}`,
    );
  }
};

/** What is declared, by table. */
export const listSchedules = async (jobs: Jobs): Promise<ScheduledSource[]> => {
  const found = await jobs.schedules(consolidateQueue.name);
  return found
    .map(({ cron, data }) => ({ ...scheduledRun.parse(data), cron }))
    .sort((a, b) => (a.table < b.table ? -1 : 1));
};

/** Answers whether there was one. */
export const removeSchedule = async (jobs: Jobs, table: string): Promise<boolean> => {
  const found = await jobs.schedules(consolidateQueue.name);
  await jobs.unschedule(consolidateQueue.name, table);
  return found.some(({ key }) => key === table);
};

/** The command line of a round. */
export const roundArguments = ({ source, ...options }: ScheduledRun): string[] => {
  const named = Object.entries(options).flatMap(([name, value]) =>
    value === undefined
      ? []
      : [`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, String(value)],
  );
  return ['consolidate', source, ...named, '--json'];
};
