import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { Store } from '../platform/store/store.ts';
import { registerBucket } from './bucket-function.ts';
import type { DataFile, PartitionValue } from './data-file.ts';
import { allRows, type DuckSession, quoteName, quoteText } from './duckdb-session.ts';
import { duckType, fieldIdsSql } from './duckdb-types.ts';
import { writeLocation } from './lake-files.ts';
import { type PartitionColumn, partitionColumns } from './manifest-schemas.ts';
import { currentSchema, defaultSortOrder, defaultSpec, type TableMetadata } from './metadata.ts';
import { parquetStats } from './parquet-stats.ts';
import { partitionText } from './partition-text.ts';
import { childrenOf, type Field, fieldsById, fixedOf } from './schema.ts';
import type { Table } from './tables.ts';
import { transformSql } from './transforms.ts';
import { parseValue } from './values.ts';

export type WriterDeps = { readonly lake: { readonly store: Store }; readonly session: DuckSession };

export type WriteOptions = {
  /** Bytes of Parquet to aim at for one file. Default: the table's `write.target-file-size-bytes`, else 128 MiB. */
  readonly targetFileBytes?: number;
  /** Rows of a row group: fewer give readers more to skip, more compress better. Default 122,880. */
  readonly rowGroupSize?: number;
};

const defaultTargetBytes = 128 * 1024 * 1024;

/**
 * The options of a `COPY … TO … (…)` that writes a file of this table: format, field ids, compression, and the key
 * `iceberg.schema`, by which readers that know no field ids map the columns.
 */
export const copyOptions = (table: Table, options: { rowGroupSize?: number } = {}): string => {
  const schema = currentSchema(table.metadata);
  for (const field of fieldsById(schema).values()) {
    if (fixedOf(field.type) !== null) {
      throw new Error(
        `${field.path.join('.')} is ${String(field.type)}, which DuckDB cannot write with its length`,
      );
    }
  }
  const codec = table.metadata.properties['write.parquet.compression-codec'] ?? 'zstd';
  if (!['zstd', 'snappy', 'gzip', 'uncompressed', 'lz4_raw', 'brotli'].includes(codec)) {
    throw new Error(
      `write.parquet.compression-codec is ${codec}; expected zstd, snappy, gzip, lz4_raw, brotli or uncompressed`,
    );
  }
  return [
    'FORMAT parquet',
    `COMPRESSION ${codec}`,
    ...(options.rowGroupSize === undefined ? [] : [`ROW_GROUP_SIZE ${options.rowGroupSize}`]),
    `FIELD_IDS ${fieldIdsSql(schema.fields)}`,
    `KV_METADATA {'iceberg.schema': ${quoteText(JSON.stringify(schema))}}`,
  ].join(', ');
};

/**
 * A SELECT that gives the table's columns, in its order and types, from a relation (anything that may stand behind
 * FROM) that has them all by name. Further columns of the relation are left out.
 */
export const projectToTable = (table: Table, relation: string): string => {
  const columns = currentSchema(table.metadata).fields.map(
    (field) => `CAST(${quoteName(field.name)} AS ${duckType(field.type)}) AS ${quoteName(field.name)}`,
  );
  return `SELECT ${columns.join(', ')} FROM ${relation}`;
};

/**
 * Writes the rows of `relation` (anything that may stand behind FROM, with the table's column names) as Parquet
 * files of the table: split by partition, sorted by the sort order, near the target size. Columns that are absent
 * become null. Nothing is visible before a commit.
 * @throws Error for a column that the table does not have, or of a type whose values could be changed by the
 * conversion (a double into a long): cast it in the relation
 */
export const writeDataFiles = async (
  deps: WriterDeps,
  table: Table,
  relation: string,
  options: WriteOptions = {},
): Promise<DataFile[]> => {
  const { session } = deps;
  const connection = await session.connect();
  const folder = await mkdtemp(join(session.folder, 'write-'));
  const stage = `stage_${randomUUID().replaceAll('-', '')}`;
  try {
    registerBucket(connection);
    const columns = partitionColumns(defaultSpec(table.metadata), table.metadata.schemas);
    const select = await checkedProjection(connection, table, relation);
    const keys = columns.map((column, at) => `${partitionSql(table, column)} AS ${quoteName(keyName(at))}`);
    const order = [...columns.map((_, at) => quoteName(keyName(at))), ...sortSql(table)];
    if (columns.length === 0) {
      return await writeSorted({ ...deps, connection, folder }, table, select, [], options);
    }
    // Sorted by partition, so that reading one partition touches only its own row groups.
    await connection.run(
      `CREATE TEMP TABLE ${stage} AS SELECT *, ${keys.join(', ')} FROM (${select}) ORDER BY ${order.join(', ')}`,
    );
    const files: DataFile[] = [];
    for (const partition of await distinctPartitions(connection, stage, columns)) {
      const own = currentSchema(table.metadata).fields.map((field) => quoteName(field.name));
      const rows = `SELECT ${own.join(', ')} FROM ${stage} WHERE ${partition.where}`;
      files.push(
        ...(await writeSorted({ ...deps, connection, folder }, table, rows, partition.values, options)),
      );
    }
    return files;
  } finally {
    await connection.run(`DROP TABLE IF EXISTS ${stage}`).catch(() => {});
    connection.closeSync();
    await rm(folder, { recursive: true, force: true });
  }
};

const keyName = (at: number): string => `__lastro_partition_${at}`;

const partitionSql = (table: Table, column: PartitionColumn): string => {
  if (column.transform === 'void') return 'CAST(NULL AS INTEGER)';
  const source = currentSchema(table.metadata).fields.find((field) => field.id === column.sourceId);
  if (!source)
    throw new Error(
      `partition field ${column.name} is of a nested or dropped column, which this code does not write`,
    );
  return transformSql(column.transform, source.type, source.name);
};

const sortSql = (table: Table): string[] => {
  const { fields } = currentSchema(table.metadata);
  return defaultSortOrder(table.metadata).fields.map((sort) => {
    const source = fields.find((field) => field.id === sort['source-id']);
    if (!source)
      throw new Error(`the sort order names column id ${sort['source-id']}, which is nested or dropped`);
    const nulls = sort['null-order'] === 'nulls-last' ? 'LAST' : 'FIRST';
    return `${transformSql(sort.transform, source.type, source.name)} ${sort.direction} NULLS ${nulls}`;
  });
};

/** Types whose every value the other holds unchanged. */
const safeCasts: Record<string, readonly string[]> = {
  INTEGER: ['TINYINT', 'SMALLINT', 'UTINYINT', 'USMALLINT'],
  BIGINT: ['TINYINT', 'SMALLINT', 'INTEGER', 'UTINYINT', 'USMALLINT', 'UINTEGER'],
  DOUBLE: ['FLOAT', 'TINYINT', 'SMALLINT', 'INTEGER'],
  FLOAT: ['TINYINT', 'SMALLINT'],
  VARCHAR: ['JSON'],
  TIMESTAMP: ['TIMESTAMP_S', 'TIMESTAMP_MS', 'DATE'],
};

const checkedProjection = async (
  connection: DuckDBConnection,
  table: Table,
  relation: string,
): Promise<string> => {
  const schema = currentSchema(table.metadata);
  const described = await allRows(connection, `DESCRIBE SELECT * FROM ${relation}`);
  const given = new Map(described.map((row) => [String(row.column_name), String(row.column_type)]));
  for (const name of given.keys()) {
    if (!schema.fields.some((field) => field.name === name)) {
      throw new Error(
        `column ${JSON.stringify(name)} is not in the table; its columns are ${schema.fields.map((field) => field.name).join(', ')}`,
      );
    }
  }
  const columns = schema.fields.map((field) => {
    const type = given.get(field.name);
    if (type === undefined) {
      if (field.required) throw new Error(`the required column ${field.name} is absent`);
      return `CAST(NULL AS ${duckType(field.type)}) AS ${quoteName(field.name)}`;
    }
    requireSafeCast(field, type);
    return `CAST(${quoteName(field.name)} AS ${duckType(field.type)}) AS ${quoteName(field.name)}`;
  });
  return `SELECT ${columns.join(', ')} FROM ${relation}`;
};

const requireSafeCast = (field: Field, given: string): void => {
  const wanted = duckType(field.type);
  const plain = (type: string): string => type.replaceAll(/["\s]/g, '').toUpperCase();
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/;
  const [from, to] = [decimal.exec(given), decimal.exec(wanted)];
  const widerDecimal =
    from !== null &&
    to !== null &&
    Number(to[2]) >= Number(from[2]) &&
    Number(to[1]) - Number(to[2]) >= Number(from[1]) - Number(from[2]);
  const isSafe =
    plain(given) === plain(wanted) ||
    given === '"NULL"' ||
    given === 'NULL' ||
    widerDecimal ||
    safeCasts[wanted]?.includes(given);
  // Nested types are compared by DuckDB's own cast, member by member.
  if (!isSafe && childrenOf(field.type).length === 0) {
    throw new Error(
      `column ${field.name} is ${given} and the table has ${wanted}: cast it in the query, so that it is plain what becomes of its values`,
    );
  }
};

type Partition = { values: PartitionValue[]; where: string };

const distinctPartitions = async (
  connection: DuckDBConnection,
  stage: string,
  columns: readonly PartitionColumn[],
): Promise<Partition[]> => {
  const names = columns.map((_, at) => quoteName(keyName(at)));
  const texts = names.map((name) => `CAST(${name} AS VARCHAR) AS ${name}`);
  const rows = await allRows(
    connection,
    `SELECT ${texts.join(', ')} FROM (SELECT DISTINCT ${names.join(', ')} FROM ${stage}) ORDER BY ALL`,
  );
  return rows.map((row) => {
    const parsed = columns.map((column, at) => {
      const text = row[keyName(at)];
      const value = text === null || text === undefined ? null : parseValue(column.type, String(text));
      if (value === null && text !== null) {
        throw new Error(
          `${column.name}: ${String(text)} cannot be a partition value of type ${String(column.type)}`,
        );
      }
      return value;
    });
    const where = columns.map((column, at) => {
      const text = row[keyName(at)];
      const name = quoteName(keyName(at));
      return text === null || column.transform === 'void'
        ? `${name} IS NULL`
        : `${name} = CAST(${quoteText(String(text))} AS ${duckType(column.type)})`;
    });
    return { values: parsed, where: where.join(' AND ') };
  });
};

type FileDeps = WriterDeps & { readonly connection: DuckDBConnection; readonly folder: string };

/**
 * One file, or several of about the target size when it comes out much larger. Many files at once (FILE_SIZE_BYTES)
 * would be filled by all threads in turn, and each then has the whole range of the sort order: nothing to skip by.
 */
const writeSorted = async (
  deps: FileDeps,
  table: Table,
  select: string,
  partition: readonly PartitionValue[],
  options: WriteOptions,
): Promise<DataFile[]> => {
  const { connection, folder } = deps;
  const target =
    options.targetFileBytes ??
    Number(table.metadata.properties['write.target-file-size-bytes'] ?? defaultTargetBytes);
  const whole = join(folder, `${randomUUID()}.parquet`);
  const order = sortSql(table);
  const copy = `${copyOptions(table, options)}`;
  await connection.run(
    `COPY (${select}${order.length > 0 ? ` ORDER BY ${order.join(', ')}` : ''}) TO ${quoteText(whole)} (${copy})`,
  );
  const { size } = await stat(whole);
  const [counted] = await allRows(
    connection,
    `SELECT num_rows AS n FROM parquet_file_metadata(${quoteText(whole)})`,
  );
  const rows = Number(counted?.n ?? 0);
  if (rows === 0) return [];
  const pieces = Math.min(rows, Math.max(1, Math.round(size / target)));
  const importDeps = { lake: deps.lake, session: { ...deps.session, connection } };
  if (pieces === 1) return [await importDataFile(importDeps, table, whole, { partition })];
  const files: DataFile[] = [];
  const columns = currentSchema(table.metadata).fields.map((field) => quoteName(field.name));
  for (let piece = 0; piece < pieces; piece++) {
    const [from, to] = [piece, piece + 1].map((part) => Math.floor((rows * part) / pieces));
    const local = join(folder, `${randomUUID()}.parquet`);
    await connection.run(
      `COPY (SELECT ${columns.join(', ')} FROM read_parquet(${quoteText(whole)}, file_row_number = true)
              WHERE file_row_number >= ${from} AND file_row_number < ${to} ORDER BY file_row_number) TO ${quoteText(local)} (${copy})`,
    );
    files.push(await importDataFile(importDeps, table, local, { partition }));
    await rm(local);
  }
  await rm(whole);
  return files;
};

/**
 * Puts a local Parquet file that was written with `copyOptions(table)` into the table's data folder and describes it.
 * Its rows must all be of `partition` (raw values in the spec's order; omit for an unpartitioned table). The local
 * file stays.
 * @throws Error for a file without the table's field ids, or with nulls in required columns; nothing is stored then
 */
export const importDataFile = async (
  deps: WriterDeps,
  table: Table,
  localFile: string,
  options: { partition?: readonly PartitionValue[] } = {},
): Promise<DataFile> => {
  const { metadata } = table;
  const partition = options.partition ?? [];
  const path = dataLocation(metadata, partition);
  const stats = await parquetStats(deps.session.connection, currentSchema(metadata), localFile);
  const bytes = await writeLocation(
    deps.lake.store,
    path,
    createReadStream(localFile, { highWaterMark: 1024 * 1024 }),
  );
  const sortOrderId = metadata['default-sort-order-id'];
  return {
    content: 'data',
    path,
    format: 'PARQUET',
    specId: metadata['default-spec-id'],
    partition,
    bytes,
    ...stats,
    ...(sortOrderId === 0 ? {} : { sortOrderId }),
  };
};

/** A new file's place among the table's data. @throws Error for values that do not fit the default spec */
export const dataLocation = (metadata: TableMetadata, partition: readonly PartitionValue[]): string => {
  const columns = partitionColumns(defaultSpec(metadata), metadata.schemas);
  if (partition.length !== columns.length) {
    throw new Error(
      `${metadata.location}: expected ${columns.length} partition values (${columns.map((column) => column.name).join(', ')}), found ${partition.length}`,
    );
  }
  return `${metadata.location}/data/${partitionFolder(columns, partition)}${randomUUID()}.parquet`;
};

/** `day=2026-11-22/area=CRD/`: for people and for engines without Iceberg; Iceberg readers do not look at it. */
const partitionFolder = (
  columns: readonly PartitionColumn[],
  partition: readonly PartitionValue[],
): string => {
  const parts = columns.map((column, at) => `${column.name}=${partitionText(column, partition[at] ?? null)}`);
  const encoded = parts.map((part) =>
    encodeURIComponent(part.normalize('NFC').toWellFormed()).replaceAll('%3D', '='),
  );
  // Names are cut by file systems at 255 bytes: a long value is left out of the path, it stands in the manifest.
  return encoded.some((part) => part.length > 120) ? '' : encoded.map((part) => `${part}/`).join('');
};
