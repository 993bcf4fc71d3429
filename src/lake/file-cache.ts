import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { directoryPath } from '../platform/store/directory.ts';
import type { Store } from '../platform/store/store.ts';
import { keyOf, mapLimited } from './lake-files.ts';

/** Files that are held, under paths that DuckDB opens. */
export type HeldFiles = {
  readonly localPath: (location: string) => string;
  readonly release: () => void;
};

/** Remote objects as local files for DuckDB, in a bounded folder. For a directory store: the files themselves, no copy. */
export type FileCache = {
  /**
   * Makes the locations local and keeps them there until `release`.
   * @throws Error when those held together do not fit the bound
   */
  readonly hold: (locations: readonly string[], signal?: AbortSignal) => Promise<HeldFiles>;
  /** Folders that a confined DuckDB must be allowed to read. */
  readonly folders: readonly string[];
};

export type FileCacheDeps = { readonly store: Store; readonly folder: string; readonly maxBytes: number };

const downloadsAtOnce = 8;

/**
 * Opens the cache. DuckDB has no S3 of its own here (its extensions are downloaded at run time), so objects are
 * fetched whole through the store. Files of a table never change, so a copy is good for ever; the least recently
 * used ones leave when room is needed. What an earlier process left in the folder is removed.
 */
export const openFileCache = async ({ store, folder, maxBytes }: FileCacheDeps): Promise<FileCache> => {
  if (store.url.startsWith('file://')) return directFiles(store);
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    if (/^[0-9a-f]{64}\.(parquet|part)$/.test(name)) await rm(join(folder, name), { force: true });
  }
  const entries = new Map<string, Entry>();
  const state: State = { store, folder, maxBytes, entries, bytes: 0 };
  const hold = async (locations: readonly string[], signal?: AbortSignal): Promise<HeldFiles> => {
    const held: Entry[] = [];
    const release = (): void => {
      for (const entry of held.splice(0)) entry.holders--;
    };
    const paths = new Map<string, string>();
    // A failure waits for the other downloads: none may take hold after the release.
    const failures = await mapLimited([...new Set(locations)], downloadsAtOnce, async (location) => {
      try {
        signal?.throwIfAborted();
        const entry = acquire(state, location);
        held.push(entry);
        await entry.ready;
        paths.set(location, entry.path);
        return undefined;
      } catch (error) {
        return { error };
      }
    });
    const failure = failures.find((each) => each !== undefined);
    if (failure) {
      release();
      throw failure.error;
    }
    return { localPath: (location) => requirePath(paths.get(location), location), release };
  };
  return { hold, folders: [folder] };
};

const requirePath = (path: string | undefined, location: string): string => {
  if (path === undefined) throw new Error(`${location} was not made local before it was asked for`);
  return path;
};

const directFiles = (store: Store): FileCache => ({
  hold: async () => ({
    localPath: (location) =>
      directoryPath(store.url, requirePath(keyOf(store, location) ?? undefined, location)),
    release: () => {},
  }),
  folders: [store.url.slice('file://'.length)],
});

type Entry = { readonly path: string; bytes: number; holders: number; ready: Promise<void> };

type State = FileCacheDeps & { readonly entries: Map<string, Entry>; bytes: number };

/** The entry of a location, downloaded once however many ask; held before anything is awaited. */
const acquire = (state: State, location: string): Entry => {
  const known = state.entries.get(location);
  if (known) {
    // Back to the end: the map's order is the order of use.
    state.entries.delete(location);
    state.entries.set(location, known);
    known.holders++;
    return known;
  }
  const name = createHash('sha256').update(location).digest('hex');
  const entry: Entry = {
    path: join(state.folder, `${name}.parquet`),
    bytes: 0,
    holders: 1,
    ready: Promise.resolve(),
  };
  state.entries.set(location, entry);
  entry.ready = download(state, location, entry).catch((error: unknown) => {
    state.entries.delete(location);
    state.bytes -= entry.bytes;
    throw error;
  });
  return entry;
};

const download = async (state: State, location: string, entry: Entry): Promise<void> => {
  const key = keyOf(state.store, location);
  if (key === null) throw new Error(`${location} is outside the lake's object store ${state.store.url}`);
  const body = await state.store.get(key);
  entry.bytes = body.size;
  state.bytes += body.size;
  const part = entry.path.replace(/parquet$/, 'part');
  try {
    await makeRoom(state, location);
    await pipeline(body.stream(), createWriteStream(part));
    await rename(part, entry.path);
  } catch (error) {
    body.stream().destroy();
    await rm(part, { force: true });
    throw error;
  }
};

const makeRoom = async (state: State, location: string): Promise<void> => {
  for (const [other, entry] of [...state.entries]) {
    if (state.bytes <= state.maxBytes) return;
    if (entry.holders > 0) continue;
    state.entries.delete(other);
    state.bytes -= entry.bytes;
    await rm(entry.path, { force: true });
  }
  if (state.bytes > state.maxBytes) {
    throw new Error(
      `${location} does not fit the local cache of ${state.maxBytes} bytes beside the files in use; read less at once (narrower filter) or allow more`,
    );
  }
};
