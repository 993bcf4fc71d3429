import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { openStore } from './open-store.ts';
import { TruncatedError } from './s3-answers.ts';
import { parseListPage } from './s3-list.ts';

const page = (inner: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</ListBucketResult>`;

const entry = (key: string): string =>
  `<Contents><Key>${key}</Key><LastModified>2026-11-21T00:00:00.000Z</LastModified><ETag>&quot;0123&quot;</ETag><Size>7</Size><Owner><ID>x</ID></Owner></Contents>`;

it('reads objects, folders and where it goes on', () => {
  const xml = page(
    `<Name>b</Name><Prefix>a/</Prefix><IsTruncated>true</IsTruncated><NextContinuationToken>1&amp;2=</NextContinuationToken>${entry('a/&lt;&#39;&#x1F600;&quot;&amp;amp;.json')}<CommonPrefixes><Prefix>a/b&amp;c/</Prefix></CommonPrefixes>`,
  );
  const lastModified = new Date('2026-11-21T00:00:00Z');
  expect(parseListPage(xml)).toEqual({
    objects: [{ key: 'a/<\'😀"&amp;.json', size: 7, lastModified, etag: '0123' }],
    folders: ['a/b&c/'],
    token: '1&2=',
  });
  expect(parseListPage(page('<IsTruncated>false</IsTruncated>'))).toEqual({ objects: [], folders: [] });
});

it('believes no half of a listing, and nothing else', () => {
  const xml = page(entry('a'));
  for (const end of [100, 150, 250, xml.length - 1]) {
    expect(() => parseListPage(xml.slice(0, end)), String(end)).toThrow(TruncatedError);
  }
  expect(() => parseListPage('<html>sign in</html>')).toThrow('expected a listing of S3, found "<html>');
  expect(() => parseListPage(page('<IsTruncated>true</IsTruncated>'))).toThrow(
    'there is more, but not where',
  );
  expect(() => parseListPage(page('<Contents><Key>a</Key></Contents>'))).toThrow('an entry without Size');
});

it('looks at a hostile listing a few times only', () => {
  for (const part of ['<Contents>', '<CommonPrefixes>', '&', '<Key>', '<ListBucketResult']) {
    expect(parseListPage(page(part.repeat(2_000_000 / part.length))).objects).toEqual([]);
  }
}, 20_000);

it('asks again for a page that is refused, broken off or cut short', async () => {
  let count = 0;
  const whole = page(`<IsTruncated>false</IsTruncated>${entry('k1')}${entry('k2')}`);
  const server = createServer((request, response) => {
    count++;
    if (count === 1) response.writeHead(503).end('<Error><Code>SlowDown</Code></Error>');
    else if (count === 2) request.socket.destroy();
    else if (count === 3) {
      // Without a length, only the end of the document tells that this is not all.
      response.writeHead(200, { connection: 'close' }).end(whole.slice(0, 200));
    } else response.end(whole);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { store, close } = await openStore('s3://lastro-test', {
    s3: { region: 'sa-east-1', endpoint, credentials },
  });
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  expect(keys).toEqual(['k1', 'k2']);
  expect(count).toBe(4);
  await close();
  server.closeAllConnections();
  server.close();
}, 30_000);
