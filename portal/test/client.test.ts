import { afterEach, describe, expect, it, vi } from 'vitest';
import { createCall } from '../src/api/client.ts';
import { ApiProblem } from '../src/api/problem.ts';
import { untilAnswered } from '../src/parts/send-once.ts';

afterEach(() => vi.unstubAllGlobals());

const answering = (answer: () => Response | Promise<Response>) => {
  const asked: { url: string; init: RequestInit }[] = [];
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    asked.push({ url, init });
    return answer();
  });
  const refused = vi.fn();
  return { asked, refused, call: createCall({ token: () => 'the-token', refused }) };
};

const problem = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(typeof body === 'string' ? body : JSON.stringify(body), { status, headers });

describe('asking the API', () => {
  it('sends the token to the API alone, and what was asked for where it belongs', async () => {
    const { asked, call } = answering(() => Response.json({ items: [], next: null }));
    await call('GET /v1/orders', { query: { areaId: 'A B', limit: 5 } });
    await call('POST /v1/orders/{orderKey}/cancel', { path: { orderKey: 'a/b?c' } });
    expect(asked.map(({ url }) => url)).toEqual([
      '/v1/orders?areaId=A+B&limit=5',
      '/v1/orders/a%2Fb%3Fc/cancel',
    ]);
    expect(asked[0]?.init).toMatchObject({ credentials: 'omit', redirect: 'error', cache: 'no-store' });
    expect(asked[0]?.init.headers).toMatchObject({ authorization: 'Bearer the-token' });
  });

  it('tells what the API says of a failure', async () => {
    const { call, refused } = answering(() =>
      problem(
        422,
        {
          type: '/problems/validation-failed',
          title: 't',
          detail: 'd',
          violations: [{ pointer: '/a', message: 'm' }, { pointer: 1 }],
          requestId: 'req_1',
        },
        { 'retry-after': '7' },
      ),
    );
    await expect(call('GET /v1/areas')).rejects.toMatchObject({
      type: 'validation-failed',
      status: 422,
      detail: 'd',
      violations: [{ pointer: '/a', message: 'm' }],
      requestId: 'req_1',
      retryAfter: 7,
    });
    expect(refused).not.toHaveBeenCalled();
  });

  it('tells that the session has ended', async () => {
    const { call, refused } = answering(() => problem(401, { type: '/problems/unauthenticated' }));
    await expect(call('GET /v1/areas')).rejects.toMatchObject({ type: 'unauthenticated' });
    expect(refused).toHaveBeenCalledOnce();
  });

  it('takes what a proxy made up for a failure of unknown type, and no answer for none', async () => {
    const page = answering(() => problem(502, '<h1>Bad gateway</h1>'));
    await expect(page.call('GET /v1/areas')).rejects.toMatchObject({ type: 'unknown', status: 502 });
    const away = answering(() => Promise.reject(new TypeError('Failed to fetch')));
    await expect(away.call('GET /v1/areas')).rejects.toMatchObject({ type: 'no-answer', status: 0 });
  });
});

describe('a request that is still worked on', () => {
  const running = () => new ApiProblem({ type: 'request-in-progress', status: 409, title: '' });

  it('is asked again until it is answered', async () => {
    vi.useFakeTimers();
    let left = 2;
    const answer = untilAnswered(async () => {
      if (left-- > 0) throw running();
      return 'placed';
    });
    await vi.runAllTimersAsync();
    expect(await answer).toBe('placed');
    vi.useRealTimers();
  });

  it('is not asked again for any other reason', async () => {
    const send = vi.fn(async () => {
      throw new ApiProblem({ type: 'internal', status: 500, title: '' });
    });
    await expect(untilAnswered(send)).rejects.toMatchObject({ type: 'internal' });
    expect(send).toHaveBeenCalledOnce();
  });
});
