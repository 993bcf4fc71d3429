import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LookAt, listBucket } from './list-bucket.ts';
import { bucketPage } from './read-objects.ts';
import { textAt } from './text-list.ts';

/** S3's listing over some keys, in pages. */
const bucket = (keys: readonly string[], pageSize: number) => {
  const requests: string[] = [];
  const look: LookAt = async ({ prefix, byFolder, token }) => {
    requests.push(`${byFolder ? 'folders of ' : ''}${prefix}${token === undefined ? '' : `, ${token}`}`);
    const entries = new Map<string, 'object' | 'folder'>();
    for (const key of keys) {
      if (!key.startsWith(prefix)) continue;
      const slash = key.indexOf('/', prefix.length);
      if (byFolder && slash >= 0) entries.set(key.slice(0, slash + 1), 'folder');
      else entries.set(key, 'object');
    }
    const sorted = [...entries.keys()].sort();
    const from = Number(token ?? 0);
    const shown = sorted.slice(from, from + pageSize);
    const more = from + pageSize < sorted.length;
    return bucketPage({
      objects: shown
        .filter((key) => entries.get(key) === 'object')
        .map((key) => ({ key, size: 1, lastModified: new Date(0) })),
      folders: shown.filter((key) => entries.get(key) === 'folder'),
      ...(more ? { token: String(from + pageSize) } : {}),
    });
  };
  return { look, requests };
};

const listed = async (look: LookAt): Promise<string[]> =>
  (await listBucket(look))
    .flatMap(({ path, names }) => [...names.ends.keys()].map((index) => path + textAt(names, index)))
    .sort();

describe('a bucket', () => {
  it('is listed whole, each object once, whatever lies in it and however long the pages are', async () => {
    const segment = fc.constantFrom('a', 'b', 'hour=00', 'ç', 'x.json', 'y.json', '-');
    const key = fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => `${parts.join('/')}.json`);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(key, { maxLength: 200 }),
        fc.integer({ min: 1, max: 60 }),
        async (keys, pageSize) => {
          expect(await listed(bucket(keys, pageSize).look)).toEqual(keys.toSorted());
        },
      ),
      { numRuns: 200 },
    );
  });

  const hours = (filesOfEach: number, count: number): string[] =>
    Array.from({ length: filesOfEach * count }, (_, n) => {
      const hour = String(Math.floor(n / filesOfEach)).padStart(4, '0');
      return `topics/t/day=21/hour=${hour}/t+0+${String(n).padStart(10, '0')}.json`;
    });

  it('is asked for its folders side by side where they are large', async () => {
    const { look, requests } = bucket(hours(2_500, 24), 1_000);
    expect(await listed(look)).toHaveLength(60_000);
    expect(requests.slice(0, 6)).toEqual([
      '',
      'folders of ',
      'folders of topics/',
      'folders of topics/t/',
      'folders of topics/t/day=21/',
      'folders of topics/t/day=21/hour=0000/',
    ]);
    // Then the other two pages of this hour, and the three of each hour beside it.
    expect(requests).toHaveLength(6 + 2 + 23 * 3);
  });

  it('is asked page by page where they are small', async () => {
    const { look, requests } = bucket(hours(7, 900), 1_000);
    expect(await listed(look)).toHaveLength(6_300);
    expect(requests).toHaveLength(7);
  });

  it('is left at the first failure', async () => {
    const { look, requests } = bucket(hours(2_500, 24), 1_000);
    const failing: LookAt = async (request, signal) => {
      if (requests.length > 10) throw new Error('denied');
      return look(request, signal);
    };
    await expect(listed(failing)).rejects.toThrow('denied');
    const before = requests.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(requests.length).toBe(before);
  });
});
