import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { bodyBytes, sliceRange } from './bodies.ts';
import { checkKey } from './keys.ts';
import { ObjectExistsError, ObjectNotFoundError, type OpenedStore, type Store } from './store.ts';

/** A store in this process's memory: for tests and dry runs. `memory:` links cannot be opened by anyone. */
export const openMemoryStore = (clock: () => Date = () => new Date()): OpenedStore => {
  const objects = new Map<string, { bytes: Buffer; lastModified: Date }>();
  const url = 'memory:';
  const store: Store = {
    url,
    put: async (key, body, { ifNoneMatch = false } = {}) => {
      checkKey(key);
      const bytes = await bodyBytes(body);
      if (ifNoneMatch && objects.has(key)) throw new ObjectExistsError(key, url);
      objects.set(key, { bytes, lastModified: clock() });
      return { size: bytes.length };
    },
    get: async (key, { range } = {}) => {
      const found = objects.get(checkKey(key));
      if (!found) throw new ObjectNotFoundError(key, url);
      const { start, end } = sliceRange(key, found.bytes.length, range);
      const bytes = Buffer.from(found.bytes.subarray(start, end));
      return { size: bytes.length, bytes: async () => bytes, stream: () => Readable.from([bytes]) };
    },
    list: async function* (prefix) {
      for (const [key, { bytes, lastModified }] of [...objects]) {
        if (!key.startsWith(prefix)) continue;
        const etag = createHash('sha256').update(bytes).digest('hex');
        yield { key, size: bytes.length, lastModified, etag };
      }
    },
    remove: async (key) => {
      objects.delete(checkKey(key));
    },
  };
  return {
    store,
    signedUrl: async (key) => `memory:${checkKey(key)}`,
    close: async () => objects.clear(),
  };
};
