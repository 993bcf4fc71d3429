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

/** Requests a minute that are let through. */
export type RateLimits = {
  /** Of one client, with a good token. */
  readonly client: number;
  /** From one address to public routes. */
  readonly address: number;
  /** From one address with tokens that are refused. */
  readonly refused: number;
};

/**
 * The limits of a server that has the plugin. Whole requests are not counted by address, because the clients of a
 * company come from one; and public routes are counted apart, so that pages which many open keep nobody's token from
 * being looked at.
 */
export const openLimits = (
  { createRateLimit }: Pick<FastifyInstance, 'createRateLimit'>,
  limits: RateLimits,
): { [Name in keyof RateLimits]: Limit } => {
  // Of IPv6 the network of 64 bits: who has one address has all of them.
  const address = ({ ip }: FastifyRequest): string => rateLimit.normalizeIP(ip);
  return {
    client: limitOf(
      createRateLimit({
        max: limits.client,
        keyGenerator: ({ principal }) => `client ${principal?.clientId ?? ''}`,
      }),
      'one client',
    ),
    address: limitOf(
      createRateLimit({ max: limits.address, keyGenerator: (request) => `address ${address(request)}` }),
      'one address without a token',
    ),
    refused: limitOf(
      createRateLimit({ max: limits.refused, keyGenerator: (request) => `refused ${address(request)}` }),
      'one address with tokens that are refused',
    ),
  };
};
