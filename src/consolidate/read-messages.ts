import type { ListRequest } from '../platform/store/s3-list.ts';
import type { AwsCredentials } from '../platform/store/sigv4.ts';
import type { DocumentLimits } from './documents.ts';
import type { BucketPage } from './list-bucket.ts';
import type { FolderListing } from './list-folder.ts';
import type { Source } from './source.ts';

export type ReadLimits = DocumentLimits & {
  /** Most bytes of one object, unpacked. */
  readonly maxFileBytes: number;
};

export type WorkerSetup = { readonly source: Source; readonly limits: ReadLimits };

/** Files for one worker as parallel lists: cloning an object a file would cost more than reading it. */
export type ReadChunk = {
  readonly folders: readonly string[];
  /** Index into `folders`. */
  readonly folder: Uint32Array;
  readonly names: readonly string[];
  readonly sizes: Float64Array;
  /** Of objects in S3: what the listing showed (see `versionAt`). */
  readonly versions?: readonly string[];
  /** Hashes of contents taken before, by index of the file. */
  readonly known: ReadonlyMap<number, readonly string[]>;
};

export type ToWorker =
  | { readonly kind: 'stage'; readonly events: string; readonly quarantine: string }
  | {
      readonly kind: 'read';
      readonly id: number;
      readonly chunk: ReadChunk;
      /** For S3. They expire: each chunk brings those of its time. */
      readonly credentials?: AwsCredentials;
    }
  | { readonly kind: 'finish' }
  | { readonly kind: 'list'; readonly path: string }
  | {
      readonly kind: 'page';
      readonly id: number;
      readonly request: ListRequest;
      readonly credentials: AwsCredentials;
    };

/** What became of a file. `unread`: it could not be read now; it is left for a later run. */
export const fileStates = { taken: 0, unchanged: 1, unread: 2 } as const;

export type ChunkResult = {
  readonly kind: 'chunk';
  readonly id: number;
  readonly states: Uint8Array;
  readonly documents: Uint32Array;
  readonly quarantined: Uint32Array;
  /** `hashBytes` for each file, in a row. */
  readonly hashes: Uint8Array;
  readonly bytes: number;
  readonly reasons: Record<string, number>;
  readonly problems: { readonly index: number; readonly message: string }[];
};

export type FromWorker =
  | ChunkResult
  | { readonly kind: 'finished'; readonly longestLine: number; readonly longestRaw: number }
  | ({ readonly kind: 'listed' } & FolderListing)
  | { readonly kind: 'page'; readonly id: number; readonly page: BucketPage }
  | { readonly kind: 'failed'; readonly message: string };
