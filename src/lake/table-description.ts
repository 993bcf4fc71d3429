import type { LiveFile, PartitionValue } from './data-file.ts';
import {
  currentSchema,
  defaultSortOrder,
  defaultSpec,
  type Snapshot,
  type TableMetadata,
} from './metadata.ts';
import { mainBranch } from './refs.ts';
import { planFiles } from './scan.ts';
import { fieldsById, type Type } from './schema.ts';
import type { Lake, Table } from './tables.ts';

/** A table as people and machines see it. Bytes are of the Parquet files; instants are ISO 8601. */
export type TableDescription = {
  readonly name: string;
  readonly location: string;
  readonly uuid: string;
  readonly formatVersion: number;
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
  readonly snapshotId: string | null;
  readonly schema: { id: number; name: string; type: string; required: boolean }[];
  /** `dia`, `month(dia)`, `bucket[16](ordem_id)`. */
  readonly partitionBy: string[];
  readonly sortBy: string[];
  readonly properties: Record<string, string>;
  /** With its files in the current snapshot, fullest first. */
  readonly partitions: { partition: string; rows: number; files: number; bytes: number }[];
  /** Oldest first. */
  readonly snapshots: {
    id: string;
    at: string;
    operation: string;
    rows: number | null;
    addedRows: number;
    addedFiles: number;
    removedFiles: number;
  }[];
  /** Branches and tags besides main. */
  readonly refs: { name: string; type: string; snapshotId: string; maxAgeMs: number | null }[];
};

/** Reads the current snapshot's manifests; no data file is opened. */
export const describeTable = async (lake: Lake, table: Table): Promise<TableDescription> => {
  const { metadata } = table;
  const { files, total, snapshotId } = await planFiles(lake, table);
  return {
    name: `${table.name.namespace}.${table.name.name}`,
    location: metadata.location,
    uuid: metadata['table-uuid'],
    formatVersion: metadata['format-version'],
    rows: total.records,
    files: total.files,
    bytes: total.bytes,
    snapshotId,
    schema: currentSchema(metadata).fields.map(({ id, name, type, required }) => ({
      id,
      name,
      type: typeText(type),
      required,
    })),
    partitionBy: defaultSpec(metadata).fields.map((field) => transformed(metadata, field)),
    sortBy: defaultSortOrder(metadata).fields.map(
      (field) => `${transformed(metadata, field)} ${field.direction} ${field['null-order']}`,
    ),
    properties: metadata.properties,
    partitions: partitionsOf(
      metadata,
      files.map(({ file }) => file),
    ),
    snapshots: metadata.snapshots.map(describeSnapshot),
    refs: Object.entries(metadata.refs)
      .filter(([ref]) => ref !== mainBranch)
      .map(([ref, { type, 'snapshot-id': at, 'max-ref-age-ms': most }]) => ({
        name: ref,
        type,
        snapshotId: at,
        maxAgeMs: most ?? null,
      })),
  };
};

const describeSnapshot = (snapshot: Snapshot): TableDescription['snapshots'][number] => {
  const count = (key: string): number => Number(snapshot.summary[key] ?? 0);
  return {
    id: snapshot['snapshot-id'],
    at: new Date(snapshot['timestamp-ms']).toISOString(),
    operation: snapshot.summary.operation,
    rows: snapshot.summary['total-records'] === undefined ? null : count('total-records'),
    addedRows: count('added-records'),
    addedFiles: count('added-data-files'),
    removedFiles: count('deleted-data-files'),
  };
};

const transformed = (
  metadata: TableMetadata,
  { 'source-id': id, transform }: { 'source-id': number; transform: string },
): string => {
  const column = fieldsById(currentSchema(metadata)).get(id)?.path.join('.') ?? `column ${id}`;
  return transform === 'identity' ? column : `${transform}(${column})`;
};

const partitionsOf = (
  metadata: TableMetadata,
  files: readonly LiveFile[],
): TableDescription['partitions'] => {
  const types = new Map(
    metadata.schemas.flatMap((schema) => [...fieldsById(schema)].map(([id, { type }]) => [id, type])),
  );
  const fieldsOf = new Map(metadata['partition-specs'].map((spec) => [spec['spec-id'], spec.fields]));
  const found = new Map<string, { partition: string; rows: number; files: number; bytes: number }>();
  for (const file of files) {
    const parts = (fieldsOf.get(file.specId) ?? []).map(({ name, transform, 'source-id': id }, n) => {
      const type = types.get(id);
      const unit = transform === 'identity' && typeof type === 'string' ? type : transform;
      return `${name}=${partitionText(file.partition[n] ?? null, unit)}`;
    });
    const partition = parts.join('/');
    const sum = found.get(partition) ?? {
      partition: partition || '(whole table)',
      rows: 0,
      files: 0,
      bytes: 0,
    };
    found.set(partition, {
      ...sum,
      rows: sum.rows + file.records,
      files: sum.files + 1,
      bytes: sum.bytes + file.bytes,
    });
  }
  return [...found.values()].sort((a, b) => b.rows - a.rows || (a.partition < b.partition ? -1 : 1));
};

/** Dates, times and what is made of them count from 1970: days, microseconds, months, years. */
const partitionText = (value: PartitionValue, unit: string): string => {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  const number = Number(value);
  switch (unit) {
    case 'year':
      return String(1970 + number);
    case 'month':
      return new Date(Date.UTC(1970, number)).toISOString().slice(0, 7);
    case 'day':
    case 'date':
      return new Date(number * 86_400_000).toISOString().slice(0, 10);
    case 'hour':
      return new Date(number * 3_600_000).toISOString().slice(0, 13);
    case 'timestamp':
    case 'timestamptz':
      return new Date(number / 1_000).toISOString();
    default:
      return String(value);
  }
};

const typeText = (type: Type): string => {
  if (typeof type === 'string') return type;
  if (type.type === 'list') return `list<${typeText(type.element)}>`;
  if (type.type === 'map') return `map<${typeText(type.key)}, ${typeText(type.value)}>`;
  return `struct<${type.fields.map((field) => `${field.name}: ${typeText(field.type)}`).join(', ')}>`;
};
