import type { Literal } from './predicate.ts';
import { decimalOf, fixedOf, type Type } from './schema.ts';

/**
 * One value of a primitive type as this code computes with it: `int`, `date` and partition numbers as number;
 * `long`, `time`, `timestamp(tz)` (microseconds) and decimals (unscaled) as bigint; `float`, `double` as number;
 * `string` as text; `uuid`, `binary`, `fixed` as bytes.
 */
export type Value = boolean | number | bigint | string | Uint8Array;

const dayMs = 86_400_000;

/** Days since 1970-01-01 of `2026-11-22`; null for text that is not a day of the years 1 to 9999. */
export const daysOf = (text: string): number | null => {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (!match) return null;
  const at = new Date(0);
  at.setUTCFullYear(Number(match[1]), Number(match[2]) - 1, Number(match[3]));
  return at.toISOString().startsWith(text) ? at.getTime() / dayMs : null;
};

/** Microseconds of `10:00:00.123456`; null for other text. */
const timeMicros = (text: string): bigint | null => {
  const match = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d*)?)?$/.exec(text);
  if (!match) return null;
  const [, h, m, s = '0', fraction = ''] = match;
  if (Number(h) > 24 || Number(m) > 59 || Number(s) > 60) return null;
  return BigInt(Number(h) * 3600 + Number(m) * 60 + Number(s)) * 1_000_000n + BigInt(fraction.padEnd(6, '0'));
};

/** Microseconds since 1970 of `2026-11-22 10:00:00.123456` (or with `T`), with an optional offset; null for other text. */
export const microsOf = (text: string): { micros: bigint; hasZone: boolean } | null => {
  const match = /^(\d{4}-\d\d-\d\d)(?:[ T]([\d:.]+?))?(?:(Z|[+-]\d\d)(?::?(\d\d))?)?$/.exec(text);
  const days = match ? daysOf(match[1] ?? '') : null;
  const time = timeMicros(match?.[2] ?? '00:00');
  if (!match || days === null || time === null) return null;
  const [zone, minutes] = [match[3], match[4]];
  const sign = zone?.startsWith('-') ? -1 : 1;
  const offset = !zone || zone === 'Z' ? 0 : sign * (Math.abs(Number(zone)) * 60 + Number(minutes ?? 0));
  return {
    micros: BigInt(days) * BigInt(dayMs) * 1000n + time - BigInt(offset) * 60_000_000n,
    hasZone: zone !== undefined,
  };
};

/** `12.34` at scale 2 → 1234n; null when it is no number or has more decimals than the scale. */
export const unscaledOf = (text: string, scale: number): bigint | null => {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text);
  const [, sign = '', whole = '', fraction = ''] = match ?? [];
  const kept = fraction.replace(/0+$/, '');
  if (!match || whole + fraction === '' || kept.length > scale) return null;
  const digits = BigInt(`${whole}${kept.padEnd(scale, '0')}` || '0');
  return sign === '-' ? -digits : digits;
};

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Reads the text that DuckDB prints for a value of `type` (without special numbers and eras: those give null). */
export const parseValue = (type: Type, text: string): Value | null => {
  const decimal = decimalOf(type);
  if (decimal) return unscaledOf(text, decimal.scale);
  if (fixedOf(type) !== null || type === 'binary') return parseBlob(text);
  switch (type) {
    case 'boolean':
      return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : null;
    case 'int':
      return /^-?\d+$/.test(text) ? Number(text) : null;
    case 'long':
      return /^-?\d+$/.test(text) ? BigInt(text) : null;
    case 'float':
    case 'double':
      return Number.isFinite(Number(text)) && text !== '' ? Number(text) : null;
    case 'date':
      return daysOf(text);
    case 'time':
      return timeMicros(text);
    case 'timestamp':
    case 'timestamptz':
      return microsOf(text)?.micros ?? null;
    case 'string':
      return text;
    case 'uuid':
      return uuidPattern.test(text) ? Buffer.from(text.replaceAll('-', ''), 'hex') : null;
    default:
      return null;
  }
};

/** DuckDB prints bytes as ASCII with `\xHH` for all others. */
const parseBlob = (text: string): Uint8Array | null => {
  if (!/^(?:\\x[0-9A-Fa-f]{2}|[\x20-\x7e])*$/.test(text)) return null;
  return Buffer.from(
    text.replaceAll(/\\x([0-9A-Fa-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    'latin1',
  );
};

/**
 * A literal of a predicate as a value of the column's type. A timestamp without time zone takes no offset and one
 * with time zone needs one: guessing would move rows by hours.
 * @throws Error naming what the type takes
 */
export const literalValue = (type: Type, literal: Literal): Value => {
  const value = convertLiteral(type, literal);
  if (value === null) {
    const shown = typeof literal === 'bigint' ? String(literal) : JSON.stringify(literal);
    throw new Error(
      `expected a value of type ${typeof type === 'string' ? type : type.type}, found ${shown}`,
    );
  }
  return value;
};

const convertLiteral = (type: Type, literal: Literal): Value | null => {
  if (typeof type !== 'string') return null;
  if (literal instanceof Uint8Array) return type === 'binary' || fixedOf(type) !== null ? literal : null;
  if (typeof literal === 'boolean') return type === 'boolean' ? literal : null;
  if (type === 'string') return typeof literal === 'string' ? literal : null;
  if (type === 'boolean' || type === 'binary' || fixedOf(type) !== null) return null;
  if (typeof literal !== 'string' && ['date', 'time', 'timestamp', 'timestamptz', 'uuid'].includes(type))
    return null;
  if (type === 'timestamp' || type === 'timestamptz') {
    const parsed = microsOf(String(literal));
    return parsed && parsed.hasZone === (type === 'timestamptz') ? parsed.micros : null;
  }
  if (type === 'float' || type === 'double') return Number.isFinite(Number(literal)) ? Number(literal) : null;
  return parseValue(type, String(literal));
};

/** Orders two values of one type: -1, 0, 1. Text by code point and bytes by unsigned byte, as the spec has it. */
export const compareValues = (a: Value, b: Value): number => {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
};
