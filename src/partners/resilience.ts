import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  BulkheadRejectedError,
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  ExponentialBackoff,
  handleWhen,
  isBrokenCircuitError,
  isTaskCancelledError,
  retry,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import type { Answer, BreakerState, Call, RecordedAnswer } from './contract.ts';
import { codeOf, type Exchange, type ExchangeDeps, exchangeOnce, type Reply } from './exchange.ts';
import type { PartnerMetrics } from './partner-metrics.ts';
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

export type Channel = {
  /**
   * Asks, and reads the answer. `read` throws (a zod error, any error) where the JSON is not what the contract
   * says: that is `malformed`, neither asked again nor held against the partner's breaker, since one company's
   * bad record must not shut the partner for all the others.
   */
  ask<T>(operation: string, exchange: Exchange, call: Call, read: (reply: Reply) => T): Promise<Answer<T>>;
  state(): BreakerState;
  close(): void;
};

export type ChannelDeps = ExchangeDeps & {
  /** Asked while the breaker is open, so that it closes again also when no order needs the partner. */
  readonly healthPath: string;
  readonly metrics: PartnerMetrics;
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

const tracer = trace.getTracer('lastro.partners');

const isReason = (error: unknown, reasons: ReadonlySet<UnavailableReason>): boolean =>
  error instanceof PartnerUnavailable && reasons.has(error.reason);

/**
 * One partner's way out: bulkhead around retry around breaker around the time limit of one attempt.
 * The breaker is inside the retry, so each attempt counts, and an open one ends the retries at once; the
 * bulkhead is outside, so that calls that wait for a retry count as calls too.
 */
export const openChannel = (deps: ChannelDeps, options: ResilienceOptions): Channel => {
  const { partner, metrics } = deps;
  const { timeoutMs, retries = 2, retryDelayMs = 50, breakAfter = 5, halfOpenAfterMs = 5_000 } = options;

  const lanes = bulkhead(options.concurrency ?? 64, options.queue ?? 512);
  const retried = retry(
    handleWhen((error) => isReason(error, worthRetrying)),
    {
      maxAttempts: retries,
      backoff: new ExponentialBackoff({ initialDelay: retryDelayMs, maxDelay: 1_000 }),
    },
  );
  const breaker = circuitBreaker(
    // An abandoned test call says nothing about the partner: without this, cockatiel would close the breaker.
    handleWhen(
      (error) =>
        isReason(error, countsAgainstPartner) ||
        (breaker.state === CircuitState.HalfOpen && !(error instanceof PartnerUnavailable)),
    ),
    { halfOpenAfter: halfOpenAfterMs, breaker: new ConsecutiveBreaker(breakAfter) },
  );
  const limit = timeout(timeoutMs, { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false });
  retried.onRetry(() => metrics.retries.inc({ partner }));

  const attempt = (exchange: Exchange, requestId: string, caller: AbortSignal | undefined): Promise<Reply> =>
    limit
      .execute(({ signal }) => exchangeOnce(deps, exchange, requestId, signal), caller)
      .catch((error: unknown) => {
        if (error instanceof PartnerUnavailable || caller?.aborted) throw error;
        throw new PartnerUnavailable(partner, 'timeout', `nothing whole within ${timeoutMs} ms`, {
          cause: error,
        });
      });

  let opensAgainAt = 0;
  let probe: NodeJS.Timeout | undefined;
  const armProbe = (): void => {
    clearTimeout(probe);
    // Up to a fifth later at random: many processes must not all knock in the same instant.
    probe = setTimeout(
      () => {
        const health: Exchange = { method: 'GET', path: deps.healthPath };
        // A failure opens the breaker again, which arms the next probe; the outcome itself is of no interest.
        breaker.execute(() => attempt(health, `probe-${partner}`, undefined)).catch(() => {});
      },
      halfOpenAfterMs * (1 + Math.random() / 5),
    );
    probe.unref();
  };
  metrics.breakerState(partner, 'closed');
  breaker.onStateChange((state) => {
    const name = stateNames[state];
    metrics.breakerState(partner, name);
    if (name === 'open') {
      opensAgainAt = Date.now() + halfOpenAfterMs;
      armProbe();
    } else if (name === 'closed') clearTimeout(probe);
    deps.onStateChange(name);
  });

  const guarded = wrap(retried, breaker);
  const reply = async (exchange: Exchange, call: Call): Promise<Reply> => {
    try {
      return await lanes.execute(
        () => guarded.execute(() => attempt(exchange, call.requestId, call.signal)),
        call.signal,
      );
    } catch (error) {
      call.signal?.throwIfAborted();
      if (isBrokenCircuitError(error)) {
        throw new PartnerUnavailable(partner, 'circuit_open', `it failed ${breakAfter} times in a row`, {
          retryAfterMs: Math.max(0, opensAgainAt - Date.now()),
        });
      }
      if (error instanceof BulkheadRejectedError) {
        throw new PartnerUnavailable(partner, 'overloaded', 'too many calls are waiting in this process');
      }
      if (isTaskCancelledError(error)) throw new PartnerUnavailable(partner, 'timeout', error.message);
      throw error;
    }
  };

  const askOnce = async <T>(
    exchange: Exchange,
    call: Call,
    read: (reply: Reply) => T,
  ): Promise<Answer<T>> => {
    const received = call.recorded ? replyAgain(exchange, call.recorded) : await reply(exchange, call);
    const { raw, sha256, receivedAt } = received;
    try {
      return { value: read(received), partner, raw, sha256, receivedAt, fromCache: false };
    } catch (cause) {
      throw new PartnerUnavailable(partner, 'malformed', explain(cause), { cause });
    }
  };

  return {
    ask: (operation, exchange, call, read) =>
      tracer.startActiveSpan(
        `partner.${partner}.${operation}`,
        { kind: SpanKind.CLIENT, attributes: { 'lastro.partner': partner } },
        async (span) => {
          const started = performance.now();
          let outcome = 'ok';
          try {
            return await askOnce(exchange, call, read);
          } catch (error) {
            outcome = error instanceof PartnerUnavailable ? error.reason : 'cancelled';
            if (error instanceof PartnerUnavailable) metrics.errors.inc({ partner, reason: error.reason });
            span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
            throw error;
          } finally {
            metrics.duration.observe({ partner, outcome }, (performance.now() - started) / 1000);
            span.setAttribute('lastro.partner.outcome', outcome);
            span.end();
          }
        },
      ),
    state: () => stateNames[breaker.state],
    close: () => clearTimeout(probe),
  };
};

/** The reply that a recorded body was: only a 404 that is an answer carries its `codigo`. */
const replyAgain = (exchange: Exchange, { raw, sha256, receivedAt }: RecordedAnswer): Reply => {
  const json: unknown = JSON.parse(raw);
  return {
    found: exchange.notFound === undefined || codeOf(json) !== exchange.notFound,
    json,
    raw,
    sha256,
    receivedAt,
  };
};

/** Says where an answer departs from the contract, without its values: they may be personal data. */
const explain = (cause: unknown): string => {
  if (cause instanceof Error && 'issues' in cause && Array.isArray(cause.issues)) {
    const places = cause.issues
      .slice(0, 5)
      .map((issue: { path?: PropertyKey[]; message?: string }) =>
        `/${(issue.path ?? []).map(String).join('/')} ${issue.message ?? ''}`.trim(),
      );
    return `the answer departs from the contract: ${places.join('; ')}`;
  }
  return `the answer departs from the contract: ${cause instanceof Error ? cause.message : String(cause)}`;
};
