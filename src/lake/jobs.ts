import type { Jobs, Queue } from '../platform/jobs.ts';
import type { Log } from '../platform/log.ts';
import type { ConfiguredLake } from './open-lake.ts';

/** Brings the tables' entries in Glue up to date. The next minute's job does what this one could not. */
const publishQueue: Queue<object> = {
  name: 'catalog',
  retryLimit: 0,
  retryDelaySeconds: 1,
  retryDelayMaxSeconds: 1,
  expireInSeconds: 600,
};

const everyMinute = '* * * * *';

export const lakeQueues: readonly Queue<object>[] = [publishQueue];

/** Where the lake has a mirror: publishes every table each minute, what crashed processes left too. */
export const workOnLake = async ({
  jobs,
  log,
  publish,
}: {
  jobs: Jobs;
  log: Log;
  publish: NonNullable<ConfiguredLake['publish']>;
}): Promise<void> => {
  await jobs.work(publishQueue, 1, async () => {
    const { published, removed } = await publish();
    if (published.length + removed.length > 0) log.info({ published, removed }, 'tables published in Glue');
  });
  await jobs.schedule({ queue: publishQueue, cron: everyMinute });
};
