import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dispatcher, Pool } from 'undici';
import { rangeError } from './bodies.ts';
import { type AwsCredentials, encodeS3Path, getSigner } from './sigv4.ts';
import { type GetOptions, type ObjectBody, ObjectNotFoundError } from './store.ts';

/** Bodies up to this size arrive whole before `get` answers (and are retried whole); larger ones are streamed. */
const bufferedBytes = 4 * 1024 * 1024;
const attempts = 6;

export type S3GetDeps = {
  /** Origin that requests go to: `https://bucket.s3.sa-east-1.amazonaws.com`, or the stand-in's. */
  readonly origin: string;
  /** What stands before the key in the path: empty, or `/bucket` where the host does not carry it. */
  readonly basePath: string;
  readonly region: string;
  readonly credentials: () => Promise<AwsCredentials>;
  readonly storeUrl: string;
  readonly clock: () => Date;
  /** Sockets; measured best at 128 to 256 for many small objects. */
  readonly connections?: number;
};

type Answer = { kind: 'body'; body: ObjectBody } | { kind: 'refused'; status: number; text: string };

/**
 * Bulk GETs of S3 without the SDK: undici's `dispatch` with handlers that allocate one buffer per object.
 * Throttling, server errors and broken connections are retried with growing, jittered waits.
 */
export const openS3Get = (
  deps: S3GetDeps,
): {
  get: (fullKey: string, key: string, options?: GetOptions) => Promise<ObjectBody>;
  close: () => Promise<void>;
} => {
  const pool = new Pool(deps.origin, {
    connections: deps.connections ?? 192,
    pipelining: 1,
    headersTimeout: 30_000,
    bodyTimeout: 60_000,
    connectTimeout: 10_000,
  });
  const sign = getSigner(deps.region);
  const { host } = new URL(deps.origin);

  const attempt = async (fullKey: string, options: GetOptions | undefined): Promise<Answer> => {
    const path = `${deps.basePath}/${encodeS3Path(fullKey)}`;
    const headers = sign(await deps.credentials(), { host, path, now: deps.clock() });
    const range = options?.range;
    if (range) headers.range = `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}`;
    return dispatchGet(pool, path, headers, options?.signal);
  };

  const get = async (fullKey: string, key: string, options?: GetOptions): Promise<ObjectBody> => {
    for (let turn = 1; ; turn++) {
      options?.signal?.throwIfAborted();
      let failure: Error;
      try {
        const answer = await attempt(fullKey, options);
        if (answer.kind === 'body') return answer.body;
        failure = refusal(deps.storeUrl, key, options, answer.status, answer.text);
        if (answer.status < 500 && answer.status !== 429) throw failure;
      } catch (error) {
        options?.signal?.throwIfAborted();
        if (!(error instanceof Error) || !isTransient(error)) throw error;
        failure = error;
      }
      if (turn === attempts) {
        throw new Error(
          `could not read ${JSON.stringify(key)} from ${deps.storeUrl} in ${attempts} attempts: ${failure.message}`,
          {
            cause: failure,
          },
        );
      }
      await sleep(Math.random() * Math.min(5_000, 50 * 2 ** turn), undefined, {
        ...(options?.signal ? { signal: options.signal } : {}),
      });
    }
  };
  return { get, close: () => pool.close() };
};

const isTransient = (error: Error): boolean => {
  const code = 'code' in error ? String(error.code) : '';
  return (
    code.startsWith('UND_ERR_') ||
    ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN'].includes(code)
  );
};

const refusal = (
  storeUrl: string,
  key: string,
  options: GetOptions | undefined,
  status: number,
  text: string,
): Error => {
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? '';
  if (status === 404 && code !== 'NoSuchBucket') return new ObjectNotFoundError(key, storeUrl);
  if (status === 416 && options?.range) return rangeError(key, options.range, 'beyond the end of the object');
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? text.slice(0, 200);
  return new Error(`${storeUrl} refused to give ${JSON.stringify(key)}: ${status} ${code} ${message}`.trim());
};

const dispatchGet = (
  pool: Pool,
  path: string,
  headers: Record<string, string>,
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
