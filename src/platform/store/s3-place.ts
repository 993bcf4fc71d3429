import { checkKey } from './keys.ts';

/** Where a bucket's objects are asked for. */
export type S3Place = {
  readonly bucket: string;
  /** Before every key: empty, or ends in a slash. */
  readonly prefix: string;
  /** `s3://bucket/prefix`, for messages and links. */
  readonly storeUrl: string;
  /** The bucket is in the path, not in the host's name. */
  readonly byPath: boolean;
  /** `https://bucket.s3.sa-east-1.amazonaws.com`, or the stand-in's. */
  readonly origin: string;
  /** What stands before the key in the path: empty, or `/bucket` where the host does not carry it. */
  readonly basePath: string;
};

/** @throws Error for what is no `s3://bucket/prefix`; BadKeyError for a prefix that no key can have */
export const s3Place = (
  url: string,
  { region, endpoint }: { region: string; endpoint?: string },
): S3Place => {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url);
  if (!match) throw new Error(`expected s3://bucket or s3://bucket/prefix, found ${url}`);
  const [, bucket = '', path = ''] = match;
  const folder = path.replace(/\/+$/, '');
  const prefix = folder === '' ? '' : `${checkKey(folder)}/`;
  // A certificate for *.s3.… does not cover a bucket's name with dots.
  const byPath = endpoint !== undefined || bucket.includes('.');
  const host = `s3.${region}.amazonaws.com`;
  const { origin, pathname } = new URL(endpoint ?? `https://${byPath ? host : `${bucket}.${host}`}`);
  return {
    bucket,
    prefix,
    storeUrl: `s3://${bucket}${prefix === '' ? '' : `/${prefix.slice(0, -1)}`}`,
    byPath,
    origin,
    basePath: `${pathname.replace(/\/$/, '')}${byPath ? `/${bucket}` : ''}`,
  };
};
