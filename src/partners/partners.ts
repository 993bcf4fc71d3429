import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { Agent } from 'undici';
import { type CacheRule, keyOf, openAnswerCache } from './answer-cache.ts';
import { type Channel, openChannel } from './channel.ts';
import type { BreakerState, PartnerName, Partners } from './contract.ts';
import { askDomains, healthPath as domainsHealth } from './domains.ts';
import { maxAnswerBytes } from './exchange.ts';
import { localDays } from './local-days.ts';
import { askNotification, healthPath as notificationsHealth } from './notifications.ts';
import { askParameters, healthPath as parametersHealth } from './parameters.ts';
import { type PartnerMetrics, partnerMetrics } from './partner-metrics.ts';
import { askPeople, healthPath as peopleHealth } from './people.ts';
import { withPersonIds } from './person-ids.ts';
import { askPowers, healthPath as powersHealth } from './powers.ts';
import { askRegistry, healthPath as registryHealth } from './registry.ts';
import { defaultConcurrency, type ResilienceOptions } from './resilience.ts';
import { PartnerUnavailable } from './unavailable.ts';

// The front door: what other capabilities may use is named here, once.
export type {
  Answer,
  AreaParameters,
  BreakerState,
  Call,
  CompanyPowers,
  Domains,
  Notification,
  PartnerName,
  Partners,
  PartyType,
  PersonContact,
  RecordedAnswer,
  RegistryOperator,
  Representative,
} from './contract.ts';
export { PartnerUnavailable, withPersonIds };

export type PartnersDeps = {
  /** Base address; each adapter appends its own path. */
  readonly baseUrl: string;
  /** Sent as bearer token. */
  readonly token?: string | undefined;
  /** Longest wait for one attempt. A timeout is not asked again; quick failures are, twice. */
  readonly timeoutMs: number;
  /** Second cache level, shared by processes. */
  readonly redisUrl?: string | undefined;
  readonly metrics: Registry;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Told when a breaker opens, tries and closes; `closed` is the moment to wake what waits for the partner. */
  readonly onStateChange?: (partner: PartnerName, state: BreakerState) => void;
  /** Departures from the defaults of `resilience.ts`, for tests and for partners that need it. */
  readonly resilience?: Omit<ResilienceOptions, 'timeoutMs'>;
};

export type OpenPartners = Partners & {
  /** Each breaker's state in this process. */
  states(): Readonly<Record<PartnerName, BreakerState>>;
  /** Ends connections, timers and caches; calls under way fail. */
  close(): Promise<void>;
};

const minute = 60_000;

/** Standards, keys and contacts change by the day; powers and operators decide, so they are always asked anew. */
const cacheRules = {
  parameters: { ttlMs: minute, graceMs: 60 * minute, keeps: (value) => value !== null },
  domains: { ttlMs: 5 * minute, graceMs: 24 * 60 * minute },
  people: { ttlMs: 5 * minute, graceMs: 60 * minute, personal: true },
} as const satisfies Record<string, CacheRule>;

const healthPaths: Record<PartnerName, string> = {
  parameters: parametersHealth,
  domains: domainsHealth,
  powers: powersHealth,
  people: peopleHealth,
  registry: registryHealth,
  notifications: notificationsHealth,
};

type Line = Channel & { end(): Promise<void> };

/** A channel with connections of its own: partners that hang must not take those of the others. */
const openLine = (deps: PartnersDeps, metrics: PartnerMetrics, partner: PartnerName): Line => {
  const dispatcher = new Agent({
    connections: deps.resilience?.concurrency ?? defaultConcurrency,
    // Idle connections are given up before common servers do so: a request never meets a closing one.
    keepAliveTimeout: 4_000,
    connectTimeout: deps.timeoutMs,
    maxResponseSize: maxAnswerBytes,
  });
  const channel = openChannel(
    {
      partner,
      baseUrl: deps.baseUrl.replace(/\/+$/, ''),
      token: deps.token,
      dispatcher,
      healthPath: healthPaths[partner],
      metrics,
      onStateChange: (state) => {
        deps.log[state === 'open' ? 'warn' : 'info']({ partner, state }, 'partner breaker changed');
        deps.onStateChange?.(partner, state);
      },
    },
    { ...deps.resilience, timeoutMs: deps.timeoutMs },
  );
  const end = (): Promise<void> => {
    channel.close();
    return dispatcher.destroy();
  };
  return { ...channel, end };
};

/** Opens the partners of a bank. Nothing is asked until the first call. */
export const openPartners = (deps: PartnersDeps): OpenPartners => {
  const metrics = partnerMetrics(deps.metrics);
  const cache = openAnswerCache({ redisUrl: deps.redisUrl, metrics, log: deps.log });
  const lines = {
    parameters: openLine(deps, metrics, 'parameters'),
    domains: openLine(deps, metrics, 'domains'),
    powers: openLine(deps, metrics, 'powers'),
    people: openLine(deps, metrics, 'people'),
    registry: openLine(deps, metrics, 'registry'),
    notifications: openLine(deps, metrics, 'notifications'),
  } satisfies Record<PartnerName, Line>;
  const days = localDays('America/Sao_Paulo');

  return {
    parameters: (areaId, call) =>
      cache.get(cacheRules.parameters, `parameters:${areaId}`, call, (shared) =>
        askParameters(lines.parameters, areaId, shared),
      ),
    domains: (call) =>
      cache.get(cacheRules.domains, 'domains', call, (shared) => askDomains(lines.domains, shared)),
    powers: (input, call) => askPowers(lines.powers, days, input, call),
    people: (documents, call) =>
      cache.get(cacheRules.people, `people:${keyOf(...documents.toSorted())}`, call, (shared) =>
        askPeople(lines.people, documents, shared),
      ),
    registry: (input, call) => askRegistry(lines.registry, input, call),
    notify: (input, call) => askNotification(lines.notifications, input, call),
    states: () => ({
      parameters: lines.parameters.state(),
      domains: lines.domains.state(),
      powers: lines.powers.state(),
      people: lines.people.state(),
      registry: lines.registry.state(),
      notifications: lines.notifications.state(),
    }),
    close: async () => {
      await Promise.all(Object.values(lines).map((line) => line.end()));
      await cache.close();
    },
  };
};
