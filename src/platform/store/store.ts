import type { Readable } from 'node:stream';

/** An object as `list` sees it. `key` is relative to the store's root and never begins with a slash. */
export type StoredObject = {
  readonly key: string;
  readonly size: number;
  readonly lastModified: Date;
  /** Opaque: equal for equal content in one store, where the store has one. */
  readonly etag?: string;
};

export type PutOptions = {
  /** Refuse with ObjectExistsError where the key is taken; exactly one of many writers wins. */
  readonly ifNoneMatch?: boolean;
};

export type GetOptions = {
  /** Bytes `[start, end)`; `end` absent = to the end of the object. */
  readonly range?: { readonly start: number; readonly end?: number };
  readonly signal?: AbortSignal;
};

/** The content of an object (or of the range asked for). Read it exactly once: all at once, or as a stream. */
export type ObjectBody = {
  /** Bytes of this body; for a range, the range's own length. */
  readonly size: number;
  bytes(): Promise<Buffer>;
  stream(): Readable;
};

export type PutBody = string | Uint8Array | AsyncIterable<Uint8Array>;

/**
 * The object store: a directory, S3, or memory for tests. `put` is atomic: readers see the old object, the
 * new one or none, never a part, also when the process dies in the middle. Keys are `/`-separated relative paths.
 */
export type Store = {
  /** `file:///folder`, `s3://bucket/prefix` or `memory:`, without a trailing slash. */
  readonly url: string;
  /** @throws ObjectExistsError with `ifNoneMatch`; StoreFullError; BadKeyError. */
  readonly put: (key: string, body: PutBody, options?: PutOptions) => Promise<{ readonly size: number }>;
  /** @throws ObjectNotFoundError; BadKeyError; RangeError for a range that begins after the end. */
  readonly get: (key: string, options?: GetOptions) => Promise<ObjectBody>;
  /** Every object whose key begins with `prefix` (plain text, not a folder), in no promised order. */
  readonly list: (prefix: string) => AsyncIterable<StoredObject>;
  /** Removing what is not there succeeds. */
  readonly remove: (key: string) => Promise<void>;
};

export type SignOptions = {
  readonly expiresInSeconds: number;
  /** Name that the browser saves the object under. */
  readonly filename?: string;
};

/** Makes a link that reads one object without further authority until it expires. */
export type SignUrl = (key: string, options: SignOptions) => Promise<string>;

/** A store with what belongs to it but not to the port: signed links, and the end of its connections. */
export type OpenedStore = {
  readonly store: Store;
  readonly signedUrl: SignUrl;
  readonly close: () => Promise<void>;
};

export class ObjectNotFoundError extends Error {
  readonly key: string;

  constructor(key: string, storeUrl: string) {
    super(`no object ${JSON.stringify(key)} in ${storeUrl}`);
    this.name = 'ObjectNotFoundError';
    this.key = key;
  }
}

export class ObjectExistsError extends Error {
  readonly key: string;

  constructor(key: string, storeUrl: string) {
    super(`object ${JSON.stringify(key)} is already in ${storeUrl}, and the write asked for a free key`);
    this.name = 'ObjectExistsError';
    this.key = key;
  }
}

export class StoreFullError extends Error {
  constructor(key: string, storeUrl: string, cause: unknown) {
    super(
      `no space left in ${storeUrl} for ${JSON.stringify(key)}; nothing was stored. Free space or move the store, then try again`,
      { cause },
    );
    this.name = 'StoreFullError';
  }
}

export class BadKeyError extends Error {
  constructor(key: string, expected: string) {
    super(`${JSON.stringify(key)} is not a key of the object store: ${expected}`);
    this.name = 'BadKeyError';
  }
}
