import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GiveUp } from './jobs.ts';
import { callbackProblem, isPublicAddress, openWebhooks, publicLookup } from './webhooks.ts';

const secret = `whsec_${Buffer.from('a test secret of 24 byte').toString('base64')}`;
const body = JSON.stringify({ type: 'envelope.quorum_decided', name: 'Órgão "é" 👍' });
const message = { id: 'msg_1', orderKey: 'ord_1', body, at: new Date() };

let server: Server;
let url: string;
let answer: { status: number; headers?: Record<string, string>; hang?: boolean } = { status: 204 };
const received: { path: string; headers: IncomingHttpHeaders; text: string }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({
        path: request.url ?? '',
        headers: request.headers,
        text: Buffer.concat(chunks).toString(),
      });
      if (!answer.hang) response.writeHead(answer.status, answer.headers).end('x'.repeat(100));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  received.splice(0);
  answer = { status: 204 };
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const send = async (to: string, { allowPrivate = true, timeoutMs = 60_000 } = {}): Promise<void> => {
  const webhooks = openWebhooks({ secret, allowPrivate, timeoutMs, clock: () => new Date() });
  try {
    await webhooks.send(to, message);
  } finally {
    await webhooks.close();
  }
};

describe('a webhook', () => {
  it('is signed as Standard Webhooks says: the receiver can verify it', async () => {
    await send(`${url}/hook`);
    const [call] = received;
    expect(call).toMatchObject({
      path: '/hook',
      text: body,
      headers: { 'content-type': 'application/json', 'webhook-id': 'msg_1' },
    });
    const headers = call?.headers as Record<string, string>;
    expect(new Webhook(secret).verify(call?.text ?? '', headers)).toEqual(JSON.parse(body));
    expect(() => new Webhook(secret).verify(`${call?.text} `, headers)).toThrow();
    expect(() =>
      new Webhook(`whsec_${Buffer.from('another secret').toString('base64')}`).verify(
        call?.text ?? '',
        headers,
      ),
    ).toThrow();
  });

  it.each([400, 401, 404, 429, 500, 503])(
    'answered %s has failed, and may be tried again',
    async (status) => {
      answer = { status };
      const failure = await send(url).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(Error);
      expect(failure).not.toBeInstanceOf(GiveUp);
      expect((failure as Error).message).toContain(String(status));
    },
  );

  it.each([301, 302, 307, 308])('is not sent on where the answer is a redirect (%s)', async (status) => {
    answer = { status, headers: { location: `${url}/elsewhere` } };
    await expect(send(`${url}/first`)).rejects.toThrow(`found ${status}`);
    expect(received.map(({ path }) => path)).toEqual(['/first']);
  });

  it('answered 410 is given up: nobody wants it any more', async () => {
    answer = { status: 410 };
    await expect(send(url)).rejects.toThrow(GiveUp);
  });

  it('that nobody answers in time has failed', async () => {
    answer = { status: 204, hang: true };
    await expect(send(url, { timeoutMs: 200 })).rejects.toThrow();
  });
});

describe('without leave for private addresses', () => {
  it.each([
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0177.0.0.1/',
    'https://127.1/',
    'https://0.0.0.0/',
    'https://10.1.2.3/',
    'https://172.16.0.1/',
    'https://192.168.0.1/',
    'https://169.254.169.254/latest/meta-data/',
    'https://100.64.0.1/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[::127.0.0.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[2002:7f00:1::]/',
    'https://[fd00::1]/',
    'https://[fe80::1]/',
    'https://[fec0::1]/',
    'https://[ff02::1]/',
    'https://user:secret@example.com/',
    'http://example.com/',
    'ftp://example.com/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://a.localhost:8443/',
    'https://example.com:0/',
    'not a url',
  ])('%s is given up before any connection', async (target) => {
    expect(callbackProblem(target, false)).toBeDefined();
    await expect(send(target, { allowPrivate: false })).rejects.toThrow(GiveUp);
  });

  it('names are looked at by their addresses, which are those that are connected to', async () => {
    const look = (all: boolean): Promise<unknown> =>
      new Promise((resolve) => publicLookup('localhost', { all }, resolve));
    expect(await look(true)).toMatchObject({ code: 'PRIVATE_ADDRESS' });
    expect(await look(false)).toMatchObject({ code: 'PRIVATE_ADDRESS' });
  });

  it('public addresses are no problem', () => {
    for (const target of ['https://example.com/hook', 'https://8.8.8.8/', 'https://[2600::1]:8443/x?y=z'])
      expect(callbackProblem(target, false)).toBeUndefined();
    expect(isPublicAddress('not an address')).toBe(false);
  });
});

describe('with leave for private addresses', () => {
  it('credentials in the address are refused all the same', () => {
    expect(callbackProblem('http://user:secret@127.0.0.1/', true)).toBeDefined();
    expect(callbackProblem('http://127.0.0.1/', true)).toBeUndefined();
  });
});
