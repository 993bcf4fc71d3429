import { lstatSync, readdirSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UserError } from '../platform/cli.ts';
import { openStore } from '../platform/store/open-store.ts';
import type { S3Options } from '../platform/store/s3.ts';
import type { ListedFolder } from './plan.ts';

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
  if (place.startsWith('s3://')) return { kind: 's3', url: place.replace(/\/+$/, ''), s3 };
  const path = place.startsWith('file://') ? decodeURIComponent(new URL(place).pathname) : resolve(place);
  const root = await realpath(path).catch(() => undefined);
  if (root === undefined || !lstatSync(root).isDirectory()) {
    throw new UserError(
      `expected a directory or s3://bucket/prefix to consolidate, found no directory ${path}`,
    );
  }
  return { kind: 'directory', url: pathToFileURL(root).href.replace(/\/$/, ''), root };
};

/** Every object of the source, by folder. */
export const listSource = (source: Source, signal?: AbortSignal): Promise<ListedFolder[]> =>
  source.kind === 'directory' ? listDirectory(source.root, signal) : listS3(source, signal);

/**
 * The synchronous calls cost 7 µs a file; the asynchronous ones, through the thread pool, six times that. The
 * event loop breathes between folders.
 */
const listDirectory = async (root: string, signal?: AbortSignal): Promise<ListedFolder[]> => {
  const listing: ListedFolder[] = [];
  const waiting = [''];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    signal?.throwIfAborted();
    const folder: ListedFolder = { path, names: [], sizes: [], versions: [], modified: [] };
    const absolute = join(root, path);
    for (const entry of readdirSync(absolute, { withFileTypes: true })) {
      // `_temporary`, `.lastro-writes`: what Hive's convention and half-written files hide.
      if (entry.isDirectory() && !/^[._]/.test(entry.name)) waiting.push(`${path}${entry.name}/`);
      if (!entry.isFile()) continue;
      const found = lstatSync(`${absolute}/${entry.name}`, { throwIfNoEntry: false });
      if (!found) continue;
      add(folder, entry.name, found.size, `${found.size}-${found.mtimeMs}`, found.mtimeMs);
    }
    if (folder.names.length > 0) listing.push(folder);
    await new Promise(setImmediate);
  }
  return listing;
};

const add = (folder: ListedFolder, name: string, size: number, version: string, modified: number): void => {
  folder.names.push(name);
  folder.sizes.push(size);
  folder.versions.push(version);
  folder.modified.push(modified);
};

const listS3 = async (source: Source & { kind: 's3' }, signal?: AbortSignal): Promise<ListedFolder[]> => {
  const folders = new Map<string, ListedFolder>();
  const { store, close } = await openStore(source.url, { s3: source.s3 });
  try {
    for await (const { key, size, lastModified, etag } of store.list('')) {
      signal?.throwIfAborted();
      const slash = key.lastIndexOf('/') + 1;
      const path = key.slice(0, slash);
      if (/(?:^|\/)[._]/.test(path)) continue;
      let folder = folders.get(path);
      if (!folder) {
        folder = { path, names: [], sizes: [], versions: [], modified: [] };
        folders.set(path, folder);
      }
      const version = etag ?? `${size}-${lastModified.getTime()}`;
      add(folder, key.slice(slash), size, version, lastModified.getTime());
    }
  } finally {
    await close();
  }
  return [...folders.values()];
};
