import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import type { Store } from '../platform/store/store.ts';
import { lowerBound, upperBound } from './bounds.ts';
import type { DataFile, PartitionValue } from './data-file.ts';
import { dataLocation } from './data-writer.ts';
import { writeLocation } from './lake-files.ts';
import { currentSchema } from './metadata.ts';
import type { Field, Schema } from './schema.ts';
import type { Table } from './tables.ts';
import { encodeThrift, type Thrift, varint } from './thrift.ts';
import { compareValues, type Value } from './values.ts';

/**
 * Parquet files of rows that lie in memory, for few rows with large values: DuckDB would be given each value one by one,
 * copy it several times and write it to a local file that is copied again. Here a value is copied once, and pages are
 * compressed by the threads of Node's pool, while the program goes on. Plain encoding, zstd, one row group.
 */

/** As `Value` has them: `int` and `date` as number, `long` and timestamps (microseconds) as bigint. */
export type RowValue = Value | null;

/** Physical type; legacy and logical type of the kinds of columns that can be written (parquet.thrift). */
const kinds: Record<string, { type: number; converted?: number; logical?: Thrift }> = {
  int: { type: 1 },
  date: { type: 1, converted: 6, logical: { struct: { 6: { struct: {} } } } },
  long: { type: 2 },
  timestamp: { type: 2, logical: timestamp(false) },
  timestamptz: { type: 2, converted: 10, logical: timestamp(true) },
  string: { type: 6, converted: 0, logical: { struct: { 1: { struct: {} } } } },
  binary: { type: 6 },
};

function timestamp(utc: boolean): Thrift {
  const micros: Thrift = { struct: { 2: { struct: {} } } };
  return { struct: { 8: { struct: { 1: { bool: utc }, 2: micros } } } };
}

const kindOf = ({ name, type }: Field): (typeof kinds)[string] => {
  const kind = kinds[String(type)];
  if (!kind)
    throw new Error(`column ${name}: expected ${Object.keys(kinds).join(', ')}, found ${String(type)}`);
  return kind;
};

const pageBytes = 1024 * 1024;
const [plain, rle, zstd] = [0, 3, 6];
const compress = promisify(zstdCompress);

type Page = { readonly header: Buffer; readonly data: Buffer; readonly uncompressed: number };

const encodePlain = (column: Field, value: Value): Uint8Array[] => {
  const { type } = kindOf(column);
  if (type === 6) {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    if (!(bytes instanceof Uint8Array)) throw new Error(`column ${column.name}: expected text or bytes`);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return [length, bytes];
  }
  const fixed = Buffer.alloc(type === 1 ? 4 : 8);
  if (type === 1) fixed.writeInt32LE(Number(value));
  else fixed.writeBigInt64LE(BigInt(value as bigint));
  return [fixed];
};

/** Which values are there: runs of ones and zeros, behind their length. */
const definitionLevels = (values: readonly RowValue[]): Buffer => {
  const bytes: number[] = [];
  for (let at = 0; at < values.length; ) {
    const there = values[at] !== null;
    let end = at;
    while (end < values.length && (values[end] !== null) === there) end++;
    bytes.push(...varint(BigInt(end - at) << 1n), there ? 1 : 0);
    at = end;
  }
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, Buffer.from(bytes)]);
};

const writePage = async (
  column: Field,
  values: readonly RowValue[],
  parts: readonly Uint8Array[],
): Promise<Page> => {
  const whole = Buffer.concat(column.required ? parts : [definitionLevels(values), ...parts]);
  const params = { [constants.ZSTD_c_compressionLevel]: 1 };
  const data = await compress(whole, { params, chunkSize: 256 * 1024 });
  const facts: Thrift = {
    struct: { 1: { i32: values.length }, 2: { i32: plain }, 3: { i32: rle }, 4: { i32: rle } },
  };
  const header = encodeThrift({
    struct: { 1: { i32: 0 }, 2: { i32: whole.length }, 3: { i32: data.length }, 5: facts },
  });
  return { header, data, uncompressed: header.length + whole.length };
};

type Chunk = {
  readonly column: Field;
  readonly pages: readonly Page[];
  readonly nulls: number;
  readonly least: Value | undefined;
  readonly most: Value | undefined;
};

const writeColumn = async (column: Field, values: readonly RowValue[]): Promise<Chunk> => {
  const pages: Promise<Page>[] = [];
  let nulls = 0;
  let least: Value | undefined;
  let most: Value | undefined;
  let begin = 0;
  let parts: Uint8Array[] = [];
  let size = 0;
  for (const [at, value] of values.entries()) {
    if (value === null) {
      if (column.required) throw new Error(`row ${at} lacks the required column ${column.name}`);
      nulls++;
    } else {
      if (least === undefined || compareValues(value, least) < 0) least = value;
      if (most === undefined || compareValues(value, most) > 0) most = value;
      for (const part of encodePlain(column, value)) {
        parts.push(part);
        size += part.length;
      }
    }
    if (size >= pageBytes || at === values.length - 1) {
      pages.push(writePage(column, values.slice(begin, at + 1), parts));
      [begin, parts, size] = [at + 1, [], 0];
    }
  }
  return { column, pages: await Promise.all(pages), nulls, least, most };
};

const schemaElements = ({ fields }: Schema): Thrift[] => [
  { struct: { 4: { bytes: 'schema' }, 5: { i32: fields.length } } },
  ...fields.map((field): Thrift => {
    const { type, converted, logical } = kindOf(field);
    return {
      struct: {
        1: { i32: type },
        3: { i32: field.required ? 0 : 1 },
        4: { bytes: field.name },
        6: converted === undefined ? undefined : { i32: converted },
        9: { i32: field.id },
        10: logical,
      },
    };
  }),
];

const sum = (pages: readonly Page[], of: (page: Page) => number): number =>
  pages.reduce((total, page) => total + of(page), 0);

const chunkBytes = ({ pages }: Chunk): number =>
  sum(pages, ({ header, data }) => header.length + data.length);

const columnChunk = (chunk: Chunk, rows: number, offset: number): Thrift => {
  const { column, pages, nulls } = chunk;
  const metadata: Thrift = {
    struct: {
      1: { i32: kindOf(column).type },
      2: { list: [{ i32: plain }, { i32: rle }] },
      3: { list: [{ bytes: column.name }] },
      4: { i32: zstd },
      5: { i64: rows },
      6: { i64: sum(pages, ({ uncompressed }) => uncompressed) },
      7: { i64: chunkBytes(chunk) },
      9: { i64: offset },
      12: { struct: { 3: { i64: nulls } } },
    },
  };
  return { struct: { 2: { i64: offset }, 3: metadata } };
};

const magic = Buffer.from('PAR1');

/** The whole file, and where its columns begin. */
const assemble = (schema: Schema, chunks: readonly Chunk[], rows: number): Buffer => {
  const parts: Buffer[] = [magic];
  const columns: Thrift[] = [];
  let offset = magic.length;
  for (const chunk of chunks) {
    columns.push(columnChunk(chunk, rows, offset));
    for (const { header, data } of chunk.pages) parts.push(header, data);
    offset += chunkBytes(chunk);
  }
  const uncompressed = chunks.reduce(
    (total, { pages }) => total + sum(pages, (page) => page.uncompressed),
    0,
  );
  const group: Thrift = { struct: { 1: { list: columns }, 2: { i64: uncompressed }, 3: { i64: rows } } };
  const known: Thrift = { struct: { 1: { bytes: 'iceberg.schema' }, 2: { bytes: JSON.stringify(schema) } } };
  const footer = encodeThrift({
    struct: {
      1: { i32: 2 },
      2: { list: schemaElements(schema) },
      3: { i64: rows },
      4: { list: [group] },
      5: { list: [known] },
      6: { bytes: 'lastro' },
    },
  });
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([...parts, footer, length, magic]);
};

/**
 * Writes rows, each with a value for every column of the table in its order, as one data file of `partition` (raw values
 * in the spec's order). Nothing is visible before a commit.
 * @throws Error for a column of a type that is not in `kinds`, or a required one without a value
 */
export const writeRows = async (
  store: Store,
  table: Table,
  rows: readonly (readonly RowValue[])[],
  partition: readonly PartitionValue[],
): Promise<DataFile> => {
  const { metadata } = table;
  const schema = currentSchema(metadata);
  if (rows.length === 0) throw new Error('expected rows to write, found none');
  const chunks = await Promise.all(
    schema.fields.map((column, at) =>
      writeColumn(
        column,
        rows.map((row) => row[at] ?? null),
      ),
    ),
  );
  const path = dataLocation(metadata, partition);
  const bytes = await writeLocation(store, path, assemble(schema, chunks, rows.length));
  const byId = <T>(of: (chunk: Chunk) => T | null | undefined): Map<number, T> =>
    new Map(
      chunks.flatMap((chunk): [number, T][] => {
        const value = of(chunk);
        return value === null || value === undefined ? [] : [[chunk.column.id, value]];
      }),
    );
  return {
    content: 'data',
    path,
    format: 'PARQUET',
    specId: metadata['default-spec-id'],
    partition,
    records: rows.length,
    bytes,
    columnSizes: byId(chunkBytes),
    valueCounts: byId(() => rows.length),
    nullCounts: byId(({ nulls }) => nulls),
    lowerBounds: byId(({ column, least }) => (least === undefined ? null : lowerBound(column.type, least))),
    upperBounds: byId(({ column, most }) => (most === undefined ? null : upperBound(column.type, most))),
    splitOffsets: [magic.length],
  };
};
