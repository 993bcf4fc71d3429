import { quoteName } from './duckdb-session.ts';
import { childrenOf, decimalOf, type Field, fixedOf, type PrimitiveType, type Type } from './schema.ts';

const simple: Record<string, string> = {
  boolean: 'BOOLEAN',
  int: 'INTEGER',
  long: 'BIGINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  date: 'DATE',
  time: 'TIME',
  timestamp: 'TIMESTAMP',
  timestamptz: 'TIMESTAMP WITH TIME ZONE',
  string: 'VARCHAR',
  uuid: 'UUID',
  binary: 'BLOB',
};

/** The DuckDB type of an Iceberg type, as SQL and as DESCRIBE writes it. */
export const duckType = (type: Type): string => {
  if (typeof type !== 'string') {
    const [first, second] = childrenOf(type);
    if (type.type === 'struct') {
      return `STRUCT(${type.fields.map((field) => `${quoteName(field.name)} ${duckType(field.type)}`).join(', ')})`;
    }
    if (type.type === 'list') return `${duckType(first?.type ?? 'string')}[]`;
    return `MAP(${duckType(first?.type ?? 'string')}, ${duckType(second?.type ?? 'string')})`;
  }
  const decimal = decimalOf(type);
  if (decimal) return `DECIMAL(${decimal.precision},${decimal.scale})`;
  if (fixedOf(type) !== null) return 'BLOB';
  const name = simple[type];
  if (!name) throw new Error(`no DuckDB type for ${type}`);
  return name;
};

const iceberg: Record<string, PrimitiveType> = {
  ...Object.fromEntries(Object.entries(simple).map(([ours, theirs]) => [theirs, ours as PrimitiveType])),
  TINYINT: 'int',
  SMALLINT: 'int',
  UTINYINT: 'int',
  USMALLINT: 'int',
  UINTEGER: 'long',
  TIMESTAMP_MS: 'timestamp',
  JSON: 'string',
};

/** The Iceberg type that holds every value of a DuckDB type, as DESCRIBE writes it; undefined where there is none. */
export const icebergType = (type: string): PrimitiveType | undefined => {
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(type);
  return decimal ? `decimal(${decimal[1]},${decimal[2]})` : iceberg[type];
};

/** The value of COPY's FIELD_IDS option: `{a: 1, l: {__duckdb_field_id: 2, element: 3}}`. */
export const fieldIdsSql = (fields: readonly Field[]): string =>
  `{${fields.map((field) => `${quoteName(field.name)}: ${fieldIdSql(field)}`).join(', ')}}`;

const fieldIdSql = (field: Field): string => {
  const children = childrenOf(field.type);
  if (children.length === 0) return String(field.id);
  return fieldIdsSql(children).replace('{', `{__duckdb_field_id: ${field.id}, `);
};
