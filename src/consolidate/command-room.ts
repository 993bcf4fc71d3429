import { join } from 'node:path';
import { openFileCache } from '../lake/file-cache.ts';
import { type ConfiguredLake, openConfiguredLake } from '../lake/open-lake.ts';
import { type CliContext, UserError } from '../platform/cli.ts';
import type { Config } from '../platform/config.ts';
import type { ServiceNow } from '../platform/incidents.ts';
import { inRoomOf } from '../platform/plain-failure.ts';
import { workFolder } from '../platform/work-folder.ts';
import { type ConsolidateDeps, stoppedEarly } from './consolidate.ts';
import { type Domain, loadDomains } from './domain-models.ts';
import type { Delivered } from './feedback.ts';
import { defaultLimits } from './limits.ts';

export type CommandRoom = Omit<ConsolidateDeps, 'report' | 'fault'> & {
  readonly serviceNow?: ServiceNow;
  readonly deliver?: (signal?: AbortSignal) => Promise<Delivered>;
  readonly publishChanged: ConfiguredLake['publishChanged'];
  readonly close: () => Promise<void>;
};

const copiesBytes = 20_000_000_000;

/** What the commands of consolidation work with, from the settings. Nothing of Kafka is loaded before it is used. */
export const openCommandRoom = async (
  context: CliContext,
  { domains: folder }: { domains?: string | undefined } = {},
): Promise<CommandRoom> => {
  const config = context.config();
  const domains = folder === undefined ? [] : await loadDomains(folder);
  const pool = await context.postgres();
  const { lake, publishChanged, close } = await openConfiguredLake({ config, pool });
  const deliver = delivery({ config, pool, domains });
  const { SERVICENOW_URL: url, SERVICENOW_TOKEN: token } = config;
  if (url !== undefined && token === undefined)
    throw new UserError('SERVICENOW_URL is set, expected SERVICENOW_TOKEN with it, found none');
  return {
    pool,
    lake,
    publishChanged,
    files: await openFileCache({
      store: lake.store,
      folder: join(await workFolder(config.LASTRO_HOME), 'consolidate-cache'),
      maxBytes: copiesBytes,
    }),
    clock: () => new Date(),
    stagingFolder: join(config.LASTRO_HOME, 'staging'),
    limits: defaultLimits,
    domains,
    ...(deliver ? { deliver, feedbackTopic: config.KAFKA_FEEDBACK_TOPIC } : {}),
    ...(url !== undefined && token !== undefined ? { serviceNow: { url, token } } : {}),
    close,
  };
};

const delivery = ({
  config,
  pool,
  domains,
}: {
  config: Config;
  pool: ConsolidateDeps['pool'];
  domains: readonly Domain[];
}): ((signal?: AbortSignal) => Promise<Delivered>) | undefined => {
  const { KAFKA_BROKERS: brokers, KAFKA_DEAD_LETTER_TOPIC: deadLetterTopic } = config;
  if (!brokers) return undefined;
  return async (signal) => {
    const [{ openKafka }, { deliverFeedback }, { feedbackChecks }] = await Promise.all([
      import('./kafka.ts'),
      import('./feedback.ts'),
      import('./feedback-schemas.ts'),
    ]);
    const kafka = openKafka({ brokers });
    try {
      const check = feedbackChecks(domains);
      return await deliverFeedback({
        pool,
        send: kafka.send,
        check,
        deadLetterTopic,
        ...(signal ? { signal } : {}),
      });
    } finally {
      await kafka.close();
    }
  };
};

/** Runs `work` with what commands need; a lease that is held or a full disk is an answer, not a crash. */
export const inRoom = (
  context: CliContext,
  options: { domains?: string | undefined },
  work: (room: CommandRoom) => Promise<void>,
): Promise<void> =>
  inRoomOf(() => openCommandRoom(context, options), work, {
    names: ['BatchLimitError', 'DomainError', 'SourceError'],
    stopped: `${stoppedEarly}; the next run takes what is left`,
  });
