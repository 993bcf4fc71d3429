import type { AvroSchema } from './avro.ts';
import type { PartitionSpec } from './metadata.ts';
import { decimalOf, fieldsById, fixedOf, type Schema, type Type } from './schema.ts';
import { resultType } from './transforms.ts';

/** The Avro schemas of manifests and manifest lists, with the field ids of the Iceberg spec (format version 2). */

type AvroField = { name: string; type: AvroSchema; 'field-id': number; default?: null };

const field = (id: number, name: string, type: AvroSchema): AvroField => ({ name, type, 'field-id': id });
const optional = (id: number, name: string, type: AvroSchema): AvroField => ({
  name,
  type: ['null', type],
  default: null,
  'field-id': id,
});
const list = (elementId: number, items: AvroSchema): AvroSchema => ({
  type: 'array',
  items,
  'element-id': elementId,
});

/** Maps with keys other than text are arrays of key and value records in Avro. */
const map = (keyId: number, valueId: number, values: AvroSchema): AvroSchema => ({
  type: 'array',
  logicalType: 'map',
  items: {
    type: 'record',
    name: `k${keyId}_v${valueId}`,
    fields: [field(keyId, 'key', 'int'), field(valueId, 'value', values)],
  },
});

const avroType = (type: Type, fieldId: number): AvroSchema => {
  const decimal = decimalOf(type);
  if (decimal) {
    return {
      type: 'fixed',
      name: `decimal_${fieldId}`,
      size: decimalBytes(decimal.precision),
      logicalType: 'decimal',
      precision: decimal.precision,
      scale: decimal.scale,
    };
  }
  const fixed = fixedOf(type);
  if (fixed !== null) return { type: 'fixed', name: `fixed_${fieldId}`, size: fixed };
  switch (type) {
    case 'date':
      return { type: 'int', logicalType: 'date' };
    case 'time':
      return { type: 'long', logicalType: 'time-micros' };
    case 'timestamp':
    case 'timestamptz':
      return { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': type === 'timestamptz' };
    case 'uuid':
      return { type: 'fixed', name: `uuid_${fieldId}`, size: 16, logicalType: 'uuid' };
    case 'binary':
      return 'bytes';
    default:
      return type as string;
  }
};

/** The least bytes that hold every decimal of a precision. */
export const decimalBytes = (precision: number): number => {
  let bytes = 1;
  while (10n ** BigInt(precision) > 1n << BigInt(bytes * 8 - 1)) bytes++;
  return bytes;
};

/** Avro names have letters, digits and `_` only; others become `_xHH`, as Java writes them. */
export const avroName = (name: string): string =>
  name
    .replaceAll(
      /[^A-Za-z0-9_]/gu,
      (character) => `_x${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()}`,
    )
    .replace(/^(?=\d)/, '_');

export type PartitionColumn = {
  readonly fieldId: number;
  readonly name: string;
  readonly avroName: string;
  readonly transform: string;
  readonly sourceId: number;
  readonly sourceType: Type;
  readonly type: Type;
};

/**
 * The columns of a partition spec with their types. A source column that is dropped from the current schema is found in an older one.
 * @throws Error for a transform this code does not know
 */
export const partitionColumns = (spec: PartitionSpec, schemas: readonly Schema[]): PartitionColumn[] =>
  spec.fields.map((partition) => {
    const sources = schemas
      .toReversed()
      .flatMap((schema) => fieldsById(schema).get(partition['source-id']) ?? []);
    const source = sources[0];
    if (!source) {
      throw new Error(
        `partition field ${partition.name} has source column id ${partition['source-id']}, which no schema has`,
      );
    }
    return {
      fieldId: partition['field-id'],
      name: partition.name,
      avroName: avroName(partition.name),
      transform: partition.transform,
      sourceId: partition['source-id'],
      sourceType: source.type,
      type: resultType(partition.transform, source.type),
    };
  });

export const entrySchema = (columns: readonly PartitionColumn[]): AvroSchema => ({
  type: 'record',
  name: 'manifest_entry',
  fields: [
    field(0, 'status', 'int'),
    optional(1, 'snapshot_id', 'long'),
    optional(3, 'sequence_number', 'long'),
    optional(4, 'file_sequence_number', 'long'),
    field(2, 'data_file', {
      type: 'record',
      name: 'r2',
      fields: [
        field(134, 'content', 'int'),
        field(100, 'file_path', 'string'),
        field(101, 'file_format', 'string'),
        field(102, 'partition', {
          type: 'record',
          name: 'r102',
          fields: columns.map((column) =>
            optional(column.fieldId, column.avroName, avroType(column.type, column.fieldId)),
          ),
        }),
        field(103, 'record_count', 'long'),
        field(104, 'file_size_in_bytes', 'long'),
        optional(108, 'column_sizes', map(117, 118, 'long')),
        optional(109, 'value_counts', map(119, 120, 'long')),
        optional(110, 'null_value_counts', map(121, 122, 'long')),
        optional(137, 'nan_value_counts', map(138, 139, 'long')),
        optional(125, 'lower_bounds', map(126, 127, 'bytes')),
        optional(128, 'upper_bounds', map(129, 130, 'bytes')),
        optional(131, 'key_metadata', 'bytes'),
        optional(132, 'split_offsets', list(133, 'long')),
        optional(135, 'equality_ids', list(136, 'int')),
        optional(140, 'sort_order_id', 'int'),
        optional(143, 'referenced_data_file', 'string'),
      ],
    }),
  ],
});

export const manifestListSchema: AvroSchema = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    field(500, 'manifest_path', 'string'),
    field(501, 'manifest_length', 'long'),
    field(502, 'partition_spec_id', 'int'),
    field(517, 'content', 'int'),
    field(515, 'sequence_number', 'long'),
    field(516, 'min_sequence_number', 'long'),
    field(503, 'added_snapshot_id', 'long'),
    field(504, 'added_files_count', 'int'),
    field(505, 'existing_files_count', 'int'),
    field(506, 'deleted_files_count', 'int'),
    field(512, 'added_rows_count', 'long'),
    field(513, 'existing_rows_count', 'long'),
    field(514, 'deleted_rows_count', 'long'),
    optional(
      507,
      'partitions',
      list(508, {
        type: 'record',
        name: 'r508',
        fields: [
          field(509, 'contains_null', 'boolean'),
          optional(518, 'contains_nan', 'boolean'),
          optional(510, 'lower_bound', 'bytes'),
          optional(511, 'upper_bound', 'bytes'),
        ],
      }),
    ),
    optional(519, 'key_metadata', 'bytes'),
  ],
};
