import type { Queue } from '../platform/jobs.ts';
import { deliveryQueue } from '../platform/outbox.ts';
import { assemblyQueue } from './assembly.ts';
import { housekeepingQueue, retentionQueue } from './housekeeping.ts';
import { notificationQueue } from './notification.ts';

/** Every queue of the order desk: declared by each process that adds to them or works on them. */
export const deskQueues: readonly Queue<object>[] = [
  assemblyQueue,
  notificationQueue,
  deliveryQueue,
  housekeepingQueue,
  retentionQueue,
];
