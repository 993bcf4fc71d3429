/** A value that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * The canonical text of a JSON value by RFC 8785 (JCS): no white space, members sorted by UTF-16 code unit,
 * numbers as ECMAScript writes them. Equal values give equal bytes, so the text can be hashed and signed.
 *
 * Throws a TypeError for what RFC 8785 cannot write: NaN and the infinities, lone surrogates (RFC 7493),
 * `undefined`, functions, symbols, bigints and objects that are neither arrays nor plain records.
 */
export const canonicalJson = (value: unknown): string => {
  switch (typeof value) {
    case 'string':
      return canonicalString(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`expected a finite number for JSON, found ${value}`);
      return value === 0 ? '0' : String(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? canonicalArray(value) : canonicalObject(value);
    default:
      throw new TypeError(`expected a value that JSON can carry, found ${typeof value}`);
  }
};

// Most strings are ASCII without anything to escape, and a test is quicker than a serializer.
const PLAIN = /^[ !#-[\]-~]*$/;

// ECMAScript's own escapes are RFC 8785's, except that it writes lone surrogates instead of refusing them.
const canonicalString = (text: string): string => {
  if (PLAIN.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) {
    throw new TypeError(`expected well-formed Unicode, found a lone surrogate in ${JSON.stringify(text)}`);
  }
  return JSON.stringify(text);
};

const canonicalArray = (items: readonly unknown[]): string => {
  if (items.length === 0) return '[]';
  let out = `[${canonicalJson(items[0])}`;
  for (let i = 1; i < items.length; i++) out += `,${canonicalJson(items[i])}`;
  return `${out}]`;
};

const canonicalObject = (record: object): string => {
  const prototype: unknown = Object.getPrototypeOf(record);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`expected a plain object for JSON, found an instance of ${record.constructor.name}`);
  }
  // Strings compare by UTF-16 code unit, which is the order that RFC 8785 asks for.
  const keys = sortKeys(Object.keys(record));
  let out = '';
  for (const key of keys) {
    const member = canonicalJson((record as Record<string, unknown>)[key]);
    out += `${out === '' ? '{' : ','}${canonicalString(key)}:${member}`;
  }
  return out === '' ? '{}' : `${out}}`;
};

/** In place. Records have few keys, for which a library sort costs more than the comparisons. */
const sortKeys = (keys: string[]): string[] => {
  if (keys.length > 16) return keys.sort();
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] ?? '';
    let at = i - 1;
    for (; at >= 0 && (keys[at] ?? '') > key; at--) keys[at + 1] = keys[at] ?? '';
    keys[at + 1] = key;
  }
  return keys;
};
