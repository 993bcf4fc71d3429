import { bigEndianTwosComplement } from './bounds.ts';
import { quoteName } from './duckdb-session.ts';
import { murmur3 } from './murmur3.ts';
import { decimalOf, type Type } from './schema.ts';
import { compareValues, type Value } from './values.ts';

export type Transform =
  | 'identity'
  | 'year'
  | 'month'
  | 'day'
  | 'hour'
  | 'void'
  | `bucket[${number}]`
  | `truncate[${number}]`;

type Parsed = { readonly kind: string; readonly width: number };

/** @throws Error for a transform that is not of format version 2, or does not take the source's type. */
export const parseTransform = (text: string, source: Type): Parsed => {
  const match = /^(identity|year|month|day|hour|void|bucket|truncate)(?:\[(\d+)\])?$/.exec(text);
  const kind = match?.[1] ?? '';
  const width = Number(match?.[2] ?? 0);
  const needsWidth = kind === 'bucket' || kind === 'truncate';
  if (
    !match ||
    needsWidth !== (match[2] !== undefined) ||
    (needsWidth && (width < 1 || width > 2 ** 31 - 1))
  ) {
    throw new Error(
      `expected identity, year, month, day, hour, bucket[N], truncate[W] or void, found ${JSON.stringify(text)}`,
    );
  }
  if (!takes(kind, source)) {
    throw new Error(
      `${text} cannot partition or sort a column of type ${typeof source === 'string' ? source : source.type}`,
    );
  }
  return { kind, width };
};

const takes = (kind: string, source: Type): boolean => {
  if (typeof source !== 'string') return kind === 'void';
  const isTimestamp = source === 'timestamp' || source === 'timestamptz';
  switch (kind) {
    case 'year':
    case 'month':
    case 'day':
      return isTimestamp || source === 'date';
    case 'hour':
      return isTimestamp;
    case 'bucket':
      return !['boolean', 'float', 'double'].includes(source);
    case 'truncate':
      return ['int', 'long', 'string', 'binary'].includes(source) || decimalOf(source) !== null;
    default:
      return true;
  }
};

/** The type of a partition value. `day` is a date, as Java, Spark and PyIceberg write it. */
export const resultType = (transform: string, source: Type): Type => {
  const { kind } = parseTransform(transform, source);
  if (kind === 'day') return 'date';
  return kind === 'year' || kind === 'month' || kind === 'hour' || kind === 'bucket' ? 'int' : source;
};

/** The partition value of a source value, by the Iceberg spec's partition transforms. Null stays null. */
export const applyTransform = (transform: string, source: Type, value: Value | null): Value | null => {
  const { kind, width } = parseTransform(transform, source);
  if (value === null || kind === 'void') return null;
  switch (kind) {
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
      return timePart(kind, source, value);
    case 'bucket':
      return (murmur3(hashInput(source, value)) & 0x7fffffff) % width;
    case 'truncate':
      return truncate(value, width);
    default:
      return value;
  }
};

const timePart = (kind: string, source: Type, value: Value): number => {
  const hour = 3_600_000_000n;
  if (kind === 'hour') return Number(floorDivide(BigInt(value as bigint), hour));
  const days = source === 'date' ? Number(value) : Number(floorDivide(BigInt(value as bigint), hour * 24n));
  if (kind === 'day') return days;
  const date = new Date(days * 86_400_000);
  const years = date.getUTCFullYear() - 1970;
  return kind === 'year' ? years : years * 12 + date.getUTCMonth();
};

const floorDivide = (a: bigint, b: bigint): bigint => (a - (((a % b) + b) % b)) / b;

const truncate = (value: Value, width: number): Value => {
  if (typeof value === 'string') return [...value].slice(0, width).join('');
  if (value instanceof Uint8Array) return value.slice(0, width);
  const whole = BigInt(value);
  const cut = floorDivide(whole, BigInt(width)) * BigInt(width);
  return typeof value === 'number' ? Number(cut) : cut;
};

/** What the bucket hash is taken of (spec, appendix B): integers and times as 8 bytes, decimals as their shortest bytes. */
export const hashInput = (source: Type, value: Value): Uint8Array => {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string') return Buffer.from(value);
  if (decimalOf(source)) return bigEndianTwosComplement(BigInt(value));
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
};

/** Name of the SQL function that `registerBucket` (bucket-function.ts) adds to a DuckDB connection. */
export const bucketFunction = 'lastro_bucket';

/** The transform as a DuckDB expression over a column, giving the type of `resultType`. The session is in UTC. */
export const transformSql = (transform: string, source: Type, column: string): string => {
  const { kind, width } = parseTransform(transform, source);
  const name = quoteName(column);
  switch (kind) {
    case 'year':
      return `CAST(year(${name}) - 1970 AS INTEGER)`;
    case 'month':
      return `CAST((year(${name}) - 1970) * 12 + month(${name}) - 1 AS INTEGER)`;
    case 'day':
      return `CAST(${name} AS DATE)`;
    case 'hour':
      // date_diff counts the hour boundaries between: rounds down before 1970 as well.
      return `CAST(date_diff('hour', ${source === 'timestamptz' ? 'TIMESTAMPTZ' : 'TIMESTAMP'} '1970-01-01 00:00:00', ${name}) AS INTEGER)`;
    case 'bucket':
      return `${bucketFunction}('${String(source)}', CAST(${name} AS VARCHAR), ${width})`;
    case 'truncate':
      return truncateSql(source, name, width);
    case 'void':
      return 'CAST(NULL AS INTEGER)';
    default:
      return name;
  }
};

const truncateSql = (source: Type, name: string, width: number): string => {
  if (source === 'string') return `left(${name}, ${width})`;
  if (source === 'binary') return `unhex(left(hex(${name}), ${width * 2}))`;
  const decimal = decimalOf(source);
  const type = decimal
    ? `DECIMAL(${decimal.precision}, ${decimal.scale})`
    : source === 'int'
      ? 'INTEGER'
      : 'BIGINT';
  const unit = decimal
    ? `CAST('${unitOf(width, decimal.scale)}' AS DECIMAL(38, ${decimal.scale}))`
    : `${width}`;
  const wide = decimal ? `CAST(${name} AS DECIMAL(38, ${decimal.scale}))` : `CAST(${name} AS HUGEINT)`;
  return `CAST(${wide} - (((${wide} % ${unit}) + ${unit}) % ${unit}) AS ${type})`;
};

/** `width` units of the last decimal place, as text: 10 at scale 2 is `0.10`. */
const unitOf = (width: number, scale: number): string => {
  const digits = String(width).padStart(scale + 1, '0');
  return scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
};

/** Whether order is kept: `a <= b` implies `t(a) <= t(b)`, so that ranges can be pruned. */
export const keepsOrder = (transform: string): boolean => !/^(bucket|void)/.test(transform);

export const sameValue = (a: Value | null, b: Value | null): boolean =>
  a === null || b === null
    ? a === b
    : typeof a === typeof b
      ? compareValues(a, b) === 0
      : String(a) === String(b);
