import type { S3Bulk } from '../platform/store/s3-bulk.ts';
import { comparableEtag } from './listed-folder.ts';
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
