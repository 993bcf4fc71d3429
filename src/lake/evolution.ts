import { currentSchema, type TableMetadata } from './metadata.ts';
import {
  assignIds,
  type Column,
  checkPrimitive,
  columnNamed,
  decimalOf,
  type Field,
  type PrimitiveType,
  type Schema,
} from './schema.ts';

/** A change of a table's top-level columns. Files stay as they are: columns are found in them by id. */
export type SchemaChange =
  /** At the end, or behind a column. Old rows have null, so it cannot be required. */
  | { readonly add: Column; readonly after?: string }
  | { readonly rename: string; readonly to: string }
  /** int → long, float → double, decimal(P, S) → more digits with the same scale. */
  | { readonly widen: string; readonly to: PrimitiveType }
  | { readonly drop: string }
  /** Lets a required column hold null from now on. */
  | { readonly makeOptional: string }
  | { readonly describe: string; readonly doc: string };

/**
 * The metadata with a new schema. An id is never used twice: a column that is dropped and added again does not
 * get the old one's values back.
 * @throws Error for a change that would make old rows unreadable or that the spec does not allow
 */
export const evolveSchema = (metadata: TableMetadata, changes: readonly SchemaChange[]): TableMetadata => {
  let lastColumnId = metadata['last-column-id'];
  let fields: Field[] = currentSchema(metadata).fields;
  for (const change of changes) fields = applyChange(metadata, fields, change, () => ++lastColumnId);
  if (fields.length === 0) throw new Error('a table keeps at least one column');
  const known = metadata.schemas.find((schema) => JSON.stringify(schema.fields) === JSON.stringify(fields));
  const current = currentSchema(metadata);
  const identifiers = current['identifier-field-ids'];
  const schema: Schema = known ?? {
    type: 'struct',
    'schema-id': Math.max(...metadata.schemas.map((candidate) => candidate['schema-id'])) + 1,
    ...(identifiers ? { 'identifier-field-ids': identifiers } : {}),
    fields,
  };
  return {
    ...metadata,
    'last-column-id': lastColumnId,
    'current-schema-id': schema['schema-id'],
    schemas: known ? metadata.schemas : [...metadata.schemas, schema],
  };
};

const applyChange = (
  metadata: TableMetadata,
  fields: readonly Field[],
  change: SchemaChange,
  nextId: () => number,
): Field[] => {
  const named = (name: string): Field => columnNamed({ type: 'struct', fields: [...fields] }, name);
  const replace = (old: Field, next: Partial<Field>): Field[] =>
    fields.map((field) => (field.id === old.id ? { ...field, ...next } : field));
  if ('add' in change) return addField(fields, change, nextId);
  if ('rename' in change) {
    requireFree(fields, change.to, named(change.rename));
    return replace(named(change.rename), { name: change.to });
  }
  if ('widen' in change) {
    const field = named(change.widen);
    const to = checkPrimitive(change.to);
    requireWidening(field, to);
    return replace(field, { type: to });
  }
  if ('drop' in change) {
    const field = named(change.drop);
    requireUnused(metadata, field);
    return fields.filter((candidate) => candidate.id !== field.id);
  }
  if ('describe' in change) return replace(named(change.describe), { doc: change.doc });
  return replace(named(change.makeOptional), { required: false });
};

const addField = (
  fields: readonly Field[],
  { add, after }: { add: Column; after?: string },
  nextId: () => number,
): Field[] => {
  if (add.required) {
    throw new Error(
      `column ${add.name} cannot be added as required: the rows that are there have no value for it`,
    );
  }
  requireFree(fields, add.name);
  const at =
    after === undefined
      ? fields.length
      : fields.indexOf(columnNamed({ type: 'struct', fields: [...fields] }, after)) + 1;
  return fields.toSpliced(at, 0, ...assignIds([add], nextId));
};

const requireFree = (fields: readonly Field[], name: string, except?: Field): void => {
  if (name === '' || name.includes('\0')) throw new Error('a column needs a name');
  const taken = fields.find(
    (field) => field.name.toLowerCase() === name.toLowerCase() && field.id !== except?.id,
  );
  if (taken) throw new Error(`there is a column ${taken.name} already`);
};

const requireWidening = (field: Field, to: PrimitiveType): void => {
  const [old, next] = [decimalOf(field.type), decimalOf(to)];
  const isWider =
    field.type === to ||
    (field.type === 'int' && to === 'long') ||
    (field.type === 'float' && to === 'double') ||
    (old !== null && next !== null && old.scale === next.scale && next.precision >= old.precision);
  if (!isWider) {
    const from = typeof field.type === 'string' ? field.type : field.type.type;
    throw new Error(
      `${field.name} cannot go from ${from} to ${to}: int may become long, float double, and a decimal more digits with the same scale`,
    );
  }
};

const requireUnused = (metadata: TableMetadata, field: Field): void => {
  const spec = metadata['partition-specs'].find(
    (candidate) => candidate['spec-id'] === metadata['default-spec-id'],
  );
  const order = metadata['sort-orders'].find(
    (candidate) => candidate['order-id'] === metadata['default-sort-order-id'],
  );
  if (spec?.fields.some((partition) => partition['source-id'] === field.id)) {
    throw new Error(`${field.name} cannot be dropped: the table is partitioned by it`);
  }
  if (order?.fields.some((sort) => sort['source-id'] === field.id)) {
    throw new Error(`${field.name} cannot be dropped: the table is sorted by it`);
  }
};
