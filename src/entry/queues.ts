import { archiveQueues } from '../archive/jobs.ts';
import { consolidateQueues } from '../consolidate/jobs.ts';
import { lakeQueues } from '../lake/jobs.ts';
import { orderQueues } from '../orders/jobs.ts';
import { pipelineQueues } from '../pipelines/jobs.ts';
import type { Queue } from '../platform/jobs.ts';
import { reportQueues } from '../reports/jobs.ts';

/** Every queue there is, of all capabilities. */
export const allQueues: readonly Queue<object>[] = [
  ...orderQueues,
  ...reportQueues,
  ...consolidateQueues,
  ...lakeQueues,
  ...archiveQueues,
  ...pipelineQueues,
];
