import type { Schema, Type } from './schema.ts';

/** The table metadata file, with the names of the Iceberg table spec. Snapshot ids are decimal text (63 bits). */
export type TableMetadata = {
  'format-version': number;
  'table-uuid': string;
  location: string;
  'last-sequence-number': number;
  'last-updated-ms': number;
  'last-column-id': number;
  'current-schema-id': number;
  schemas: Schema[];
  'default-spec-id': number;
  'partition-specs': PartitionSpec[];
  'last-partition-id': number;
  'default-sort-order-id': number;
  'sort-orders': SortOrder[];
  properties: Record<string, string>;
  'current-snapshot-id'?: string | null;
  snapshots: Snapshot[];
  'snapshot-log': { 'snapshot-id': string; 'timestamp-ms': number }[];
  'metadata-log': { 'metadata-file': string; 'timestamp-ms': number }[];
  refs: Record<string, SnapshotRef>;
};

export type PartitionField = { 'source-id': number; 'field-id': number; name: string; transform: string };
export type PartitionSpec = { 'spec-id': number; fields: PartitionField[] };
export type SortField = {
  'source-id': number;
  transform: string;
  direction: 'asc' | 'desc';
  'null-order': 'nulls-first' | 'nulls-last';
};
export type SortOrder = { 'order-id': number; fields: SortField[] };
export type SnapshotRef = {
  'snapshot-id': string;
  type: 'branch' | 'tag';
  'min-snapshots-to-keep'?: number;
  'max-snapshot-age-ms'?: number;
  'max-ref-age-ms'?: number;
};
export type Snapshot = {
  'snapshot-id': string;
  'parent-snapshot-id'?: string | null;
  'sequence-number': number;
  'timestamp-ms': number;
  'manifest-list': string;
  summary: { operation: 'append' | 'replace' | 'overwrite' | 'delete' } & Record<string, string>;
  'schema-id'?: number;
};
export type { Type };
