import { Client, type Dispatcher } from 'undici';
import {
  gaveUp,
  getAttempts,
  isBusy,
  isTransient,
  ObjectChangedError,
  refusal,
  retryWaitMs,
  silenceMs,
  TruncatedError,
} from './s3-answers.ts';
import type { S3Place } from './s3-place.ts';
import { type AwsCredentials, encodeS3Path, getSigner } from './sigv4.ts';

/** An object as the listing showed it. */
export type BulkObject = {
  readonly key: string;
  readonly size: number;
  /** Without its quotes. Absent: the store gives none that could be compared. */
  readonly etag?: string;
};

export type BulkRead = {
  readonly count: number;
  /** From 0, below `count`; asked for when its turn comes. */
  readonly object: (index: number) => BulkObject;
  /** Of larger objects only this many bytes are fetched. */
  readonly mostBytes: number;
  /** The content is `bytes[0, length)`, and the receiver's until it returns; so is the byte after it. */
  readonly onContent: (index: number, bytes: Buffer, length: number) => void;
  /**
   * The object could not be read: ObjectNotFoundError, ObjectChangedError where it is not the one that was listed, or
   * what the last attempt said. The others go on.
   */
  readonly onFailure: (index: number, error: Error) => void;
};

export type S3Bulk = {
  /**
   * Fetches the objects, in no promised order; several calls share the connections. Resolves when each was handed over
   * or failed.
   * @throws what `onContent` throws; the rest of the call's objects is then left
   */
  readonly read: (work: BulkRead) => Promise<void>;
  /** Breaks off what is under way. */
  readonly close: () => Promise<void>;
};

export type S3BulkDeps = {
  readonly place: S3Place;
  readonly region: string;
  /** Asked for each request. */
  readonly credentials: () => AwsCredentials;
  readonly connections: number;
  readonly clock: () => Date;
};

/**
 * Reads many small objects at once, near what undici's dispatcher costs alone. Each connection asks for its next object
 * while it hands the last one over, so that nothing is made for an object but its request: no promise, no stream, no
 * timer. What fails in passing is tried again by the connection itself, which waits before it does: the more S3
 * throttles, the fewer connections ask.
 *
 * An object that was written again since it was listed is noticed by its ETag (`If-Match`, and the answer's own), by its
 * length where there is none; one that arrives cut short, by its length.
 */
export const openS3Bulk = (deps: S3BulkDeps): S3Bulk => {
  /** Those that have objects to take yet, and all that have not ended. */
  const queue: OpenRead[] = [];
  const open = new Set<OpenRead>();
  const idle: (() => void)[] = [];
  const lanes: Client[] = [];
  const scratch = openScratch();
  const sign = getSigner({ region: deps.region, host: new URL(deps.place.origin).host });
  const take = (): Task | undefined => {
    for (let read = queue[0]; read; read = queue[0]) {
      if (open.has(read) && read.next < read.work.count) {
        const index = read.next++;
        return { read, index, object: read.work.object(index) };
      }
      queue.shift();
    }
    return undefined;
  };
  const settle = ({ read }: Task, deliver: () => void): void => {
    if (!open.has(read)) return;
    try {
      deliver();
      if (--read.left > 0) return;
      read.resolve();
    } catch (error) {
      read.reject(error);
    }
    open.delete(read);
  };
  const openLane = (): void => {
    const client = new Client(deps.place.origin, {
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
      connectTimeout: 10_000,
    });
    lanes.push(client);
    runLane({ ...deps, client, sign, scratch, take, settle, rest: (wake) => void idle.push(wake) });
  };
  return {
    read: async (work) => {
      if (work.count === 0) return;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const read = { work, next: 0, left: work.count, resolve, reject };
      queue.push(read);
      open.add(read);
      for (const wake of idle.splice(0, work.count)) wake();
      for (let more = work.count; more > 0 && lanes.length < deps.connections; more--) openLane();
      await promise;
    },
    close: async () => {
      const reason = new Error(`reading ${deps.place.storeUrl} was broken off`);
      for (const read of open) read.reject(reason);
      open.clear();
      await Promise.all(lanes.map((client) => client.destroy(reason)));
    },
  };
};

type OpenRead = {
  readonly work: BulkRead;
  next: number;
  left: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

type Task = { readonly read: OpenRead; readonly index: number; readonly object: BulkObject };

/** One buffer for whatever arrived last: it grows to the largest object. */
const openScratch = () => {
  let buffer = Buffer.allocUnsafeSlow(256 * 1024);
  return (chunks: readonly Buffer[], length: number): Buffer => {
    if (length >= buffer.length) buffer = Buffer.allocUnsafeSlow(length * 2);
    let filled = 0;
    for (const chunk of chunks) filled += chunk.copy(buffer, filled);
    return buffer;
  };
};

type Lane = S3BulkDeps & {
  readonly client: Client;
  readonly sign: ReturnType<typeof getSigner>;
  readonly scratch: ReturnType<typeof openScratch>;
  readonly take: () => Task | undefined;
  /** Hands one over, or nothing where its read has ended. */
  readonly settle: (task: Task, deliver: () => void) => void;
  /** Called when there is nothing to take; `wake` begins anew. */
  readonly rest: (wake: () => void) => void;
};

/** One connection: asks, hands over, asks for the next; one object at a time. */
const runLane = ({ place, credentials, clock, client, sign, scratch, take, settle, rest }: Lane): void => {
  let task: Task;
  let turn = 1;
  let status = 0;
  let chunks: Buffer[] = [];
  let filled = 0;

  const expected = (): number => Math.min(task.object.size, task.read.work.mostBytes);

  const ask = (): void => {
    const { key, size, etag } = task.object;
    const path = `${place.basePath}/${encodeS3Path(`${place.prefix}${key}`)}`;
    const headers = sign(credentials(), clock(), path);
    if (etag !== undefined) headers.push('if-match', `"${etag}"`);
    if (size > task.read.work.mostBytes) headers.push('range', `bytes=0-${expected() - 1}`);
    chunks = [];
    filled = 0;
    client.dispatch({ path, method: 'GET', headers }, handler);
  };

  const next = (): void => {
    const taken = take();
    if (!taken) {
      rest(next);
      return;
    }
    task = taken;
    turn = 1;
    ask();
  };

  const deliver = (hand: () => void): void => {
    settle(task, hand);
    next();
  };

  const fail = (error: Error): void => deliver(() => task.read.work.onFailure(task.index, error));

  const again = (failure: Error): void => {
    if (turn === getAttempts) fail(gaveUp(place.storeUrl, task.object.key, failure));
    else setTimeout(ask, retryWaitMs(turn++));
  };

  const changed = (): Error => new ObjectChangedError(task.object.key, place.storeUrl);

  const isOther = (headers: Record<string, string | string[] | undefined>): boolean => {
    const { etag } = task.object;
    const length = headers['content-length'];
    return (
      (etag !== undefined && headers.etag !== undefined && headers.etag !== `"${etag}"`) ||
      (length !== undefined && Number(length) !== expected())
    );
  };

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: () => {},
    onResponseStart: (controller, statusCode, headers) => {
      status = statusCode;
      if (isBody(status) && isOther(headers)) controller.abort(changed());
    },
    onResponseData: (controller, chunk) => {
      filled += chunk.length;
      if (isBody(status) && filled > expected()) controller.abort(changed());
      // Of a refusal only the beginning is read by anyone.
      else if (isBody(status) || filled <= 16 * 1024) chunks.push(chunk);
    },
    onResponseEnd: () => {
      if (isBody(status)) {
        if (filled < expected()) again(new TruncatedError(`${expected()} bytes`, filled));
        else deliver(() => task.read.work.onContent(task.index, scratch(chunks, filled), filled));
        return;
      }
      const text = Buffer.concat(chunks).toString('utf8');
      const failure = refusal(place.storeUrl, task.object.key, status, text);
      if (isBusy(status)) again(failure);
      else fail(failure);
    },
    onResponseError: (_, error) => {
      if (isTransient(error)) again(error);
      else fail(error);
    },
  };
  next();
};

const isBody = (status: number): boolean => status === 200 || status === 206;
