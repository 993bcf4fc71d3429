import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type AnswerCache, openAnswerCache } from './answer-cache.ts';
import type { Answer } from './contract.ts';
import { partnerMetrics } from './partner-metrics.ts';
import { PartnerUnavailable } from './unavailable.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const open = (redisUrl?: string): { cache: AnswerCache; metrics: Registry; warnings: object[] } => {
  const metrics = new Registry();
  const warnings: object[] = [];
  const log = { warn: (fields: object) => warnings.push(fields) };
  const cache = openAnswerCache({ redisUrl, metrics: partnerMetrics(metrics), log: log as never });
  closers.push(() => cache.close());
  return { cache, metrics, warnings };
};

const answerOf = (value: unknown): Answer<unknown> => ({
  value,
  partner: 'domains',
  raw: JSON.stringify(value),
  sha256: 'hash',
  receivedAt: '2026-11-22T12:00:00.000Z',
  fromCache: false,
});
const call = { requestId: 'r' };
const long = { ttlMs: 60_000, graceMs: 60_000 };
const brief = { ttlMs: 1, graceMs: 60_000 };
const down = () => Promise.reject(new PartnerUnavailable('domains', 'connection', 'down'));

describe('the cache of answers', () => {
  it('keeps an answer, with when and from whom it came', async () => {
    const { cache } = open();
    await cache.get(long, 'k', call, async () => answerOf({ a: 1 }));
    const kept = await cache.get(long, 'k', call, down);
    expect(kept).toEqual({ ...answerOf({ a: 1 }), fromCache: true });
  });

  it('gives an expired answer where the partner fails, and says so', async () => {
    const { cache, metrics, warnings } = open();
    await cache.get(brief, 'k', call, async () => answerOf(1));
    await delay(10);
    expect(await cache.get(brief, 'k', call, down)).toMatchObject({ value: 1, fromCache: true });
    expect(warnings).toMatchObject([{ partner: 'domains', receivedAt: '2026-11-22T12:00:00.000Z' }]);
    expect(await metrics.metrics()).toContain(
      'lastro_partner_cache_total{partner="domains",result="stale"} 1',
    );
  });

  it('gives an expired answer where the partner is slow, and lets the load go on behind it', async () => {
    const { cache, metrics } = open();
    await cache.get(brief, 'k', call, async () => answerOf(1));
    await delay(10);
    let finish: (answer: Answer<unknown>) => void = () => {};
    const slow = new Promise<Answer<unknown>>((resolve) => {
      finish = resolve;
    });
    expect(await cache.get(brief, 'k', call, () => slow)).toMatchObject({ value: 1, fromCache: true });
    expect(await metrics.metrics()).toContain('result="stale"} 1');
    finish(answerOf(2));
    await vi.waitFor(async () => expect((await cache.get(long, 'k', call, down)).value).toBe(2), 60_000);
  });

  it('survives a slow load that fails behind an expired answer', async () => {
    const { cache } = open();
    await cache.get(brief, 'k', call, async () => answerOf(1));
    await delay(10);
    const failing = () => delay(600).then(down);
    expect((await cache.get(brief, 'k', call, failing)).value).toBe(1);
    await delay(200);
    expect((await cache.get(brief, 'k', call, down)).value).toBe(1);
  });

  it('hands on the failure itself where it has nothing', async () => {
    const { cache } = open();
    const failure = await cache.get(long, 'k', call, down).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PartnerUnavailable);
    expect(failure).toMatchObject({ reason: 'connection' });
  });

  it('loads once for all who ask meanwhile, and fails once for all', async () => {
    const { cache } = open();
    let loads = 0;
    const load = async () => {
      loads += 1;
      await delay(10);
      return down();
    };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 100 }, () => cache.get(long, 'k', call, load)),
    );
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']));
    expect(loads).toBe(1);
  });

  it('lets one who gives up go, without taking the answer from the others', async () => {
    const { cache } = open();
    const load = () => delay(30).then(() => answerOf(1));
    const impatient = cache.get(long, 'k', { ...call, signal: AbortSignal.timeout(5) }, load);
    const patient = cache.get(long, 'k', call, load);
    await expect(impatient).rejects.toMatchObject({ name: 'TimeoutError' });
    expect((await patient).value).toBe(1);
  });

  it('does not keep what a rule leaves out', async () => {
    const { cache } = open();
    const rule = { ...long, keeps: (value: unknown) => value !== null };
    expect((await cache.get(rule, 'k', call, async () => answerOf(null))).value).toBeNull();
    expect((await cache.get(rule, 'k', call, async () => answerOf('there'))).value).toBe('there');
  });

  it('asks anew where a fresh answer is wanted, never answers an old one then, and keeps the new one', async () => {
    const { cache } = open();
    await cache.get(long, 'k', call, async () => answerOf(1));
    await expect(cache.get(long, 'k', { ...call, fresh: true }, down)).rejects.toThrow('down');
    await cache.get(long, 'k', { ...call, fresh: true }, async () => answerOf(2));
    expect((await cache.get(long, 'k', call, down)).value).toBe(2);
  });

  it('neither gives nor keeps what is read again from evidence', async () => {
    const { cache } = open();
    const recorded = { raw: '', sha256: '', receivedAt: '' };
    await cache.get(long, 'k', { ...call, recorded }, async () => answerOf('old'));
    expect((await cache.get(long, 'k', call, async () => answerOf('new'))).value).toBe('new');
  });
});

/** Enough of Redis for a cache: SET and GET of strings, everything else is answered with OK. */
const startRedis = async (): Promise<{ url: string; stored: Map<string, string> }> => {
  const stored = new Map<string, string>();
  const sockets = new Set<Socket>();
  const reply = ([command = '', key = '', value = '']: string[]): string => {
    if (command === 'SET') stored.set(key, value);
    const found =
      command === 'GET' ? (stored.get(key) ?? null) : command === 'INFO' ? 'redis_version:7.0.0' : 'OK';
    return found === null ? '$-1\r\n' : `$${Buffer.byteLength(found)}\r\n${found}\r\n`;
  };
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    let buffer = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      buffer += chunk;
      for (;;) {
        const parts = buffer.split('\r\n');
        const words = Number(parts[0]?.slice(1));
        if (parts.length < words * 2 + 2) return;
        buffer = parts.slice(words * 2 + 1).join('\r\n');
        const given = parts.slice(1, words * 2 + 1).filter((_, index) => index % 2 === 1);
        socket.write(reply(given.map((word, index) => (index === 0 ? word.toUpperCase() : word))));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return { url: `redis://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, stored };
};

describe('with Redis', () => {
  it('another process finds the answer', async () => {
    const { url, stored } = await startRedis();
    const { cache: one } = open(url);
    await one.get(long, 'k', call, async () => answerOf(1));
    expect([...stored.keys()]).toEqual([expect.stringMatching(/^lastro-partners:.*k$/)]);
    const { cache: other } = open(url);
    expect(await other.get(long, 'k', call, down)).toMatchObject({ value: 1, fromCache: true });
  });

  it('personal data stays out of it', async () => {
    const { url, stored } = await startRedis();
    const { cache } = open(url);
    const rule = { ...long, personal: true };
    await cache.get(long, 'open', call, async () => answerOf('PJ'));
    await cache.get(rule, 'secret', call, async () => answerOf('Ana'));
    expect((await cache.get(rule, 'secret', call, down)).value).toBe('Ana');
    await cache.get(rule, 'secret', { ...call, fresh: true }, async () => answerOf('Ana'));
    expect([...stored.keys()]).toEqual([expect.stringMatching(/open$/)]);
  });

  it('that is away, the cache is only colder', async () => {
    const { cache, warnings } = open('redis://127.0.0.1:1');
    await cache.get(long, 'k', call, async () => answerOf(1));
    expect(await cache.get(long, 'k', call, down)).toMatchObject({ value: 1, fromCache: true });
    expect(warnings).toHaveLength(1);
  });
});
