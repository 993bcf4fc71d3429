import { assemble, assemblyQueue, resumeWaiting } from '../orders/assembly.ts';
import {
  housekeepingCron,
  housekeepingQueue,
  keepHouse,
  removeExpired,
  retentionCron,
  retentionQueue,
} from '../orders/housekeeping.ts';
import { notificationQueue, notifyParticipants } from '../orders/notification.ts';
import { deliver } from '../platform/delivery.ts';
import { deliveryQueue } from '../platform/outbox.ts';
import { openSqs } from '../platform/sqs.ts';
import { openWebhooks } from '../platform/webhooks.ts';
import { type Parts, webhookSecret } from './parts.ts';

export type RunningWorker = { close: () => Promise<void> };

/**
 * Starts a worker on parts that were opened with `works`. It takes jobs until `close`, which waits for those in
 * hand; the parts stay open, but for the job system. Any number of workers may run.
 */
export const startWorker = async (parts: Parts): Promise<RunningWorker> => {
  const { config, db, jobs, partners, clock, log, keys, store } = parts;
  const sqsUrl = config.MESSAGES_SQS_URL;
  const webhooks = openWebhooks({
    secret: await webhookSecret(config),
    allowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
    clock,
  });
  const sqs = openSqs({ region: config.AWS_REGION, endpoint: config.AWS_ENDPOINT_URL, store: store.store });
  const desk = { db, jobs, partners, clock, log, idOf: parts.orders.idOf, keys, sqsUrl };
  parts.onPartnerState((partner, state) => {
    if (state !== 'closed') return;
    resumeWaiting(desk, partner).catch((error: unknown) =>
      log.error({ err: error, partner }, 'waiting orders could not be resumed; their own retries will'),
    );
  });

  await jobs.work(assemblyQueue, config.WORKER_CONCURRENCY, (job, context) => assemble(desk, job, context));
  await jobs.work(notificationQueue, 16, (job, context) => notifyParticipants(desk, job, context));
  await jobs.work(deliveryQueue, 16, (job, context) =>
    deliver({ db, log, clock, sendWebhook: webhooks.send, sendToQueue: sqs.send }, job, context),
  );
  await jobs.work(housekeepingQueue, 1, async () => {
    await keepHouse({ db, jobs, clock, log, sqsUrl, seal: { keys, store: store.store } });
  });
  await jobs.work(retentionQueue, 1, async () => {
    await removeExpired({ db, clock, log });
  });
  await jobs.schedule({ queue: housekeepingQueue, cron: housekeepingCron });
  await jobs.schedule({ queue: retentionQueue, cron: retentionCron });
  log.info('worker takes jobs');
  return {
    close: async () => {
      await jobs.close();
      await webhooks.close();
      sqs.close();
    },
  };
};
