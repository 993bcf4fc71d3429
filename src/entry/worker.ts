import { workOnArchive } from '../archive/jobs.ts';
import { workOnConsolidation } from '../consolidate/jobs.ts';
import { workOnLake } from '../lake/jobs.ts';
import { openConfiguredLake } from '../lake/open-lake.ts';
import { workOnOrders } from '../orders/jobs.ts';
import { resumeWaiting } from '../orders/orders.ts';
import { workOnPipelines } from '../pipelines/jobs.ts';
import { holderName } from '../platform/leases.ts';
import { openMailer } from '../platform/mail.ts';
import { openSqs } from '../platform/sqs.ts';
import { openWebhooks } from '../platform/webhooks.ts';
import { removeDeadWorkFolders, workFolder } from '../platform/work-folder.ts';
import { workOnReports } from '../reports/jobs.ts';
import { type Parts, webhookSecret } from './parts.ts';
import { openRunLastro } from './run-lastro.ts';

type ReachedPoint = (point: string) => void | Promise<void>;

export type RunningWorker = { close: () => Promise<void> };

/**
 * Starts a worker on parts that were opened with `works`. It takes jobs until `close`, which waits for those in
 * hand; the parts stay open, but for the job system. Any number of workers may run. `reached` is told each
 * named point that a job passes, for tests that cut it off there.
 */
export const startWorker = async (
  parts: Parts,
  { reached }: { reached?: ReachedPoint } = {},
): Promise<RunningWorker> => {
  const { config, db, jobs, partners, clock, log, keys, store } = parts;
  const webhooks = openWebhooks({
    secret: await webhookSecret(config),
    allowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
    clock,
  });
  const sqs = openSqs({ region: config.AWS_REGION, endpoint: config.AWS_ENDPOINT_URL, store: store.store });
  const desk = {
    ...{ db, jobs, partners, clock, log, keys, sqsUrl: config.MESSAGES_SQS_URL },
    idOf: parts.orders.idOf,
    sendWebhook: webhooks.send,
    sendToQueue: sqs.send,
    seal: { keys, store: store.store },
    concurrency: config.WORKER_CONCURRENCY,
    ...(reached ? { reached } : {}),
  };
  parts.onPartnerState((partner, state) => {
    if (state !== 'closed') return;
    resumeWaiting(desk, partner).catch((error: unknown) =>
      log.error({ err: error, partner }, 'waiting orders could not be resumed; their own retries will'),
    );
  });

  await removeDeadWorkFolders(config.LASTRO_HOME);
  await workOnOrders(desk);
  const mailer = config.SMTP_URL ? openMailer({ url: config.SMTP_URL, from: config.MAIL_FROM }) : undefined;
  const reports = await workOnReports({
    ...{ db, jobs, clock, log, store: store.store, maker: parts.reports.maker },
    publicUrl: parts.reports.publicUrl,
    limits: parts.reports.limits,
    holder: holderName('report'),
    workFolder: () => workFolder(config.LASTRO_HOME),
    removeDeadFolders: () => removeDeadWorkFolders(config.LASTRO_HOME),
    concurrency: config.REPORT_CONCURRENCY,
    ...(mailer ? { sendMail: mailer.send } : {}),
    ...(reached ? { reached } : {}),
  });
  const stopping = new AbortController();
  const runLastro = openRunLastro({ home: config.LASTRO_HOME, stopping: stopping.signal });
  await workOnConsolidation({ jobs, db, log, runLastro });
  const lake = await workOnLake({ jobs, log, openLake: () => openConfiguredLake({ config, pool: db }) });
  await workOnArchive({ config, db, jobs, log });
  const { SERVICENOW_URL, SERVICENOW_TOKEN } = config;
  await workOnPipelines({
    ...{ jobs, db, log, metrics: parts.metrics, clock, runLastro, env: process.env },
    folder: config.LASTRO_PIPELINES,
    concurrency: config.PIPELINE_CONCURRENCY,
    ...(SERVICENOW_URL && SERVICENOW_TOKEN
      ? { serviceNow: { url: SERVICENOW_URL, token: SERVICENOW_TOKEN } }
      : {}),
  });
  log.info('worker takes jobs');
  return {
    close: async () => {
      reports.stop();
      // What takes minutes is stopped between two commits, and goes on at the next start.
      stopping.abort();
      await jobs.close();
      await lake.close();
      mailer?.close();
      await webhooks.close();
      sqs.close();
    },
  };
};
