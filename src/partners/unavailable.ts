import type { PartnerName } from './contract.ts';

/**
 * Why there is no answer:
 * `timeout` no whole answer in time · `connection` refused, reset, cut body · `server_error` 5xx ·
 * `malformed` not what the contract says (HTML, bad JSON, wrong shape, contradictions, over the size cap) ·
 * `throttled` 429 · `rejected` other 4xx: our credentials or request are wrong, someone must act ·
 * `circuit_open` not asked, it failed too often just now · `overloaded` not asked, too many calls are waiting here.
 */
export type UnavailableReason =
  | 'timeout'
  | 'connection'
  | 'server_error'
  | 'malformed'
  | 'throttled'
  | 'rejected'
  | 'circuit_open'
  | 'overloaded';

/**
 * A partner gave no answer that may be used. It is always a technical failure: a business answer ("no such
 * area", "no representatives") is a value, so nobody can mistake one for the other.
 */
export class PartnerUnavailable extends Error {
  readonly partner: PartnerName;
  readonly reason: UnavailableReason;
  /** When the partner (429, 503) or the breaker says that asking again makes sense. */
  readonly retryAfterMs: number | undefined;

  constructor(
    partner: PartnerName,
    reason: UnavailableReason,
    detail: string,
    options: { retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(`partner ${partner} gave no usable answer (${reason}): ${detail}`, { cause: options.cause });
    this.name = 'PartnerUnavailable';
    this.partner = partner;
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs;
  }
}
