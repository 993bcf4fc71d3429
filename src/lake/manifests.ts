import { type AvroFile, type AvroRecord, type AvroSchema, readAvro, writeAvro } from './avro.ts';
import { bigEndianTwosComplement, encodeValue, fromBigEndianTwosComplement } from './bounds.ts';
import type { DataFile, PartitionValue } from './data-file.ts';
import {
  decimalBytes,
  entrySchema,
  manifestListSchema,
  type PartitionColumn,
  partitionColumns,
} from './manifest-schemas.ts';
import type { TableMetadata } from './metadata.ts';
import { decimalOf, type Schema, type Type } from './schema.ts';
import { compareValues, type Value } from './values.ts';

/** A manifest as a manifest list names it. */
export type ManifestFile = {
  readonly path: string;
  readonly length: number;
  readonly specId: number;
  readonly content: 'data' | 'deletes';
  readonly sequenceNumber: number;
  readonly minSequenceNumber: number;
  readonly addedSnapshotId: string;
  readonly addedFiles: number;
  readonly existingFiles: number;
  readonly deletedFiles: number;
  readonly addedRows: number;
  readonly existingRows: number;
  readonly deletedRows: number;
  /** Ranges of the partition values, in the spec's order; absent: unknown. */
  readonly partitions?: readonly PartitionSummary[];
  readonly keyMetadata?: Uint8Array;
};

export type PartitionSummary = {
  readonly containsNull: boolean;
  readonly containsNan?: boolean;
  readonly lower?: Uint8Array;
  readonly upper?: Uint8Array;
};

export type EntryStatus = 'existing' | 'added' | 'deleted';

export type ManifestEntry = {
  readonly status: EntryStatus;
  readonly snapshotId: string;
  readonly sequenceNumber: number;
  readonly fileSequenceNumber: number;
  readonly file: DataFile;
};

/** An entry to be written; null sequence numbers are inherited from the manifest list when it is read. */
export type NewEntry = {
  readonly status: EntryStatus;
  readonly snapshotId: string;
  readonly sequenceNumber: number | null;
  readonly fileSequenceNumber: number | null;
  readonly file: DataFile;
};

const statuses = ['existing', 'added', 'deleted'] as const;
const contents = ['data', 'position-deletes', 'equality-deletes'] as const;

/** What a manifest needs of its table. */
export type ManifestTable = Pick<TableMetadata, 'schemas' | 'current-schema-id' | 'partition-specs'>;

export const specColumns = (table: ManifestTable, specId: number): PartitionColumn[] => {
  const spec = table['partition-specs'].find((candidate) => candidate['spec-id'] === specId);
  if (!spec) throw new Error(`the table has no partition spec ${specId}`);
  return partitionColumns(spec, table.schemas);
};

/** The bytes of a manifest of data files (deletes of others are only copied with their manifests). */
export const encodeManifest = (
  table: ManifestTable,
  specId: number,
  content: 'data' | 'deletes',
  entries: readonly NewEntry[],
): Buffer => {
  const columns = specColumns(table, specId);
  const schema = table.schemas.find(
    (candidate) => candidate['schema-id'] === table['current-schema-id'],
  ) as Schema;
  const spec = table['partition-specs'].find((candidate) => candidate['spec-id'] === specId);
  const records = entries.map((entry) => ({
    status: statuses.indexOf(entry.status),
    snapshot_id: BigInt(entry.snapshotId),
    sequence_number: entry.sequenceNumber,
    file_sequence_number: entry.fileSequenceNumber,
    data_file: encodeFile(columns, entry.file),
  }));
  return writeAvro(entrySchema(columns), records, {
    schema: JSON.stringify(schema),
    'schema-id': String(schema['schema-id']),
    'partition-spec': JSON.stringify(spec?.fields ?? []),
    'partition-spec-id': String(specId),
    'format-version': '2',
    content,
  });
};

const encodeMap = <T>(map: ReadonlyMap<number, T> | undefined): { key: number; value: T }[] | null =>
  map ? [...map].sort(([a], [b]) => a - b).map(([key, value]) => ({ key, value })) : null;

const encodeBytesMap = (
  map: ReadonlyMap<number, Uint8Array> | undefined,
): { key: number; value: Buffer }[] | null =>
  encodeMap(map)?.map(({ key, value }) => ({ key, value: Buffer.from(value) })) ?? null;

const encodeFile = (columns: readonly PartitionColumn[], file: DataFile): AvroRecord => ({
  content: contents.indexOf(file.content),
  file_path: file.path,
  file_format: file.format,
  partition: Object.fromEntries(
    columns.map((column, at) => [
      column.avroName,
      encodePartitionValue(column.type, file.partition[at] ?? null),
    ]),
  ),
  record_count: file.records,
  file_size_in_bytes: file.bytes,
  column_sizes: encodeMap(file.columnSizes),
  value_counts: encodeMap(file.valueCounts),
  null_value_counts: encodeMap(file.nullCounts),
  nan_value_counts: encodeMap(file.nanCounts),
  lower_bounds: encodeBytesMap(file.lowerBounds),
  upper_bounds: encodeBytesMap(file.upperBounds),
  key_metadata: null,
  split_offsets: file.splitOffsets ?? null,
  equality_ids: file.equalityIds ?? null,
  sort_order_id: file.sortOrderId ?? null,
  referenced_data_file: file.referencedDataFile ?? null,
});

const encodePartitionValue = (type: Type, value: PartitionValue): unknown => {
  if (value === null) return null;
  const decimal = decimalOf(type);
  if (decimal) {
    const short = bigEndianTwosComplement(BigInt(value as bigint));
    const fill = (short[0] ?? 0) >= 0x80 ? 0xff : 0;
    return Buffer.concat([Buffer.alloc(decimalBytes(decimal.precision) - short.length, fill), short]);
  }
  return value instanceof Uint8Array ? Buffer.from(value) : value;
};

const decodePartitionValue = (type: Type, raw: unknown): PartitionValue => {
  if (raw === null || raw === undefined) return null;
  if (raw instanceof Uint8Array) {
    return decimalOf(type) ? fromBigEndianTwosComplement(Buffer.from(raw)) : Buffer.from(raw);
  }
  if (typeof raw === 'bigint') return type === 'int' || type === 'date' ? Number(raw) : raw;
  // An engine may have written an int where the table now has a long.
  if (typeof raw === 'number') return type === 'long' || type === 'time' ? BigInt(raw) : raw;
  return raw as PartitionValue;
};

/** Reads a manifest; sequence numbers that are null are taken from its entry in the manifest list, as the spec says. */
export const decodeManifest = (
  table: ManifestTable,
  manifest: ManifestFile,
  bytes: Buffer,
): ManifestEntry[] => {
  const file = readAvro(bytes, manifest.path);
  const columns = specColumns(table, manifest.specId);
  const names = namesById(file.schema);
  return file.records.map((record) => {
    const at = fieldReader(record, names);
    const status = statuses[Number(at(0, 'status'))] ?? 'deleted';
    const inherits = status === 'added' ? manifest.sequenceNumber : 0;
    return {
      status,
      snapshotId: String(at(1, 'snapshot_id') ?? manifest.addedSnapshotId),
      sequenceNumber: Number(at(3, 'sequence_number') ?? inherits),
      fileSequenceNumber: Number(at(4, 'file_sequence_number') ?? inherits),
      file: decodeFile(manifest, columns, at(2, 'data_file') as AvroRecord, names),
    };
  });
};

const decodeFile = (
  manifest: ManifestFile,
  columns: readonly PartitionColumn[],
  record: AvroRecord,
  names: ReadonlyMap<number, string>,
): DataFile => {
  const at = fieldReader(record, names);
  const content = contents[Number(at(134, 'content') ?? 0)];
  if (!content)
    throw new Error(`${manifest.path} has a file of unknown content ${String(at(134, 'content'))}`);
  if (at(131, 'key_metadata')) {
    throw new Error(`${String(at(100, 'file_path'))} is encrypted, which this code does not read`);
  }
  const partition = fieldReader((at(102, 'partition') ?? {}) as AvroRecord, names);
  const numbers = (id: number, name: string): ReadonlyMap<number, number> | undefined =>
    decodeMap(at(id, name), Number);
  const bytes = (id: number, name: string): ReadonlyMap<number, Uint8Array> | undefined =>
    decodeMap(at(id, name), (value) => value as Uint8Array);
  const splits = at(132, 'split_offsets') as readonly bigint[] | null;
  const equality = at(135, 'equality_ids') as readonly number[] | null;
  const sortOrder = at(140, 'sort_order_id');
  const referenced = at(143, 'referenced_data_file');
  return defined({
    content,
    path: String(at(100, 'file_path')),
    format: String(at(101, 'file_format')).toUpperCase(),
    specId: manifest.specId,
    partition: columns.map((column) =>
      decodePartitionValue(column.type, partition(column.fieldId, column.avroName)),
    ),
    records: Number(at(103, 'record_count')),
    bytes: Number(at(104, 'file_size_in_bytes')),
    columnSizes: numbers(108, 'column_sizes'),
    valueCounts: numbers(109, 'value_counts'),
    nullCounts: numbers(110, 'null_value_counts'),
    nanCounts: numbers(137, 'nan_value_counts'),
    lowerBounds: bytes(125, 'lower_bounds'),
    upperBounds: bytes(128, 'upper_bounds'),
    splitOffsets: splits?.map(Number),
    equalityIds: equality?.map(Number),
    sortOrderId: sortOrder === null || sortOrder === undefined ? undefined : Number(sortOrder),
    referencedDataFile: referenced ? String(referenced) : undefined,
  });
};

type Optionals<T> = { [K in keyof T]: undefined extends T[K] ? Exclude<T[K], undefined> : T[K] };

/** Leaves out what is undefined, so that optional properties are absent and not undefined. */
const defined = <T extends object>(value: T): Optionals<T> =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as Optionals<T>;

const decodeMap = <T>(raw: unknown, convert: (value: unknown) => T): ReadonlyMap<number, T> | undefined =>
  Array.isArray(raw)
    ? new Map(
        (raw as { key: number; value: unknown }[]).map(({ key, value }) => [Number(key), convert(value)]),
      )
    : undefined;

/** The names that a writer gave the fields of the spec; the ids are what the spec fixes. */
const namesById = (schema: AvroSchema): Map<number, string> => {
  const names = new Map<number, string>();
  const visit = (part: unknown): void => {
    if (Array.isArray(part)) part.forEach(visit);
    else if (typeof part === 'object' && part !== null) {
      if ('field-id' in part && 'name' in part) names.set(Number(part['field-id']), String(part.name));
      for (const inner of Object.values(part)) visit(inner);
    }
  };
  visit(schema);
  return names;
};

const fieldReader =
  (record: AvroRecord, names: ReadonlyMap<number, string>) =>
  (id: number, name: string): unknown =>
    record[names.get(id) ?? name];

/** The bytes of a manifest list. */
export const encodeManifestList = (
  manifests: readonly ManifestFile[],
  snapshot: { snapshotId: string; parentId: string | null; sequenceNumber: number },
): Buffer =>
  writeAvro(
    manifestListSchema,
    manifests.map((manifest) => ({
      manifest_path: manifest.path,
      manifest_length: manifest.length,
      partition_spec_id: manifest.specId,
      content: manifest.content === 'data' ? 0 : 1,
      sequence_number: manifest.sequenceNumber,
      min_sequence_number: manifest.minSequenceNumber,
      added_snapshot_id: BigInt(manifest.addedSnapshotId),
      added_files_count: manifest.addedFiles,
      existing_files_count: manifest.existingFiles,
      deleted_files_count: manifest.deletedFiles,
      added_rows_count: manifest.addedRows,
      existing_rows_count: manifest.existingRows,
      deleted_rows_count: manifest.deletedRows,
      partitions:
        manifest.partitions?.map((summary) => ({
          contains_null: summary.containsNull,
          contains_nan: summary.containsNan ?? null,
          lower_bound: summary.lower ? Buffer.from(summary.lower) : null,
          upper_bound: summary.upper ? Buffer.from(summary.upper) : null,
        })) ?? null,
      key_metadata: manifest.keyMetadata ? Buffer.from(manifest.keyMetadata) : null,
    })),
    {
      'snapshot-id': snapshot.snapshotId,
      'parent-snapshot-id': snapshot.parentId ?? 'null',
      'sequence-number': String(snapshot.sequenceNumber),
      'format-version': '2',
    },
  );

export const decodeManifestList = (bytes: Buffer, path: string): ManifestFile[] => {
  const file: AvroFile = readAvro(bytes, path);
  const names = namesById(file.schema);
  return file.records.map((record) => {
    const at = fieldReader(record, names);
    const partitions = at(507, 'partitions') as AvroRecord[] | null | undefined;
    const keyMetadata = at(519, 'key_metadata') as Uint8Array | null | undefined;
    return defined({
      path: String(at(500, 'manifest_path')),
      length: Number(at(501, 'manifest_length')),
      specId: Number(at(502, 'partition_spec_id')),
      content: Number(at(517, 'content') ?? 0) === 0 ? ('data' as const) : ('deletes' as const),
      sequenceNumber: Number(at(515, 'sequence_number') ?? 0),
      minSequenceNumber: Number(at(516, 'min_sequence_number') ?? 0),
      addedSnapshotId: String(at(503, 'added_snapshot_id')),
      addedFiles: Number(at(504, 'added_files_count') ?? 0),
      existingFiles: Number(at(505, 'existing_files_count') ?? 0),
      deletedFiles: Number(at(506, 'deleted_files_count') ?? 0),
      addedRows: Number(at(512, 'added_rows_count') ?? 0),
      existingRows: Number(at(513, 'existing_rows_count') ?? 0),
      deletedRows: Number(at(514, 'deleted_rows_count') ?? 0),
      partitions: partitions?.map((summary) => {
        const of = fieldReader(summary, names);
        const nan = of(518, 'contains_nan');
        return defined({
          containsNull: of(509, 'contains_null') === true,
          containsNan: typeof nan === 'boolean' ? nan : undefined,
          lower: (of(510, 'lower_bound') as Uint8Array | null) ?? undefined,
          upper: (of(511, 'upper_bound') as Uint8Array | null) ?? undefined,
        });
      }),
      keyMetadata: keyMetadata ?? undefined,
    });
  });
};

/** The ranges of partition values that a manifest list keeps of a manifest. */
export const summarizePartitions = (
  columns: readonly PartitionColumn[],
  files: readonly DataFile[],
): PartitionSummary[] =>
  columns.map((column, at) => {
    const values = files.map((file) => file.partition[at] ?? null);
    const isNan = (value: PartitionValue): boolean => typeof value === 'number' && Number.isNaN(value);
    let [least, most]: [Value | null, Value | null] = [null, null];
    for (const value of values) {
      if (value === null || isNan(value)) continue;
      if (least === null || compareValues(value, least) < 0) least = value;
      if (most === null || compareValues(value, most) > 0) most = value;
    }
    const isFloat = column.type === 'float' || column.type === 'double';
    return {
      containsNull: values.includes(null),
      ...(isFloat ? { containsNan: values.some(isNan) } : {}),
      ...(least === null ? {} : { lower: encodeValue(column.type, least) }),
      ...(most === null ? {} : { upper: encodeValue(column.type, most) }),
    };
  });
