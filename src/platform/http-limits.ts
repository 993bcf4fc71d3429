import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from './problem.ts';

export const rateWindowMs = 60_000;

/** Counts the requests of a minute, in memory or in Redis (`@fastify/rate-limit`). */
type Counter = ReturnType<FastifyInstance['createRateLimit']>;

export type Limit = {
  /** Counts a request and tells what is left in the standard headers. @throws Problem `rate-limited` */
  readonly count: (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
  /** Counts nothing. @throws Problem `rate-limited` where nothing is left */
  readonly check: (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
};

const limitOf = (counter: Counter, whose: string): Limit => {
  const apply = async (request: FastifyRequest, reply: FastifyReply, increment: boolean): Promise<void> => {
    const state = await counter(request, { increment });
    if (state.isAllowed || !(increment || state.isExceeded)) return;
    void reply.headers({
      'ratelimit-limit': state.max,
      'ratelimit-remaining': state.remaining,
      'ratelimit-reset': state.ttlInSeconds,
    });
    if (!state.isExceeded) return;
    const seconds = Math.max(1, state.ttlInSeconds);
    throw new Problem(
      'rate-limited',
      `At most ${state.max} requests a minute for ${whose}. Try again in ${seconds} s.`,
      { headers: { 'retry-after': String(seconds) } },
    );
  };
  return {
    count: (request, reply) => apply(request, reply, true),
    check: (request, reply) => apply(request, reply, false),
  };
};

/**
 * The two limits of a server that has the plugin. `clients` is for requests with a good token. `addresses` is for
 * those that nobody answers for: public routes, and tokens that were refused. Whole requests are not counted by
 * address, because the clients of a company come from one.
 */
export const rateLimits = (
  { createRateLimit }: Pick<FastifyInstance, 'createRateLimit'>,
  { perClient, perAddress }: { perClient: number; perAddress: number },
): { clients: Limit; addresses: Limit } => ({
  clients: limitOf(
    createRateLimit({
      max: perClient,
      keyGenerator: ({ principal }) => `client ${principal?.clientId ?? ''}`,
    }),
    'one client',
  ),
  addresses: limitOf(
    createRateLimit({
      max: perAddress,
      // Of IPv6 the network of 64 bits: who has one address has all of them.
      keyGenerator: ({ ip }) => `address ${rateLimit.normalizeIP(ip)}`,
    }),
    'one address without a valid token',
  ),
});
