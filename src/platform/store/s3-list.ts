import { TruncatedError } from './s3-answers.ts';

export type ListRequest = {
  /** What the keys begin with. */
  readonly prefix: string;
  /** What lies below a further slash is shown as folders. */
  readonly byFolder?: boolean;
  /** Where the page before ended. */
  readonly token?: string;
};

export type ListedKey = {
  readonly key: string;
  readonly size: number;
  readonly lastModified: Date;
  /** Without its quotes. */
  readonly etag?: string;
};

export type ListPage = {
  readonly objects: readonly ListedKey[];
  /** With `byFolder`: prefixes that end in a slash. */
  readonly folders: readonly string[];
  /** Present: there is more. */
  readonly token?: string;
};

/** The query of `ListObjectsV2`. */
export const listParameters = ({ prefix, byFolder, token }: ListRequest): Record<string, string> => ({
  'list-type': '2',
  prefix,
  ...(byFolder ? { delimiter: '/' } : {}),
  ...(token === undefined ? {} : { 'continuation-token': token }),
});

/**
 * Reads an answer of `ListObjectsV2`. S3 writes these by machine, without attributes, comments or CDATA, so that
 * looking for the tags is enough, and no tree of it need be built. Each character is looked at a few times at most,
 * whatever the server sends.
 * @throws TruncatedError where the end is missing; Error for what is no listing
 */
export const parseListPage = (xml: string): ListPage => {
  if (!/^(?:<\?xml[^>]*\?>\s*)?<ListBucketResult[\s>]/.test(xml)) {
    throw new Error(`expected a listing of S3, found ${JSON.stringify(xml.slice(0, 200))}`);
  }
  if (!xml.trimEnd().endsWith('</ListBucketResult>')) throw new TruncatedError('a whole listing', xml.length);
  const objects = elements(xml, 'Contents').map((entry): ListedKey => {
    const etag = textOf(entry, 'ETag')?.replaceAll('"', '');
    return {
      key: required(entry, 'Key'),
      size: Number(required(entry, 'Size')),
      lastModified: new Date(textOf(entry, 'LastModified') ?? 0),
      ...(etag ? { etag } : {}),
    };
  });
  const token = textOf(xml, 'NextContinuationToken');
  const more = textOf(xml, 'IsTruncated') === 'true';
  if (more && !token) throw new Error('a listing of S3 says that there is more, but not where');
  return {
    objects,
    folders: elements(xml, 'CommonPrefixes').map((entry) => required(entry, 'Prefix')),
    ...(more && token ? { token } : {}),
  };
};

/** What stands between the tags of each element of that name, in order. */
const elements = (xml: string, name: string): string[] => {
  const [open, close] = [`<${name}>`, `</${name}>`];
  const found: string[] = [];
  for (let at = xml.indexOf(open); at >= 0; ) {
    const end = xml.indexOf(close, at);
    if (end < 0) break;
    found.push(xml.slice(at + open.length, end));
    at = xml.indexOf(open, end);
  }
  return found;
};

const textOf = (xml: string, name: string): string | undefined => {
  const open = `<${name}>`;
  const from = xml.indexOf(open);
  if (from < 0) return undefined;
  const end = xml.indexOf('<', from + open.length);
  return plainText(xml.slice(from + open.length, end < 0 ? undefined : end));
};

const required = (entry: string, name: string): string => {
  const text = textOf(entry, name);
  if (text === undefined)
    throw new Error(`a listing of S3 has an entry without ${name}: ${JSON.stringify(entry)}`);
  return text;
};

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const plainText = (text: string): string =>
  text.includes('&')
    ? text.replaceAll(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z]+));/gi, (whole, hex, decimal, name) =>
        name === undefined
          ? String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16))
          : (entities[name] ?? whole),
      )
    : text;
