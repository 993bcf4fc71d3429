import { parentPort, workerData } from 'node:worker_threads';
import { openRootedFiles } from '../platform/rooted-files.ts';
import type { ListRequest } from '../platform/store/s3-list.ts';
import type { AwsCredentials } from '../platform/store/sigv4.ts';
import { hashBytes } from './content-hash.ts';
import type { BucketPage } from './list-bucket.ts';
import { type FolderListing, listFolder } from './list-folder.ts';
import { folderBlocks } from './listed-folder.ts';
import { directoryFiles } from './read-files.ts';
import type { ChunkResult, FromWorker, ReadChunk, ToWorker, WorkerSetup } from './read-messages.ts';
import { createReadWork, type ReadFiles, type ReadWork } from './read-work.ts';
import type { Source } from './source.ts';

type Reading = {
  readonly readFiles: ReadFiles;
  readonly list: (path: string) => FolderListing;
  readonly page: (request: ListRequest) => Promise<BucketPage>;
  readonly credentials: (current: AwsCredentials) => void;
};

const openDirectory = (work: ReadWork, { root }: Source & { kind: 'directory' }): Reading => {
  const files = openRootedFiles(root);
  return {
    readFiles: directoryFiles(work, files),
    list: (path) => listFolder(files, path),
    page: async () => {
      throw new Error(`expected a bucket to list, found ${root}`);
    },
    credentials: () => {},
  };
};

/** Sockets of one thread: several hundred in all bring no more, and the server has to hold them. */
const connections = 96;

const openBucket = async (work: ReadWork, { url, s3 }: Source & { kind: 's3' }): Promise<Reading> => {
  // Loaded only where they are used: they would double the time that a thread takes to start.
  const [{ openS3Bulk }, { openS3Get }, { s3Place }, { bucketPage, objectFiles }] = await Promise.all([
    import('../platform/store/s3-bulk.ts'),
    import('../platform/store/s3-get.ts'),
    import('../platform/store/s3-place.ts'),
    import('./read-objects.ts'),
  ]);
  let current = s3.credentials;
  const credentials = (): AwsCredentials => {
    if (!current) throw new Error(`no credentials came with what is to be read from ${url}`);
    return current;
  };
  const deps = { place: s3Place(url, s3), region: s3.region, clock: () => new Date() };
  const { list } = openS3Get({ ...deps, credentials: async () => credentials() });
  const bulk = openS3Bulk({ ...deps, credentials, connections: s3.connections ?? connections });
  return {
    readFiles: objectFiles(work, bulk),
    page: async (request) => bucketPage(await list(request)),
    list: () => {
      throw new Error(`expected a directory to list, found ${url}`);
    },
    credentials: (fresh) => {
      current = fresh;
    },
  };
};

const readChunk = async (readFiles: ReadFiles, id: number, chunk: ReadChunk): Promise<ChunkResult> => {
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

const run = async ({ source, limits }: WorkerSetup, port: NonNullable<typeof parentPort>): Promise<void> => {
  const work = createReadWork(limits);
  const reading = source.kind === 'directory' ? openDirectory(work, source) : await openBucket(work, source);
  const answer = async (message: ToWorker): Promise<FromWorker | undefined> => {
    if (message.kind === 'stage') return void work.openStage(message);
    if (message.kind === 'list') return { kind: 'listed', ...reading.list(message.path) };
    if (message.kind === 'finish') return work.finish();
    if (message.credentials) reading.credentials(message.credentials);
    if (message.kind === 'page') {
      return { kind: 'page', id: message.id, page: await reading.page(message.request) };
    }
    return readChunk(reading.readFiles, message.id, message.chunk);
  };
  // Pages are listed and chunks read side by side, so that no connection rests while the last objects of one arrive.
  // Anything else waits for all that was said before: `finish` closes a stage that nobody writes any more.
  let opened: Promise<unknown> = Promise.resolve();
  let settled: Promise<unknown> = Promise.resolve();
  port.on('message', (message: ToWorker) => {
    const besideOthers = message.kind === 'read' || message.kind === 'page';
    const before = besideOthers ? opened : settled;
    const answered = before
      .then(() => answer(message))
      .catch((error: unknown): FromWorker => ({ kind: 'failed', message: String(error) }))
      .then((reply) => reply && port.postMessage(reply, handedOver(reply)));
    settled = Promise.all([settled, answered]);
    if (!besideOthers) opened = answered;
  });
};

/** Blocks that move to the other thread instead of being copied. */
const handedOver = (reply: FromWorker): ArrayBuffer[] => {
  if (reply.kind === 'listed') return folderBlocks(reply.folder);
  return reply.kind === 'page' ? reply.page.listed.flatMap(folderBlocks) : [];
};

if (parentPort) await run(workerData as WorkerSetup, parentPort);
