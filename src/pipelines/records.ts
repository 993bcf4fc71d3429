import { isLosslessNumber, LosslessNumber, parse } from 'lossless-json';

/** The member at a path such as `meta.next`; undefined where there is none. A key with dots in it is tried first. */
export const at = (value: unknown, path: string): unknown => {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Object.hasOwn(value, path)) return (value as Record<string, unknown>)[path];
  const dot = path.indexOf('.');
  if (dot < 0) return undefined;
  const first = path.slice(0, dot);
  return Object.hasOwn(value, first)
    ? at((value as Record<string, unknown>)[first], path.slice(dot + 1))
    : undefined;
};

/**
 * The records of an answer: the list at `path`; without one the answer itself, a list or a single record.
 * @throws Error where there is no list
 */
export const listAt = (json: unknown, path: string | undefined): unknown[] => {
  const found = path === undefined ? json : at(json, path);
  if (Array.isArray(found)) return found;
  if (path === undefined && typeof found === 'object' && found !== null) return [found];
  const what = found === undefined ? 'nothing' : found === null ? 'null' : typeof found;
  throw new Error(`expected a list of records${path === undefined ? '' : ` at "${path}"`}, found ${what}`);
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text of a body. @throws Error for bytes that are not UTF-8 */
export const textOf = (body: Uint8Array): string => utf8.decode(body);

/** Reads a body with every digit of its numbers. */
export const parseExactly = (text: string): unknown =>
  parse(text, undefined, (number) => new LosslessNumber(number));

export type JsonKind = 'string' | 'number' | 'boolean' | 'object' | 'null' | 'absent';

/** A value as text for SQL to cast, with the JSON type it had. Numbers keep their digits, without an exponent. */
export const valueText = (value: unknown): { text: string | null; kind: JsonKind } => {
  if (value === undefined) return { text: null, kind: 'absent' };
  if (value === null) return { text: null, kind: 'null' };
  if (typeof value === 'string') return { text: value, kind: 'string' };
  if (isLosslessNumber(value)) return { text: plainNumber(value.value), kind: 'number' };
  if (typeof value === 'boolean') return { text: String(value), kind: 'boolean' };
  return { text: jsonText(value), kind: 'object' };
};

/** `1.5E3` is 1500, `-2e-3` is -0.002; others stay as they are. */
export const plainNumber = (text: string): string => {
  const parts = /^(-?)(\d+)(?:\.(\d+))?[eE]([+-]?\d+)$/.exec(text);
  if (!parts) return text;
  const [, sign = '', whole = '', fraction = '', power = '0'] = parts;
  const exponent = Number(power);
  // Beyond any column of 38 digits: left as it is, and so not of its type.
  if (Math.abs(exponent) > 80) return text;
  const digits = whole + fraction;
  const point = whole.length + exponent;
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0');
  const cut = point <= 0 ? 1 : point;
  const before = padded.slice(0, cut).replace(/^0+(?=\d)/, '');
  const after = padded.slice(cut);
  return `${sign}${before}${after === '' ? '' : `.${after}`}`;
};

/** JSON text with the digits of its numbers as they came. */
export const jsonText = (value: unknown): string => {
  if (isLosslessNumber(value)) return value.value;
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([key, member]) => `${JSON.stringify(key)}:${jsonText(member)}`,
    );
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
};
