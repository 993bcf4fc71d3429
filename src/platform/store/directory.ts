import { randomUUID } from 'node:crypto';
import { createReadStream, constants as fsConstants } from 'node:fs';
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  opendir,
  readdir,
  realpath,
  rename,
  rm,
  unlink,
} from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { bodyChunks, sliceRange } from './bodies.ts';
import { checkKey, temporaryPrefix } from './keys.ts';
import {
  type ObjectBody,
  ObjectExistsError,
  ObjectNotFoundError,
  type PutBody,
  type Store,
  type StoredObject,
  StoreFullError,
} from './store.ts';

const temporaryFolder = `${temporaryPrefix}writes`;
/** A write that has not touched its temporary file for a day belongs to a process that is gone. */
const abandonedAfterMs = 24 * 3600 * 1000;

/**
 * Opens a directory as an object store, made if missing. Leftovers of writes that were killed are removed once
 * they are a day old.
 */
export const openDirectoryStore = async (folder: string): Promise<Store> => {
  await mkdir(folder, { recursive: true });
  const root = await realpath(folder);
  await mkdir(join(root, temporaryFolder), { recursive: true });
  await removeAbandoned(join(root, temporaryFolder));
  const url = `file://${root === '/' ? '' : root}`;
  return {
    url,
    put: (key, body, options) => put({ root, url }, checkKey(key), body, options?.ifNoneMatch ?? false),
    get: (key, options) => get({ root, url }, checkKey(key), options?.range, options?.signal),
    list: (prefix) => list(root, prefix),
    remove: async (key) => {
      const path = await locate({ root, url }, checkKey(key)).catch(ignoreMissing);
      if (path) await unlink(path).catch(ignoreMissing);
    },
  };
};

/** The file of a key under a directory store's URL, for readers in this machine that need a path (DuckDB). */
export const directoryPath = (storeUrl: string, key: string): string => {
  if (!storeUrl.startsWith('file://')) throw new Error(`expected a directory store, found ${storeUrl}`);
  return join(storeUrl.slice('file://'.length), ...checkKey(key).split('/'));
};

type Root = { readonly root: string; readonly url: string };

/**
 * The path of a key, whose folders exist and lie inside the root: a symbolic link that leads out is refused, so
 * that nobody who can make one inside the store reads or writes outside it.
 */
const locate = async (at: Root, key: string): Promise<string> => {
  const path = join(at.root, ...key.split('/'));
  checkInside(at, key, await realpath(dirname(path)));
  return path;
};

const checkInside = ({ root, url }: Root, key: string, real: string): void => {
  if (real !== root && !real.startsWith(`${root === '/' ? '' : root}${sep}`)) {
    throw new Error(`${JSON.stringify(key)} leads out of ${url} through a symbolic link to ${real}: refused`);
  }
};

const put = async (at: Root, key: string, body: PutBody, ifNoneMatch: boolean): Promise<{ size: number }> => {
  const temporary = join(at.root, temporaryFolder, `${temporaryPrefix}${process.pid}-${randomUUID()}`);
  try {
    const size = await writeDurably(temporary, body);
    await makeFolders(at, key);
    const path = await locate(at, key);
    // link() refuses an existing name atomically, rename() replaces it atomically.
    if (ifNoneMatch) await linkFree(at, key, temporary, path);
    else await rename(temporary, path);
    await syncFolder(dirname(path));
    return { size };
  } catch (error) {
    throw explain(at, key, error);
  } finally {
    await unlink(temporary).catch(ignoreMissing);
  }
};

const linkFree = async (at: Root, key: string, temporary: string, path: string): Promise<void> => {
  try {
    await link(temporary, path);
  } catch (error) {
    throw codeOf(error) === 'EEXIST' ? new ObjectExistsError(key, at.url) : error;
  }
};

const writeDurably = async (path: string, body: PutBody): Promise<number> => {
  let size = 0;
  const file = await open(path, 'wx', 0o640);
  try {
    for await (const chunk of bodyChunks(body)) {
      await writeAll(file, chunk);
      size += chunk.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return size;
};

/** One write() may take less than asked, for example up to a signal or the last free block. */
const writeAll = async (file: FileHandle, chunk: Uint8Array): Promise<void> => {
  let offset = 0;
  while (offset < chunk.length) {
    const { bytesWritten } = await file.write(chunk, offset);
    offset += bytesWritten;
  }
};

/**
 * Makes the folders of a key, and has each new one's name on disk before a file in it counts as stored. The
 * deepest folder that is there is checked first: nothing is made through a link that leads out.
 */
const makeFolders = async (at: Root, key: string): Promise<void> => {
  const folder = dirname(join(at.root, ...key.split('/')));
  let there = folder;
  let real = await realpath(there).catch(ignoreMissing);
  while (real === undefined) {
    there = dirname(there);
    real = await realpath(there).catch(ignoreMissing);
  }
  checkInside(at, key, real);
  if (there === folder) return;
  await mkdir(folder, { recursive: true });
  for (let made = folder; made !== there; made = dirname(made)) await syncFolder(dirname(made));
};

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

const get = async (
  at: Root,
  key: string,
  range: { start: number; end?: number } | undefined,
  signal: AbortSignal | undefined,
): Promise<ObjectBody> => {
  signal?.throwIfAborted();
  let path: string;
  let size: number;
  try {
    path = await locate(at, key);
    const found = await lstat(path);
    if (!found.isFile()) throw new ObjectNotFoundError(key, at.url);
    size = found.size;
  } catch (error) {
    throw explain(at, key, error);
  }
  const { start, end } = sliceRange(key, size, range);
  const stream = (): Readable => {
    const flags = fsConstants.O_RDONLY | fsConstants.O_NOFOLLOW;
    // A stream's `end` is inclusive; an empty object has no last byte.
    const limits = end > start ? { start, end: end - 1 } : { start: 0, end: 0 };
    return createReadStream(path, {
      flags: flags as unknown as string,
      ...limits,
      ...(signal ? { signal } : {}),
    });
  };
  return { size: end - start, bytes: () => readRange(at, key, path, start, end), stream };
};

const readRange = async (
  at: Root,
  key: string,
  path: string,
  start: number,
  end: number,
): Promise<Buffer> => {
  let file: FileHandle;
  try {
    file = await open(path, fsConstants.O_RDONLY | fsConstants.O_NOFOLLOW);
  } catch (error) {
    throw explain(at, key, error);
  }
  try {
    const buffer = Buffer.allocUnsafe(end - start);
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled);
      if (bytesRead === 0)
        throw new Error(`${JSON.stringify(key)} in ${at.url} was replaced while it was read; read it again`);
      filled += bytesRead;
    }
    return buffer;
  } finally {
    await file.close();
  }
};

async function* list(root: string, prefix: string): AsyncIterable<StoredObject> {
  const folderKey = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (folderKey !== '') checkKey(folderKey.slice(0, -1));
  yield* walk(join(root, ...folderKey.split('/')), folderKey, prefix);
}

async function* walk(folder: string, folderKey: string, prefix: string): AsyncIterable<StoredObject> {
  const entries = await opendir(folder).catch(ignoreMissing);
  if (!entries) return;
  for await (const entry of entries) {
    const key = `${folderKey}${entry.name}`;
    if (entry.name.startsWith(temporaryPrefix)) continue;
    if (entry.isDirectory()) {
      const below = `${key}/`;
      if (below.startsWith(prefix) || prefix.startsWith(below))
        yield* walk(join(folder, entry.name), below, prefix);
    } else if (entry.isFile() && key.startsWith(prefix)) {
      const found = await lstat(join(folder, entry.name)).catch(ignoreMissing);
      if (found?.isFile()) yield { key, size: found.size, lastModified: found.mtime };
    }
  }
}

const removeAbandoned = async (folder: string): Promise<void> => {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await lstat(path).catch(ignoreMissing);
    if (found && Date.now() - found.mtimeMs > abandonedAfterMs) await rm(path, { force: true });
  }
};

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

const ignoreMissing = (error: unknown): undefined => {
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw error;
};

const explain = (at: Root, key: string, error: unknown): unknown => {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ELOOP':
      return new ObjectNotFoundError(key, at.url);
    // EFBIG: a quota of the process (ulimit) rather than of the disk; for the caller the same thing.
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new StoreFullError(key, at.url, error);
    case 'EEXIST':
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ENOTEMPTY':
      return new Error(
        `${JSON.stringify(key)} in ${at.url}: a part of this key is an object and another uses it as a folder; a directory store cannot hold both`,
        { cause: error },
      );
    default:
      return error;
  }
};
