import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Routes } from './http.ts';
import { Problem } from './problem.ts';
import {
  contentDisposition,
  type LinkKeys,
  linkPath,
  type SignedPath,
  verifySignedPath,
} from './store/links.ts';
import { ObjectNotFoundError, type Store } from './store/store.ts';

const contentTypes: Record<string, string> = {
  csv: 'text/csv; charset=utf-8',
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  parquet: 'application/vnd.apache.parquet',
  pdf: 'application/pdf',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
};

const contentTypeOf = (key: string): string =>
  contentTypes[key.slice(key.lastIndexOf('.') + 1)] ?? 'application/octet-stream';

export type ByteRange = { start: number; end: number };

/**
 * The part of `size` bytes that a `Range` header asks for, as `[start, end)`; null: all of it. What is not one range
 * of bytes is ignored, as RFC 9110 (section 14.2) allows: the whole is then the answer.
 * @throws Problem `range-not-satisfiable` where it begins after the end
 */
export const requestedRange = (header: string | undefined, size: number): ByteRange | null => {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return null;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return null;
  if (start >= size || (first === '' && Number(last) === 0))
    throw new Problem('range-not-satisfiable', `The object has ${size} bytes.`, {
      headers: { 'content-range': `bytes */${size}` },
    });
  return { start, end };
};

const checkLink = (signed: SignedPath): Extract<SignedPath, { ok: true }> => {
  if (signed.ok) return signed;
  if (signed.reason === 'expired')
    throw new Problem('link-expired', 'Links live for minutes. Ask for a new one where you got this one.');
  throw new Problem('link-invalid', 'Use the link exactly as it was given.');
};

/** A range of an object that was replaced since is of no use; our objects never are, so their key stands for them. */
const etagOf = (key: string): string => `"${createHash('sha256').update(key).digest('hex').slice(0, 32)}"`;

const rangeOf = (headers: IncomingHttpHeaders, etag: string, size: number): ByteRange | null => {
  const ifRange = headers['if-range'];
  return ifRange === undefined || ifRange === etag ? requestedRange(headers.range, size) : null;
};

/**
 * The route behind the signed links of a directory store; S3 serves its own. The signature is the whole authority:
 * it names one object until one instant. What was not signed names nothing, whatever its path.
 */
export const objectRoutes =
  ({ store, keys }: { store: Store; keys: LinkKeys }): Routes =>
  (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: `${linkPath}*`,
      config: { access: 'public' },
      schema: {
        tags: ['objects'],
        summary: 'The object that a signed link names',
        description: 'Links come from other routes and live for minutes. Ranges of bytes are served.',
        security: [],
      },
      handler: async (request, reply) => {
        const { key, filename } = checkLink(verifySignedPath(keys, request.raw.url ?? ''));
        const found = async (range?: ByteRange) =>
          store.get(key, range ? { range } : {}).catch((error: unknown) => {
            if (!(error instanceof ObjectNotFoundError)) throw error;
            throw new Problem('not-found', 'The object is not kept any more.');
          });
        const { size } = await found();
        const etag = etagOf(key);
        const range = rangeOf(request.headers, etag, size);
        void reply.headers({
          'content-type': contentTypeOf(key),
          'content-disposition': contentDisposition(filename ?? key.slice(key.lastIndexOf('/') + 1)),
          'accept-ranges': 'bytes',
          etag,
          'cache-control': 'private, no-store',
          'referrer-policy': 'no-referrer',
          'content-length': String(range ? range.end - range.start : size),
          ...(range ? { 'content-range': `bytes ${range.start}-${range.end - 1}/${size}` } : {}),
        });
        void reply.code(range ? 206 : 200);
        if (request.method === 'HEAD') return reply.send();
        return reply.send((await found(range ?? undefined)).stream());
      },
    });
  };
