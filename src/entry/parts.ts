import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { archivedOrder } from '../archive/archive.ts';
import { type OrdersDeps, personIds } from '../orders/orders.ts';
import {
  type BreakerState,
  type OpenPartners,
  openPartners,
  type PartnerName,
} from '../partners/partners.ts';
import { type Authenticate, openAuthentication } from '../platform/auth.ts';
import { UserError } from '../platform/cli.ts';
import type { Config } from '../platform/config.ts';
import { homeSecret } from '../platform/home-secret.ts';
import type { RateLimits } from '../platform/http-limits.ts';
import { type Jobs, openJobs } from '../platform/jobs.ts';
import { type Log, openLog } from '../platform/log.ts';
import { type Metrics, openMetrics } from '../platform/metrics.ts';
import { loadPersonIdKey } from '../platform/person-id-key.ts';
import { openPool } from '../platform/postgres.ts';
import { loadSigningKeys, type SigningKeys, signingKeysFile } from '../platform/signing-keys.ts';
import { openConfiguredLinks } from '../platform/store/configured-links.ts';
import { openConfiguredStore } from '../platform/store/configured-store.ts';
import type { LinkKeys } from '../platform/store/links.ts';
import type { OpenedStore } from '../platform/store/store.ts';
import { startTelemetry } from '../platform/telemetry.ts';
import { callbackProblem } from '../platform/webhooks.ts';
import { workFolder } from '../platform/work-folder.ts';
import type { ReportRoutesDeps } from '../reports/http.ts';
import { openReportMaker, publicUrl, type ReportMaker, reportLimits } from '../reports/reports.ts';
import { allQueues } from './queues.ts';

/** What a process starts with: the settings, and the database that they name or that was started for it. */
export type ProcessDeps = { config: Config; databaseUrl: string };

/** What a process of the desk is made of. Wiring appears here and in `api.ts` and `worker.ts` only. */
export type Parts = {
  config: Config;
  log: Log;
  metrics: Metrics;
  db: Pool;
  jobs: Jobs;
  partners: OpenPartners;
  keys: SigningKeys;
  store: OpenedStore;
  authenticate: Authenticate;
  orders: OrdersDeps;
  reports: ReportRoutesDeps & { maker: ReportMaker };
  /** What signs links to the store's objects. */
  links: LinkKeys;
  clock: () => Date;
  /** Has the caller told when a partner's breaker changes. */
  onPartnerState: (listener: (partner: PartnerName, state: BreakerState) => void) => void;
  close: () => Promise<void>;
};

/**
 * Opens what the API and the worker need: one set for a process, also where it runs both. On failure what was
 * opened before is closed again. `works`: the process runs jobs, and so supervises the job system too.
 */
export const openParts = async (
  { config, databaseUrl }: ProcessDeps,
  { service, works }: { service: string; works: boolean },
): Promise<Parts> => {
  const partnersUrl = needed(config, 'PARTNERS_URL', 'the base address of the partner systems');
  const issuer = needed(config, 'OIDC_ISSUER', 'the issuer of bearer tokens');
  const closers: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const log = openLog({ level: config.LASTRO_LOG_LEVEL, service });
    const metrics = openMetrics(service);
    if (config.OTEL_EXPORTER_OTLP_ENDPOINT) {
      const telemetry = startTelemetry({
        endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
        service: `lastro-${service}`,
      });
      closers.push(telemetry.close);
    }
    const db = openPool({ url: databaseUrl, max: config.DATABASE_POOL, name: `lastro-${service}` });
    closers.push(() => db.end());
    const jobs = await openJobs({ url: databaseUrl, queues: allQueues, works, log, metrics });
    closers.push(() => jobs.close());
    const listeners: ((partner: PartnerName, state: BreakerState) => void)[] = [];
    const partners = openPartners({
      baseUrl: partnersUrl,
      token: config.PARTNERS_TOKEN,
      timeoutMs: config.PARTNERS_TIMEOUT_MS,
      redisUrl: config.REDIS_URL,
      metrics,
      log,
      onStateChange: (partner, state) => {
        for (const listener of listeners) listener(partner, state);
      },
    });
    closers.push(() => partners.close());
    const links = await openConfiguredLinks(config);
    const store = await openConfiguredStore(config, { links });
    closers.push(() => store.close());
    const clock = (): Date => new Date();
    const idOf = personIds(await loadPersonIdKey(config));
    const webhookProblem = (url: string) => callbackProblem(url, config.WEBHOOK_ALLOW_PRIVATE);
    const maker = openReportMaker({ config, db, store: store.store });
    return {
      config,
      log,
      metrics,
      db,
      jobs,
      partners,
      keys: await loadSigningKeys(signingKeysFile(config)),
      store,
      authenticate: openAuthentication({
        issuer,
        audience: config.OIDC_AUDIENCE,
        ...(config.OIDC_JWKS_URL ? { jwksUrl: config.OIDC_JWKS_URL } : {}),
      }),
      orders: {
        db,
        jobs,
        partners,
        clock,
        idOf,
        sqsUrl: config.MESSAGES_SQS_URL,
        archivedOrder: (orderKey) => archivedOrder(db, orderKey),
        callbackProblem: webhookProblem,
      },
      reports: {
        ...{ db, jobs, maker, clock, kinds: maker.kinds },
        limits: reportLimits(config),
        signedUrl: store.signedUrl,
        publicUrl: publicUrl(config),
        callbackProblem: webhookProblem,
        sendsMail: config.SMTP_URL !== undefined,
        idOf,
        workFolder: () => workFolder(config.LASTRO_HOME),
      },
      links,
      clock,
      onPartnerState: (listener) => listeners.push(listener),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

/** For `/readyz`: rejects where the database does not answer, or is none of ours. */
export const canWork = async ({ db }: Pick<Parts, 'db'>): Promise<void> => {
  await db.query('SELECT 1 FROM envelopes LIMIT 0');
};

/** @throws UserError where a setting without a default is not set. */
export const rateLimits = (config: Config): RateLimits => ({
  client: config.RATE_LIMIT_PER_MINUTE,
  address: config.RATE_LIMIT_ADDRESS_PER_MINUTE,
  refused: config.RATE_LIMIT_REFUSED_PER_MINUTE,
});

export const needed = (config: Config, name: 'PARTNERS_URL' | 'OIDC_ISSUER', what: string): string => {
  const value = config[name];
  if (value !== undefined) return value;
  throw new UserError(`${name} is not set: expected ${what}. \`lastro up\` starts a sandbox that has both.`);
};

/** The key that signs webhooks, in the form of Standard Webhooks. */
export const webhookSecret = async (config: Config): Promise<string> =>
  config.WEBHOOK_SECRET ??
  (await homeSecret(
    join(config.LASTRO_HOME, 'webhook-secret'),
    () => `whsec_${randomBytes(24).toString('base64')}`,
  ));
