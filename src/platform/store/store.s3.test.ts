import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFauxqsS3, startPlainS3 } from '../../../test/services/s3.ts';
import { openStore } from './open-store.ts';
import {
  BadKeyError,
  ObjectExistsError,
  ObjectNotFoundError,
  type OpenedStore,
  type Store,
} from './store.ts';

type Kind = {
  name: string;
  open: () => Promise<{ opened: OpenedStore; end: () => Promise<void> }>;
  /** Why a conditional put cannot be tried here. */
  noConditionalPut?: string;
};

const kinds: Kind[] = [
  {
    name: 'memory',
    open: async () => ({ opened: await openStore('memory:'), end: async () => {} }),
  },
  {
    name: 'directory',
    open: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'lastro-store-'));
      const opened = await openStore(pathToFileURL(folder).href);
      return { opened, end: () => rm(folder, { recursive: true }) };
    },
  },
  {
    name: 'S3 (plain stand-in, signatures checked)',
    open: async () => {
      const { endpoint, credentials, region, close } = await startPlainS3({ pageSize: 3 });
      const opened = await openStore('s3://lastro-test/some/prefix', {
        s3: { endpoint, credentials, region },
      });
      return { opened, end: close };
    },
  },
  {
    name: 'S3 (fauxqs)',
    noConditionalPut: 'fauxqs 1.9.2 ignores If-None-Match',
    open: async () => {
      const { endpoint, credentials, region, close } = await startFauxqsS3(['lastro-test']);
      const opened = await openStore('s3://lastro-test', { s3: { endpoint, credentials, region } });
      return { opened, end: close };
    },
  },
];

const keysUnder = async (store: Store, prefix: string): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys.sort();
};
const textOf = async (store: Store, key: string): Promise<string> =>
  (await (await store.get(key)).bytes()).toString();
const big = Buffer.alloc(20 * 1024 * 1024, 'abcdefghij');

for (const { name, open, noConditionalPut } of kinds) {
  describe(`object store: ${name}`, () => {
    let store: Store;
    let opened: OpenedStore;
    let end: () => Promise<void>;
    beforeAll(async () => {
      ({ opened, end } = await open());
      store = opened.store;
    });
    afterAll(async () => {
      await opened.close();
      await end();
    });

    it('gives back what was put, and the newer of two', async () => {
      await store.put('a/one.txt', 'first');
      expect(await store.put('a/one.txt', Buffer.from('second'))).toEqual({ size: 6 });
      expect(await textOf(store, 'a/one.txt')).toBe('second');
      await store.put('a/empty', '');
      expect((await (await store.get('a/empty')).bytes()).length).toBe(0);
    });

    it('takes keys with spaces, accents and signs', async () => {
      for (const key of ['b/área de crédito/1 2.json', "b/a+b=c&d'(e)!*~,;@$%25#?.txt"]) {
        await store.put(key, key);
        expect(await textOf(store, key)).toBe(key);
      }
      expect(await keysUnder(store, 'b/')).toHaveLength(2);
    });

    it('reads ranges', async () => {
      await store.put('r/x', '0123456789');
      const range = async (start: number, stop?: number): Promise<string> => {
        const body = await store.get('r/x', {
          range: { start, ...(stop === undefined ? {} : { end: stop }) },
        });
        const bytes = await body.bytes();
        expect(body.size).toBe(bytes.length);
        return bytes.toString();
      };
      expect(await range(2, 5)).toBe('234');
      expect(await range(7)).toBe('789');
      expect(await range(8, 50)).toBe('89');
      await expect(range(10)).rejects.toThrow(RangeError);
      await expect(range(5, 5)).rejects.toThrow(RangeError);
    });

    it('streams large objects in and out', async () => {
      const chunks = async function* (): AsyncIterable<Uint8Array> {
        for (let at = 0; at < big.length; at += 1_000_000) yield big.subarray(at, at + 1_000_000);
      };
      expect(await store.put('big/stream', chunks())).toEqual({ size: big.length });
      const body = await store.get('big/stream');
      expect(body.size).toBe(big.length);
      const back: Buffer[] = [];
      for await (const chunk of body.stream()) back.push(chunk as Buffer);
      expect(Buffer.concat(back).equals(big)).toBe(true);
      expect((await (await store.get('big/stream')).bytes()).equals(big)).toBe(true);
    });

    it('keeps nothing of a put whose source fails', async () => {
      const failing = async function* (): AsyncIterable<Uint8Array> {
        yield big;
        throw new Error('the source broke');
      };
      await expect(store.put('broken', failing())).rejects.toThrow('the source broke');
      await expect(store.get('broken')).rejects.toThrow(ObjectNotFoundError);
    });

    it('lists by prefix, over pages, with sizes', async () => {
      for (let i = 0; i < 8; i++) await store.put(`l/p${i % 2}/f${i}`, 'x'.repeat(i));
      expect(await keysUnder(store, 'l/')).toHaveLength(8);
      expect(await keysUnder(store, 'l/p1')).toEqual(['l/p1/f1', 'l/p1/f3', 'l/p1/f5', 'l/p1/f7']);
      expect(await keysUnder(store, 'l/p1/f3')).toEqual(['l/p1/f3']);
      expect(await keysUnder(store, 'nothing/')).toEqual([]);
      for await (const found of store.list('l/p1/f7')) {
        expect(found.size).toBe(7);
        expect(Math.abs(found.lastModified.getTime() - Date.now())).toBeLessThan(120_000);
      }
    });

    it('removes, also what is not there', async () => {
      await store.put('d/x', '1');
      await store.remove('d/x');
      await store.remove('d/x');
      await expect(store.get('d/x')).rejects.toThrow(ObjectNotFoundError);
    });

    it('refuses keys that could leave the root or mean two things', async () => {
      const bad = [
        '',
        '/etc/passwd',
        '../x',
        'a/../../x',
        'a//b',
        'a/./b',
        'a/',
        'a\\b',
        'a\0b',
        'a\nb',
        'e\u0301',
        '\ud800',
        `a/${'x'.repeat(256)}`,
        'x/'.repeat(600),
      ];
      for (const key of bad) {
        await expect(async () => store.get(key), JSON.stringify(key)).rejects.toThrow(BadKeyError);
        await expect(async () => store.put(key, 'x'), JSON.stringify(key)).rejects.toThrow(BadKeyError);
        await expect(async () => store.remove(key), JSON.stringify(key)).rejects.toThrow(BadKeyError);
      }
    });

    if (noConditionalPut) {
      it(`conditional put: not tried here, because ${noConditionalPut}`, () => {});
    } else {
      it('lets exactly one of many writers take a free key', async () => {
        const writers = Array.from({ length: 10 }, (_, i) =>
          store.put('c/one', `writer ${i}`, { ifNoneMatch: true }),
        );
        const results = await Promise.allSettled(writers);
        const won = results.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []));
        expect(won).toHaveLength(1);
        expect(await textOf(store, 'c/one')).toBe(`writer ${won[0]}`);
        for (const result of results) {
          if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(ObjectExistsError);
        }
      });
    }
  });
}

describe('S3 under faults', () => {
  it('retries throttling and broken connections, and gives up with the reason', async () => {
    const server = await startPlainS3({
      fault: ({ key, method, count }) =>
        method !== 'GET'
          ? undefined
          : key.endsWith('always')
            ? 503
            : count % 3 === 0
              ? 'reset'
              : count % 3 === 1
                ? 503
                : undefined,
    });
    const { store, close } = await openStore('s3://lastro-test', { s3: server });
    await store.put('some', 'x'.repeat(1000));
    for (let i = 0; i < 5; i++) expect(await textOf(store, 'some')).toHaveLength(1000);
    await store.put('always', 'x');
    await expect(store.get('always')).rejects.toThrow(/6 attempts.*503 SlowDown/);
    await close();
    await server.close();
  });

  it('knows its own conditional put again when the answer was lost', async () => {
    let puts = 0;
    const server = await startPlainS3({
      fault: ({ method }) => (method === 'PUT' && puts++ === 0 ? 'lost' : undefined),
    });
    const { store, close } = await openStore('s3://lastro-test', { s3: server });
    expect(await store.put('k', 'mine', { ifNoneMatch: true })).toEqual({ size: 4 });
    expect(puts).toBe(2);
    await expect(store.put('k', 'other', { ifNoneMatch: true })).rejects.toThrow(ObjectExistsError);
    await close();
    await server.close();
  });

  it('signs links that open without credentials until they expire, and no other object', async () => {
    const server = await startPlainS3();
    let now = new Date();
    const { store, signedUrl, close } = await openStore('s3://lastro-test/p', {
      s3: { ...server, clock: () => now },
    });
    await store.put('pasta/relatório.csv', 'a;b');
    const link = await signedUrl('pasta/relatório.csv', {
      expiresInSeconds: 60,
      filename: 'relatório "1".csv',
    });
    const answer = await fetch(link);
    expect(await answer.text()).toBe('a;b');
    expect(answer.headers.get('content-disposition')).toContain(
      "filename*=UTF-8''relat%C3%B3rio%20%221%22.csv",
    );
    expect((await fetch(link.replace('Expires=60', 'Expires=6000'))).status).toBe(403);
    now = new Date(Date.now() - 61_000);
    expect((await fetch(await signedUrl('pasta/relatório.csv', { expiresInSeconds: 60 }))).status).toBe(403);
    await close();
    await server.close();
  });
});
