import { createHash } from 'node:crypto';
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisDriver } from 'bentocache/drivers/redis';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';
import type { Answer, Call } from './contract.ts';
import type { PartnerMetrics } from './partner-metrics.ts';

export type CacheRule = {
  /** Milliseconds for which an answer is as good as a new one. */
  readonly ttlMs: number;
  /** How long after that it may stand in for a partner that fails or is slow. */
  readonly graceMs: number;
  /** Personal data stays in this process's memory and is not copied to Redis. */
  readonly personal?: boolean;
  /** Which values may be kept; default all. "There is none" should not outlive the next question. */
  readonly keeps?: (value: unknown) => boolean;
};

export type AnswerCache = {
  /**
   * The answer under `key`, or else `load`'s. At most one load of a key is under way in this process: whoever
   * comes meanwhile gets its outcome, a failure included, so that a thousand orders that wait for a dead partner
   * wait for one time limit and not for a thousand in a row.
   */
  get<T>(
    rule: CacheRule,
    key: string,
    call: Call,
    load: (call: Call) => Promise<Answer<T>>,
  ): Promise<Answer<T>>;
  close(): Promise<void>;
};

/** How long a slow load is waited for where an expired answer is at hand; then it goes on in the background. */
const patienceMs = 500;

/** A key that does not spell out documents, for stores that others may look into. */
export const keyOf = (...parts: string[]): string =>
  createHash('sha256').update(parts.join('\n')).digest('base64url');

/** Connects to Redis in the background, and says once when it goes and once when it is back. */
const openRedis = (url: string, log: Pick<Logger, 'warn'>): Redis => {
  const redis = new Redis(url, {
    // A Redis that is away or hangs costs a quarter of a second, and then nothing for as long as
    // `l2CircuitBreakerDuration` keeps it out of the way.
    commandTimeout: 250,
    maxRetriesPerRequest: 1,
    connectTimeout: 1_000,
  });
  let away = false;
  redis.on('error', (error: Error) => {
    if (!away) log.warn({ error: error.message }, 'Redis is away, partner answers are cached in memory only');
    away = true;
  });
  redis.on('ready', () => {
    away = false;
  });
  return redis;
};

const waitFor = async <T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
  if (!signal) return work;
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};

/** bentocache wraps what a load throws, sometimes twice. */
const original = (error: unknown): unknown => {
  let current = error;
  while (current instanceof Error && 'code' in current && current.code === 'E_FACTORY_ERROR') {
    current = current.cause;
  }
  return current;
};

/** Memory first, then Redis where it is given. Redis being away only makes the cache colder. */
export const openAnswerCache = (deps: {
  redisUrl: string | undefined;
  metrics: PartnerMetrics;
  log: Pick<Logger, 'warn'>;
}): AnswerCache => {
  const memory = bentostore().useL1Layer(memoryDriver({ maxSize: '64mb', maxItems: 50_000 }));
  const bento = new BentoCache({
    default: 'answers',
    prefix: 'lastro-partners',
    stores: {
      answers: deps.redisUrl
        ? memory.useL2Layer(redisDriver({ connection: openRedis(deps.redisUrl, deps.log) }))
        : memory,
    },
    suppressL2Errors: true,
    l2CircuitBreakerDuration: '5s',
    onFactoryError: () => {},
  });
  const underWay = new Map<string, Promise<unknown>>();

  const look = async <T>(
    rule: CacheRule,
    key: string,
    load: () => Promise<Answer<T>>,
  ): Promise<Answer<T>> => {
    let asked = false;
    let fresh: Answer<T> | undefined;
    const kept: Answer<T> | undefined = await bento.getOrSet({
      key,
      ttl: rule.ttlMs,
      grace: rule.graceMs,
      graceBackoff: Math.min(rule.ttlMs, 5_000),
      timeout: patienceMs,
      skipL2Write: rule.personal ?? false,
      factory: async (context) => {
        asked = true;
        fresh = await load();
        return rule.keeps?.(fresh.value) === false ? context.skip() : fresh;
      },
    });
    if (fresh) {
      deps.metrics.cache.inc({ partner: fresh.partner, result: 'miss' });
      return fresh;
    }
    if (!kept) throw new Error(`expected the cache to hold ${key} or to load it, found neither`);
    deps.metrics.cache.inc({ partner: kept.partner, result: asked ? 'stale' : 'hit' });
    if (asked) {
      deps.log.warn({ partner: kept.partner, receivedAt: kept.receivedAt }, 'an expired answer was used');
    }
    return { ...kept, fromCache: true };
  };

  const lookFresh = async <T>(
    rule: CacheRule,
    key: string,
    load: () => Promise<Answer<T>>,
  ): Promise<Answer<T>> => {
    const value = await load();
    if (rule.keeps?.(value.value) !== false) {
      await bento.set({
        key,
        value,
        ttl: rule.ttlMs,
        grace: rule.graceMs,
        skipL2Write: rule.personal ?? false,
      });
    }
    return value;
  };

  return {
    get: <T>(rule: CacheRule, key: string, call: Call, load: (call: Call) => Promise<Answer<T>>) => {
      // What is read again from evidence must not be taken for the newest, nor be mixed with it.
      if (call.recorded) return load(call);
      const lane = call.fresh ? `${key}!` : key;
      let work = underWay.get(lane) as Promise<Answer<T>> | undefined;
      if (!work) {
        // Without the caller's signal: others wait for the same load.
        const loadForAll = (): Promise<Answer<T>> => load({ requestId: call.requestId });
        work = (call.fresh ? lookFresh(rule, key, loadForAll) : look(rule, key, loadForAll))
          .catch((error: unknown) => {
            throw original(error);
          })
          .finally(() => underWay.delete(lane));
        underWay.set(lane, work);
      }
      return waitFor(work, call.signal);
    },
    close: () => bento.disconnectAll(),
  };
};
