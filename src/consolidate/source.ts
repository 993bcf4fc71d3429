import { realpath, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UserError } from '../platform/cli.ts';
import type { S3Options } from '../platform/store/s3.ts';
import { type ListedFolder, openListedFolder } from './listed-folder.ts';

/** Where the small files lie. Plain data: each worker thread opens it anew. */
export type Source =
  | { readonly kind: 'directory'; readonly url: string; readonly root: string }
  | { readonly kind: 's3'; readonly url: string; readonly s3: Omit<S3Options, 'clock'> };

/**
 * Reads a command's source: a directory (made absolute, links resolved, so that one place has one name) or
 * `s3://bucket/prefix`.
 * @throws UserError where there is no such directory
 */
export const openSource = async (place: string, s3: Omit<S3Options, 'clock'>): Promise<Source> => {
  if (/^s3:\/\/[^/]+/.test(place)) return { kind: 's3', url: place.replace(/\/+$/, ''), s3 };
  const path = place.startsWith('file://') ? decodeURIComponent(new URL(place).pathname) : resolve(place);
  const root = await realpath(path).catch(() => undefined);
  if (root === undefined || !(await stat(root)).isDirectory()) {
    const found = /^[\w+.-]+:\/\//.test(place) ? place : `no directory ${path}`;
    throw new UserError(`expected a directory or s3://bucket/prefix to consolidate, found ${found}`);
  }
  return { kind: 'directory', url: pathToFileURL(root).href.replace(/\/$/, ''), root };
};

/** The source cannot be listed: nothing of it is known, and nothing was taken. */
export class SourceError extends Error {
  constructor(url: string, cause: unknown) {
    const words = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(`${url} can't be listed: ${words}`, { cause });
    this.name = 'SourceError';
  }
}

/** Every object of an S3 source, by folder. @throws SourceError */
export const listS3 = async (
  source: Source & { kind: 's3' },
  signal?: AbortSignal,
): Promise<ListedFolder[]> => {
  const folders = new Map<string, ReturnType<typeof openListedFolder>>();
  const { openStore } = await import('../platform/store/open-store.ts');
  const { store, close } = await openStore(source.url, { s3: source.s3 });
  try {
    for await (const { key, size, lastModified, etag } of store.list('')) {
      signal?.throwIfAborted();
      const slash = key.lastIndexOf('/') + 1;
      const path = key.slice(0, slash);
      if (/(?:^|\/)[._]/.test(path)) continue;
      const folder = folders.get(path) ?? openListedFolder(path);
      folders.set(path, folder);
      const modified = lastModified.getTime();
      folder.add({ name: key.slice(slash), size, modified, etag: etag || `${size}-${modified}` });
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new SourceError(source.url, error);
  } finally {
    await close();
  }
  return [...folders.values()].map((each) => each.folder());
};
