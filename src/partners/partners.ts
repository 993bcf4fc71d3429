import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { BreakerState, PartnerName, Partners } from './contract.ts';
import { withPersonIds } from './person-ids.ts';
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
  RegistryOperator,
  Representative,
} from './contract.ts';
export { PartnerUnavailable, withPersonIds };

export type PartnersDeps = {
  /** Base address; each adapter appends its own path. */
  readonly baseUrl: string;
  /** Sent as bearer token. */
  readonly token?: string | undefined;
  /** Longest wait for one attempt; a call with its retries takes at most twice as long. */
  readonly timeoutMs: number;
  /** Second cache level, shared by processes. */
  readonly redisUrl?: string | undefined;
  readonly metrics: Registry;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly onStateChange?: (partner: PartnerName, state: BreakerState) => void;
};

export type OpenPartners = Partners & {
  /** Each breaker's state in this process. */
  states(): Readonly<Record<PartnerName, BreakerState>>;
  /** Ends connections, timers and caches; calls under way fail. */
  close(): Promise<void>;
};
