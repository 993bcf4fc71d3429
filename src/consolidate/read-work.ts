import { gunzipSync } from 'node:zlib';
import { contentHash, hashBytes } from './content-hash.ts';
import { createDocumentCutter, type Fault } from './documents.ts';
import { parseObjectName } from './object-name.ts';
import {
  type ChunkResult,
  type FromWorker,
  fileStates,
  type ReadChunk,
  type ReadLimits,
} from './read-messages.ts';
import { openStage, type StagedObject, type StageFile } from './staging.ts';

/** `bytes[0, length)`; the byte after them is the reader's to overwrite. */
export type Content = { readonly bytes: Buffer; readonly length: number };

/** Reads a chunk's files and has each taken into `result`. */
export type ReadFiles = (chunk: ReadChunk, result: ChunkResult) => void | Promise<void>;

const gzipMagic = (bytes: Uint8Array, length: number): boolean =>
  length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;

/** What one thread does with the contents that it reads: cuts them into documents, and stages them. */
export const createReadWork = (limits: ReadLimits) => {
  const cut = createDocumentCutter(limits);
  let events: StageFile | undefined;
  let quarantine: StageFile | undefined;

  /** Unpacks where the content is gzip. A bomb ends at the limit, not in memory. */
  const unpack = (content: Content): Content | Fault => {
    if (!gzipMagic(content.bytes, content.length)) return content;
    try {
      const packed = content.bytes.subarray(0, content.length);
      const plain = gunzipSync(packed, { maxOutputLength: limits.maxFileBytes });
      const bytes = Buffer.allocUnsafeSlow(plain.length + 1);
      plain.copy(bytes);
      return { bytes, length: plain.length };
    } catch (error) {
      const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
      return { reason: tooLarge ? 'too_large' : 'bad_gzip', position: 0 };
    }
  };

  /** Cuts one object's content and stages it. The counts go into `result` at `index`. */
  const take = (
    result: ChunkResult,
    index: number,
    key: string,
    content: Content,
    known: readonly string[],
  ): void => {
    const name = parseObjectName(key.slice(key.lastIndexOf('/') + 1));
    const bytesOfHash = contentHash(content.bytes.subarray(0, content.length));
    result.hashes.set(bytesOfHash, index * hashBytes);
    const hash = bytesOfHash.toString('base64url');
    if (known.includes(hash)) {
      result.states[index] = fileStates.unchanged;
      return;
    }
    if (!events || !quarantine || !name) throw new Error(`${key}: no stage is open for it`);
    const object: StagedObject = { key, kafka: name.kafka, hash };
    const whole: Fault | undefined =
      content.length > limits.maxFileBytes
        ? { reason: 'too_large', position: limits.maxFileBytes }
        : undefined;
    const unpacked = whole ?? unpack(content);
    const { bytes, length } = 'reason' in unpacked ? content : unpacked;
    const pieces =
      'reason' in unpacked ? [{ from: 0, to: length, fault: unpacked }] : cut(bytes, length, name.format);
    for (const [position, { from, to, fault }] of pieces.entries()) {
      if (!fault) {
        events.document(object, position, bytes, from, to);
        continue;
      }
      quarantine.quarantined(object, position, fault, bytes, from, to);
      result.quarantined[index] = (result.quarantined[index] ?? 0) + 1;
      result.reasons[fault.reason] = (result.reasons[fault.reason] ?? 0) + 1;
    }
    result.documents[index] = pieces.length;
  };

  return {
    openStage: (paths: { events: string; quarantine: string }): void => {
      events = openStage(paths.events);
      quarantine = openStage(paths.quarantine, 256 * 1024);
    },
    finish: (): FromWorker => {
      const longestLine = events?.longestLine() ?? 0;
      const longestRaw = quarantine?.longestLine() ?? 0;
      events?.close();
      quarantine?.close();
      events = undefined;
      quarantine = undefined;
      return { kind: 'finished', longestLine, longestRaw };
    },
    take,
    limits,
  };
};

export type ReadWork = ReturnType<typeof createReadWork>;

export const keyAt = (chunk: ReadChunk, index: number): string =>
  `${chunk.folders[chunk.folder[index] as number] as string}${chunk.names[index] as string}`;

/** The file is left for a later run. */
export const leaveFile = (result: ChunkResult, index: number, error: unknown): void => {
  result.states[index] = fileStates.unread;
  result.problems.push({ index, message: error instanceof Error ? error.message : String(error) });
};
