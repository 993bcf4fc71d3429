import type { Jobs, Queue } from '../platform/jobs.ts';
import type { Log } from '../platform/log.ts';
import type { ConfiguredLake } from './open-lake.ts';

/** Publishes every table: entries in Glue, Hive manifests. The next minute's job does what this one could not. */
const publishQueue: Queue<object> = {
  name: 'catalog',
  retryLimit: 0,
  retryDelaySeconds: 1,
  retryDelayMaxSeconds: 1,
  expireInSeconds: 600,
};

const everyMinute = '* * * * *';

export const lakeQueues: readonly Queue<object>[] = [publishQueue];

/**
 * Publishes every table each minute: what this process committed while it keeps its lake open, what others did, and what
 * crashed ones left. The lake is opened when the first minute comes. Answers how to let go of it.
 */
export const workOnLake = async ({
  jobs,
  log,
  openLake,
}: {
  jobs: Jobs;
  log: Log;
  openLake: () => Promise<ConfiguredLake>;
}): Promise<{ close: () => Promise<void> }> => {
  let lake: ConfiguredLake | undefined;
  await jobs.work(publishQueue, 1, async () => {
    lake ??= await openLake();
    const { published, removed } = await lake.publish();
    if (published.length + removed.length > 0) log.info({ published, removed }, 'tables published in Glue');
  });
  await jobs.schedule({ queue: publishQueue, cron: everyMinute });
  return { close: async () => lake?.close() };
};
