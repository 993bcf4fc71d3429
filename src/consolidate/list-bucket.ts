import { bulkhead } from 'cockatiel';
import type { ListRequest } from '../platform/store/s3-list.ts';
import type { ListedFolder } from './listed-folder.ts';

/** One page of a listing: its objects by folder, and the folders that it shows apart. */
export type BucketPage = {
  readonly listed: readonly ListedFolder[];
  /** Folder of the first object, hidden ones too; absent: the page shows none. */
  readonly firstFolder?: string;
  readonly below: readonly string[];
  readonly token?: string;
};

/** Asks for a page. Prefixes are empty or end in a slash. */
export type LookAt = (request: ListRequest, signal: AbortSignal) => Promise<BucketPage>;

const pagesAtOnce = 16;

/** A page with keys of more folders than this is of a source whose folders are small: asking for each would cost more. */
const foldersOfPage = 10;

/**
 * Lists every object of a bucket, in no order; a folder comes once for each page that shows some of it. A listing in pages gives each page only after the one before it (70
 * pages of 1,000 keys take seven seconds and more on AWS), so where there is much, folders are listed side by side:
 *
 * A page comes first. If it is all, or its first key lies in the folder itself, or its keys are of many small folders, the
 * pages after it follow. Otherwise the folders on the way to its first key are looked into at once, and each folder beside
 * that way is listed in the same manner.
 * @throws what `look` throws
 */
export const listBucket = async (look: LookAt, signal?: AbortSignal): Promise<ListedFolder[]> => {
  const listing: ListedFolder[] = [];
  const few = bulkhead(pagesAtOnce, Number.MAX_SAFE_INTEGER);
  const failed = new AbortController();
  const ends = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const page = (request: ListRequest): Promise<BucketPage> =>
    few.execute(() => {
      ends.throwIfAborted();
      return look(request, ends);
    });

  const rest = async (
    first: BucketPage,
    request: ListRequest,
    each: (page: BucketPage) => void,
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
    const way = foldersTo(prefix, first.firstFolder ?? prefix);
    const isScattered = first.listed.length > foldersOfPage;
    if (first.token === undefined || way.length === 1 || isScattered) {
      return rest(first, { prefix }, ({ listed }) => listing.push(...listed));
    }
    const beside: Promise<void>[] = [];
    const into = async (folder: string): Promise<void> => {
      const request = { prefix: folder, byFolder: true };
      await rest(await page(request), request, ({ listed, below: folders }) => {
        if (listed.some(({ path }) => path !== folder)) throw new Error('the store lists no folders apart');
        listing.push(...listed);
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
    return listing;
  } catch (error) {
    failed.abort(error);
    throw error;
  }
};

/** `prefix`, and the folders from there down to that one, which lies in it. */
const foldersTo = (prefix: string, folder: string): string[] => {
  const folders = [prefix];
  for (let slash = folder.indexOf('/', prefix.length); slash >= 0; slash = folder.indexOf('/', slash + 1)) {
    folders.push(folder.slice(0, slash + 1));
  }
  return folders;
};
