import { type DeliveryDeps, deliver } from '../platform/delivery.ts';
import type { Jobs, Queue } from '../platform/jobs.ts';
import { deliveryQueue } from '../platform/outbox.ts';
import { type AssemblyDeps, assemble, assemblyQueue } from './assembly.ts';
import {
  type HousekeepingDeps,
  housekeepingCron,
  housekeepingQueue,
  keepHouse,
  removeExpired,
  retentionCron,
  retentionQueue,
} from './housekeeping.ts';
import { type NotificationDeps, notificationQueue, notifyParticipants } from './notification.ts';

/** Every queue of the order desk: declared by each process that adds to them or works on them. */
export const orderQueues: readonly Queue<object>[] = [
  assemblyQueue,
  notificationQueue,
  deliveryQueue,
  housekeepingQueue,
  retentionQueue,
];

export type OrderWorkDeps = Omit<AssemblyDeps, 'jobs'> &
  Omit<NotificationDeps, 'reached'> &
  Omit<DeliveryDeps, 'db'> &
  Omit<HousekeepingDeps, 'jobs'> & {
    jobs: Jobs;
    /** Orders assembled at once. */
    concurrency: number;
  };

/** Takes the desk's jobs until the job system is closed, and keeps its schedules. */
export const workOnOrders = async (deps: OrderWorkDeps): Promise<void> => {
  const { jobs } = deps;
  await jobs.work(assemblyQueue, deps.concurrency, (job, context) => assemble(deps, job, context));
  await jobs.work(notificationQueue, 16, (job, context) => notifyParticipants(deps, job, context));
  await jobs.work(deliveryQueue, 16, (job, context) => deliver(deps, job, context));
  await jobs.work(housekeepingQueue, 1, async () => {
    await keepHouse(deps);
  });
  await jobs.work(retentionQueue, 1, async () => {
    await removeExpired(deps);
  });
  await jobs.schedule({ queue: housekeepingQueue, cron: housekeepingCron });
  await jobs.schedule({ queue: retentionQueue, cron: retentionCron });
};
