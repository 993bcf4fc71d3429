import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openDuckDb, quoteName, quoteText } from '../duckdb-session.ts';
import { csvHeader, csvRow } from './csv.ts';
import type { Batch, Column, CopyTarget } from './engine.ts';
import { parseTrinoType } from './trino-types.ts';

/**
 * Writes an engine's batches to a file, for engines that have no COPY of their own. Text formats are written as the
 * batches come; Parquet is staged as NDJSON beside the target and converted by DuckDB with the columns' types.
 */
export const copyBatches = async (
  batches: AsyncIterable<Batch>,
  { file, format }: CopyTarget,
): Promise<{ rows: number; bytes: number }> => {
  const written = format === 'parquet' ? `${file}.ndjson` : file;
  let rows = 0;
  let columns: readonly Column[] = [];
  const lines = async function* (): AsyncGenerator<string> {
    let first = true;
    for await (const batch of batches) {
      columns = batch.columns;
      if (first && format === 'csv') yield csvHeader(columns);
      first = false;
      rows += batch.rows.length;
      // Parquet is staged by position: two columns may have the same name.
      const names = format === 'parquet' ? columns.map((_, n) => `c${n}`) : columns.map(({ name }) => name);
      yield batch.rows
        .map((row) =>
          format === 'csv'
            ? csvRow(row)
            : `${JSON.stringify(Object.fromEntries(names.map((name, n) => [name, row[n] ?? null])))}\n`,
        )
        .join('');
    }
  };
  try {
    await pipeline(Readable.from(lines()), createWriteStream(written));
    if (format === 'parquet') await toParquet(written, file, columns);
    return { rows, bytes: (await stat(file)).size };
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  } finally {
    if (written !== file) await rm(written, { force: true });
  }
};

/** Bytes of a row as JSON; DuckDB's own bound is half of it. */
const longestRow = 33_554_432;

const toParquet = async (staged: string, file: string, columns: readonly Column[]): Promise<void> => {
  const session = await openDuckDb();
  const partial = `${file}.partial`;
  try {
    const schema = columns.map(({ type }, n) => `c${n}: ${quoteText(duckDbType(type))}`).join(', ');
    const select = columns
      .map(({ name, type }, n) => `${fromStaged(`c${n}`, type)} AS ${quoteName(name)}`)
      .join(', ');
    await session.connection.run(
      `COPY (SELECT ${select} FROM read_json(${quoteText(staged)}, format = 'newline_delimited', columns = {${schema}}, maximum_object_size = ${longestRow}))
       TO ${quoteText(partial)} (FORMAT parquet, COMPRESSION zstd)`,
    );
    await rename(partial, file);
  } finally {
    await session.close();
    await rm(partial, { force: true });
  }
};

const fromStaged = (column: string, type: string): string =>
  type === 'varbinary' ? `from_base64(${column})` : column;

const scalars: Record<string, string> = {
  boolean: 'BOOLEAN',
  tinyint: 'TINYINT',
  smallint: 'SMALLINT',
  integer: 'INTEGER',
  bigint: 'BIGINT',
  real: 'FLOAT',
  double: 'DOUBLE',
  date: 'DATE',
  uuid: 'UUID',
  timestamp: 'TIMESTAMP',
  'timestamp with time zone': 'TIMESTAMPTZ',
};

/** What DuckDB reads a staged value as. Nested values and what has no counterpart stay JSON text. */
const duckDbType = (type: string): string => {
  const { name } = parseTrinoType(type);
  if (name === 'decimal') return type.toUpperCase();
  return scalars[name] ?? 'VARCHAR';
};
