import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { gunzipSync } from 'node:zlib';
import { contentHash, hashBytes } from './content-hash.ts';
import { createDocumentCutter, type DocumentLimits, type Fault } from './documents.ts';
import { type FolderListing, listFolder } from './list-folder.ts';
import { folderBlocks } from './listed-folder.ts';
import { parseObjectName } from './object-name.ts';
import type { Source } from './source.ts';
import { openStage, type StagedObject, type StageFile } from './staging.ts';

export type ReadLimits = DocumentLimits & {
  /** Most bytes of one object, unpacked. */
  readonly maxFileBytes: number;
};

export type WorkerSetup = { readonly source: Source; readonly limits: ReadLimits };

/** Files for one worker as parallel lists: cloning an object a file would cost more than reading it. */
export type ReadChunk = {
  readonly folders: readonly string[];
  /** Index into `folders`. */
  readonly folder: Uint32Array;
  readonly names: readonly string[];
  readonly sizes: Float64Array;
  /** Hashes of contents taken before, by index of the file. */
  readonly known: ReadonlyMap<number, readonly string[]>;
};

export type ToWorker =
  | { readonly kind: 'stage'; readonly events: string; readonly quarantine: string }
  | { readonly kind: 'read'; readonly id: number; readonly chunk: ReadChunk }
  | { readonly kind: 'finish' }
  | { readonly kind: 'list'; readonly path: string };

/** What became of a file. `unread`: it could not be read now; it is left for a later run. */
export const fileStates = { taken: 0, unchanged: 1, unread: 2 } as const;

export type ChunkResult = {
  readonly kind: 'chunk';
  readonly id: number;
  readonly states: Uint8Array;
  readonly documents: Uint32Array;
  readonly quarantined: Uint32Array;
  /** `hashBytes` for each file, in a row. */
  readonly hashes: Uint8Array;
  readonly bytes: number;
  readonly reasons: Record<string, number>;
  readonly problems: { readonly index: number; readonly message: string }[];
};

export type FromWorker =
  | ChunkResult
  | { readonly kind: 'finished'; readonly longestLine: number; readonly longestRaw: number }
  | ({ readonly kind: 'listed' } & FolderListing)
  | { readonly kind: 'failed'; readonly message: string };

type Content = { bytes: Buffer; length: number };

const gzipMagic = (bytes: Uint8Array, length: number): boolean =>
  length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;

/** One buffer serves every file: it grows to the largest one. The byte after the content is the cutter's. */
const createReader = (root: string) => {
  let buffer = Buffer.allocUnsafeSlow(1 << 20);
  return (path: string, size: number, most: number): Content => {
    const file = openSync(`${root}/${path}`, 'r');
    try {
      // One byte more than the listing says, so that a file that grew is noticed without asking for its end.
      let wanted = Math.min(size, most) + 1;
      let length = 0;
      for (;;) {
        if (wanted + 1 > buffer.length) {
          const larger = Buffer.allocUnsafeSlow(wanted * 2);
          buffer.copy(larger, 0, 0, length);
          buffer = larger;
        }
        const read = readSync(file, buffer, length, wanted - length, null);
        length += read;
        if (read === 0 || length === size || length > most) return { bytes: buffer, length };
        if (length === wanted) wanted = Math.min(most + 1, wanted * 2);
      }
    } finally {
      closeSync(file);
    }
  };
};

const createWork = ({ source, limits }: WorkerSetup) => {
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
    source,
    limits,
  };
};

type Work = ReturnType<typeof createWork>;

type ReadFiles = (chunk: ReadChunk, result: ChunkResult) => void | Promise<void>;

const keyAt = (chunk: ReadChunk, index: number): string =>
  `${chunk.folders[chunk.folder[index] as number] as string}${chunk.names[index] as string}`;

const leave = (result: ChunkResult, index: number, error: unknown): void => {
  result.states[index] = fileStates.unread;
  result.problems.push({ index, message: error instanceof Error ? error.message : String(error) });
};

/** The three synchronous calls beat `fs.promises` eight times over (one file: 9 µs). */
const directoryFiles = (work: Work, root: string): ReadFiles => {
  const read = createReader(root);
  return (chunk, result) => {
    for (let index = 0; index < chunk.names.length; index++) {
      const key = keyAt(chunk, index);
      let content: Content;
      try {
        content = read(key, chunk.sizes[index] as number, work.limits.maxFileBytes);
      } catch (error) {
        leave(result, index, error);
        continue;
      }
      work.take(result, index, key, content, chunk.known.get(index) ?? []);
    }
  };
};

/** Many GETs at once; each content is cut as it arrives, so that memory holds no more than those under way. */
const storeFiles = async (work: Work, source: Source & { kind: 's3' }): Promise<ReadFiles> => {
  // Loaded only where it is used: it would double the time that a thread takes to start.
  const { openStore } = await import('../platform/store/open-store.ts');
  const { ObjectNotFoundError } = await import('../platform/store/store.ts');
  const { store } = await openStore(source.url, { s3: source.s3 });
  const atOnce = source.s3.connections ?? 96;
  const fetchOne = async (chunk: ReadChunk, result: ChunkResult, index: number): Promise<void> => {
    const key = keyAt(chunk, index);
    let body: Buffer;
    try {
      const most = work.limits.maxFileBytes + 1;
      const tooLarge = (chunk.sizes[index] as number) >= most;
      const object = await store.get(key, tooLarge ? { range: { start: 0, end: most } } : undefined);
      body = await object.bytes();
    } catch (error) {
      const gone = error instanceof ObjectNotFoundError;
      leave(result, index, gone ? new Error('it is gone since it was listed') : error);
      return;
    }
    const bytes = Buffer.allocUnsafe(body.length + 1);
    body.copy(bytes);
    work.take(result, index, key, { bytes, length: body.length }, chunk.known.get(index) ?? []);
  };
  return async (chunk, result) => {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < chunk.names.length) await fetchOne(chunk, result, next++);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, chunk.names.length) }, lane));
  };
};

const run = async (setup: WorkerSetup, port: NonNullable<typeof parentPort>): Promise<void> => {
  const work = createWork(setup);
  const { source } = setup;
  const readFiles =
    source.kind === 'directory' ? directoryFiles(work, source.root) : await storeFiles(work, source);
  const read = async (id: number, chunk: ReadChunk): Promise<ChunkResult> => {
    const count = chunk.names.length;
    const result: ChunkResult = {
      kind: 'chunk',
      id,
      states: new Uint8Array(count),
      documents: new Uint32Array(count),
      quarantined: new Uint32Array(count),
      hashes: new Uint8Array(count * hashBytes),
      bytes: chunk.sizes.reduce((sum, size) => sum + size, 0),
      reasons: {},
      problems: [],
    };
    await readFiles(chunk, result);
    return result;
  };
  const answer = async (message: ToWorker): Promise<FromWorker | undefined> => {
    if (message.kind === 'stage') return void work.openStage(message);
    if (message.kind === 'list') return { kind: 'listed', ...listFolder(setup.source, message.path) };
    return message.kind === 'finish' ? work.finish() : read(message.id, message.chunk);
  };
  // Messages are answered one after the other, so that `finish` closes a stage that nobody writes any more.
  let turn = Promise.resolve();
  port.on('message', (message: ToWorker) => {
    turn = turn
      .then(() => answer(message))
      .catch((error: unknown): FromWorker => ({ kind: 'failed', message: String(error) }))
      .then((reply) => reply && port.postMessage(reply, handedOver(reply)));
  });
};

/** Blocks that move to the other thread instead of being copied. */
const handedOver = (reply: FromWorker): ArrayBuffer[] =>
  reply.kind === 'listed' ? folderBlocks(reply.folder) : [];

if (parentPort) await run(workerData as WorkerSetup, parentPort);
