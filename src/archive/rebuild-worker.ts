import { parentPort } from 'node:worker_threads';
import { openArchivedFile } from './archived-file.ts';
import { type RebuiltRows, rebuildRows, sharedFile } from './rebuild.ts';

/** A row group of the file that was given last; `bytes`: of another file than before. */
export type RebuildTask = { readonly group: number; readonly bytes?: SharedArrayBuffer };

export type RebuildAnswer = { readonly rows: RebuiltRows } | { readonly error: string };

let file: ReturnType<typeof openArchivedFile> | undefined;

const answer = async ({ group, bytes }: RebuildTask): Promise<RebuildAnswer> => {
  try {
    if (bytes) file = openArchivedFile(sharedFile(bytes), 'a file of the batch');
    if (!file) throw new Error('expected the bytes of a file with its first row group');
    return { rows: rebuildRows(await (await file).rows(group)) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
};

parentPort?.on('message', (task: RebuildTask) => {
  void answer(task).then((done) => {
    const blocks = 'rows' in done ? [done.rows.hashes.buffer, done.rows.archivedAt.buffer] : [];
    parentPort?.postMessage(done, blocks);
  });
});
