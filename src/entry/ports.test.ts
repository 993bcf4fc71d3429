import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listenFault, portFault, servesPort } from './ports.ts';

const place = { port: 8080, what: 'the API', advice: 'LASTRO_PORT to a free port' };

describe('an address that can not be had', () => {
  it.each([
    ['EADDRINUSE', '127.0.0.1', /^127\.0\.0\.1:8080, .* in use by another program\. Set LASTRO_PORT/],
    ['EACCES', '::1', /^\[::1\]:8080, .* needs more rights .* Set LASTRO_PORT/],
    ['EADDRNOTAVAIL', '8.8.8.8', /no address of this machine\. Set LASTRO_HOST/],
    ['ENOTFOUND', 'nowhere', /host that is not known\. Set LASTRO_HOST/],
    ['EOTHER', '127.0.0.1', /something else\. Set LASTRO_PORT/],
  ])('%s: says what to set', (code, host, words) => {
    const { message } = portFault(Object.assign(new Error('something else'), { code }), { host, ...place });
    expect(message).toMatch(words);
  });
});

describe('a port in use', () => {
  const server = createServer((request, response) =>
    response.writeHead(request.url === '/livez' ? 200 : 404).end(),
  );
  let port: number;

  beforeEach(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const recordOf = (api: string) => ({ pid: 1, api, sandbox: null, startedAt: '2026-01-01T00:00:00Z' });

  it('is our own where the one of the record answers there, under whatever name', async () => {
    expect((await listenFault('127.0.0.1', port))?.code).toBe('EADDRINUSE');
    expect(await servesPort(recordOf(`http://127.0.0.1:${port}`), port)).toBe(true);
    expect(await servesPort(recordOf(`http://localhost:${port}`), port)).toBe(true);
    expect(await servesPort(recordOf(`http://127.0.0.1:${port}`), port + 1)).toBe(false);
    expect(await servesPort(undefined, port)).toBe(false);
    expect(await servesPort(recordOf('http://127.0.0.1:1'), 1)).toBe(false);
  });
});
