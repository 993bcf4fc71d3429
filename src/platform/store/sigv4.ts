import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';

export type AwsCredentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
};

const emptyHash = hash('sha256', '');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** RFC 3986: all but letters, digits and `-._~`. */
const percentEncode = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const plainPath = /^[\w.~/-]*$/;

/** The path of an object as S3 wants it in the request line and in the signature: each segment percent-encoded once. */
export const encodeS3Path = (path: string): string =>
  plainPath.test(path) ? path : percentEncode(path).replaceAll('%2F', '/');

/** A query as the signature wants it: sorted by name, encoded. */
export const encodeS3Query = (parameters: Readonly<Record<string, string>>): string =>
  Object.entries(parameters)
    .map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
    .sort()
    .join('&');

/**
 * The headers of a GET of `path`, as a flat list of names and values. Path and query are already encoded
 * (`encodeS3Path`, `encodeS3Query`).
 */
export type SignGet = (credentials: AwsCredentials, now: Date, path: string, query?: string) => string[];

/** All that is the same for every GET of one second. */
type Moment = {
  readonly second: number;
  readonly credentials: AwsCredentials;
  readonly key: KeyObject;
  /** What follows the query in the canonical request. */
  readonly canonicalEnd: string;
  /** What stands before the canonical request's hash in the string to sign. */
  readonly toSign: string;
  /** What stands before the signature in the header. */
  readonly authorization: string;
  readonly headers: readonly string[];
};

const prepare = (
  { region, host }: { region: string; host: string },
  credentials: AwsCredentials,
  second: number,
  signingKey: (secret: string, day: string) => KeyObject,
): Moment => {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const time = new Date(second * 1_000).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const scope = `${day}/${region}/s3/aws4_request`;
  const signed: [string, string][] = [
    ['host', host],
    ['x-amz-content-sha256', emptyHash],
    ['x-amz-date', time],
  ];
  if (sessionToken !== undefined) signed.push(['x-amz-security-token', sessionToken]);
  const names = signed.map(([name]) => name).join(';');
  const lines = signed.map(([name, value]) => `${name}:${value}\n`).join('');
  return {
    second,
    credentials,
    key: signingKey(secretAccessKey, day),
    canonicalEnd: `\n${lines}\n${names}\n${emptyHash}`,
    toSign: `AWS4-HMAC-SHA256\n${time}\n${scope}\n`,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=`,
    headers: signed.flat(),
  };
};

const sameCredentials = (a: AwsCredentials, b: AwsCredentials): boolean =>
  a.accessKeyId === b.accessKeyId &&
  a.secretAccessKey === b.secretAccessKey &&
  a.sessionToken === b.sessionToken;

/**
 * Signs GET requests of S3 with AWS Signature Version 4 (in a header). The signing key depends on
 * secret, day, region and service only, and all but the path on the second: both are kept, so that a request costs two
 * digests. The SDK derives four HMACs per request and walks its middleware, which limits it to about 1,000 requests a
 * second on one core.
 */
export const getSigner = (place: { readonly region: string; readonly host: string }): SignGet => {
  let cached: { id: string; key: KeyObject } | undefined;
  let moment: Moment | undefined;
  const signingKey = (secret: string, day: string): KeyObject => {
    const id = `${day}/${secret}`;
    if (cached?.id !== id) {
      const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), place.region), 's3'), 'aws4_request');
      // As bytes it would be taken in anew for each request, which takes six times as long as the digest.
      cached = { id, key: createSecretKey(key) };
    }
    return cached.key;
  };
  return (credentials, now, path, query = '') => {
    const second = Math.floor(now.getTime() / 1_000);
    if (moment?.second !== second || !sameCredentials(moment.credentials, credentials)) {
      moment = prepare(place, credentials, second, signingKey);
    }
    const canonical = hash('sha256', `GET\n${path}\n${query}${moment.canonicalEnd}`);
    const signature = createHmac('sha256', moment.key)
      .update(moment.toSign + canonical)
      .digest('hex');
    return [...moment.headers, 'authorization', moment.authorization + signature];
  };
};
