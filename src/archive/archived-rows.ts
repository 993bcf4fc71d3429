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

// The default drops a byte order mark, which a text of an order may begin with.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const parsers = { stringFromBytes: (bytes: Uint8Array) => utf8.decode(bytes) };

/** A data file whose row groups can be read one by one. */
export type ArchivedFile = {
  readonly groups: number;
  readonly rows: (group: number) => Promise<ArchivedRow[]>;
};

/**
 * Opens a data file with hyparquet: another implementation of Parquet than DuckDB, which writes them. Only what is
 * asked for is fetched. `name` is for errors.
 */
export const openArchivedFile = async (file: AsyncBuffer, name: string): Promise<ArchivedFile> => {
  const metadata = await parquetMetadataAsync(file);
  const starts = [0];
  for (const group of metadata.row_groups) starts.push((starts.at(-1) as number) + Number(group.num_rows));
  return {
    groups: metadata.row_groups.length,
    rows: async (group) => {
      const [rowStart, rowEnd] = [starts[group] as number, starts[group + 1] as number];
      let rows: ArchivedRow[] = [];
      const onComplete = (found: unknown): void => {
        rows = found as ArchivedRow[];
      };
      await parquetRead({
        file,
        metadata,
        compressors,
        parsers,
        rowStart,
        rowEnd,
        rowFormat: 'object',
        onComplete,
      });
      if (rows.length !== rowEnd - rowStart)
        throw new Error(
          `${name}: expected ${rowEnd - rowStart} rows in row group ${group}, found ${rows.length}`,
        );
      return rows;
    },
  };
};

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
