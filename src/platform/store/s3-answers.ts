import { rangeError } from './bodies.ts';
import { type GetOptions, ObjectNotFoundError } from './store.ts';

/** How often one GET is tried. */
export const getAttempts = 6;

/**
 * Silence after which a connection counts as broken. One time for headers and body: the client then keeps one timer a
 * connection instead of making two a request.
 */
export const silenceMs = 30_000;

/** Before the attempt after attempt `turn` (from 1): growing, and jittered, so that many readers don't come back at once. */
export const retryWaitMs = (turn: number): number => Math.random() * Math.min(5_000, 50 * 2 ** turn);

/** What the client says when it was used wrongly or is closed: the same again would end the same. */
const final = ['UND_ERR_INVALID_ARG', 'UND_ERR_CLOSED', 'UND_ERR_DESTROYED', 'UND_ERR_ABORTED'];
const broken = ['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EAI_AGAIN'];

/** Whether the failure is the connection's, and another attempt may pass. */
export const isTransient = (error: Error): boolean => {
  const code = 'code' in error ? String(error.code) : '';
  return (
    error instanceof TruncatedError ||
    (code.startsWith('UND_ERR_') && !final.includes(code)) ||
    // undici's parser names its own errors so: bytes that are no HTTP, or an answer that ends in the middle.
    code.startsWith('HPE_') ||
    broken.includes(code)
  );
};

/** Whether S3 asks to come again: throttling, and failures of its own. */
export const isBusy = (status: number): boolean => status >= 500 || status === 429;

/** Less arrived than there is. */
export class TruncatedError extends Error {
  constructor(expected: string, found: number) {
    super(`expected ${expected}, found ${found} bytes`);
    this.name = 'TruncatedError';
  }
}

/** The object is not the one that the listing showed. */
export class ObjectChangedError extends Error {
  constructor(key: string, storeUrl: string) {
    super(`${JSON.stringify(key)} in ${storeUrl} was written again since it was listed`);
    this.name = 'ObjectChangedError';
  }
}

/** What an answer other than 200 and 206 says, as an error. */
export const refusal = (
  storeUrl: string,
  key: string,
  status: number,
  text: string,
  range?: GetOptions['range'],
): Error => {
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? '';
  if (status === 404 && code !== 'NoSuchBucket') return new ObjectNotFoundError(key, storeUrl);
  if (status === 412) return new ObjectChangedError(key, storeUrl);
  if (status === 416 && range) return rangeError(key, range, 'beyond the end of the object');
  const message = /<Message>([^<]*)<\/Message>/.exec(text)?.[1] ?? text.slice(0, 200);
  return new Error(`${storeUrl} refused to give ${JSON.stringify(key)}: ${status} ${code} ${message}`.trim());
};

/** The last failure of a GET that was tried as often as it is tried. */
export const gaveUp = (storeUrl: string, key: string, failure: Error): Error =>
  new Error(
    `could not read ${JSON.stringify(key)} from ${storeUrl} in ${getAttempts} attempts: ${failure.message}`,
    { cause: failure },
  );
