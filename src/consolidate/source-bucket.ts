import type { S3Get } from '../platform/store/s3-get.ts';
import type { ListedKey } from '../platform/store/s3-list.ts';
import type { AwsCredentials } from '../platform/store/sigv4.ts';
import { listBucket } from './list-bucket.ts';
import { type ListedFolder, madeUpVersion, openListedFolder } from './listed-folder.ts';
import { type Source, SourceError } from './source.ts';

/** A source in S3 as the thread uses it that does not read: it lists, and knows the credentials. */
export type SourceBucket = {
  /** Every object, by folder. @throws SourceError */
  readonly list: (signal?: AbortSignal) => Promise<ListedFolder[]>;
  /** Those of now, for the threads that read. */
  readonly credentials: () => Promise<AwsCredentials>;
  readonly close: () => Promise<void>;
};

type Opened = { readonly get: S3Get; readonly credentials: () => Promise<AwsCredentials> };

/** Nothing is loaded before it is used. */
export const openSourceBucket = ({ url, s3 }: Source & { kind: 's3' }): SourceBucket => {
  const open = async (): Promise<Opened> => {
    const [{ awsCredentials }, { openS3Get }, { s3Place }] = await Promise.all([
      import('../platform/store/aws-credentials.ts'),
      import('../platform/store/s3-get.ts'),
      import('../platform/store/s3-place.ts'),
    ]);
    const credentials = awsCredentials(s3);
    const clock = (): Date => new Date();
    const get = openS3Get({ place: s3Place(url, s3), region: s3.region, credentials, clock });
    return { get, credentials };
  };
  let opened: Promise<Opened> | undefined;
  const bucket = (): Promise<Opened> => {
    opened ??= open();
    return opened;
  };
  return {
    list: async (signal) => {
      try {
        return await gather((await bucket()).get, signal);
      } catch (error) {
        signal?.throwIfAborted();
        throw new SourceError(url, error);
      }
    },
    credentials: async () => (await bucket()).credentials(),
    close: async () => {
      const closing = opened;
      opened = undefined;
      await (await closing?.catch(() => undefined))?.get.close();
    },
  };
};

const gather = async ({ list }: S3Get, signal: AbortSignal | undefined): Promise<ListedFolder[]> => {
  const folders = new Map<string, ReturnType<typeof openListedFolder>>();
  const take = ({ key, size, lastModified, etag }: ListedKey): void => {
    const slash = key.lastIndexOf('/') + 1;
    const path = key.slice(0, slash);
    if (/(?:^|\/)[._]/.test(path)) return;
    const folder = folders.get(path) ?? openListedFolder(path);
    folders.set(path, folder);
    const modified = lastModified.getTime();
    folder.add({ name: key.slice(slash), size, modified, etag: etag || madeUpVersion(size, modified) });
  };
  await listBucket(list, take, signal);
  return [...folders.values()].map((each) => each.folder());
};
