import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dispatcher, Pool } from 'undici';
import { gaveUp, getAttempts, isBusy, isTransient, refusal, retryWaitMs, silenceMs } from './s3-answers.ts';
import { type ListPage, type ListRequest, listParameters, parseListPage } from './s3-list.ts';
import type { S3Place } from './s3-place.ts';
import { type AwsCredentials, encodeS3Path, encodeS3Query, getSigner } from './sigv4.ts';
import type { GetOptions, ObjectBody } from './store.ts';

/** Bodies up to this size arrive whole before `get` answers (and are retried whole); larger ones are streamed. */
const bufferedBytes = 4 * 1024 * 1024;

export type S3GetDeps = {
  readonly place: S3Place;
  readonly region: string;
  readonly credentials: () => Promise<AwsCredentials>;
  readonly clock: () => Date;
  /** Sockets. Objects by the thousand are read by s3-bulk.ts. */
  readonly connections?: number;
};

type Answer = { kind: 'body'; body: ObjectBody } | { kind: 'refused'; status: number; text: string };

type Wanted = {
  /** For messages. */
  readonly what: string;
  readonly path: string;
  readonly query?: string;
  readonly options?: GetOptions | undefined;
};

export type S3Get = {
  /** @throws ObjectNotFoundError; RangeError; Error for what S3 refuses, or what failed as often as it is tried */
  readonly get: (key: string, options?: GetOptions) => Promise<ObjectBody>;
  /** One page of a listing; its prefix, folders and keys are relative to the place. @throws Error as `get` */
  readonly list: (request: ListRequest, signal?: AbortSignal) => Promise<ListPage>;
  readonly close: () => Promise<void>;
};

/**
 * GETs of S3 without the SDK: undici's `dispatch` with handlers that allocate one buffer per object.
 * Throttling, server errors and broken connections are retried with growing, jittered waits.
 */
export const openS3Get = ({ place, region, credentials, clock, connections = 192 }: S3GetDeps): S3Get => {
  const pool = new Pool(place.origin, {
    connections,
    pipelining: 1,
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    connectTimeout: 10_000,
  });
  const sign = getSigner({ region, host: new URL(place.origin).host });

  const attempt = async ({ path, query, options }: Wanted): Promise<Answer> => {
    const headers = sign(await credentials(), clock(), path, query);
    const range = options?.range;
    if (range) headers.push('range', `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}`);
    return dispatchGet(pool, query === undefined ? path : `${path}?${query}`, headers, options?.signal);
  };

  const ask = async <T>(wanted: Wanted, read: (body: ObjectBody) => T | Promise<T>): Promise<T> => {
    const signal = wanted.options?.signal;
    for (let turn = 1; ; turn++) {
      signal?.throwIfAborted();
      let failure: Error;
      try {
        const answer = await attempt(wanted);
        if (answer.kind === 'body') return await read(answer.body);
        failure = refusal(place.storeUrl, wanted.what, answer.status, answer.text, wanted.options?.range);
        if (!isBusy(answer.status)) throw failure;
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof Error) || !isTransient(error)) throw error;
        failure = error;
      }
      if (turn === getAttempts) throw gaveUp(place.storeUrl, wanted.what, failure);
      await sleep(retryWaitMs(turn), undefined, signal ? { signal } : {});
    }
  };

  return {
    get: (key, options) => {
      const path = `${place.basePath}/${encodeS3Path(`${place.prefix}${key}`)}`;
      return ask({ what: key, path, options }, (body) => body);
    },
    list: (request, signal) => {
      const prefix = `${place.prefix}${request.prefix}`;
      const query = encodeS3Query(listParameters({ ...request, prefix }));
      const options = signal ? { signal } : undefined;
      return ask({ what: prefix, path: `${place.basePath}/`, query, options }, async (body) =>
        relativeTo(place.prefix, parseListPage((await body.bytes()).toString('utf8'))),
      );
    },
    close: () => pool.close(),
  };
};

const relativeTo = (prefix: string, { objects, folders, ...page }: ListPage): ListPage => ({
  ...page,
  objects: objects
    // A console makes "folders" as empty objects whose key ends in a slash; they are nobody's data.
    .filter(({ key }) => !key.endsWith('/'))
    .map((object) => ({ ...object, key: object.key.slice(prefix.length) })),
  folders: folders.map((folder) => folder.slice(prefix.length)),
});

const dispatchGet = (
  pool: Pool,
  path: string,
  headers: string[],
  signal: AbortSignal | undefined,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const collector = collect(resolve, reject);
    const onAbort = (): void =>
      collector.abort(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    signal?.addEventListener('abort', onAbort, { once: true });
    collector.finished.then(() => signal?.removeEventListener('abort', onAbort));
    pool.dispatch({ path, method: 'GET', headers }, collector.handler);
  });

/** The state of one response: gathered into a buffer when small or refused, handed on as a stream when large. */
const collect = (
  resolve: (answer: Answer) => void,
  reject: (error: unknown) => void,
): { handler: Dispatcher.DispatchHandler; abort: (error: Error) => void; finished: Promise<void> } => {
  let controller: Dispatcher.DispatchController | undefined;
  let status = 0;
  let buffer = Buffer.alloc(0);
  let filled = 0;
  let large: Readable | undefined;
  const end = Promise.withResolvers<void>();
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: (started) => {
      controller = started;
    },
    onResponseStart: (started, statusCode, headers) => {
      status = statusCode;
      const length = Number(headers['content-length']);
      const isBody = statusCode === 200 || statusCode === 206;
      if (isBody && Number.isFinite(length) && length > bufferedBytes) {
        large = new Readable({
          highWaterMark: 1024 * 1024,
          read: () => started.resume(),
          destroy: (error, done) => {
            if (!large?.readableEnded) started.abort(error ?? new Error('the reader stopped'));
            done(error);
          },
        });
        resolve({ kind: 'body', body: streamedBody(large, length) });
      } else
        buffer = Buffer.allocUnsafeSlow(Number.isFinite(length) ? Math.min(length, bufferedBytes) : 4096);
    },
    onResponseData: (started, chunk) => {
      if (large) {
        if (!large.push(chunk)) started.pause();
        return;
      }
      if (filled + chunk.length > buffer.length) {
        buffer = Buffer.concat(
          [buffer.subarray(0, filled)],
          Math.max(buffer.length * 2, filled + chunk.length),
        );
      }
      filled += chunk.copy(buffer, filled);
    },
    onResponseEnd: () => {
      end.resolve();
      if (large) large.push(null);
      else if (status === 200 || status === 206)
        resolve({ kind: 'body', body: bufferedBody(buffer.subarray(0, filled)) });
      else resolve({ kind: 'refused', status, text: buffer.toString('utf8', 0, filled) });
    },
    onResponseError: (_, error) => {
      end.resolve();
      if (large) large.destroy(error);
      else reject(error);
    },
  };
  return { handler, abort: (error) => controller?.abort(error), finished: end.promise };
};

const bufferedBody = (bytes: Buffer): ObjectBody => ({
  size: bytes.length,
  bytes: async () => bytes,
  stream: () => Readable.from(bytes.length === 0 ? [] : [bytes]),
});

const streamedBody = (stream: Readable, size: number): ObjectBody => ({
  size,
  bytes: async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks, size);
  },
  stream: () => stream,
});
