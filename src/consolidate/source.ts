import { realpath, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UserError } from '../platform/cli.ts';
import type { Config } from '../platform/config.ts';
import type { S3Options } from '../platform/store/s3.ts';

/** Where the small files lie. Plain data: each worker thread opens it anew. */
export type Source =
  | { readonly kind: 'directory'; readonly url: string; readonly root: string }
  | { readonly kind: 's3'; readonly url: string; readonly s3: Omit<S3Options, 'clock'> };

/** How a source in S3 is reached. */
export const s3Options = (config: Config): Omit<S3Options, 'clock'> => ({
  region: config.AWS_REGION,
  ...(config.AWS_ENDPOINT_URL === undefined ? {} : { endpoint: config.AWS_ENDPOINT_URL }),
});

/**
 * Reads a command's source: a directory (made absolute, links resolved, so that one place has one name) or
 * `s3://bucket/prefix`.
 * @throws UserError where there is no such directory
 */
export const openSource = async (place: string, s3: Omit<S3Options, 'clock'>): Promise<Source> => {
  if (/^s3:\/\/[^/]+/.test(place)) return { kind: 's3', url: place.replace(/\/+$/, ''), s3 };
  const path = place.startsWith('file://') ? decodeURIComponent(new URL(place).pathname) : resolve(place);
  const root = await realpath(path).catch(() => undefined);
  if (root === undefined || !(await stat(root)).isDirectory()) {
    const found = /^[\w+.-]+:\/\//.test(place) ? place : `no directory ${path}`;
    throw new UserError(`expected a directory or s3://bucket/prefix to consolidate, found ${found}`);
  }
  return { kind: 'directory', url: pathToFileURL(root).href.replace(/\/$/, ''), root };
};

/** The source cannot be listed: nothing of it is known, and nothing was taken. */
export class SourceError extends Error {
  constructor(url: string, cause: unknown) {
    const words = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(`${url} can't be listed: ${words}`, { cause });
    this.name = 'SourceError';
  }
}
