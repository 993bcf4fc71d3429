import { parentPort } from 'node:worker_threads';
import { rowsOfBuffer } from './archived-rows.ts';
import { type RebuiltRow, rebuildRow } from './rebuild.ts';

/** A file's bytes, and which of its row groups this thread takes: each `of`th from `first` on. */
export type RebuildTask = { readonly bytes: SharedArrayBuffer; readonly first: number; readonly of: number };

export type RebuildAnswer = { readonly rows: RebuiltRow[] } | { readonly error: string };

/** Parquet without a copy of the whole: each slice is. */
const bufferOf = (bytes: SharedArrayBuffer) => ({
  byteLength: bytes.byteLength,
  slice: (start: number, end = bytes.byteLength): ArrayBuffer => {
    const from = start < 0 ? bytes.byteLength + start : start;
    const copy = new ArrayBuffer(end - from);
    new Uint8Array(copy).set(new Uint8Array(bytes, from, end - from));
    return copy;
  },
});

const answer = async ({ bytes, first, of }: RebuildTask): Promise<RebuildAnswer> => {
  try {
    const rows: RebuiltRow[] = [];
    for await (const group of rowsOfBuffer(
      bufferOf(bytes),
      'a file of the batch',
      (at) => at % of === first,
    )) {
      for (const row of group) rows.push(rebuildRow(row));
    }
    return { rows };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
};

parentPort?.on('message', (task: RebuildTask) => {
  void answer(task).then((done) => parentPort?.postMessage(done));
});
