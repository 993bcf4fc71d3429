import { quoteName, quoteText } from '../../lake/duckdb-session.ts';
import type { Column } from '../../lake/engines/engine.ts';
import { isoTimestamp } from '../../lake/engines/values.ts';
import { daysOf, microsOf } from '../../lake/values.ts';
import type { Check, OnFail } from '../declaration.ts';

/** What a check is held against: anything that may stand behind FROM, with its columns as the engine names them. */
export type CheckTarget = { readonly relation: string; readonly columns: readonly Column[] };

/**
 * A check as SQL that DuckDB and Trino read alike. `rows` gives the failing rows, whole; `figure` one row with one
 * value that `judge` holds against what is expected.
 */
export type CompiledCheck = {
  readonly name: string;
  readonly kind: Check['kind'];
  readonly onFail: OnFail;
  /** What is expected, for people. */
  readonly expected: string;
} & (
  | { readonly rows: string }
  | { readonly figure: string; readonly judge: (value: unknown, now: Date) => boolean }
);

/** A check that cannot be compiled: an unknown column, a value that is none of the column's type. */
export class CheckError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CheckError';
  }
}

/** The name of a check where its author gave none: `range valor`. It is how its history is found, so it must not depend on its place. */
export const checkName = (check: Check): string => {
  if (check.name !== undefined) return check.name;
  if ('columns' in check) return `${check.kind} ${check.columns.join(', ')}`;
  return 'column' in check ? `${check.kind} ${check.column}` : check.kind;
};

const columnOf = ({ relation, columns }: CheckTarget, name: string): Column => {
  const column = columns.find((each) => each.name.toLowerCase() === name.toLowerCase());
  if (column) return column;
  throw new CheckError(
    `no column ${JSON.stringify(name)} in ${relation}; its columns are ${columns.map((each) => each.name).join(', ')}`,
  );
};

const numeric = /^(tinyint|smallint|integer|bigint|hugeint|real|double|decimal)\b/;

/**
 * A literal of the column's type, in the spelling that both engines read. Numbers are written as digits, because a
 * cast to the column's decimal would round a bound that has more of them; instants as `TIMESTAMP '… UTC'`, which is
 * with zone in Trino and the same instant in DuckDB, whose sessions here are in UTC.
 */
const literal = (column: Column, value: string | number): string => {
  const text = String(value);
  const wrong = (expected: string): CheckError =>
    new CheckError(`${column.name} is ${column.type}, expected ${expected}, found ${JSON.stringify(text)}`);
  if (numeric.test(column.type)) {
    if (/^[+-]?\d+(\.\d+)?$/.test(text)) return text;
    throw wrong('a number');
  }
  if (column.type === 'date') {
    if (daysOf(text) !== null) return `DATE ${quoteText(text)}`;
    throw wrong('a day such as 2024-01-31');
  }
  if (column.type.startsWith('timestamp')) {
    const hasZone = column.type.includes('with time zone');
    const parsed = microsOf(text);
    if (parsed?.hasZone !== hasZone) {
      throw wrong(hasZone ? 'an instant such as 2024-01-31T12:00:00Z' : 'a time such as 2024-01-31T12:00:00');
    }
    const plain = isoTimestamp(parsed.micros, '').replace('T', ' ');
    return `TIMESTAMP '${plain}${hasZone ? ' UTC' : ''}'`;
  }
  return /^(var)?char/.test(column.type) ? quoteText(text) : `CAST(${quoteText(text)} AS ${column.type})`;
};

const rangeCondition = (column: Column, { min, max }: Extract<Check, { kind: 'range' }>): string => {
  if (min === undefined && max === undefined) {
    throw new CheckError(`range of ${column.name}: expected min, max or both, found neither`);
  }
  const name = quoteName(column.name);
  // NOT (a AND b): NaN, which compares differently in the two engines, is then out of a closed range in both.
  const holds = [
    ...(min === undefined ? [] : [`${name} >= ${literal(column, min)}`]),
    ...(max === undefined ? [] : [`${name} <= ${literal(column, max)}`]),
  ];
  return `NOT (${holds.join(' AND ')})`;
};

const bounds = (min: number | undefined, max: number | undefined): string =>
  [...(min === undefined ? [] : [`at least ${min}`]), ...(max === undefined ? [] : [`at most ${max}`])].join(
    ', ',
  );

/** `silver.ibge_localidades` with each part quoted. */
const tableName = (name: string): string => name.split('.').map(quoteName).join('.');

type Body =
  | { expected: string; rows: string }
  | { expected: string; figure: string; judge: (value: unknown, now: Date) => boolean };

const compileBody = (check: Check, target: CheckTarget): Body => {
  const where = (condition: string): string => `SELECT * FROM ${target.relation} AS t WHERE ${condition}`;
  switch (check.kind) {
    case 'not_null': {
      const column = columnOf(target, check.column);
      return { expected: `${column.name} is there`, rows: where(`${quoteName(column.name)} IS NULL`) };
    }
    case 'unique': {
      const keys = check.columns.map((name) => quoteName(columnOf(target, name).name));
      if (keys.length === 0) throw new CheckError('unique: expected at least one column');
      const own = target.columns.map(({ name }) => quoteName(name)).join(', ');
      return {
        expected: `one row for each ${check.columns.join(', ')}`,
        rows: `SELECT ${own} FROM (SELECT t.*, count(*) OVER (PARTITION BY ${keys.join(', ')}) AS lastro_same FROM ${target.relation} AS t) AS u WHERE lastro_same > 1`,
      };
    }
    case 'accepted_values': {
      const column = columnOf(target, check.column);
      if (check.values.length === 0)
        throw new CheckError(`accepted_values of ${column.name}: expected at least one value`);
      const list = check.values.map((value) => literal(column, value)).join(', ');
      return {
        expected: `one of ${check.values.join(', ')}`,
        rows: where(`${quoteName(column.name)} NOT IN (${list})`),
      };
    }
    case 'range': {
      const column = columnOf(target, check.column);
      const expected = [check.min ?? '…', check.max ?? '…'].join(' to ');
      return { expected: `${column.name} from ${expected}`, rows: where(rangeCondition(column, check)) };
    }
    case 'reference': {
      const name = quoteName(columnOf(target, check.column).name);
      const found = `SELECT 1 FROM ${tableName(check.table)} AS r WHERE r.${quoteName(check.to)} = t.${name}`;
      return {
        expected: `${check.column} is a ${check.to} of ${check.table}`,
        rows: where(`t.${name} IS NOT NULL AND NOT EXISTS (${found})`),
      };
    }
    case 'row_count': {
      const { min, max } = check;
      if (min === undefined && max === undefined)
        throw new CheckError('row_count: expected min, max or both, found neither');
      return {
        expected: `rows: ${bounds(min, max)}`,
        figure: `SELECT count(*) AS figure FROM ${target.relation}`,
        judge: (count) => Number(count) >= (min ?? 0) && Number(count) <= (max ?? Number.POSITIVE_INFINITY),
      };
    }
    case 'freshness': {
      const column = columnOf(target, check.column);
      if (!/^(date|timestamp)/.test(column.type))
        throw new CheckError(
          `freshness of ${column.name}: expected a date or a timestamp, found ${column.type}`,
        );
      return {
        expected: `${column.name} not older than ${check.hours} h`,
        figure: `SELECT max(${quoteName(column.name)}) AS figure FROM ${target.relation}`,
        judge: (newest, now) => isFresh(newest, check.hours, now),
      };
    }
    case 'sql':
      return { expected: 'no rows', rows: check.sql.trim().replace(/;$/, '') };
  }
};

/** A date counts to its end; a timestamp without zone is UTC. Nothing at all is never fresh. */
const isFresh = (newest: unknown, hours: number, now: Date): boolean => {
  if (typeof newest !== 'string') return false;
  const isDay = newest.length === 10;
  const at = Date.parse(isDay || newest.endsWith('Z') ? newest : `${newest}Z`) + (isDay ? 86_400_000 : 0);
  return now.getTime() - at <= hours * 3_600_000;
};

/**
 * Compiles a check for a target.
 * @throws CheckError
 */
export const compileCheck = (check: Check, target: CheckTarget): CompiledCheck => {
  const onFail = check.onFail ?? 'warn';
  const body = compileBody(check, target);
  if (onFail === 'quarantine' && !('rows' in body)) {
    throw new CheckError(`${checkName(check)}: onFail quarantine is for checks of single rows`);
  }
  return { name: checkName(check), kind: check.kind, onFail, ...body };
};
