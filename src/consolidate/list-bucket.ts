import { bulkhead } from 'cockatiel';
import type { ListedKey, ListPage, ListRequest } from '../platform/store/s3-list.ts';

/** One page of a listing. Prefixes are empty or end in a slash. */
export type LookAt = (request: ListRequest, signal: AbortSignal) => Promise<ListPage>;

const pagesAtOnce = 16;

/** A page with keys of more folders than this is of a source whose folders are small: asking for each would cost more. */
const foldersOfPage = 10;

/**
 * Lists every object below `prefix`, in no order. A listing in pages gives each page only after the one before it (70
 * pages of 1,000 keys take seven seconds and more on AWS), so where there is much, folders are listed side by side:
 *
 * A page comes first. If it is all, or its first key lies in the folder itself, or its keys are of many small folders, the
 * pages after it follow. Otherwise the folders on the way to its first key are looked into at once, and each folder beside
 * that way is listed in the same manner.
 * @throws what `look` throws
 */
export const listBucket = async (
  look: LookAt,
  take: (object: ListedKey) => void,
  signal?: AbortSignal,
): Promise<void> => {
  const few = bulkhead(pagesAtOnce, Number.MAX_SAFE_INTEGER);
  const failed = new AbortController();
  const ends = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const page = (request: ListRequest): Promise<ListPage> =>
    few.execute(() => {
      ends.throwIfAborted();
      return look(request, ends);
    });

  const rest = async (
    first: ListPage,
    request: ListRequest,
    each: (page: ListPage) => void,
  ): Promise<void> => {
    let current = first;
    for (;;) {
      each(current);
      if (current.token === undefined) return;
      current = await page({ ...request, token: current.token });
    }
  };

  const walk = async (prefix: string): Promise<void> => {
    const first = await page({ prefix });
    const way = foldersTo(prefix, first.objects[0]?.key ?? prefix);
    if (first.token === undefined || way.length === 1 || isScattered(first)) {
      return rest(first, { prefix }, ({ objects }) => objects.forEach(take));
    }
    const beside: Promise<void>[] = [];
    const into = async (folder: string): Promise<void> => {
      const request = { prefix: folder, byFolder: true };
      await rest(await page(request), request, ({ objects, folders }) => {
        for (const object of objects) {
          if (object.key.includes('/', folder.length)) throw new Error('the store lists no folders apart');
          take(object);
        }
        for (const below of folders) {
          if (way.includes(below)) continue;
          const walked = walk(below);
          // Its failure counts where it is awaited, which an earlier failure may prevent.
          walked.catch(() => {});
          beside.push(walked);
        }
      });
    };
    await Promise.all(way.map(into));
    await Promise.all(beside);
  };
  try {
    await walk('');
  } catch (error) {
    failed.abort(error);
    throw error;
  }
};

/** `prefix`, and the folders from there down to the one that the key is in. */
const foldersTo = (prefix: string, key: string): string[] => {
  const folders = [prefix];
  for (let slash = key.indexOf('/', prefix.length); slash >= 0; slash = key.indexOf('/', slash + 1)) {
    folders.push(key.slice(0, slash + 1));
  }
  return folders;
};

const isScattered = ({ objects }: ListPage): boolean =>
  new Set(objects.map(({ key }) => key.slice(0, key.lastIndexOf('/') + 1))).size > foldersOfPage;
