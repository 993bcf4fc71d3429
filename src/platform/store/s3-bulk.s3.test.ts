import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type PlainS3Options, startPlainS3 } from '../../../test/services/s3.ts';
import { type BulkObject, type BulkRead, openS3Bulk, type S3Bulk } from './s3-bulk.ts';
import { s3Place } from './s3-place.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const credentials = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};

const openBulk = (endpoint: string, connections = 8, current = () => credentials): S3Bulk => {
  const region = 'sa-east-1';
  const place = s3Place('s3://lastro-test/in', { region, endpoint });
  const clock = (): Date => new Date();
  const bulk = openS3Bulk({ place, region, credentials: current, connections, clock });
  closers.push(bulk.close);
  return bulk;
};

const standIn = async (options: PlainS3Options = {}) => {
  const server = await startPlainS3(options);
  closers.push(server.close);
  return server;
};

/** A server that answers as the test says. */
const serve = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const readAll = async (
  bulk: S3Bulk,
  objects: readonly BulkObject[],
  options: Partial<BulkRead> = {},
): Promise<{ contents: Map<string, string>; failures: Map<string, string> }> => {
  const contents = new Map<string, string>();
  const failures = new Map<string, string>();
  const key = (index: number): string => objects[index]?.key ?? '';
  await bulk.read({
    count: objects.length,
    object: (index) => objects[index] as BulkObject,
    mostBytes: 1_000_000,
    onContent: (index, bytes, length) => {
      contents.set(key(index), bytes.toString('utf8', 0, length));
      // The receiver may overwrite what it is given, and the byte after it.
      bytes.fill(0xff, 0, length + 1);
    },
    onFailure: (index, error) => failures.set(key(index), `${error.name}: ${error.message}`),
    ...options,
  });
  return { contents, failures };
};

it('reads many, signed, with names of every kind, and several calls at once', async () => {
  const server = await standIn();
  const names = Array.from({ length: 300 }, (_, n) => `hour=${n % 24}/orders+0+${n}.json`);
  names.push('área de crédito/1 2.json', "a+b=c&d'(e)!*~,;@$%25#?.txt", 'empty.json', 'large.json');
  const textOf = (name: string): string =>
    name === 'empty.json'
      ? ''
      : name === 'large.json'
        ? 'x'.repeat(700_000)
        : `{"name":${JSON.stringify(name)}}`;
  for (const name of names) server.objects.set(`lastro-test/in/${name}`, Buffer.from(textOf(name)));
  const objects = names.map((key) => ({ key, size: Buffer.byteLength(textOf(key)) }));
  const bulk = openBulk(server.endpoint);
  const halves = [objects.slice(0, 100), objects.slice(100), []];
  const read = await Promise.all(halves.map((half) => readAll(bulk, half)));
  const contents = new Map(read.flatMap((each) => [...each.contents]));
  expect(contents).toEqual(new Map(names.map((name) => [name, textOf(name)])));
  expect(read.flatMap(({ failures }) => [...failures])).toEqual([]);
});

it('retries throttling, server errors, resets and answers that end early, and gives up with the reason', async () => {
  let count = 0;
  const body = 'x'.repeat(5_000);
  const endpoint = await serve((request, response) => {
    count++;
    if (request.url?.includes('always')) response.writeHead(503).end('<Code>SlowDown</Code>');
    else if (count % 5 === 0) response.writeHead(500).end();
    else if (count % 5 === 1) request.socket.destroy();
    else if (count % 5 === 2) {
      response.writeHead(200, { 'content-length': body.length });
      response.write(body.slice(0, 1_000), () => request.socket.destroy());
    } else if (count % 5 === 3) {
      // Without a length, only the listing tells that this is not all.
      response.writeHead(200, { connection: 'close' });
      response.end(body.slice(0, 2_000));
    } else response.end(body);
  });
  const objects = Array.from({ length: 40 }, (_, n) => ({ key: `k${n}`, size: body.length }));
  // Bad luck may meet one of them six times: the next call takes what is left, as the next run would.
  const found = new Map<string, string>();
  for (let turn = 0; turn < 10 && found.size < 40; turn++) {
    const left = objects.filter(({ key }) => !found.has(key));
    for (const [key, text] of (await readAll(openBulk(endpoint), left)).contents) found.set(key, text);
  }
  expect(found.size).toBe(40);
  expect(new Set(found.values())).toEqual(new Set([body]));
  const { failures } = await readAll(openBulk(endpoint), [{ key: 'always', size: 3 }]);
  expect(failures.get('always')).toMatch(
    /could not read "always" from s3:\/\/lastro-test\/in in 6 attempts: .*503 SlowDown/,
  );
}, 60_000);

it('notices what is not the object that was listed', async () => {
  const etag = '"0123456789abcdef0123456789abcdef"';
  const asked: (string | undefined)[] = [];
  const endpoint = await serve((request, response) => {
    asked.push(request.headers['if-match']);
    const key = request.url?.split('/').at(-1);
    if (key === 'checks') response.writeHead(request.headers['if-match'] === etag ? 200 : 412).end('{}');
    else if (key === 'ignores') response.writeHead(200, { etag: '"other"' }).end('{}');
    else if (key === 'longer') response.end('{"a":1}');
    else if (key === 'chunked') {
      response.write('{"a":');
      response.end('1}');
    } else if (key === 'gone') response.writeHead(404).end('<Code>NoSuchKey</Code>');
    else if (key === 'denied') response.writeHead(403).end('<Code>AccessDenied</Code><Message>no</Message>');
    else response.writeHead(200, { etag }).end('{}');
  });
  const listed = etag.replaceAll('"', '');
  const changed = (key: string): string =>
    `ObjectChangedError: "${key}" in s3://lastro-test/in was written again since it was listed`;
  const { contents, failures } = await readAll(openBulk(endpoint, 1), [
    { key: 'same', size: 2, etag: listed },
    { key: 'checks', size: 2, etag: 'older' },
    { key: 'ignores', size: 2, etag: listed },
    { key: 'longer', size: 2 },
    { key: 'chunked', size: 2 },
    { key: 'gone', size: 2 },
    { key: 'denied', size: 2 },
    { key: 'untagged', size: 2 },
  ]);
  expect([...contents.keys()]).toEqual(['same', 'untagged']);
  expect(asked[0]).toBe(etag);
  for (const key of ['checks', 'ignores', 'longer', 'chunked']) expect(failures.get(key)).toBe(changed(key));
  expect(failures.get('gone')).toContain('ObjectNotFoundError');
  expect(failures.get('denied')).toContain('refused to give "denied": 403 AccessDenied no');
});

it('fetches no more of a large object than is asked for', async () => {
  const server = await standIn();
  server.objects.set('lastro-test/in/huge', Buffer.alloc(3_000_000, 'h'));
  const { contents } = await readAll(openBulk(server.endpoint), [{ key: 'huge', size: 3_000_000 }], {
    mostBytes: 1_001,
  });
  expect(contents.get('huge')).toBe('h'.repeat(1_001));
});

it('rejects with what the receiver throws, and goes on with other calls', async () => {
  const endpoint = await serve((_, response) => response.end('{}'));
  const bulk = openBulk(endpoint, 4);
  const objects = Array.from({ length: 50 }, (_, n) => ({ key: `k${n}`, size: 2 }));
  let taken = 0;
  const full = readAll(bulk, objects, {
    onContent: () => {
      if (++taken === 10) throw new Error('no space left');
    },
  });
  const other = readAll(bulk, objects);
  await expect(full).rejects.toThrow('no space left');
  expect(taken).toBe(10);
  expect((await other).contents.size).toBe(50);
});

it('breaks off what is under way when it is closed', async () => {
  let asked = 0;
  const endpoint = await serve(() => void asked++);
  const bulk = openBulk(endpoint, 4);
  const reading = readAll(
    bulk,
    Array.from({ length: 20 }, (_, n) => ({ key: `k${n}`, size: 2 })),
  );
  const broken = expect(reading).rejects.toThrow('reading s3://lastro-test/in was broken off');
  while (asked < 4) await new Promise((resolve) => setTimeout(resolve, 5));
  await bulk.close();
  await broken;
  expect(asked).toBe(4);
});

it('signs each request with the credentials of its moment', async () => {
  const server = await standIn();
  server.objects.set('lastro-test/in/a', Buffer.from('{}'));
  let secretAccessKey = 'expired';
  const bulk = openBulk(server.endpoint, 1, () => ({ ...credentials, secretAccessKey }));
  const object = { key: 'a', size: 2 };
  expect((await readAll(bulk, [object])).failures.get('a')).toContain('403 SignatureDoesNotMatch');
  ({ secretAccessKey } = credentials);
  expect((await readAll(bulk, [object])).contents.get('a')).toBe('{}');
});
