import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import type { AwsCredentials } from '../platform/store/sigv4.ts';
import { hashBytes } from './content-hash.ts';
import { listDirectory } from './list-directory.ts';
import { listObjects } from './list-objects.ts';
import type { ListedFolder } from './listed-folder.ts';
import { type Batch, enumerate, type PlannedFile, type PlannedFiles } from './plan.ts';
import {
  type ChunkResult,
  fileStates,
  type ReadChunk,
  type ReadLimits,
  type ToWorker,
} from './read-messages.ts';
import { converse, startReadingThread, unexpected } from './reading-thread.ts';
import type { Source } from './source.ts';

/** What the readers made of a batch. The lists are by index of the batch's files. */
export type BatchReading = {
  readonly events: readonly string[];
  readonly quarantine: readonly string[];
  /** Bytes of the longest staged line of each kind. */
  readonly longestLine: number;
  readonly longestRaw: number;
  readonly states: Uint8Array;
  readonly documentsOf: Uint32Array;
  /** `hashBytes` for each file, in a row. */
  readonly hashes: Uint8Array;
  readonly documents: number;
  readonly quarantined: number;
  readonly reasons: Readonly<Record<string, number>>;
  readonly unread: readonly { readonly file: PlannedFile; readonly message: string }[];
};

export type Listing = {
  readonly folders: readonly ListedFolder[];
  /** What was left out: folders that cannot be looked into, files that cannot be named. */
  readonly notices: readonly string[];
};

/** Threads that list the source once, from their start, and then read batches of it. */
export type Readers = {
  /** Every object of the source. @throws SourceError where nothing of it can be listed */
  readonly listing: Promise<Listing>;
  readonly read: (
    batch: Batch,
    options: {
      folder: string;
      onProgress?: (files: number, bytes: number) => void;
      signal?: AbortSignal;
    },
  ) => Promise<BatchReading>;
  readonly close: () => Promise<void>;
};

const chunkFiles = 512;
const chunkBytes = 8 * 1024 * 1024;
/** A worker with one chunk at hand and one in its queue never waits for this thread. */
const chunksAhead = 2;

/** More than four threads would only wait for one another's system calls. */
export const readingThreads = (): number => Math.max(1, Math.min(4, availableParallelism()));

/**
 * Starts the reading threads, which begin to list. Each stages into files of its own, so that none waits for another.
 * May be called before anything else of a run is there: what is listed early is at worst found taken, or gone, later.
 */
export const openReaders = ({
  source,
  limits,
  signal,
}: {
  source: Source;
  limits: ReadLimits;
  signal?: AbortSignal | undefined;
}): Readers => {
  const workers = Array.from({ length: readingThreads() }, () => startReadingThread({ source, limits }));
  const credentials = source.kind === 's3' ? sourceCredentials(source) : undefined;
  const { url } = source;
  const notices: string[] = [];
  const listed = credentials
    ? listObjects({ workers, url, credentials }, signal)
    : listDirectory({ workers, url, notice: (message) => notices.push(message) }, signal);
  const listing = listed.then((folders): Listing => ({ folders, notices }));
  // A failure counts where the listing is awaited, which an earlier failure may prevent.
  listing.catch(() => {});
  return {
    listing,
    read: (batch, options) => readBatch({ workers, currentCredentials: credentials }, batch, options),
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
};

/** The SDK's chain of credentials is asked by one thread. Loaded when it is used first. */
const sourceCredentials = ({ s3 }: Source & { kind: 's3' }): (() => Promise<AwsCredentials>) => {
  let opened: Promise<() => Promise<AwsCredentials>> | undefined;
  return async () => {
    opened ??= import('../platform/store/aws-credentials.ts').then(({ awsCredentials }) =>
      awsCredentials(s3),
    );
    return (await opened)();
  };
};

const readBatch = async (
  {
    workers,
    currentCredentials,
  }: { workers: readonly Worker[]; currentCredentials: (() => Promise<AwsCredentials>) | undefined },
  batch: Batch,
  { folder, onProgress, signal }: Parameters<Readers['read']>[1],
): Promise<BatchReading> => {
  const chunks = cutChunks(batch.files);
  const gathered = gather(batch);
  const stages = workers.map((worker, index) => ({
    worker,
    events: join(folder, `events-${index}`),
    quarantine: join(folder, `quarantine-${index}`),
  }));
  let credentials = await currentCredentials?.();
  const refresh = async (): Promise<void> => {
    // A failure shows when they expire: S3 says so of each object, which is left for the next run.
    credentials = (await currentCredentials?.().catch(() => undefined)) ?? credentials;
  };
  let next = 0;
  const takeChunk = (): ToWorker | undefined => {
    const found = chunks[next];
    if (!found) return undefined;
    const chunk = toChunk(batch.files, found, credentials !== undefined);
    return { kind: 'read', id: next++, chunk, ...(credentials ? { credentials } : {}) };
  };
  const onResult = (result: ChunkResult): void => {
    void refresh();
    gathered.add(result, chunks[result.id]?.from ?? 0);
    onProgress?.(result.states.length, result.bytes);
  };
  const longest = await Promise.all(
    stages.map((stage) => serve({ stage, takeChunk, onResult, ...(signal ? { signal } : {}) })),
  );
  return {
    events: stages.map(({ events }) => events),
    quarantine: stages.map(({ quarantine }) => quarantine),
    longestLine: Math.max(...longest.map(({ longestLine }) => longestLine)),
    longestRaw: Math.max(...longest.map(({ longestRaw }) => longestRaw)),
    ...gathered.result(),
  };
};

/** Feeds one worker until no chunk is left. */
const serve = ({
  stage: { worker, events, quarantine },
  takeChunk,
  onResult,
  signal,
}: {
  stage: { worker: Worker; events: string; quarantine: string };
  takeChunk: () => ToWorker | undefined;
  onResult: (result: ChunkResult) => void;
  signal?: AbortSignal;
}): Promise<{ longestLine: number; longestRaw: number }> => {
  let underWay = 0;
  return converse(worker, signal, ({ say, end, fail }) => {
    const feed = (): void => {
      while (underWay < chunksAhead) {
        const message = takeChunk();
        if (!message) break;
        underWay++;
        say(message);
      }
      if (underWay === 0) say({ kind: 'finish' });
    };
    say({ kind: 'stage', events, quarantine });
    feed();
    return (message) => {
      if (message.kind === 'finished') end(message);
      else if (message.kind === 'chunk') {
        underWay--;
        onResult(message);
        feed();
      } else fail(unexpected(message));
    };
  });
};

const cutChunks = (files: PlannedFiles): { from: number; to: number }[] => {
  const chunks: { from: number; to: number }[] = [];
  let from = 0;
  let bytes = 0;
  for (const [index, { size }] of enumerate(files)) {
    bytes += size;
    const to = index + 1;
    if (to - from < chunkFiles && bytes < chunkBytes && to < files.length) continue;
    chunks.push({ from, to });
    from = to;
    bytes = 0;
  }
  return chunks;
};

const toChunk = (
  files: PlannedFiles,
  { from, to }: { from: number; to: number },
  withVersions: boolean,
): ReadChunk => {
  const folders = new Map<string, number>();
  const chunk = {
    folder: new Uint32Array(to - from),
    names: new Array<string>(to - from),
    sizes: new Float64Array(to - from),
    known: new Map<number, readonly string[]>(),
    ...(withVersions ? { versions: new Array<string>(to - from) } : {}),
  };
  for (let index = 0; index < to - from; index++) {
    const { folder, name, size, version, knownHashes } = files.at(from + index);
    const place = folders.get(folder) ?? folders.size;
    folders.set(folder, place);
    chunk.folder[index] = place;
    chunk.names[index] = name;
    chunk.sizes[index] = size;
    if (chunk.versions) chunk.versions[index] = version;
    if (knownHashes.length > 0) chunk.known.set(index, knownHashes);
  }
  return { ...chunk, folders: [...folders.keys()] };
};

const sum = (numbers: Uint32Array): number => numbers.reduce((total, number) => total + number, 0);

const gather = ({ files }: Batch) => {
  const states = new Uint8Array(files.length).fill(fileStates.unread);
  const documentsOf = new Uint32Array(files.length);
  const hashes = new Uint8Array(files.length * hashBytes);
  const unread: { file: PlannedFile; message: string }[] = [];
  const reasons: Record<string, number> = {};
  let quarantined = 0;
  return {
    add: (result: ChunkResult, from: number): void => {
      states.set(result.states, from);
      documentsOf.set(result.documents, from);
      hashes.set(result.hashes, from * hashBytes);
      quarantined += sum(result.quarantined);
      for (const [reason, count] of Object.entries(result.reasons)) {
        reasons[reason] = (reasons[reason] ?? 0) + count;
      }
      for (const { index, message } of result.problems) {
        unread.push({ file: files.at(from + index), message });
      }
    },
    result: () => ({
      states,
      documentsOf,
      hashes,
      documents: sum(documentsOf),
      quarantined,
      reasons,
      unread,
    }),
  };
};
