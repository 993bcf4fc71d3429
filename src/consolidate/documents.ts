import { isUtf8 } from 'node:buffer';
import { createJsonScanner, type JsonFaultReason } from './json-scan.ts';
import type { DocumentFormat } from './object-name.ts';

/** Why bytes are in the quarantine. Kept in tables and messages: names never change. */
export type Reason = JsonFaultReason | 'empty' | 'bom' | 'bad_utf8' | 'too_large' | 'bad_gzip';

export type Fault = {
  readonly reason: Reason;
  /** Byte of the (unpacked) object at which it shows. */
  readonly position: number;
};

export type DocumentLimits = {
  /** Most bytes of one document. */
  readonly maxDocumentBytes: number;
  /** Most containers inside one another. */
  readonly maxDepth: number;
};

/** `[from, to)` of the object's bytes: a document, or with `fault` what could not be read as one. */
export type Piece = { readonly from: number; readonly to: number; readonly fault?: Fault };

/**
 * Cuts an object's bytes into documents and faults, in order. Every byte but white space is in exactly one
 * piece; an object with nothing else is one `empty` piece. A document's text is what stands between its first
 * and its last character, verbatim.
 *
 * `bytes[end]` must be the caller's to overwrite.
 */
export type CutDocuments = (bytes: Uint8Array, end: number, format: DocumentFormat) => Piece[];

const newline = 0x0a;
const openObject = 0x7b;

const isSpace = (byte: number): boolean =>
  byte === 0x20 || byte === newline || byte === 0x0d || byte === 0x09;

const skipSpace = (bytes: Uint8Array, from: number, end: number): number => {
  let at = from;
  while (at < end && isSpace(bytes[at] as number)) at++;
  return at;
};

const trimEnd = (bytes: Uint8Array, from: number, end: number): number => {
  let at = end;
  while (at > from && isSpace(bytes[at - 1] as number)) at--;
  return at;
};

const view = (bytes: Uint8Array, from: number, end: number): Uint8Array => bytes.subarray(from, end);

const hasBom = (bytes: Uint8Array, end: number): boolean =>
  end >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;

/** The first byte that does not continue valid UTF-8 (Unicode table 3-7), in bytes that `isUtf8` has refused. */
const findBadUtf8 = (bytes: Uint8Array, from: number, end: number): number => {
  let at = from;
  while (at < end) {
    const lead = bytes[at] as number;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (at + length > end || !isUtf8(view(bytes, at, at + length))) return at;
    at += length;
  }
  return end;
};

/** One cutter serves one thread. */
export const createDocumentCutter = (limits: DocumentLimits): CutDocuments => {
  const scanner = createJsonScanner(limits);

  const measured = (from: number, to: number, fault: Fault | undefined): Piece => {
    if (fault) return { from, to, fault };
    if (to - from <= limits.maxDocumentBytes) return { from, to };
    return { from, to, fault: { reason: 'too_large', position: from + limits.maxDocumentBytes } };
  };

  /** Values that stand on lines of their own (each may cover several). Undefined: the bytes are not that. */
  const cutValues = (bytes: Uint8Array, start: number, end: number): { pieces: Piece[]; fault?: Fault } => {
    const pieces: Piece[] = [];
    bytes[end] = 0;
    for (let from = start; from < end; ) {
      const to = scanner.scan(bytes, from, end);
      const fault = scanner.fault();
      if (to < 0) return { pieces, ...(fault ? { fault } : {}) };
      pieces.push(measured(from, to, fault));
      from = skipSpace(bytes, to, end);
      // `[][]` and `{} #` are one broken document, not two.
      if (from < end && !view(bytes, to, from).includes(newline)) {
        return { pieces, fault: { reason: 'malformed', position: from } };
      }
    }
    return { pieces };
  };

  const cutLine = (bytes: Uint8Array, start: number, end: number): Piece => {
    const to = trimEnd(bytes, start, end);
    if (start === 0 && hasBom(bytes, to)) return { from: 0, to, fault: { reason: 'bom', position: 0 } };
    if (!isUtf8(view(bytes, start, to))) {
      return { from: start, to, fault: { reason: 'bad_utf8', position: findBadUtf8(bytes, start, to) } };
    }
    const kept = bytes[to] as number;
    bytes[to] = 0;
    const after = scanner.scan(bytes, start, to);
    bytes[to] = kept;
    const fault = scanner.fault();
    if (after < 0 || after === to) return measured(start, to, fault);
    return { from: start, to, fault: { reason: 'malformed', position: skipSpace(bytes, after, to) } };
  };

  const cutLines = (bytes: Uint8Array, start: number, end: number): Piece[] => {
    const pieces: Piece[] = [];
    for (let at = start; at < end; ) {
      const found = bytes.indexOf(newline, at);
      const lineEnd = found < 0 || found > end ? end : found;
      const from = skipSpace(bytes, at, lineEnd);
      if (from < lineEnd) pieces.push(cutLine(bytes, from, lineEnd));
      at = lineEnd + 1;
    }
    return pieces;
  };

  /**
   * A `.json` file that is not valid as a whole may be JSON lines with bad ones among them (Kafka Connect's
   * JsonFormat writes such files). It is taken so when every line begins with `{` and at least half of two or
   * more are whole documents: a broken pretty-printed document never looks like that, as an object's first
   * line cannot be followed by another `{` and lines inside a list end with commas.
   */
  const cutAsLines = (bytes: Uint8Array, start: number, end: number): Piece[] | undefined => {
    const pieces = cutLines(bytes, start, end);
    if (pieces.length < 2 || pieces.some(({ from }) => bytes[from] !== openObject)) return undefined;
    const whole = pieces.filter(({ fault }) => !fault || fault.reason === 'duplicate_key').length;
    return whole * 2 >= pieces.length ? pieces : undefined;
  };

  return (bytes, end, format) => {
    if (format === 'json' && hasBom(bytes, end)) {
      return [{ from: 0, to: end, fault: { reason: 'bom', position: 0 } }];
    }
    const start = skipSpace(bytes, 0, end);
    if (start === end) return [{ from: 0, to: end, fault: { reason: 'empty', position: 0 } }];
    if (format === 'lines') return cutLines(bytes, start, end);
    const utf8 = isUtf8(view(bytes, 0, end));
    const cut = utf8 ? cutValues(bytes, start, end) : undefined;
    if (cut && !cut.fault) return cut.pieces;
    const lines = cutAsLines(bytes, start, end);
    if (lines) return lines;
    const fault = cut?.fault ?? { reason: 'bad_utf8', position: findBadUtf8(bytes, 0, end) };
    return [{ from: start, to: trimEnd(bytes, start, end), fault }];
  };
};
