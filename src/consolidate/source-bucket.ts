import type { OpenedS3Store } from '../platform/store/s3.ts';
import type { ListedKey } from '../platform/store/s3-list.ts';
import type { AwsCredentials } from '../platform/store/sigv4.ts';
import { listBucket } from './list-bucket.ts';
import { type ListedFolder, madeUpVersion, openListedFolder } from './listed-folder.ts';
import { type Source, SourceError } from './source.ts';

/** A source in S3, as this thread uses it: the SDK, which is slow to load, is loaded here and nowhere else. */
export type SourceBucket = {
  /** Every object, by folder. @throws SourceError */
  readonly list: (signal?: AbortSignal) => Promise<ListedFolder[]>;
  readonly credentials: () => Promise<AwsCredentials>;
  readonly close: () => Promise<void>;
};

export const openSourceBucket = (source: Source & { kind: 's3' }): SourceBucket => {
  let opened: Promise<OpenedS3Store> | undefined;
  const bucket = (): Promise<OpenedS3Store> => {
    opened ??= import('../platform/store/s3.ts').then(({ openS3Store }) =>
      openS3Store(source.url, source.s3),
    );
    return opened;
  };
  return {
    list: async (signal) => {
      try {
        return await gather(await bucket(), signal);
      } catch (error) {
        signal?.throwIfAborted();
        throw new SourceError(source.url, error);
      }
    },
    credentials: async () => {
      const { accessKeyId, secretAccessKey, sessionToken } = await (await bucket()).credentials();
      return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
    },
    close: async () => {
      const closing = await opened?.catch(() => undefined);
      opened = undefined;
      await closing?.close();
    },
  };
};

const gather = async (
  { listPage }: OpenedS3Store,
  signal: AbortSignal | undefined,
): Promise<ListedFolder[]> => {
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
  await listBucket(listPage, take, signal);
  return [...folders.values()].map((each) => each.folder());
};
