import { randomUUID } from 'node:crypto';
import type { PartitionField, SortField, TableMetadata } from './metadata.ts';
import { assignIds, columnNamed, type Schema } from './schema.ts';
import type { PartitionBy, SortBy, TableDefinition } from './tables.ts';
import { parseTransform } from './transforms.ts';

const firstPartitionId = 1000;

/**
 * The metadata of a new, empty table of format version 2.
 * @throws Error for a column that is there twice, an unknown type, or a transform that does not take its column
 */
export const newTableMetadata = (definition: TableDefinition, location: string, now: Date): TableMetadata => {
  let lastColumnId = 0;
  if (definition.columns.length === 0) throw new Error('a table needs at least one column');
  const fields = assignIds(definition.columns, () => ++lastColumnId);
  const schema: Schema = { type: 'struct', 'schema-id': 0, fields };
  const partitionFields = (definition.partitionBy ?? []).map((by, at) => partitionField(schema, by, at));
  const names = partitionFields.map((field) => field.name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw new Error(`partition field ${twice} is there twice: give one of them a name`);
  const sortFields = (definition.sortBy ?? []).map((by) => sortField(schema, by));
  return {
    'format-version': 2,
    'table-uuid': randomUUID(),
    location,
    'last-sequence-number': 0,
    'last-updated-ms': now.getTime(),
    'last-column-id': lastColumnId,
    'current-schema-id': 0,
    schemas: [schema],
    'default-spec-id': 0,
    'partition-specs': [{ 'spec-id': 0, fields: partitionFields }],
    'last-partition-id': firstPartitionId + partitionFields.length - 1,
    'default-sort-order-id': sortFields.length === 0 ? 0 : 1,
    'sort-orders': [
      { 'order-id': 0, fields: [] },
      ...(sortFields.length === 0 ? [] : [{ 'order-id': 1, fields: sortFields }]),
    ],
    properties: { 'write.parquet.compression-codec': 'zstd', ...definition.properties },
    'current-snapshot-id': null,
    snapshots: [],
    'snapshot-log': [],
    'metadata-log': [],
    refs: {},
  };
};

const suffixes: Record<string, string> = { bucket: '_bucket', truncate: '_trunc', void: '_null' };

const partitionField = (schema: Schema, by: PartitionBy, at: number): PartitionField => {
  const source = columnNamed(schema, by.column);
  const { kind } = parseTransform(by.transform, source.type);
  const isIdentity = kind === 'identity';
  if (isIdentity && typeof source.type !== 'string') {
    throw new Error(`${by.column} is a ${source.type.type} and cannot partition a table`);
  }
  const name = by.name ?? (isIdentity ? source.name : `${source.name}${suffixes[kind] ?? `_${kind}`}`);
  // Java refuses it too: a partition name is a column of the metadata tables, beside the table's own.
  const clash = schema.fields.find((field) => field.name === name);
  if (clash && !(isIdentity && clash.id === source.id)) {
    throw new Error(`partition field ${name} has the name of a column: give it another name`);
  }
  return { 'source-id': source.id, 'field-id': firstPartitionId + at, name, transform: by.transform };
};

const sortField = (
  schema: Schema,
  { column, transform = 'identity', direction = 'asc', nulls }: SortBy,
): SortField => {
  const source = columnNamed(schema, column);
  parseTransform(transform, source.type);
  if (typeof source.type !== 'string')
    throw new Error(`${column} is a ${source.type.type} and cannot sort a table`);
  const nullOrder = nulls ?? (direction === 'asc' ? 'first' : 'last');
  return { 'source-id': source.id, transform, direction, 'null-order': `nulls-${nullOrder}` };
};
