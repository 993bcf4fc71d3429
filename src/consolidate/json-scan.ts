import { createKeyTable } from './key-table.ts';

/** Why a piece of input is not a document. Kept in the quarantine and in messages: names never change. */
export type JsonFaultReason = 'malformed' | 'truncated' | 'duplicate_key' | 'too_deep';

export type JsonFault = {
  readonly reason: JsonFaultReason;
  /** Byte of the input at which the fault shows. */
  readonly position: number;
};

/**
 * Checks JSON text (RFC 8259) byte by byte without building values: text that passes is kept as it is, so
 * numbers with many digits, `-0`, `1e400` and lone surrogates in escapes lose nothing.
 *
 * `scan` reads one value that begins at or after `start` and answers the byte after it, or -1. The caller puts
 * a zero byte at `bytes[end]`, which no JSON text contains and every loop stops at, and has checked UTF-8.
 * `fault` then says what was wrong: with -1 always, after a whole value only for a duplicate key (the value's
 * end is still known, so what follows it in the file can be read).
 */
export type JsonScanner = {
  readonly scan: (bytes: Uint8Array, start: number, end: number) => number;
  readonly fault: () => JsonFault | undefined;
};

const tab = 0x09;
const newline = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const quote = 0x22;
const comma = 0x2c;
const minus = 0x2d;
const dot = 0x2e;
const zero = 0x30;
const nine = 0x39;
const colon = 0x3a;
const openArray = 0x5b;
const backslash = 0x5c;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;

/** 1 for a byte that a string may hold as it is: not a quote, a backslash or a control character. */
const plain = new Uint8Array(256).map((_, byte) =>
  byte >= space && byte !== quote && byte !== backslash ? 1 : 0,
);

/** 1 for `" \ / b f n r t`; 2 for `u`. */
const escapes = new Uint8Array(256);
for (const letter of '"\\/bfnrt') escapes[letter.charCodeAt(0)] = 1;
escapes['u'.charCodeAt(0)] = 2;

const hexDigit = new Uint8Array(256);
for (const digit of '0123456789abcdefABCDEF') hexDigit[digit.charCodeAt(0)] = 1;

const literals = ['true', 'false', 'null'].map((word) => Buffer.from(word));

/** The byte at which a value goes on after white space. */
const skipSpace = (bytes: Uint8Array, from: number): number => {
  let at = from;
  for (;;) {
    const byte = bytes[at] as number;
    if (byte !== space && byte !== newline && byte !== carriageReturn && byte !== tab) return at;
    at++;
  }
};

/**
 * The byte after the closing quote of a string whose content begins at `from`; where it is not a string, the
 * complement of the byte at fault (a negative number).
 */
const skipString = (bytes: Uint8Array, from: number): number => {
  let at = from;
  for (;;) {
    while (plain[bytes[at] as number] === 1) at++;
    const byte = bytes[at] as number;
    if (byte === quote) return at + 1;
    if (byte !== backslash) return ~at;
    const kind = escapes[bytes[at + 1] as number];
    if (kind === 0) return ~(at + 1);
    at += 2;
    if (kind === 2) {
      for (const last = at + 4; at < last; at++) if (hexDigit[bytes[at] as number] === 0) return ~at;
    }
  }
};

const skipDigits = (bytes: Uint8Array, from: number): number => {
  let at = from;
  while ((bytes[at] as number) >= zero && (bytes[at] as number) <= nine) at++;
  return at === from ? ~at : at;
};

/** As `skipString`, for a number that begins at `from`. */
const skipNumber = (bytes: Uint8Array, from: number): number => {
  let at = bytes[from] === minus ? from + 1 : from;
  if (bytes[at] === zero) at++;
  else at = skipDigits(bytes, at);
  if (at >= 0 && bytes[at] === dot) at = skipDigits(bytes, at + 1);
  if (at >= 0 && ((bytes[at] as number) | 0x20) === 0x65) {
    const sign = bytes[at + 1];
    at = skipDigits(bytes, sign === minus || sign === 0x2b ? at + 2 : at + 1);
  }
  return at;
};

const skipLiteral = (bytes: Uint8Array, from: number): number => {
  const literal = literals.find((word) => word[0] === bytes[from]);
  if (!literal) return ~from;
  for (let index = 1; index < literal.length; index++) {
    if (bytes[from + index] !== literal[index]) return ~(from + index);
  }
  return from + literal.length;
};

/** One scanner serves one thread: it keeps its tables from document to document. */
export const createJsonScanner = ({ maxDepth }: { maxDepth: number }): JsonScanner => {
  /** For each open container: 0 for an array, else the object's own number within the document. */
  const open = new Uint32Array(maxDepth + 1);
  const keys = createKeyTable();
  let fault: JsonFault | undefined;

  const fail = (reason: JsonFaultReason, position: number): -1 => {
    fault = { reason, position };
    return -1;
  };
  /** At the end of the input the text is cut short; before it, it is wrong. */
  const failAt = (position: number, end: number): -1 =>
    fail(position >= end ? 'truncated' : 'malformed', position);

  /** Reads `"key" :` and answers the byte after the colon, or the complement of the byte at fault. */
  const readKey = (bytes: Uint8Array, from: number, object: number): number => {
    const start = skipSpace(bytes, from);
    if (bytes[start] !== quote) return ~start;
    const after = skipString(bytes, start + 1);
    if (after < 0) return after;
    if (!keys.add(bytes, start + 1, after - 1, object))
      fault ??= { reason: 'duplicate_key', position: start };
    const at = skipSpace(bytes, after);
    return bytes[at] === colon ? at + 1 : ~at;
  };

  const scan = (bytes: Uint8Array, start: number, end: number): number => {
    let at = start;
    let depth = 0;
    let objects = 0;
    fault = undefined;
    keys.clear();
    for (;;) {
      at = skipSpace(bytes, at);
      const first = bytes[at] as number;
      if (first === quote) at = skipString(bytes, at + 1);
      else if (first === openObject || first === openArray) {
        if (++depth > maxDepth) return fail('too_deep', at);
        const object = first === openObject ? ++objects : 0;
        open[depth] = object;
        at = skipSpace(bytes, at + 1);
        if (bytes[at] !== first + 2) {
          if (object === 0) continue;
          at = readKey(bytes, at, object);
          if (at < 0) return failAt(~at, end);
          continue;
        }
        at++;
        depth--;
      } else if (first === minus || (first >= zero && first <= nine)) at = skipNumber(bytes, at);
      else at = skipLiteral(bytes, at);
      if (at < 0) return failAt(~at, end);

      // After a value: close what ends here, until another one is due.
      for (; depth > 0; depth--) {
        at = skipSpace(bytes, at);
        const object = open[depth] as number;
        const byte = bytes[at++] as number;
        if (byte === comma) {
          if (object > 0) at = readKey(bytes, at, object);
          if (at < 0) return failAt(~at, end);
          break;
        }
        if (byte !== (object > 0 ? closeObject : closeArray)) return failAt(at - 1, end);
      }
      if (depth === 0) return at;
    }
  };

  return { scan, fault: () => fault };
};
