import type { SqlValue } from './engine.ts';
import { isoTimestamp } from './values.ts';

/** A text as a literal of Trino's and Athena's SQL, in which only the quote means something. */
export const textLiteral = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A type in Trino's spelling, taken apart: `row(a bigint, b array(varchar))`. */
export type TrinoType = {
  readonly name: string;
  /** Of array, map and row. */
  readonly children: readonly TrinoType[];
  /** Of row; null where a field has no name. */
  readonly fieldNames: readonly (string | null)[];
};

/** Parses a type's text as Trino and Athena write it. What it does not know it keeps as a name without children. */
export const parseTrinoType = (text: string): TrinoType => {
  const open = text.indexOf('(');
  const name = (open < 0 ? text : text.slice(0, open)).trim().toLowerCase();
  if (!['array', 'map', 'row'].includes(name) || !text.endsWith(')')) {
    const zone = /with time zone\s*$/i.test(text) ? ' with time zone' : '';
    return { name: name.replace(/ with time zone$/, '') + zone, children: [], fieldNames: [] };
  }
  const parts = splitTopLevel(text.slice(open + 1, -1));
  if (name !== 'row') return { name, children: parts.map(parseTrinoType), fieldNames: [] };
  const fields = parts.map((part) => {
    const named = /^("(?:[^"]|"")*"|[\w$@]+)\s+(\S.*)$/s.exec(part);
    const bare = named === null || /^(timestamp|time|double)\b.*\b(with time zone|precision)$/i.test(part);
    return bare
      ? { name: null, type: parseTrinoType(part) }
      : { name: unquote(named[1] ?? ''), type: parseTrinoType(named[2] ?? '') };
  });
  return { name, children: fields.map(({ type }) => type), fieldNames: fields.map((field) => field.name) };
};

const unquote = (name: string): string =>
  name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;

const splitTopLevel = (text: string): string[] => {
  const parts: string[] = [];
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let n = 0; n < text.length; n += 1) {
    const char = text[n];
    if (char === '"') quoted = !quoted;
    if (quoted) continue;
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (char === ',' && depth === 0) {
      parts.push(text.slice(from, n).trim());
      from = n + 1;
    }
  }
  return [...parts, text.slice(from).trim()];
};

/** A value of Trino's JSON protocol as the port promises it. Integers come exact (see `parseExact`). */
export const fromTrino = (value: unknown, type: TrinoType): SqlValue => {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) {
    if (type.name !== 'row') return value.map((item) => fromTrino(item, type.children[0] ?? type));
    return Object.fromEntries(
      type.children.map((child, n) => [type.fieldNames[n] ?? `field${n}`, fromTrino(value[n], child)]),
    );
  }
  if (typeof value === 'object') {
    const child = type.children[1] ?? type;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromTrino(item, child)]));
  }
  if (typeof value === 'string' && type.name.startsWith('timestamp')) return trinoTimestamp(value, type.name);
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return String(value);
};

/** `2026-01-31 10:00:00.123000 UTC`, `… -03:00`, `… America/Sao_Paulo`; more than six digits are kept as they are. */
export const trinoTimestamp = (text: string, type: string): string => {
  const found = /^([+-]?\d{4,6}-\d\d-\d\d) (\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?(?: (\S+))?$/.exec(text);
  if (!found) return text;
  const [, date = '', time = '', digits = '', zone] = found;
  const clock = time.length === 5 ? `${time}:00` : time;
  const significant = digits.replace(/0+$/, '');
  const withZone = type.endsWith('with time zone');
  if (significant.length > 6) return `${date}T${clock}.${significant}${withZone ? offsetText(zone) : ''}`;
  const local = Date.parse(`${date}T${clock}Z`);
  const micros = BigInt(local) * 1_000n + BigInt(significant.padEnd(6, '0'));
  if (!withZone) return isoTimestamp(micros, '');
  return isoTimestamp(micros - BigInt(offsetMs(zone ?? 'UTC', local)) * 1_000n, 'Z');
};

const offsetText = (zone: string | undefined): string =>
  zone === undefined || zone === 'UTC' || zone === 'Z' ? 'Z' : /^[+-]/.test(zone) ? zone : ` ${zone}`;

/** How far a zone's wall clock is ahead of UTC at a local time. In the hour that happens twice: the earlier one. */
const offsetMs = (zone: string, local: number): number => {
  const fixed = /^([+-])(\d\d):?(\d\d)$/.exec(zone);
  if (fixed) return (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000;
  if (zone === 'UTC' || zone === 'Z') return 0;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const offsetAt = (instant: number): number => {
    const parts = new Map(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
    const part = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0;
    return (
      Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second')) -
      instant
    );
  };
  // A day before lies certainly before a change of the offset, so the offset of before the change is tried first.
  const early = offsetAt(local - 86_400_000);
  return offsetAt(local - early) === early ? early : offsetAt(local - offsetAt(local));
};

/**
 * JSON with integers beyond 2^53 as their digits. (The reviver sees the source text of a number; the types of the
 * language do not know it yet.)
 */
export const parseExact = (json: string): unknown => {
  const revive = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? context?.source
      : value;
  return JSON.parse(json, revive as Parameters<typeof JSON.parse>[1]);
};
