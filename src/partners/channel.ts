import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { isStorableText } from '../shared/storable-text.ts';
import type { Answer, BreakerState, Call, RecordedAnswer } from './contract.ts';
import { codeOf, type Exchange, type ExchangeDeps, exchangeOnce, type Reply } from './exchange.ts';
import type { PartnerMetrics } from './partner-metrics.ts';
import { openGuard, type ResilienceOptions } from './resilience.ts';
import { PartnerUnavailable } from './unavailable.ts';

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
  /** Where the partner says that it is well; any answer in time will do. */
  readonly healthPath: string;
  readonly metrics: PartnerMetrics;
  readonly onStateChange: (state: BreakerState) => void;
};

const tracer = trace.getTracer('lastro.partners');

/** The reply that a recorded body was: only a 404 that is an answer carries its `codigo`. */
const replyAgain = (exchange: Exchange, { raw, sha256, receivedAt }: RecordedAnswer): Reply => {
  const json: unknown = JSON.parse(raw);
  const found = exchange.notFound === undefined || codeOf(json) !== exchange.notFound;
  return { found, json, raw, sha256, receivedAt };
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

const holdsUnstorable = (value: unknown): boolean =>
  typeof value === 'string'
    ? !isStorableText(value)
    : typeof value === 'object' && value !== null && Object.values(value).some(holdsUnstorable);

/** A name that PostgreSQL can't keep would fail every job of its order. Only an escape can bring one in. */
const refuseUnstorable = ({ raw, json }: Reply): void => {
  if (/\\u(?:0000|d[89a-f])/i.test(raw) && holdsUnstorable(json))
    throw new Error('expected text, found U+0000 or half a surrogate pair');
};

/** One partner's line: guarded exchanges, read into answers, measured and traced. */
export const openChannel = (deps: ChannelDeps, options: ResilienceOptions): Channel => {
  const { partner, metrics } = deps;
  const health: Exchange = { method: 'GET', path: deps.healthPath };
  const guard = openGuard(
    {
      partner,
      probe: (signal) => exchangeOnce(deps, health, `probe-${partner}`, signal),
      onRetry: () => metrics.retries.inc({ partner }),
      onStateChange: (state) => {
        metrics.breakerState(partner, state);
        deps.onStateChange(state);
      },
    },
    options,
  );
  metrics.breakerState(partner, 'closed');

  const readAnswer = <T>(reply: Reply, read: (reply: Reply) => T): Answer<T> => {
    const { raw, sha256, receivedAt } = reply;
    try {
      refuseUnstorable(reply);
      return { value: read(reply), partner, raw, sha256, receivedAt, fromCache: false };
    } catch (cause) {
      throw new PartnerUnavailable(partner, 'malformed', explain(cause), { cause });
    }
  };

  const measured = async <T>(operation: string, work: () => Promise<T>): Promise<T> =>
    tracer.startActiveSpan(
      `partner.${partner}.${operation}`,
      { kind: SpanKind.CLIENT, attributes: { 'lastro.partner': partner } },
      async (span) => {
        const started = performance.now();
        let outcome = 'ok';
        try {
          return await work();
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
    );

  return {
    ask: async (operation, exchange, call, read) => {
      // Evidence is read, not asked for: it is no call to the partner, and none of its figures.
      if (call.recorded) return readAnswer(replyAgain(exchange, call.recorded), read);
      return measured(operation, async () =>
        readAnswer(
          await guard.run((signal) => exchangeOnce(deps, exchange, call.requestId, signal), call.signal),
          read,
        ),
      );
    },
    state: guard.state,
    close: guard.close,
  };
};
