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
  const out: Out = { text: '', most: Number.POSITIVE_INFINITY, write: () => undefined };
  writeValue(out, value);
  return out.text;
};

/**
 * The same text in parts of some thousand characters, for a hash of a value whose text would be too large to
 * hold at once.
 */
export const writeCanonicalJson = (value: unknown, write: (part: string) => void): void => {
  const out: Out = { text: '', most: 16_384, write };
  writeValue(out, value);
  write(out.text);
};

type Out = { text: string; readonly most: number; readonly write: (part: string) => void };

const flush = (out: Out): void => {
  if (out.text.length <= out.most) return;
  out.write(out.text);
  out.text = '';
};

const writeValue = (out: Out, value: unknown): void => {
  flush(out);
  switch (typeof value) {
    case 'string':
      out.text += canonicalString(value);
      return;
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`expected a finite number for JSON, found ${value}`);
      out.text += value === 0 ? '0' : String(value);
      return;
    case 'boolean':
      out.text += value ? 'true' : 'false';
      return;
    case 'object':
      if (value === null) out.text += 'null';
      else if (Array.isArray(value)) writeArray(out, value);
      else writeObject(out, value);
      return;
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

/** Long lists of nothing but text, such as lists of pairs, go to the serializer in pieces of this many items. */
const PIECE = 1024;

const writeArray = (out: Out, items: readonly unknown[]): void => {
  out.text += '[';
  let written = 0;
  if (items.length >= 64) {
    for (; written < items.length; written += PIECE) {
      const piece = items.slice(written, written + PIECE);
      if (!piece.every(isTextual)) break;
      out.text += `${written > 0 ? ',' : ''}${JSON.stringify(piece).slice(1, -1)}`;
      flush(out);
    }
  }
  for (let i = written; i < items.length; i++) {
    if (i > 0) out.text += ',';
    writeValue(out, items[i]);
  }
  out.text += ']';
};

/** Well-formed text, or lists of it: what the serializer of ECMAScript writes in the canonical way by itself. */
const isTextual = (value: unknown): boolean =>
  typeof value === 'string'
    ? value.isWellFormed()
    : Array.isArray(value) && Object.getPrototypeOf(value) === Array.prototype && value.every(isTextual);

const writeObject = (out: Out, record: object): void => {
  const prototype: unknown = Object.getPrototypeOf(record);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`expected a plain object for JSON, found an instance of ${record.constructor.name}`);
  }
  // Strings compare by UTF-16 code unit, which is the order that RFC 8785 asks for.
  const keys = sortKeys(Object.keys(record));
  out.text += '{';
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] ?? '';
    out.text += `${i > 0 ? ',' : ''}${canonicalString(key)}:`;
    writeValue(out, (record as Record<string, unknown>)[key]);
  }
  out.text += '}';
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
