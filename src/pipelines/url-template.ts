import type { Slice } from './declaration.ts';

/** What the placeholders of a request stand for. The range is `[from, to)`. */
export type TemplateValues = {
  readonly from: Date;
  readonly to: Date;
  /** A day or an hour: what `{last}` lies before `to`. */
  readonly stepMs: number;
  readonly slice: Slice;
  readonly page?: number;
  readonly offset?: number;
  readonly limit?: number;
  readonly cursor?: string;
};

const placeholder = /\{([a-z]+)(?:\.([A-Za-z0-9_]+))?(?::([^{}]+))?\}/g;
const known = ['from', 'to', 'last', 'slice', 'page', 'offset', 'limit', 'cursor'];

/** What is wrong with a template; nothing when it is good. */
export const checkTemplate = (template: string, slices: readonly Slice[]): string[] =>
  [...template.matchAll(placeholder)].flatMap(([whole, name = '', member]) => {
    if (!known.includes(name)) return [`${whole} is none of ${known.map((each) => `{${each}}`).join(', ')}`];
    if (name !== 'slice') return [];
    if (member === undefined) return [`${whole}: expected the value's name, as in {slice.serie}`];
    return slices.length > 0 && slices.every((slice) => member in slice)
      ? []
      : [`${whole}: expected every slice to have ${member}`];
  });

/** An instant in UTC by a format of `yyyy MM dd HH mm ss`, or `iso`, `date`, `epoch` (seconds), `epoch_ms`. */
export const formatInstant = (instant: Date, format = 'iso'): string => {
  const iso = instant.toISOString();
  if (format === 'iso') return iso.replace('.000Z', 'Z');
  if (format === 'date') return iso.slice(0, 10);
  if (format === 'epoch') return String(Math.floor(instant.getTime() / 1000));
  if (format === 'epoch_ms') return String(instant.getTime());
  const parts: Record<string, string> = {
    yyyy: iso.slice(0, 4),
    MM: iso.slice(5, 7),
    dd: iso.slice(8, 10),
    HH: iso.slice(11, 13),
    mm: iso.slice(14, 16),
    ss: iso.slice(17, 19),
  };
  return format.replaceAll(/yyyy|MM|dd|HH|mm|ss/g, (part) => parts[part] ?? part);
};

/** For bodies: a cursor comes from the API, and must not be able to add to what we ask. */
export const insideJsonString = (text: string): string => JSON.stringify(text).slice(1, -1);

/** Fills a template. `encode` is applied to every value: percent-encoding for addresses, JSON's escapes for bodies. */
export const fillTemplate = (
  template: string,
  values: TemplateValues,
  encode: (text: string) => string = encodeURIComponent,
): string =>
  template.replaceAll(placeholder, (whole, name: string, member?: string, format?: string) => {
    const value = filling(values, name, member, format);
    if (value === undefined) {
      throw new Error(`the template has ${whole}, and this request has no value for it`);
    }
    return encode(value);
  });

const filling = (
  { from, to, stepMs, slice, page, offset, limit, cursor }: TemplateValues,
  name: string,
  member: string | undefined,
  format: string | undefined,
): string | undefined => {
  if (name === 'from') return formatInstant(from, format);
  if (name === 'to') return formatInstant(to, format);
  if (name === 'last') return formatInstant(new Date(to.getTime() - stepMs), format);
  if (name === 'slice') return member === undefined ? undefined : slice[member];
  if (name === 'cursor') return cursor ?? '';
  const number = { page, offset, limit }[name];
  return number === undefined ? undefined : String(number);
};
