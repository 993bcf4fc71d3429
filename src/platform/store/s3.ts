import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { bodyChunks, checkRange } from './bodies.ts';
import { checkKey } from './keys.ts';
import { checkExpiry, contentDisposition } from './links.ts';
import { openS3Get, type S3Get } from './s3-get.ts';
import { type S3Place, s3Place } from './s3-place.ts';
import type { AwsCredentials } from './sigv4.ts';
import { ObjectExistsError, type OpenedStore, type PutBody, type Store, type StoredObject } from './store.ts';

export type S3Options = {
  readonly region: string;
  /** In place of AWS: a local stand-in. The bucket then goes into the path. */
  readonly endpoint?: string;
  /** Default: the SDK's chain (environment, profile, container, instance). */
  readonly credentials?: AwsCredentials;
  /** Sockets of bulk reads. */
  readonly connections?: number;
  readonly clock?: () => Date;
};

/** 10,000 parts of this size: objects up to 78 GiB. */
const partBytes = 8 * 1024 * 1024;
/** Metadata that tells a write that its own earlier attempt arrived. */
const writeIdHeader = 'lastro-write-id';

/** Opens `s3://bucket/prefix`: PUT, multipart and DELETE by the SDK, GET and LIST by undici (see s3-get.ts). */
export const openS3Store = (url: string, options: S3Options): OpenedStore => {
  const place = s3Place(url, options);
  const { bucket, prefix, storeUrl } = place;
  const clock = options.clock ?? (() => new Date());
  const client = new S3Client({
    region: options.region,
    forcePathStyle: place.byPath,
    // The SDK's default checksums corrupt streamed uploads on servers that do not know their trailers.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: 5,
    ...(options.endpoint ? { endpoint: options.endpoint } : {}),
    ...(options.credentials ? { credentials: options.credentials } : {}),
  });
  const reader = openS3Get({
    place,
    region: options.region,
    credentials: () => client.config.credentials(),
    clock,
    ...(options.connections === undefined ? {} : { connections: options.connections }),
  });
  const bucketOf = { client, bucket, prefix, storeUrl };
  const store: Store = {
    url: storeUrl,
    put: (key, body, put) => putObject(bucketOf, checkKey(key), body, put?.ifNoneMatch ?? false),
    get: (key, get) => {
      if (get?.range) checkRange(key, get.range);
      return reader.get(checkKey(key), get);
    },
    list: (under) => listObjects(reader, under),
    remove: async (key) => {
      await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: `${prefix}${checkKey(key)}` }));
    },
  };
  return {
    store,
    signedUrl: (key, { expiresInSeconds, filename }) =>
      getSignedUrl(
        client,
        new GetObjectCommand({
          Bucket: bucket,
          Key: `${prefix}${checkKey(key)}`,
          ...(filename === undefined ? {} : { ResponseContentDisposition: contentDisposition(filename) }),
        }),
        { expiresIn: checkExpiry(expiresInSeconds), signingDate: clock() },
      ),
    close: async () => {
      await reader.close();
      client.destroy();
    },
  };
};

type Bucket = Pick<S3Place, 'bucket' | 'prefix' | 'storeUrl'> & { readonly client: S3Client };

const putObject = async (
  { client, bucket, prefix, storeUrl }: Bucket,
  key: string,
  body: PutBody,
  ifNoneMatch: boolean,
): Promise<{ size: number }> => {
  const writeId = randomUUID();
  const target = {
    Bucket: bucket,
    Key: `${prefix}${key}`,
    ...(ifNoneMatch ? { IfNoneMatch: '*', Metadata: { [writeIdHeader]: writeId } } : {}),
  };
  let size = 0;
  const send = async (): Promise<void> => {
    if (typeof body === 'string' || body instanceof Uint8Array) {
      const bytes = typeof body === 'string' ? Buffer.from(body) : body;
      size = bytes.length;
      await client.send(new PutObjectCommand({ ...target, Body: bytes, ContentLength: size }));
      return;
    }
    const counted = Readable.from(countBytes(body, (bytes) => (size += bytes)));
    await new Upload({
      client,
      params: { ...target, Body: counted },
      partSize: partBytes,
      queueSize: 3,
    }).done();
  };
  const whole = typeof body === 'string' || body instanceof Uint8Array;
  for (let turn = 1; ; turn++) {
    try {
      await send();
      return { size };
    } catch (error) {
      const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
      // 409: another conditional write of this key is under way; S3 asks to try again.
      if (ifNoneMatch && status === 409 && whole && turn < 10) await sleep(Math.random() * 20 * turn);
      else if (!ifNoneMatch || status !== 412) throw error;
      // The SDK retries a PUT whose answer was lost, and then finds the object that it wrote itself.
      else if (await wroteItself(client, target, writeId)) return { size };
      else throw new ObjectExistsError(key, storeUrl);
    }
  }
};

const wroteItself = async (
  client: S3Client,
  { Bucket, Key }: { Bucket: string; Key: string },
  writeId: string,
): Promise<boolean> => {
  const head = await client.send(new HeadObjectCommand({ Bucket, Key }));
  return head.Metadata?.[writeIdHeader] === writeId;
};

async function* countBytes(
  body: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncIterable<Buffer> {
  for await (const chunk of bodyChunks(body)) {
    count(chunk.length);
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
}

async function* listObjects(reader: S3Get, under: string): AsyncIterable<StoredObject> {
  const folder = under.slice(0, under.lastIndexOf('/') + 1);
  if (folder !== '') checkKey(folder.slice(0, -1));
  let page = await reader.list({ prefix: under });
  for (;;) {
    yield* page.objects;
    if (page.token === undefined) return;
    page = await reader.list({ prefix: under, token: page.token });
  }
}
