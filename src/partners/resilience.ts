import {
  BulkheadRejectedError,
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
  isBrokenCircuitError,
  retry,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import type { BreakerState, PartnerName } from './contract.ts';
import { PartnerUnavailable, type UnavailableReason } from './unavailable.ts';

/** How hard a partner is asked. The defaults suit a service that answers in tens of milliseconds. */
export type ResilienceOptions = {
  readonly timeoutMs: number;
  /** Further attempts after the first. */
  readonly retries?: number;
  /** Mean wait before the first further attempt; each one doubles it, with decorrelated jitter. */
  readonly retryDelayMs?: number;
  /** Failures in a row that open the breaker. */
  readonly breakAfter?: number;
  /** How long an open breaker asks nobody; then one call tries. */
  readonly halfOpenAfterMs?: number;
  /** Calls at the partner at once; the next `queue` ones wait, further ones are refused. */
  readonly concurrency?: number;
  readonly queue?: number;
};

export const defaultConcurrency = 64;

/** One attempt; `signal` ends it. It throws `PartnerUnavailable` for what the partner did wrong. */
type Attempt<T> = (signal: AbortSignal) => Promise<T>;

export type Guard = {
  /** Attempts as often as it helps. @throws PartnerUnavailable, or the caller's reason when it gave up. */
  run<T>(attempt: Attempt<T>, caller: AbortSignal | undefined): Promise<T>;
  state(): BreakerState;
  close(): void;
};

export type GuardDeps = {
  readonly partner: PartnerName;
  /** Asked while the breaker is open, so that it closes again also when no order needs the partner. */
  readonly probe: Attempt<unknown>;
  readonly onRetry: () => void;
  readonly onStateChange: (state: BreakerState) => void;
};

// Asking again helps where the failure is likely to be that of one moment or one machine of the partner. A
// partner that is slow is not asked again at once: that would triple its load, and the job comes back anyway.
const worthRetrying = new Set<UnavailableReason>(['connection', 'server_error', 'malformed']);

// `rejected` is an answer to our mistake, given by a partner that is well.
const countsAgainstPartner = new Set<UnavailableReason>([
  'timeout',
  'connection',
  'server_error',
  'malformed',
  'throttled',
]);

const stateNames: Record<CircuitState, BreakerState> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half_open',
  [CircuitState.Open]: 'open',
  [CircuitState.Isolated]: 'open',
};

const isReason = (error: unknown, reasons: ReadonlySet<UnavailableReason>): boolean =>
  error instanceof PartnerUnavailable && reasons.has(error.reason);

const openBreaker = (breakAfter: number, halfOpenAfterMs: number) => {
  const breaker = circuitBreaker(
    // An abandoned test call says nothing about the partner: without this, cockatiel would close the breaker.
    handleWhen(
      (error) =>
        isReason(error, countsAgainstPartner) ||
        (breaker.state === CircuitState.HalfOpen && !(error instanceof PartnerUnavailable)),
    ),
    { halfOpenAfter: halfOpenAfterMs, breaker: new ConsecutiveBreaker(breakAfter) },
  );
  return breaker;
};

/** Runs `attempt` under the time limit; a limit that passes is `timeout`, a caller that gives up is not. */
const limited = (partner: PartnerName, timeoutMs: number) => {
  // Aggressive: an attempt that does not heed its signal must not hold the order up.
  const limit = timeout(timeoutMs, { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false });
  return async <T>(attempt: Attempt<T>, caller?: AbortSignal): Promise<T> => {
    try {
      return await limit.execute(({ signal }) => attempt(signal), caller);
    } catch (error) {
      if (error instanceof PartnerUnavailable || caller?.aborted) throw error;
      throw new PartnerUnavailable(partner, 'timeout', `nothing whole within ${timeoutMs} ms`, {
        cause: error,
      });
    }
  };
};

/**
 * One partner's way out: bulkhead around retry around breaker around the time limit of one attempt.
 * The breaker is inside the retry, so each attempt counts, and an open one ends the retries at once; the
 * bulkhead is outside, so that calls that wait for a retry count as calls too.
 */
export const openGuard = (deps: GuardDeps, options: ResilienceOptions): Guard => {
  const { partner } = deps;
  const { timeoutMs, retries = 2, retryDelayMs = 50, breakAfter = 5, halfOpenAfterMs = 5_000 } = options;
  const lanes = bulkhead(options.concurrency ?? defaultConcurrency, options.queue ?? 2_048);
  const retried = retry(
    handleWhen((error) => isReason(error, worthRetrying)),
    {
      maxAttempts: retries,
      backoff: new ExponentialBackoff({ initialDelay: retryDelayMs, maxDelay: 1_000 }),
    },
  );
  retried.onRetry(deps.onRetry);
  const breaker = openBreaker(breakAfter, halfOpenAfterMs);
  const attemptOnce = limited(partner, timeoutMs);
  const guarded = wrap(retried, breaker);

  let asksAgainAt = 0;
  let probe: NodeJS.Timeout | undefined;
  const armProbe = (): void => {
    clearTimeout(probe);
    // Up to a fifth later at random: many processes must not all knock in the same instant. A probe that fails
    // opens the breaker again, and that arms the next one.
    const later = halfOpenAfterMs * (1 + Math.random() / 5);
    probe = setTimeout(() => void breaker.execute(() => attemptOnce(deps.probe)).catch(() => {}), later);
    probe.unref();
  };
  breaker.onStateChange((state) => {
    const name = stateNames[state];
    if (name === 'open') {
      asksAgainAt = Date.now() + halfOpenAfterMs;
      armProbe();
    } else if (name === 'closed') clearTimeout(probe);
    deps.onStateChange(name);
  });

  return {
    run: async (attempt, caller) => {
      try {
        return await lanes.execute(() => guarded.execute(() => attemptOnce(attempt, caller)), caller);
      } catch (error) {
        caller?.throwIfAborted();
        if (isBrokenCircuitError(error)) {
          throw new PartnerUnavailable(partner, 'circuit_open', `it failed ${breakAfter} times in a row`, {
            retryAfterMs: Math.max(0, asksAgainAt - Date.now()),
          });
        }
        if (error instanceof BulkheadRejectedError) {
          throw new PartnerUnavailable(partner, 'overloaded', 'too many calls are waiting in this process');
        }
        throw error;
      }
    },
    state: () => stateNames[breaker.state],
    close: () => clearTimeout(probe),
  };
};
