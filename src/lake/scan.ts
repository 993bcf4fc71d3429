import type { LiveFile } from './data-file.ts';
import { quoteName, quoteText } from './duckdb-session.ts';
import { duckType } from './duckdb-types.ts';
import { liveFiles } from './live-files.ts';
import { specColumns } from './manifests.ts';
import {
  currentSchema,
  currentSnapshot,
  type Snapshot,
  schemaById,
  snapshotAt,
  snapshotById,
  type TableMetadata,
} from './metadata.ts';
import { bindPredicate, type Predicate } from './predicate.ts';
import { fileMayMatch, manifestMayMatch } from './pruning.ts';
import { tableAt } from './refs.ts';
import { childrenOf, type Field, fieldsById, type Schema } from './schema.ts';
import type { Lake, Table } from './tables.ts';
import { sameValue } from './transforms.ts';

export type ScanOptions = {
  /** Time travel: this snapshot, or the one that was current at `at`, with its schema. Default: the current state. */
  readonly snapshotId?: string;
  readonly at?: Date;
  /** Reads a branch or tag: its newest snapshot, with the schema of that. */
  readonly ref?: string;
  /** Used to leave out files that cannot have such a row. Rows are NOT filtered: keep the condition in the SQL. */
  readonly filter?: Predicate;
};

export type ScanFile = {
  readonly file: LiveFile;
  /** Delete files of other engines that apply to this file. */
  readonly deletes: readonly LiveFile[];
};

export type ScanPlan = {
  readonly table: Table;
  readonly snapshotId: string | null;
  readonly schema: Schema;
  readonly files: readonly ScanFile[];
  /** All data files in the manifests that were read, before pruning by file. */
  readonly total: { readonly files: number; readonly bytes: number; readonly records: number };
};

/**
 * Chooses the files of a snapshot that may hold rows of the filter, with the deletes that apply to each.
 * @throws Error where the rows could come out wrong: files that are not Parquet, deletion vectors, struct members
 * that were renamed or dropped and made again (DuckDB maps the inside of a struct by name)
 */
export const planFiles = async (
  lake: Pick<Lake, 'store'>,
  given: Table,
  options: ScanOptions = {},
): Promise<ScanPlan> => {
  const table = tableAt(given, options.ref);
  const { metadata } = table;
  const snapshot = chosenSnapshot(metadata, options);
  const isTravel = options.snapshotId !== undefined || options.at !== undefined;
  const schema =
    isTravel && snapshot?.['schema-id'] !== undefined
      ? schemaById(metadata, snapshot['schema-id'])
      : currentSchema(metadata);
  requireStableMembers(metadata, schema);
  const conditions = bindPredicate(schema, options.filter ?? []);
  const live = await liveFiles(
    lake.store,
    metadata,
    snapshot,
    (manifest) =>
      manifest.content === 'deletes' ||
      manifestMayMatch(manifest, specColumns(metadata, manifest.specId), conditions),
  );
  for (const file of live) requireReadable(file);
  const data = live.filter((file) => file.content === 'data');
  const deletes = live.filter((file) => file.content !== 'data');
  const isGlobal = (file: LiveFile): boolean => specColumns(metadata, file.specId).length === 0;
  const sum = (of: (file: LiveFile) => number): number => data.reduce((total, file) => total + of(file), 0);
  return {
    table,
    snapshotId: snapshot?.['snapshot-id'] ?? null,
    schema,
    files: data
      .filter((file) => fileMayMatch(file, specColumns(metadata, file.specId), conditions))
      .map((file) => ({ file, deletes: deletes.filter((del) => applies(del, file, isGlobal(del))) })),
    total: { files: data.length, bytes: sum((file) => file.bytes), records: sum((file) => file.records) },
  };
};

const chosenSnapshot = (metadata: TableMetadata, options: ScanOptions): Snapshot | null => {
  if (options.snapshotId !== undefined && options.at !== undefined) {
    throw new Error('expected a snapshot or an instant to read at, found both');
  }
  if (options.snapshotId !== undefined) return snapshotById(metadata, options.snapshotId);
  if (options.at !== undefined) return snapshotAt(metadata, options.at);
  return currentSnapshot(metadata);
};

const requireReadable = (file: LiveFile): void => {
  if (file.format !== 'PARQUET') {
    const what =
      file.format === 'PUFFIN' ? 'a deletion vector (format version 3)' : `in ${file.format} format`;
    throw new Error(
      `${file.path} is ${what}; this code reads Parquet only. Rewrite the table's files with the engine that wrote it`,
    );
  }
};

/** The spec's rules (scan planning): older data only, of the same partition; unpartitioned equality deletes are global. */
const applies = (del: LiveFile, data: LiveFile, isGlobal: boolean): boolean => {
  const samePartition =
    del.specId === data.specId &&
    del.partition.every((value, at) => sameValue(value, data.partition[at] ?? null));
  if (del.content === 'position-deletes') {
    const isOther = del.referencedDataFile !== undefined && del.referencedDataFile !== data.path;
    return data.sequenceNumber <= del.sequenceNumber && samePartition && !isOther;
  }
  return data.sequenceNumber < del.sequenceNumber && (isGlobal || samePartition);
};

const requireStableMembers = (metadata: TableMetadata, schema: Schema): void => {
  const current = fieldsById(schema);
  const members = [...current.values()].filter((field) => field.path.length > 1);
  if (members.length === 0) return;
  const placeOf = (path: readonly string[], top: number): string => JSON.stringify([top, ...path.slice(1)]);
  const topId = (of: Schema, path: readonly string[]): number =>
    of.fields.find((field) => field.name === path[0])?.id ?? -1;
  const ids = new Map(members.map((field) => [placeOf(field.path, topId(schema, field.path)), field.id]));
  for (const old of metadata.schemas) {
    for (const [id, field] of fieldsById(old)) {
      if (field.path.length === 1) continue;
      const place = placeOf(field.path, topId(old, field.path));
      const now = current.get(id);
      const moved = now && placeOf(now.path, topId(schema, now.path)) !== place;
      const reused = ids.has(place) && ids.get(place) !== id;
      if (moved || reused) {
        throw new Error(
          `${field.path.join('.')} was renamed, or dropped and made again, inside a struct (schema ${old['schema-id']}); old files would be read wrongly. Rewrite the table's files with the engine that changed it`,
        );
      }
    }
  }
};

/** Location of a file (data or delete) → path that DuckDB on this machine can open. See file-cache.ts. */
export type LocalPath = (location: string) => string;

/** What has to be local before `scanSql`: data files and their deletes. */
export const scanLocations = (plan: ScanPlan): string[] => [
  ...new Set(plan.files.flatMap(({ file, deletes }) => [file.path, ...deletes.map((del) => del.path)])),
];

/**
 * The plan's rows as SQL text, `(SELECT …)`, with the columns of its schema found by field id and deletes applied:
 * `CREATE TEMP VIEW x AS SELECT * FROM ${sql}`, or inline. A relation also when there are no files.
 */
export const scanSql = (plan: ScanPlan, localPath: LocalPath): string => {
  const { fields } = plan.schema;
  const columns = fields.map((field) => quoteName(field.name)).join(', ');
  const plain = plan.files.filter(({ deletes }) => deletes.length === 0);
  const parts = plan.files
    .filter(({ deletes }) => deletes.length > 0)
    .map((file) => deletedSql(plan, file, localPath));
  if (plain.length > 0) {
    const paths = plain.map(({ file }) => localPath(file.path));
    parts.unshift(`SELECT ${columns} FROM ${readSql(paths, fields)}${idGuard(plan, paths)}`);
  }
  if (parts.length === 0) {
    const nulls = fields.map((field) => `CAST(NULL AS ${duckType(field.type)}) AS ${quoteName(field.name)}`);
    return `(SELECT ${nulls.join(', ')} WHERE false)`;
  }
  return `(${parts.join(' UNION ALL ')})`;
};

const readSql = (paths: readonly string[], fields: readonly Field[], options = ''): string => {
  const entries = fields.map(
    (field) =>
      `${field.id}: {name: ${quoteText(field.name)}, type: ${quoteText(duckType(field.type))}, default_value: NULL}`,
  );
  return `read_parquet([${paths.map(quoteText).join(', ')}], schema = MAP {${entries.join(', ')}}${options})`;
};

/**
 * DuckDB reads a file without field ids as nothing but nulls. Such files come into a table with a name mapping
 * only (`add_files` of Spark and PyIceberg), so the footers are looked at only then.
 */
const idGuard = (plan: ScanPlan, paths: readonly string[]): string => {
  if (plan.table.metadata.properties['schema.name-mapping.default'] === undefined) return '';
  const list = paths.map(quoteText).join(', ');
  const message = quoteText(
    'a file of this table has no field ids (it was added by name); rewrite the files with the engine that added it: ',
  );
  return ` WHERE (SELECT CASE WHEN count(*) = 0 THEN true ELSE error(${message} || min(file_name)) END FROM (SELECT file_name FROM parquet_schema([${list}]) GROUP BY file_name HAVING count(field_id) = 0))`;
};

/** Field ids that the spec reserves for the columns of position delete files. */
const positionFields: readonly Field[] = [
  { id: 2147483546, name: 'file_path', required: true, type: 'string' },
  { id: 2147483545, name: 'pos', required: true, type: 'long' },
];

const deletedSql = (plan: ScanPlan, { file, deletes }: ScanFile, localPath: LocalPath): string => {
  const columns = plan.schema.fields.map((field) => quoteName(field.name)).join(', ');
  const path = localPath(file.path);
  const positions = deletes.filter((del) => del.content === 'position-deletes');
  const equalities = deletes.filter((del) => del.content === 'equality-deletes');
  const keys = new Map(
    equalities.flatMap((del) => (del.equalityIds ?? []).map((id) => [id, equalityField(plan, id)])),
  );
  // Equality columns that the schema no longer has are read beside it, under names of their own.
  const hidden = [...keys.values()].filter((key) => !plan.schema.fields.some((field) => field.id === key.id));
  const conditions: string[] = [];
  if (positions.length > 0) {
    const list = positions.map((del) => localPath(del.path));
    conditions.push(
      `NOT EXISTS (SELECT 1 FROM ${readSql(list, positionFields)} p WHERE p.file_path = ${quoteText(file.path)} AND p.pos = d.file_row_number)`,
    );
  }
  for (const del of equalities) {
    const own = (del.equalityIds ?? []).map((id) => keys.get(id) ?? equalityField(plan, id));
    if (own.length === 0)
      throw new Error(`${del.path} deletes by equality of no column; its manifest is damaged`);
    const same = own.map((key) => `e.${quoteName(key.name)} IS NOT DISTINCT FROM d.${quoteName(key.name)}`);
    conditions.push(
      `NOT EXISTS (SELECT 1 FROM ${readSql([localPath(del.path)], own)} e WHERE ${same.join(' AND ')})`,
    );
  }
  const guard = idGuard(plan, [path]).replace(/^ WHERE/, ' AND');
  const data = readSql([path], [...plan.schema.fields, ...hidden], ', file_row_number = true');
  return `SELECT ${columns} FROM ${data} d WHERE ${conditions.join(' AND ')}${guard}`;
};

const equalityField = (plan: ScanPlan, id: number): Field => {
  const current = plan.schema.fields.find((field) => field.id === id);
  if (current) return current;
  for (const schema of plan.table.metadata.schemas.toReversed()) {
    const field = schema.fields.find((candidate) => candidate.id === id);
    if (field && childrenOf(field.type).length === 0) return { ...field, name: `__lastro_key_${id}` };
  }
  throw new Error(
    `rows of ${plan.table.metadata.location} are deleted by equality of column id ${id}, which is nested or unknown; this code cannot apply that`,
  );
};
