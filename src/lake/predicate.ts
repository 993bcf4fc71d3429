import { quoteName, quoteText } from './duckdb-session.ts';
import { duckType } from './duckdb-types.ts';
import { columnNamed, decimalOf, type Field, type Schema, type Type } from './schema.ts';
import { literalValue, type Value } from './values.ts';

/**
 * A value as text or number, typed by its column: `date` as `2026-11-22`, `timestamp` as `2026-11-22T10:00:00.123456`,
 * `timestamptz` the same with an offset or `Z`, `time` as `10:00:00`, decimals and longs above 2^53 as text, `uuid` as text.
 */
export type Literal = string | number | bigint | boolean | Uint8Array;

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** One condition on a top-level column, with SQL's meaning: null satisfies only `is null`. */
export type Condition =
  | { readonly column: string; readonly op: Comparison; readonly value: Literal }
  | { readonly column: string; readonly op: 'in'; readonly values: readonly Literal[] }
  | { readonly column: string; readonly op: 'starts with'; readonly value: string }
  | { readonly column: string; readonly op: 'is null' | 'is not null' };

/** All conditions hold (AND). Empty: every row. */
export type Predicate = readonly Condition[];

/** The condition with its column resolved and its literals as values of the column's type. */
export type BoundCondition = {
  readonly field: Field;
  readonly op: Condition['op'];
  readonly values: readonly Value[];
};

/** @throws Error for a column that is not there or a literal that is no value of its type */
export const bindPredicate = (schema: Schema, predicate: Predicate): BoundCondition[] =>
  predicate.map((condition) => {
    const field = columnNamed(schema, condition.column);
    const literals = 'values' in condition ? condition.values : 'value' in condition ? [condition.value] : [];
    if (condition.op === 'starts with' && field.type !== 'string') {
      throw new Error(`"starts with" takes a text column, and ${field.name} is not one`);
    }
    return { field, op: condition.op, values: literals.map((literal) => literalValue(field.type, literal)) };
  });

/** The predicate as a SQL condition of DuckDB over the table's columns. @throws Error as bindPredicate */
export const predicateSql = (schema: Schema, predicate: Predicate): string => {
  const parts = bindPredicate(schema, predicate).map(({ field, op, values }) => {
    const name = quoteName(field.name);
    const literals = values.map((value) => valueSql(field.type, value));
    if (op === 'is null' || op === 'is not null') return `${name} ${op.toUpperCase()}`;
    if (op === 'in') return literals.length === 0 ? 'false' : `${name} IN (${literals.join(', ')})`;
    if (op === 'starts with') return `starts_with(${name}, ${literals[0]})`;
    return `${name} ${op === '!=' ? '<>' : op} ${literals[0]}`;
  });
  return parts.length === 0 ? 'true' : parts.map((part) => `(${part})`).join(' AND ');
};

const valueSql = (type: Type, value: Value): string => {
  const cast = (text: string): string => `CAST(${quoteText(text)} AS ${duckType(type)})`;
  if (value instanceof Uint8Array) {
    const hex = Buffer.from(value).toString('hex');
    return type === 'uuid' ? cast(hex) : `unhex('${hex}')`;
  }
  const decimal = decimalOf(type);
  if (decimal) {
    const digits = String(BigInt(value) < 0n ? -BigInt(value) : value).padStart(decimal.scale + 1, '0');
    const at = digits.length - decimal.scale;
    return cast(
      `${BigInt(value) < 0n ? '-' : ''}${digits.slice(0, at)}${decimal.scale > 0 ? `.${digits.slice(at)}` : ''}`,
    );
  }
  if (type === 'date') return `(DATE '1970-01-01' + ${Number(value)})`;
  if (type === 'timestamp') return `make_timestamp(${value}::BIGINT)`;
  if (type === 'timestamptz') return `make_timestamptz(${value}::BIGINT)`;
  if (type === 'time') return `CAST(make_timestamp(${value}::BIGINT) AS TIME)`;
  return cast(String(value));
};
