import type { Worker } from 'node:worker_threads';
import type { AwsCredentials } from '../platform/store/sigv4.ts';
import { type BucketPage, listBucket } from './list-bucket.ts';
import { type ListedFolder, receivedFolder } from './listed-folder.ts';
import type { ToWorker } from './read-messages.ts';
import { converse, unexpected } from './reading-thread.ts';
import { SourceError } from './source.ts';

/** Lists a bucket by the reading threads, which take turns: each page is fetched and read there. @throws SourceError */
export const listObjects = async (
  {
    workers,
    url,
    credentials,
  }: { workers: readonly Worker[]; url: string; credentials: () => Promise<AwsCredentials> },
  signal?: AbortSignal,
): Promise<ListedFolder[]> => {
  const asked = new Map<number, PromiseWithResolvers<BucketPage>>();
  const says: ((message: ToWorker) => void)[] = [];
  const ends: (() => void)[] = [];
  const talks = workers.map((worker) =>
    converse<void>(worker, signal, ({ say, end, fail }) => {
      says.push(say);
      ends.push(() => end());
      return (message) => {
        if (message.kind !== 'page') fail(message.kind === 'failed' ? message.message : unexpected(message));
        else {
          const { listed, ...page } = message.page;
          asked.get(message.id)?.resolve({ ...page, listed: listed.map(receivedFolder) });
          asked.delete(message.id);
        }
      };
    }),
  );
  let failure: { readonly error: unknown } | undefined;
  Promise.all(talks).catch((error: unknown) => {
    failure = { error };
    for (const { reject } of asked.values()) reject(error);
  });
  let count = 0;
  try {
    return await listBucket(async (request) => {
      const current = await credentials();
      if (failure) throw failure.error;
      const id = count++;
      const answer = Promise.withResolvers<BucketPage>();
      asked.set(id, answer);
      says[id % says.length]?.({ kind: 'page', id, request, credentials: current });
      return answer.promise;
    }, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw new SourceError(url, error);
  } finally {
    for (const end of ends) end();
  }
};
