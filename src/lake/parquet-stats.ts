import type { DuckDBConnection } from '@duckdb/node-api';
import { lowerBound, upperBound } from './bounds.ts';
import type { DataFile } from './data-file.ts';
import { allRows, quoteName, quoteText } from './duckdb-session.ts';
import { type FoundField, fieldsById, type Schema } from './schema.ts';
import { compareValues, parseValue, type Value } from './values.ts';

/** What a manifest says of a Parquet file beyond its place. */
export type FileStats = Required<
  Pick<
    DataFile,
    | 'records'
    | 'columnSizes'
    | 'valueCounts'
    | 'nullCounts'
    | 'nanCounts'
    | 'lowerBounds'
    | 'upperBounds'
    | 'splitOffsets'
  >
>;

type ColumnChunk = {
  row_group_id: string;
  column_id: string;
  num_values: string;
  stats_null_count: string | null;
  stats_min_value: string | null;
  stats_max_value: string | null;
  total_compressed_size: string;
  first_page: string;
};

/**
 * Reads the statistics of a local Parquet file from its footer, by field id. Bounds come only for columns that
 * have one value a row, and only where every row group has them.
 * @throws Error for a file whose columns do not carry the ids of the schema, or that has nulls in a required column
 */
export const parquetStats = async (
  connection: DuckDBConnection,
  schema: Schema,
  path: string,
): Promise<FileStats> => {
  const leaves = await leafFields(connection, schema, path);
  const chunks = (await allRows(
    connection,
    `SELECT row_group_id, column_id, num_values, stats_null_count, stats_min_value, stats_max_value, total_compressed_size,
            coalesce(dictionary_page_offset, data_page_offset) AS first_page
       FROM parquet_metadata(${quoteText(path)}) ORDER BY row_group_id, column_id`,
  )) as ColumnChunk[];
  const [counted] = await allRows(
    connection,
    `SELECT num_rows FROM parquet_file_metadata(${quoteText(path)})`,
  );
  const records = Number(counted?.num_rows ?? 0);
  const stats = {
    records,
    columnSizes: new Map<number, number>(),
    valueCounts: new Map<number, number>(),
    nullCounts: new Map<number, number>(),
    nanCounts: new Map<number, number>(),
    lowerBounds: new Map<number, Uint8Array>(),
    upperBounds: new Map<number, Uint8Array>(),
    splitOffsets: splitOffsets(chunks),
  };
  leaves.forEach((field, at) => {
    addColumn(
      stats,
      field,
      chunks.filter((chunk) => Number(chunk.column_id) === at),
      path,
    );
  });
  requireValues(schema, stats, path);
  await countNans(connection, leaves, path, stats.nanCounts);
  return stats;
};

type Schemata = { name: string; type: string | null; field_id: string | null; num_children: string | null };

/** The schema's field of each leaf column, in the order of the file's columns. */
const leafFields = async (
  connection: DuckDBConnection,
  schema: Schema,
  path: string,
): Promise<FoundField[]> => {
  const rows = (await allRows(
    connection,
    `SELECT name, type, field_id, num_children FROM parquet_schema(${quoteText(path)})`,
  )) as Schemata[];
  const known = fieldsById(schema);
  return rows
    .slice(1)
    .filter((row) => row.num_children === null || Number(row.num_children) === 0)
    .map((row) => {
      const field = row.field_id === null ? undefined : known.get(Number(row.field_id));
      if (!field) {
        throw new Error(
          `column ${row.name} of ${path} has ${row.field_id === null ? 'no field id' : `field id ${row.field_id}`}, which schema ${schema['schema-id']} of the table does not have: write the file with copyOptions(table)`,
        );
      }
      return field;
    });
};

const splitOffsets = (chunks: readonly ColumnChunk[]): number[] => {
  const first = new Map<string, number>();
  for (const { row_group_id: group, first_page: page } of chunks) {
    first.set(group, Math.min(first.get(group) ?? Number.POSITIVE_INFINITY, Number(page)));
  }
  return [...first.values()].sort((a, b) => a - b);
};

type Building = {
  [Key in keyof FileStats]: FileStats[Key] extends ReadonlyMap<infer K, infer V> ? Map<K, V> : FileStats[Key];
};

const addColumn = (
  stats: Building,
  field: FoundField,
  chunks: readonly ColumnChunk[],
  path: string,
): void => {
  const sum = (of: (chunk: ColumnChunk) => string | null): number =>
    chunks.reduce((total, chunk) => total + Number(of(chunk) ?? 0), 0);
  stats.columnSizes.set(
    field.id,
    sum((chunk) => chunk.total_compressed_size),
  );
  stats.valueCounts.set(
    field.id,
    sum((chunk) => chunk.num_values),
  );
  const hasNullCounts = chunks.every((chunk) => chunk.stats_null_count !== null);
  if (hasNullCounts)
    stats.nullCounts.set(
      field.id,
      sum((chunk) => chunk.stats_null_count),
    );
  if (field.repeated || typeof field.type !== 'string') return;
  const filled = chunks.filter((chunk) => chunk.stats_null_count !== chunk.num_values);
  const values = (of: (chunk: ColumnChunk) => string | null): Value[] | null => {
    const found: Value[] = [];
    for (const chunk of filled) {
      const text = of(chunk);
      const value = text === null ? null : parseValue(field.type, text);
      if (value === null) return null;
      found.push(value);
    }
    return found;
  };
  const [least, most] = [values((chunk) => chunk.stats_min_value), values((chunk) => chunk.stats_max_value)];
  if (!least || !most || least.length === 0) return;
  const lower = least.reduce((a, b) => (compareValues(b, a) < 0 ? b : a));
  const upper = most.reduce((a, b) => (compareValues(b, a) > 0 ? b : a));
  if (compareValues(lower, upper) > 0)
    throw new Error(`the footer of ${path} has ${field.path.join('.')} from high to low`);
  stats.lowerBounds.set(field.id, lowerBound(field.type, lower));
  const raised = upperBound(field.type, upper);
  if (raised) stats.upperBounds.set(field.id, raised);
};

const requireValues = (schema: Schema, stats: Building, path: string): void => {
  for (const field of schema.fields) {
    if (!field.required || typeof field.type !== 'string') continue;
    const nulls = stats.nullCounts.get(field.id);
    if (!stats.valueCounts.has(field.id) && stats.records > 0) {
      throw new Error(`${path} lacks the required column ${field.name}`);
    }
    if (nulls !== undefined && nulls > 0) {
      throw new Error(`${path} has ${nulls} rows without the required column ${field.name}`);
    }
  }
};

/** Footers do not count NaN, and a reader must know whether bounds speak for all values. Only float columns are read. */
const countNans = async (
  connection: DuckDBConnection,
  leaves: readonly FoundField[],
  path: string,
  nanCounts: Map<number, number>,
): Promise<void> => {
  const floats = leaves.filter(
    (field) => !field.repeated && (field.type === 'float' || field.type === 'double'),
  );
  if (floats.length === 0) return;
  const counts = floats.map(
    ({ path: names }, at) => `count(*) FILTER (isnan(${names.map(quoteName).join('.')})) AS n${at}`,
  );
  const [row] = await allRows(
    connection,
    `SELECT ${counts.join(', ')} FROM read_parquet(${quoteText(path)})`,
  );
  floats.forEach((field, at) => {
    nanCounts.set(field.id, Number(row?.[`n${at}`] ?? 0));
  });
};
