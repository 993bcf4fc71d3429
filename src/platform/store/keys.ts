import { BadKeyError } from './store.ts';

const maxKeyBytes = 1024;
const maxSegmentBytes = 255;
/** Prefix of the directory store's unfinished writes; no object may hide under it. */
export const temporaryPrefix = '.lastro-tmp-';

/**
 * Checks that a key names the same object in every store and cannot leave a directory's root: relative,
 * `/`-separated, no empty, `.` or `..` segment, no NUL, control character, backslash or lone surrogate,
 * NFC-normalised (two spellings of one name are one file on some disks and two on others), at most 1024
 * bytes (S3's limit) and 255 bytes a segment (the limit of common file systems).
 * @throws BadKeyError
 */
export const checkKey = (key: string): string => {
  const refuse = (expected: string): never => {
    throw new BadKeyError(key, expected);
  };
  if (key === '') refuse('expected a relative path, found nothing');
  if (!key.isWellFormed()) refuse('expected well-formed Unicode, found a lone surrogate');
  if (key !== key.normalize('NFC')) refuse('expected Unicode in NFC form');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f\\]/.test(key)) refuse('expected no control character and no backslash');
  if (Buffer.byteLength(key) > maxKeyBytes) refuse(`expected at most ${maxKeyBytes} bytes`);
  for (const segment of key.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') {
      refuse('expected a relative path without empty, "." or ".." segments');
    }
    if (segment.startsWith(temporaryPrefix)) refuse(`names that begin with ${temporaryPrefix} are reserved`);
    if (Buffer.byteLength(segment) > maxSegmentBytes) {
      refuse(`expected at most ${maxSegmentBytes} bytes between slashes`);
    }
  }
  return key;
};
