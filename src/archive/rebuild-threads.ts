import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { keyOf } from '../lake/lake-files.ts';
import type { Store } from '../platform/store/store.ts';
import { rowsOfFile } from './archived-rows.ts';
import { type RebuiltRow, rebuildRow } from './rebuild.ts';
import type { RebuildAnswer, RebuildTask } from './rebuild-worker.ts';

/** Reads files back and rebuilds their items, where there is much to do in threads of its own. */
export type Rebuilder = {
  readonly rebuild: (
    store: Store,
    file: { readonly path: string; readonly bytes: number; readonly records: number },
  ) => AsyncIterable<RebuiltRow[]>;
  readonly close: () => Promise<void>;
};

/** Below this a thread's start takes longer than the work. */
const worthThreads = 10_000;
const threads = 2;

/**
 * Opens the rebuilder; its threads start with the first file that is worth it. A thread gets a file's bytes, shared:
 * the files of the archive are a few dozen megabytes.
 */
export const openRebuilder = (): Rebuilder => {
  let started: Worker[] | undefined;
  const workers = (): Worker[] => {
    started ??= Array.from(
      { length: threads },
      () => new Worker(new URL('./rebuild-worker.ts', import.meta.url)),
    );
    return started;
  };
  const inThreads = async (store: Store, file: { path: string; bytes: number }): Promise<RebuiltRow[][]> => {
    const key = keyOf(store, file.path);
    if (key === null) throw new Error(`${file.path} is outside the object store ${store.url}`);
    const read = await (await store.get(key)).bytes();
    if (read.length !== file.bytes)
      throw new Error(`${file.path} has ${read.length} bytes, and its manifest says ${file.bytes}`);
    const bytes = new SharedArrayBuffer(read.length);
    new Uint8Array(bytes).set(read);
    const answers = workers().map(async (worker, first) => {
      const task: RebuildTask = { bytes, first, of: threads };
      worker.postMessage(task);
      // A thread that dies (out of memory) says so by an error, which `once` rejects with.
      const [answer] = (await once(worker, 'message')) as [RebuildAnswer];
      if ('error' in answer) throw new Error(`${file.path}: ${answer.error}`);
      return answer.rows;
    });
    return Promise.all(answers);
  };
  return {
    rebuild: async function* (store, file) {
      if (file.records >= worthThreads) yield* await inThreads(store, file);
      else for await (const rows of rowsOfFile(store, file)) yield rows.map(rebuildRow);
    },
    close: async () => {
      await Promise.all((started ?? []).map((worker) => worker.terminate()));
      started = undefined;
    },
  };
};
