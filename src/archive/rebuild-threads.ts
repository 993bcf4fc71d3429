import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { keyOf } from '../lake/lake-files.ts';
import type { Store } from '../platform/store/store.ts';
import { openArchivedFile } from './archived-file.ts';
import { rowsOfFile } from './archived-rows.ts';
import { type RebuiltRows, rebuildRows, sharedFile } from './rebuild.ts';
import type { RebuildAnswer, RebuildTask } from './rebuild-worker.ts';

/** Reads files back and rebuilds their items, where there is much to do in threads of its own. */
export type Rebuilder = {
  /** Calls `take` with the rows of each row group, in any order. */
  readonly rebuild: (
    store: Store,
    file: { readonly path: string; readonly bytes: number; readonly records: number },
    take: (rows: RebuiltRows) => void,
  ) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Below this a thread's start takes longer than the work. */
const worthThreads = 2_000;
const threads = 2;

/**
 * Opens the rebuilder; its threads start with the first file that is worth it, and work on one file at a time, a row
 * group each. A thread gets a file's bytes, shared: the files of the archive are a few dozen megabytes.
 */
export const openRebuilder = (): Rebuilder => {
  let started: Worker[] | undefined;
  const workers = (): Worker[] => {
    started ??= Array.from(
      { length: threads },
      () =>
        new Worker(new URL('./rebuild-worker.ts', import.meta.url), {
          // Items live for a moment each: more room for young ones would only be more memory.
          resourceLimits: { maxYoungGenerationSizeMb: 32 },
        }),
    );
    return started;
  };
  const inThreads: Rebuilder['rebuild'] = async (store, file, take) => {
    const bytes = await sharedBytes(store, file);
    const { groups } = await openArchivedFile(sharedFile(bytes), file.path);
    let next = 0;
    const work = async (worker: Worker): Promise<void> => {
      for (let isFirst = true, group = next++; group < groups; group = next++, isFirst = false) {
        const task: RebuildTask = { group, ...(isFirst ? { bytes } : {}) };
        worker.postMessage(task);
        // A thread that dies (out of memory) says so by an error, which `once` rejects with.
        const [answer] = (await once(worker, 'message')) as [RebuildAnswer];
        if ('error' in answer) throw new Error(`${file.path}: ${answer.error}`);
        take(answer.rows);
      }
    };
    // All are waited for: a thread that answers later would be heard by the next file.
    const ends = await Promise.allSettled(workers().map(work));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  };
  return {
    rebuild: async (store, file, take) => {
      if (file.records >= worthThreads) return inThreads(store, file, take);
      for await (const rows of rowsOfFile(store, file)) take(rebuildRows(rows));
    },
    close: async () => {
      await Promise.all((started ?? []).map((worker) => worker.terminate()));
      started = undefined;
    },
  };
};

const sharedBytes = async (
  store: Store,
  { path, bytes }: { path: string; bytes: number },
): Promise<SharedArrayBuffer> => {
  const key = keyOf(store, path);
  if (key === null) throw new Error(`${path} is outside the object store ${store.url}`);
  const read = await (await store.get(key)).bytes();
  if (read.length !== bytes)
    throw new Error(`${path} has ${read.length} bytes, and its manifest says ${bytes}`);
  const shared = new SharedArrayBuffer(read.length);
  new Uint8Array(shared).set(read);
  return shared;
};
