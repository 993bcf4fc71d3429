/** Schemas of Iceberg tables, in the JSON form of the table spec (its appendix C), so that nothing is lost on the way. */

export type PrimitiveType =
  | 'boolean'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'timestamptz'
  | 'string'
  | 'uuid'
  | 'binary'
  | `decimal(${string})`
  | `fixed[${string}]`;

export type StructType = { type: 'struct'; fields: Field[] };

export type ListType = { type: 'list'; 'element-id': number; element: Type; 'element-required': boolean };

export type MapType = {
  type: 'map';
  'key-id': number;
  key: Type;
  'value-id': number;
  value: Type;
  'value-required': boolean;
};

export type Type = PrimitiveType | StructType | ListType | MapType;

export type Field = { id: number; name: string; required: boolean; type: Type; doc?: string };

export type Schema = StructType & { 'schema-id': number; 'identifier-field-ids'?: number[] };

/** A column as a person writes it: ids are given when the table is created. */
export type ColumnType =
  | PrimitiveType
  | { readonly list: ColumnType }
  | { readonly map: readonly [key: ColumnType, value: ColumnType] }
  | { readonly struct: readonly Column[] };

export type Column = {
  readonly name: string;
  readonly type: ColumnType;
  /** Null is refused. Default false. */
  readonly required?: boolean;
  readonly doc?: string;
};

const simpleTypes = new Set(
  'boolean int long float double date time timestamp timestamptz string uuid binary'.split(' '),
);

/** `decimal(12, 2)` → 12 and 2; null for other types. */
export const decimalOf = (type: Type): { precision: number; scale: number } | null => {
  const match = typeof type === 'string' ? /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(type) : null;
  return match ? { precision: Number(match[1]), scale: Number(match[2]) } : null;
};

/** `fixed[16]` → 16; null for other types. */
export const fixedOf = (type: Type): number | null => {
  const match = typeof type === 'string' ? /^fixed\[(\d+)\]$/.exec(type) : null;
  return match ? Number(match[1]) : null;
};

/**
 * Checks a primitive type's name, and gives a decimal as `decimal(12, 2)`: older Iceberg libraries (that of Trino 368,
 * for one) can't read it without the space. Types of format version 3 (`timestamp_ns`, `variant`, `geometry`…) are
 * refused.
 * @throws Error
 */
export const checkPrimitive = (text: string): PrimitiveType => {
  const decimal = decimalOf(text as Type);
  const known =
    simpleTypes.has(text) ||
    (decimal && decimal.precision >= 1 && decimal.precision <= 38 && decimal.scale <= decimal.precision) ||
    fixedOf(text as Type) !== null;
  if (!known) {
    throw new Error(
      `expected an Iceberg v2 type (${[...simpleTypes].join(', ')}, decimal(P, S) up to 38 digits, fixed[N]), found ${JSON.stringify(text)}`,
    );
  }
  return decimal ? `decimal(${decimal.precision}, ${decimal.scale})` : (text as PrimitiveType);
};

/** Gives each column and nested field an id of `next()`, level by level as Java does: first the siblings, then what is inside them. */
export const assignIds = (columns: readonly Column[], next: () => number): Field[] => {
  const names = columns.map(({ name }) => name);
  const twice = names.find(
    (name, at) => names.findIndex((other) => other.toLowerCase() === name.toLowerCase()) !== at,
  );
  if (twice !== undefined)
    throw new Error(`column ${JSON.stringify(twice)} is there twice (names differ in more than case)`);
  if (names.some((name) => name === '' || name.includes('\0')))
    throw new Error('a column without a usable name');
  const numbered = columns.map((column) => ({ column, id: next() }));
  return numbered.map(({ column, id }) => ({
    id,
    name: column.name,
    required: column.required ?? false,
    type: assignType(column.type, next),
    ...(column.doc === undefined ? {} : { doc: column.doc }),
  }));
};

const assignType = (type: ColumnType, next: () => number): Type => {
  if (typeof type === 'string') return checkPrimitive(type);
  if ('list' in type) {
    const id = next();
    return {
      type: 'list',
      'element-id': id,
      element: assignType(type.list, next),
      'element-required': false,
    };
  }
  if ('map' in type) {
    const [keyId, valueId] = [next(), next()];
    return {
      type: 'map',
      'key-id': keyId,
      key: assignType(type.map[0], next),
      'value-id': valueId,
      value: assignType(type.map[1], next),
      'value-required': false,
    };
  }
  return { type: 'struct', fields: assignIds(type.struct, next) };
};

/** The fields directly inside a type: a struct's own, or `element`, `key`, `value` with their ids. */
export const childrenOf = (type: Type): Field[] => {
  if (typeof type === 'string') return [];
  if (type.type === 'struct') return type.fields;
  if (type.type === 'list') {
    return [
      { id: type['element-id'], name: 'element', required: type['element-required'], type: type.element },
    ];
  }
  return [
    { id: type['key-id'], name: 'key', required: true, type: type.key },
    { id: type['value-id'], name: 'value', required: type['value-required'], type: type.value },
  ];
};

export type FoundField = Field & {
  /** Names from the top, for example `['address', 'street']`. */
  readonly path: readonly string[];
  /** Inside a list or a map: many values a row, so no bounds. */
  readonly repeated: boolean;
};

/** Every field at every depth, by id. */
export const fieldsById = (schema: StructType): Map<number, FoundField> => {
  const found = new Map<number, FoundField>();
  const visit = (fields: readonly Field[], path: readonly string[], repeated: boolean): void => {
    for (const field of fields) {
      const here = [...path, field.name];
      found.set(field.id, { ...field, path: here, repeated });
      const many = typeof field.type !== 'string' && field.type.type !== 'struct';
      visit(childrenOf(field.type), here, repeated || many);
    }
  };
  visit(schema.fields, [], false);
  return found;
};

/** A top-level column by name. @throws Error that lists the columns there are. */
export const columnNamed = (schema: StructType, name: string): Field => {
  const field = schema.fields.find((candidate) => candidate.name === name);
  if (!field) {
    throw new Error(
      `no column ${JSON.stringify(name)}; the columns are ${schema.fields.map((candidate) => candidate.name).join(', ')}`,
    );
  }
  return field;
};
