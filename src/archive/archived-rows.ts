import { type AsyncBuffer, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { keyOf } from '../lake/lake-files.ts';
import { planFiles, type ScanFile } from '../lake/scan.ts';
import type { Table } from '../lake/tables.ts';
import type { Store } from '../platform/store/store.ts';
import { monthOf } from './due.ts';
import type { OrderRow } from './row.ts';

/** A row of the lake's table as it was read back. */
export type ArchivedRow = OrderRow & { readonly hash_versao: string; readonly arquivado_em: Date };

/**
 * The rows of a data file, a row group at a time, read by hyparquet: another implementation of Parquet than DuckDB,
 * which writes them. Only what is asked for is fetched from the store.
 */
export const rowsOfFile = (
  store: Store,
  file: { readonly path: string; readonly bytes: number },
): AsyncGenerator<ArchivedRow[]> => rowsOfBuffer(bufferOf(store, file), file.path);

/** The same of bytes that are here already; `wanted` chooses row groups by their number. */
export async function* rowsOfBuffer(
  file: AsyncBuffer,
  name: string,
  wanted: (group: number) => boolean = () => true,
): AsyncGenerator<ArchivedRow[]> {
  const metadata = await parquetMetadataAsync(file);
  let from = 0;
  for (const [at, group] of metadata.row_groups.entries()) {
    const to = from + Number(group.num_rows);
    if (wanted(at)) {
      let rows: ArchivedRow[] = [];
      const onComplete = (found: unknown): void => {
        rows = found as ArchivedRow[];
      };
      await parquetRead({
        file,
        metadata,
        compressors,
        rowStart: from,
        rowEnd: to,
        rowFormat: 'object',
        onComplete,
      });
      if (rows.length !== to - from) {
        throw new Error(`${name}: expected ${to - from} rows in a row group, found ${rows.length}`);
      }
      yield rows;
    }
    from = to;
  }
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
