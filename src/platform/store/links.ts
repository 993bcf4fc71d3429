import { createHmac, timingSafeEqual } from 'node:crypto';
import { checkKey } from './keys.ts';
import type { SignUrl } from './store.ts';

/** S3's longest life of a signed link; the same here, so that code works on both. */
export const longestLinkSeconds = 7 * 24 * 3600;

export const linkPath = '/v1/objects/';

export type LinkKeys = {
  /** At least 32 bytes. Every process that signs or verifies has the same. */
  readonly secret: Uint8Array;
  readonly clock: () => Date;
};

/** @throws RangeError for a life that is not a whole number of seconds from 1 to seven days. */
export const checkExpiry = (seconds: number): number => {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > longestLinkSeconds) {
    throw new RangeError(
      `expected a link's life of 1 to ${longestLinkSeconds} whole seconds, found ${seconds}`,
    );
  }
  return seconds;
};

/**
 * Signs links to objects that our own API serves (the directory store has no server of its own). The signature
 * covers key, expiry and file name, so that none can be changed.
 */
export const linkSigner = ({ secret, clock, baseUrl }: LinkKeys & { readonly baseUrl: string }): SignUrl => {
  if (secret.length < 32)
    throw new Error(`expected a link secret of at least 32 bytes, found ${secret.length}`);
  return async (key, { expiresInSeconds, filename }) => {
    const expires = Math.floor(clock().getTime() / 1000) + checkExpiry(expiresInSeconds);
    const query = new URLSearchParams({ expires: String(expires) });
    if (filename !== undefined) query.set('filename', filename);
    query.set('signature', sign(secret, checkKey(key), expires, filename));
    const path = key.split('/').map(encodeURIComponent).join('/');
    return `${baseUrl.replace(/\/$/, '')}${linkPath}${path}?${query}`;
  };
};

export type SignedPath =
  | { readonly ok: true; readonly key: string; readonly filename?: string }
  | { readonly ok: false; readonly reason: 'malformed' | 'forged' | 'expired' };

/**
 * Checks the path and query of a request (`/v1/objects/…?expires=…&signature=…`), for the route that serves
 * objects. The signature is compared before the expiry, in constant time: a forged link learns nothing.
 */
export const verifySignedPath = ({ secret, clock }: LinkKeys, pathAndQuery: string): SignedPath => {
  const [path = '', search = ''] = pathAndQuery.split('?', 2);
  if (!path.startsWith(linkPath)) return { ok: false, reason: 'malformed' };
  const query = new URLSearchParams(search);
  const expires = query.get('expires') ?? '';
  const signature = query.get('signature') ?? '';
  const filename = query.get('filename') ?? undefined;
  if (!/^\d{1,12}$/.test(expires) || [...query.keys()].length !== new Set(query.keys()).size) {
    return { ok: false, reason: 'malformed' };
  }
  let key: string;
  try {
    key = checkKey(path.slice(linkPath.length).split('/').map(decodeURIComponent).join('/'));
  } catch {
    return { ok: false, reason: 'malformed' };
  }
  const expected = Buffer.from(sign(secret, key, Number(expires), filename));
  const found = Buffer.from(signature);
  if (expected.length !== found.length || !timingSafeEqual(expected, found))
    return { ok: false, reason: 'forged' };
  if (clock().getTime() >= Number(expires) * 1000) return { ok: false, reason: 'expired' };
  return { ok: true, key, ...(filename === undefined ? {} : { filename }) };
};

// JSON keeps the parts apart: no key and file name can be shifted into each other.
const sign = (secret: Uint8Array, key: string, expires: number, filename: string | undefined): string =>
  createHmac('sha256', secret)
    .update(JSON.stringify([key, expires, filename ?? null]))
    .digest('base64url');

/** The `Content-Disposition` of a download (RFC 6266), safe for any file name. */
export const contentDisposition = (filename: string): string => {
  const wellFormed = filename.toWellFormed();
  const ascii = wellFormed.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(wellFormed).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
};
