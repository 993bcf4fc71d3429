import { quoteName, quoteText } from '../lake/duckdb-session.ts';
import { duckType } from '../lake/duckdb-types.ts';
import { decimalOf } from '../lake/schema.ts';
import type { SilverColumn } from './declaration.ts';

/**
 * The SQL that turns texts into typed values without loss: a value that does not survive the way there and back is
 * not of its column's type. Nothing is rounded, cut or guessed.
 */

const strptimeParts: Record<string, string> = {
  yyyy: '%Y',
  MM: '%m',
  dd: '%d',
  HH: '%H',
  mm: '%M',
  ss: '%S',
};

const strptimeFormat = (format: string): string =>
  format.replaceAll('%', '%%').replaceAll(/yyyy|MM|dd|HH|mm|ss/g, (part) => strptimeParts[part] ?? part);

/** A pattern with exactly the digits of the format: strptime alone takes `1/2/2026` for `dd/MM/yyyy`. */
const shapeOf = (format: string): string =>
  format
    .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll(/yyyy/g, '[0-9]{4}')
    .replaceAll(/MM|dd|HH|mm|ss/g, '[0-9]{2}');

const matches = (text: string, pattern: string): string =>
  `regexp_full_match(${text}, ${quoteText(pattern)})`;

const when = (condition: string, value: string): string => `CASE WHEN ${condition} THEN ${value} END`;

/** At most six digits of fraction: what a timestamp of microseconds can hold. */
const instantShape = '[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,6}0*)?)?';
const zoneShape = '(Z|[+-][0-9]{2}(:?[0-9]{2})?)';

const temporalSql = (column: SilverColumn, text: string): string => {
  const { type, format, zone = 'UTC' } = column;
  if (type === 'date') {
    return format === undefined
      ? when(matches(text, '[0-9]{4}-[0-9]{2}-[0-9]{2}'), `TRY_CAST(${text} AS DATE)`)
      : when(
          matches(text, shapeOf(format)),
          `CAST(try_strptime(${text}, ${quoteText(strptimeFormat(format))}) AS DATE)`,
        );
  }
  const local =
    format === undefined
      ? when(matches(text, instantShape), `TRY_CAST(${text} AS TIMESTAMP)`)
      : when(matches(text, shapeOf(format)), `try_strptime(${text}, ${quoteText(strptimeFormat(format))})`);
  if (type === 'timestamp') return local;
  const zoned = when(matches(text, `${instantShape}${zoneShape}`), `TRY_CAST(${text} AS TIMESTAMPTZ)`);
  return `coalesce(${zoned}, (${local}) AT TIME ZONE ${quoteText(zone)})`;
};

/** The typed value of a text, or null where the text is none of its type. */
export const castSql = (column: SilverColumn, rawText: string): string => {
  const { type } = column;
  const text = column.decimal === ',' ? `replace(replace(${rawText}, '.', ''), ',', '.')` : rawText;
  const decimal = decimalOf(type);
  if (decimal) {
    // Zeros behind the last digit that fits are no loss.
    const fits = matches(text, `[+-]?[0-9]+(\\.[0-9]{0,${decimal.scale}}0*)?`);
    return when(fits, `TRY_CAST(${text} AS ${duckType(type)})`);
  }
  switch (type) {
    case 'string':
      return rawText;
    case 'boolean':
      return `CASE lower(${text}) WHEN 'true' THEN true WHEN 'false' THEN false END`;
    case 'int':
    case 'long':
      return when(matches(text, '[+-]?[0-9]+(\\.0*)?'), `TRY_CAST(${text} AS ${duckType(type)})`);
    case 'float':
    case 'double':
      return `TRY_CAST(${text} AS ${duckType(type)})`;
    default:
      return temporalSql(column, text);
  }
};

/** Column of the staged texts. */
export const textColumn = (name: string): string => quoteName(`t_${name}`);

/** The text column beside one whose type evolved. */
export const variantColumn = (name: string): string => `${name}__texto`;

/**
 * A hash of a row's values, whatever the order of its columns; a column that is null has no part in it, so that a
 * column which is added later changes no hash of a row without it.
 */
export const rowHashSql = (columns: readonly string[]): string => {
  const parts = columns
    .toSorted()
    .map(
      (name) =>
        `CASE WHEN ${quoteName(name)} IS NOT NULL THEN ${quoteText(`${name}=`)} || ${quoteName(name)}::VARCHAR END`,
    );
  return `md5(concat_ws(chr(31), ${parts.join(', ')}))`;
};
