import type { AsyncBuffer } from 'hyparquet';
import { keyOf } from '../lake/lake-files.ts';
import { planFiles, type ScanFile } from '../lake/scan.ts';
import type { Table } from '../lake/tables.ts';
import type { Store } from '../platform/store/store.ts';
import { type ArchivedRow, openArchivedFile } from './archived-file.ts';
import { monthOf } from './due.ts';

/** The rows of a data file, a row group at a time. */
export async function* rowsOfFile(
  store: Store,
  file: { readonly path: string; readonly bytes: number },
): AsyncGenerator<ArchivedRow[]> {
  const opened = await openArchivedFile(bufferOf(store, file), file.path);
  for (let group = 0; group < opened.groups; group++) yield await opened.rows(group);
}

const bufferOf = (store: Store, { path, bytes }: { path: string; bytes: number }): AsyncBuffer => {
  const key = keyOf(store, path);
  if (key === null) throw new Error(`${path} is outside the object store ${store.url}`);
  return {
    byteLength: bytes,
    slice: async (start, end = bytes) => {
      const [from, to] = [start < 0 ? bytes + start : start, Math.min(end, bytes)];
      const part = await (await store.get(key, { range: { start: from, end: to } })).bytes();
      if (part.length !== to - from)
        throw new Error(`${path}: asked for ${to - from} bytes, got ${part.length}`);
      const copy = new ArrayBuffer(part.length);
      new Uint8Array(copy).set(part);
      return copy;
    },
  };
};

/** The live files of an area and month. @throws Error where another engine deleted rows in them */
export const windowFiles = async (
  lake: { readonly store: Store },
  table: Table,
  { areaId, month }: { areaId: string; month: Date },
): Promise<ScanFile['file'][]> => {
  const { from, to } = monthOf(month);
  const plan = await planFiles(lake, table, {
    filter: [
      { column: 'area_id', op: '=', value: areaId },
      { column: 'data_criacao', op: '>=', value: from.toISOString() },
      { column: 'data_criacao', op: '<', value: to.toISOString() },
    ],
  });
  const deleted = plan.files.find(({ deletes }) => deletes.length > 0);
  if (deleted) {
    throw new Error(
      `${deleted.file.path} has rows deleted by another engine; run \`lastro archive compact\` first`,
    );
  }
  return plan.files.map(({ file }) => file);
};
