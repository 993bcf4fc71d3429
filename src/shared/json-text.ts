import { toldPointer } from './json-pointer.ts';

/** Where in the text something is not as it should be (JSON pointer), and what was expected and found. */
export type JsonViolation = { pointer: string; message: string };

export type ReadJson = {
  readonly value: unknown;
  readonly violations: JsonViolation[];
  readonly readable: boolean;
  /** Where the text is not JSON: what belongs there, and at which character (from 1), without a word of the text. */
  readonly fault?: { readonly expected: string; readonly character: number };
};

/**
 * Reads JSON text by RFC 8259 where `JSON.parse` is silent: a key that stands twice in an object, and a
 * number whose fraction would get lost in a double (1.00000000000000000001 reads as 1). Both are reported
 * with their pointer, all of them; a syntax error ends the reading and is reported alone.
 * @param refusedKey a key that no object may have; reported like one that stands twice
 * @param mostViolations how many are reported; more are not looked for
 */
export const readJsonText = (
  text: string,
  {
    maxDepth = MAX_DEPTH,
    mostViolations = Number.POSITIVE_INFINITY,
    refusedKey,
  }: { maxDepth?: number; mostViolations?: number; refusedKey?: string } = {},
): ReadJson => {
  const limits = { maxDepth, mostViolations, refusedKey };
  const reader: Reader = { text, at: 0, path: [], violations: [], strings: new Array(1024), ...limits };
  try {
    skipSpace(reader);
    const value = readValue(reader);
    skipSpace(reader);
    if (reader.at < text.length) fail(reader, 'the end of the text');
    return { value, violations: reader.violations, readable: true };
  } catch (error) {
    if (!(error instanceof NotJson)) throw error;
    const { message, expected, character } = error;
    const violations = [{ pointer: '', message }];
    return { value: undefined, violations, readable: false, fault: { expected, character } };
  }
};

class NotJson extends SyntaxError {
  readonly expected: string;
  readonly character: number;

  constructor(expected: string, found: string, character: number) {
    super(`expected ${expected} (JSON), found ${found} at character ${character}`);
    this.expected = expected;
    this.character = character;
  }
}

/** Deeper than any real input, shallower than the stack. */
export const MAX_DEPTH = 512;

type Reader = {
  readonly text: string;
  at: number;
  readonly path: (string | number)[];
  readonly violations: JsonViolation[];
  readonly maxDepth: number;
  readonly mostViolations: number;
  readonly refusedKey: string | undefined;
  /** Strings read before, at a place that their length and last characters give; see `readString`. */
  readonly strings: (string | undefined)[];
};

const report = ({ violations, mostViolations, path }: Reader, message: string): void => {
  if (violations.length < mostViolations) violations.push({ pointer: toldPointer(path), message });
};

const fail = (reader: Reader, expected: string): never => {
  const { text, at } = reader;
  const found = at >= text.length ? 'the end of the text' : JSON.stringify(text.slice(at, at + 12));
  throw new NotJson(expected, found, at + 1);
};

const skipSpace = (reader: Reader): void => {
  const { text } = reader;
  let at = reader.at;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) break;
    at += 1;
  }
  reader.at = at;
};

const readValue = (reader: Reader): unknown => {
  switch (reader.text.charCodeAt(reader.at)) {
    case 123:
      return readObject(reader);
    case 91:
      return readArray(reader);
    case 34:
      return readString(reader);
    case 116:
      return readWord(reader, 'true', true);
    case 102:
      return readWord(reader, 'false', false);
    case 110:
      return readWord(reader, 'null', null);
    default:
      return readNumber(reader);
  }
};

const readWord = (reader: Reader, word: string, value: boolean | null): boolean | null => {
  if (!reader.text.startsWith(word, reader.at)) fail(reader, 'a value');
  reader.at += word.length;
  return value;
};

const checkDepth = (reader: Reader): void => {
  if (reader.path.length > reader.maxDepth) fail(reader, `at most ${reader.maxDepth} levels of nesting`);
};

const readObject = (reader: Reader): Record<string, unknown> => {
  const record: Record<string, unknown> = {};
  reader.at += 1;
  checkDepth(reader);
  skipSpace(reader);
  if (reader.text.charCodeAt(reader.at) === 125) {
    reader.at += 1;
    return record;
  }
  for (;;) {
    if (reader.text.charCodeAt(reader.at) !== 34) fail(reader, 'a key in double quotes');
    const key = readString(reader);
    skipSpace(reader);
    if (reader.text.charCodeAt(reader.at) !== 58) fail(reader, '":" after the key');
    reader.at += 1;
    skipSpace(reader);
    reader.path.push(key);
    const value = readValue(reader);
    if (Object.hasOwn(record, key)) report(reader, 'expected the key once, found it again');
    if (key === reader.refusedKey) report(reader, 'expected no key of this name');
    reader.path.pop();
    setMember(record, key, value);
    skipSpace(reader);
    const code = reader.text.charCodeAt(reader.at);
    if (code !== 44 && code !== 125) fail(reader, '"," or "}"');
    reader.at += 1;
    if (code === 125) return record;
    skipSpace(reader);
  }
};

const setMember = (record: Record<string, unknown>, key: string, value: unknown): void => {
  // Plain assignment of this one name would set the prototype and lose the member.
  if (key === '__proto__') {
    Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true });
  } else {
    record[key] = value;
  }
};

const readArray = (reader: Reader): unknown[] => {
  reader.at += 1;
  checkDepth(reader);
  skipSpace(reader);
  if (reader.text.charCodeAt(reader.at) === 93) {
    reader.at += 1;
    return [];
  }
  // Most arrays of a large input are pairs: one that grows by `push` takes room for 17 items.
  const first = readItem(reader, 0);
  if (endsArray(reader)) return [first];
  const second = readItem(reader, 1);
  const items = [first, second];
  while (!endsArray(reader)) items.push(readItem(reader, items.length));
  return items;
};

const readItem = (reader: Reader, index: number): unknown => {
  reader.path.push(index);
  const item = readValue(reader);
  reader.path.pop();
  return item;
};

const endsArray = (reader: Reader): boolean => {
  skipSpace(reader);
  const code = reader.text.charCodeAt(reader.at);
  if (code !== 44 && code !== 93) fail(reader, '"," or "]"');
  reader.at += 1;
  if (code === 44) skipSpace(reader);
  return code === 93;
};

const readString = (reader: Reader): string => {
  const { text } = reader;
  const start = reader.at + 1;
  let at = start;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === 34) {
      reader.at = at + 1;
      return sameString(reader, start, at);
    }
    if (code === 92) return readEscapedString(reader);
    if (!(code >= 32)) {
      reader.at = at;
      fail(reader, 'a character of a string or its closing quote');
    }
    at += 1;
  }
};

/**
 * The text from `start` to `end`, as the string that was read before where it can be found: keys and ids come up
 * again and again, and a copy for each would be most of the memory of a large input.
 */
const sameString = ({ text, strings }: Reader, start: number, end: number): string => {
  const place =
    ((end - start) * 31 + text.charCodeAt(end - 1) * 17 + text.charCodeAt(Math.max(start, end - 2))) & 1023;
  const known = strings[place];
  if (known !== undefined && known.length === end - start && text.startsWith(known, start)) return known;
  const read = text.slice(start, end);
  strings[place] = read;
  return read;
};

/** Finds the closing quote and leaves the escapes to `JSON.parse`, which refuses the bad ones. */
const readEscapedString = (reader: Reader): string => {
  const { text } = reader;
  const start = reader.at;
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== 34) at += text.charCodeAt(at) === 92 ? 2 : 1;
  try {
    const parsed: unknown = JSON.parse(text.slice(start, at + 1));
    if (typeof parsed === 'string') {
      reader.at = at + 1;
      return parsed;
    }
  } catch {
    // Falls through to the one message for a string that cannot be read.
  }
  return fail(reader, 'a string with valid escapes');
};

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;

const readNumber = (reader: Reader): number => readShortInteger(reader) ?? readAnyNumber(reader);

/** Most numbers are a few digits and nothing else. */
const readShortInteger = (reader: Reader): number | undefined => {
  const { text, at: start } = reader;
  let at = start;
  let value = 0;
  let code = text.charCodeAt(at);
  // Another zero may not follow a first one: those go the other way, like everything with a sign or a fraction.
  if (code === 48) return undefined;
  for (; code >= 48 && code <= 57; code = text.charCodeAt(at)) {
    value = value * 10 + code - 48;
    at += 1;
  }
  const isWhole = code !== POINT && code !== SMALL_E && code !== LARGE_E;
  if (at === start || at - start > 15 || !isWhole) return undefined;
  reader.at = at;
  return value;
};

const [POINT, SMALL_E, LARGE_E] = [46, 101, 69];

const readAnyNumber = (reader: Reader): number => {
  NUMBER.lastIndex = reader.at;
  const match = NUMBER.exec(reader.text);
  if (!match) return fail(reader, 'a value');
  reader.at += match[0].length;
  const value = Number(match[0]);
  const hasFraction = match[1] !== undefined || match[2] !== undefined;
  // Beyond 2^53 - 1 every number is refused as such.
  if (hasFraction && Number.isSafeInteger(value) && !isIntegerLiteral(match[0])) {
    report(
      reader,
      `expected a number that a double can hold, found ${match[0].slice(0, 60)}, which would be read as ${value}`,
    );
  }
  return value;
};

/** Whether the decimal digits of the literal spell an integer: 1.50e1 does, 1.0000000000000000001 does not. */
const isIntegerLiteral = (literal: string): boolean => {
  const [mantissa = '', exponent = '0'] = literal.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = whole + fraction;
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === 48) end -= 1;
  return end === 0 || Number(exponent) - fraction.length + (digits.length - end) >= 0;
};
