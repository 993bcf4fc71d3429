import type { Store } from '../platform/store/store.ts';

// INTERIM: signatures; the bodies follow.

/** Remote objects as local files for DuckDB, in a bounded folder. For a directory store: the files themselves, no copy. */
export type FileCache = {
  /** Makes the locations local and keeps them there until `release`. @throws when they do not fit the bound together. */
  readonly hold: (
    locations: readonly string[],
    signal?: AbortSignal,
  ) => Promise<{ localPath: (location: string) => string; release: () => void }>;
  /** Folder(s) that a confined DuckDB must be allowed to read. */
  readonly folders: readonly string[];
};
export declare const openFileCache: (deps: {
  store: Store;
  folder: string;
  maxBytes: number;
}) => Promise<FileCache>;
