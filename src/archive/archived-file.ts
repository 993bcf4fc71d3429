import { type AsyncBuffer, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { OrderRow } from './row.ts';

// Loaded by threads: it knows nothing of the lake, whose code each of them would hold in memory.

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
