import type { S3Bulk } from '../platform/store/s3-bulk.ts';
import type { ListPage } from '../platform/store/s3-list.ts';
import type { BucketPage } from './list-bucket.ts';
import { comparableEtag, madeUpVersion, openListedFolder } from './listed-folder.ts';
import { keyAt, leaveFile, type ReadFiles, type ReadWork } from './read-work.ts';

/** Reads objects of S3, many at once. Each content is cut as it arrives: memory holds no more than those under way. */
export const objectFiles =
  (work: ReadWork, bulk: S3Bulk): ReadFiles =>
  (chunk, result) =>
    bulk.read({
      count: chunk.names.length,
      object: (index) => {
        const etag = comparableEtag(chunk.versions?.[index]);
        return {
          key: keyAt(chunk, index),
          size: chunk.sizes[index] as number,
          ...(etag === undefined ? {} : { etag }),
        };
      },
      // One byte more than is allowed shows that an object is too large.
      mostBytes: work.limits.maxFileBytes + 1,
      onContent: (index, bytes, length) =>
        work.take(result, index, keyAt(chunk, index), { bytes, length }, chunk.known.get(index) ?? []),
      onFailure: (index, error) =>
        leaveFile(
          result,
          index,
          error.name === 'ObjectNotFoundError' ? new Error('it is gone since it was listed') : error,
        ),
    });

/** A page's objects by folder, in blocks that go to another thread without a copy. Hidden folders are left out. */
export const bucketPage = ({ objects, folders: below, token }: ListPage): BucketPage => {
  const folders = new Map<string, ReturnType<typeof openListedFolder>>();
  const folderOf = (key: string): string => key.slice(0, key.lastIndexOf('/') + 1);
  for (const { key, size, lastModified, etag } of objects) {
    const path = folderOf(key);
    if (/(?:^|\/)[._]/.test(path)) continue;
    let folder = folders.get(path);
    if (!folder) {
      folder = openListedFolder(path);
      folders.set(path, folder);
    }
    const modified = lastModified.getTime();
    folder.add({ name: key.slice(path.length), size, modified, etag: etag || madeUpVersion(size, modified) });
  }
  return {
    listed: [...folders.values()].map((folder) => folder.folder()),
    ...(objects[0] ? { firstFolder: folderOf(objects[0].key) } : {}),
    below,
    ...(token === undefined ? {} : { token }),
  };
};
