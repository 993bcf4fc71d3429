import { closeSync, openSync, writeSync } from 'node:fs';
import type { Fault } from './documents.ts';
import type { KafkaPlace } from './object-name.ts';

/**
 * Staged rows are lines whose fields end with the byte 1 and that hold no quotes to be understood: JSON text
 * cannot hold a control character but tab, line feed and carriage return, so a document goes into its line as
 * it is, with the latter two as the bytes 3 and 4 (brought back by `write.ts`). Nothing is escaped, nothing
 * parsed: DuckDB reads such lines at the disk's speed, on all threads.
 */
export const separator = '\x01';
export const stagedNewline = 0x03;
export const stagedReturn = 0x04;

/** Bits of a staged line's flag. */
export const hasLineBreaks = 1;
export const hasEncodedKey = 2;

/** More than this of a bad piece's bytes is not kept; the object itself has them. */
export const maxRawBytes = 8 * 1024 * 1024;

export type StagedObject = {
  readonly key: string;
  readonly kafka: KafkaPlace | undefined;
  /** Of the object's content. */
  readonly hash: string;
};

export type StageFile = {
  readonly document: (
    object: StagedObject,
    position: number,
    bytes: Uint8Array,
    from: number,
    to: number,
  ) => void;
  readonly quarantined: (
    object: StagedObject,
    position: number,
    fault: Fault,
    bytes: Uint8Array,
    from: number,
    to: number,
  ) => void;
  /** Bytes of the longest line so far: DuckDB's reader must be told. */
  readonly longestLine: () => number;
  readonly close: () => void;
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const odd = /[\u0000-\u001f\u007f]/;

const newline = 0x0a;
const carriageReturn = 0x0d;

/** A staging file of one thread. Written in pieces of `bufferBytes`; a longer line grows the buffer for good. */
export const openStage = (path: string, bufferBytes = 4 * 1024 * 1024): StageFile => {
  const file = openSync(path, 'w', 0o600);
  let buffer = Buffer.allocUnsafeSlow(bufferBytes);
  let filled = 0;
  let longest = 0;
  // Almost always the next document is of the same object as the last one, or its only one.
  let lastObject: StagedObject | undefined;
  let lastKey = '';
  let lastFlag = 0;

  const flush = (): void => {
    for (let at = 0; at < filled; ) at += writeSync(file, buffer, at, filled - at);
    filled = 0;
  };

  const reserve = (bytes: number): void => {
    if (filled + bytes <= buffer.length) return;
    flush();
    if (bytes > buffer.length) buffer = Buffer.allocUnsafeSlow(bytes);
  };

  const keyOf = (object: StagedObject): string => {
    if (object === lastObject) return lastKey;
    lastObject = object;
    lastFlag = odd.test(object.key) ? hasEncodedKey : 0;
    lastKey = lastFlag === 0 ? object.key : encodeURIComponent(object.key);
    return lastKey;
  };

  const place = ({ kafka }: StagedObject, position: number): string =>
    kafka
      ? `${kafka.topic}${separator}${kafka.partition}${separator}${kafka.offset + position}`
      : `${separator}${separator}`;

  const append = (text: string): void => {
    filled += buffer.write(text, filled, 'utf8');
  };

  const copyText = (bytes: Uint8Array, from: number, to: number): number => {
    const start = filled;
    buffer.set(bytes.subarray(from, to), start);
    filled += to - from;
    const text = buffer.subarray(start, filled);
    let breaks = 0;
    for (let at = text.indexOf(newline); at >= 0; at = text.indexOf(newline, at + 1)) {
      text[at] = stagedNewline;
      breaks = hasLineBreaks;
    }
    for (let at = text.indexOf(carriageReturn); at >= 0; at = text.indexOf(carriageReturn, at + 1)) {
      text[at] = stagedReturn;
      breaks = hasLineBreaks;
    }
    return breaks;
  };

  return {
    document: (object, position, bytes, from, to) => {
      const key = keyOf(object);
      reserve(to - from + 3 * key.length + 400);
      const start = filled;
      const breaks = copyText(bytes, from, to);
      append(
        `${separator}${lastFlag | breaks}${separator}${key}${separator}${position}${separator}${place(object, position)}\n`,
      );
      longest = Math.max(longest, filled - start);
    },
    quarantined: (object, position, fault, bytes, from, to) => {
      const key = keyOf(object);
      const kept = Math.min(to, from + maxRawBytes);
      const raw = Buffer.from(bytes.buffer, bytes.byteOffset + from, kept - from).toString('hex');
      reserve(raw.length + 3 * key.length + 600);
      const start = filled;
      append(raw);
      const fields = [
        '',
        kept < to ? 1 : 0,
        to - from,
        fault.reason,
        fault.position,
        object.hash,
        lastFlag,
        key,
        position,
        place(object, position),
      ];
      append(`${fields.join(separator)}\n`);
      longest = Math.max(longest, filled - start);
    },
    longestLine: () => longest,
    close: () => {
      flush();
      closeSync(file);
    },
  };
};
