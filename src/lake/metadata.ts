import { randomBytes } from 'node:crypto';
import { isLosslessNumber, LosslessNumber, parse, stringify } from 'lossless-json';
import { z } from 'zod';
import { checkPrimitive, childrenOf, type Field, type Schema } from './schema.ts';

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

const field = z.looseObject({ id: z.number(), name: z.string(), required: z.boolean(), type: z.unknown() });
const shape = z.looseObject({
  'format-version': z.literal(2, {
    error: 'expected an Iceberg table of format version 2; upgrade a version 1 table with its own engine',
  }),
  'table-uuid': z.string(),
  location: z.string(),
  'last-sequence-number': z.number(),
  'last-updated-ms': z.number(),
  'last-column-id': z.number(),
  'current-schema-id': z.number(),
  schemas: z.array(z.looseObject({ 'schema-id': z.number(), fields: z.array(field) })),
  'default-spec-id': z.number(),
  'partition-specs': z.array(
    z.looseObject({
      'spec-id': z.number(),
      fields: z.array(
        z.looseObject({
          'source-id': z.number(),
          'field-id': z.number(),
          name: z.string(),
          transform: z.string(),
        }),
      ),
    }),
  ),
  'last-partition-id': z.number(),
  'default-sort-order-id': z.number(),
  'sort-orders': z.array(z.looseObject({ 'order-id': z.number(), fields: z.array(z.looseObject({})) })),
  properties: z.record(z.string(), z.string()).default({}),
  'current-snapshot-id': z.string().nullish(),
  snapshots: z
    .array(
      z.looseObject({
        'snapshot-id': z.string(),
        'sequence-number': z.number(),
        'timestamp-ms': z.number(),
        'manifest-list': z.string(),
        summary: z.record(z.string(), z.string()),
      }),
    )
    .default([]),
  'snapshot-log': z
    .array(z.looseObject({ 'snapshot-id': z.string(), 'timestamp-ms': z.number() }))
    .default([]),
  'metadata-log': z
    .array(z.looseObject({ 'metadata-file': z.string(), 'timestamp-ms': z.number() }))
    .default([]),
  refs: z
    .record(z.string(), z.looseObject({ 'snapshot-id': z.string(), type: z.enum(['branch', 'tag']) }))
    .default({}),
});

type Json = Record<string, unknown>;

const idKeys = ['snapshot-id', 'parent-snapshot-id', 'current-snapshot-id'];

/** The places of the spec that hold snapshot ids; a summary or a property of the same name is left alone. */
const idHolders = (metadata: Json): Json[] => {
  const items = (key: string): Json[] => Object.values((metadata[key] ?? {}) as Record<string, Json>);
  return [metadata, ...items('snapshots'), ...items('snapshot-log'), ...items('refs')];
};

/**
 * Reads a metadata file. Java's snapshot ids have 63 bits and would be rounded by JSON.parse to those of other
 * snapshots: they become text, and every other number that a double cannot hold is carried along as it was written.
 * What this code does not know (statistics, other engines' additions) is kept.
 * @throws Error naming the file and what it lacks
 */
export const parseMetadata = (text: string, location: string): TableMetadata => {
  let json: Json;
  try {
    json = parse(text, undefined, (digits) =>
      Number.isSafeInteger(Number(digits)) || /[.eE]/.test(digits)
        ? Number(digits)
        : new LosslessNumber(digits),
    ) as Json;
  } catch (cause) {
    throw new Error(`${location} is not the JSON of a table: ${(cause as Error).message}`, { cause });
  }
  for (const holder of idHolders(json)) {
    for (const key of idKeys) {
      const id = holder[key];
      if (typeof id === 'number' || isLosslessNumber(id)) holder[key] = String(id);
    }
  }
  // Older engines write -1 for "no snapshot yet".
  if (json['current-snapshot-id'] === '-1') json['current-snapshot-id'] = null;
  const parsed = shape.safeParse(json);
  if (!parsed.success) {
    const first = parsed.error.issues[0];
    throw new Error(
      `${location} is not the metadata of a table: ${first?.path.join('.')}: ${first?.message}`,
    );
  }
  const metadata = parsed.data as unknown as TableMetadata;
  const check = (fields: readonly Field[]): void => {
    for (const { type } of fields) {
      if (typeof type === 'string') checkPrimitive(type);
      else check(childrenOf(type));
    }
  };
  for (const schema of metadata.schemas) check(schema.fields);
  return metadata;
};

/** The metadata as the text of its file. */
export const formatMetadata = (metadata: TableMetadata): string => {
  const copy = structuredCloneJson(metadata) as Json;
  for (const holder of idHolders(copy)) {
    for (const key of idKeys) {
      const id = holder[key];
      if (typeof id === 'string') holder[key] = new LosslessNumber(id);
      else if (id === null || id === undefined) delete holder[key];
    }
  }
  return stringify(copy) ?? '';
};

const structuredCloneJson = (value: unknown): unknown => {
  if (isLosslessNumber(value) || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(structuredCloneJson);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, structuredCloneJson(inner)]));
};

/** A random id of 52 bits: safe in JavaScript's numbers, where other tools print or compute with it. */
export const newSnapshotId = (): string => String((randomBytes(8).readBigUInt64BE() >> 12n) + 1n);

export const currentSchema = (metadata: TableMetadata): Schema =>
  schemaById(metadata, metadata['current-schema-id']);

export const schemaById = (metadata: TableMetadata, id: number): Schema => {
  const schema = metadata.schemas.find((candidate) => candidate['schema-id'] === id);
  if (!schema) throw new Error(`${metadata.location} has no schema ${id}`);
  return schema;
};

export const defaultSpec = (metadata: TableMetadata): PartitionSpec => {
  const spec = metadata['partition-specs'].find(
    (candidate) => candidate['spec-id'] === metadata['default-spec-id'],
  );
  if (!spec) throw new Error(`${metadata.location} has no partition spec ${metadata['default-spec-id']}`);
  return spec;
};

export const defaultSortOrder = (metadata: TableMetadata): SortOrder =>
  metadata['sort-orders'].find((order) => order['order-id'] === metadata['default-sort-order-id']) ?? {
    'order-id': 0,
    fields: [],
  };

export const snapshotById = (metadata: TableMetadata, id: string): Snapshot => {
  const snapshot = metadata.snapshots.find((candidate) => candidate['snapshot-id'] === id);
  if (!snapshot) {
    throw new Error(
      `no snapshot ${id} in ${metadata.location}: it never was, or has expired; the oldest kept is ${metadata.snapshots[0]?.['snapshot-id'] ?? 'none'}`,
    );
  }
  return snapshot;
};

export const currentSnapshot = (metadata: TableMetadata): Snapshot | null => {
  const id = metadata['current-snapshot-id'];
  return id === null || id === undefined ? null : snapshotById(metadata, id);
};

/**
 * The snapshot that was current at an instant.
 * @throws Error when the table had none then, or when it has expired
 */
export const snapshotAt = (metadata: TableMetadata, at: Date): Snapshot => {
  const entry = metadata['snapshot-log'].findLast((candidate) => candidate['timestamp-ms'] <= at.getTime());
  if (!entry)
    throw new Error(
      `${metadata.location} had no snapshot at ${at.toISOString()}, or no longer has its history`,
    );
  return snapshotById(metadata, entry['snapshot-id']);
};

/** A snapshot and those before it, newest first, as far as they are kept. */
export const ancestry = (metadata: TableMetadata, id: string | null | undefined): Snapshot[] => {
  const byId = new Map(metadata.snapshots.map((snapshot) => [snapshot['snapshot-id'], snapshot]));
  const line: Snapshot[] = [];
  for (let at = id ? byId.get(id) : undefined; at; at = byId.get(at['parent-snapshot-id'] ?? ''))
    line.push(at);
  return line;
};
