import { closeSync, readSync } from 'node:fs';
import type { RootedFiles } from '../platform/rooted-files.ts';
import { type Content, keyAt, leaveFile, type ReadFiles, type ReadWork } from './read-work.ts';

/** One buffer serves every file: it grows to the largest one. The byte after the content is the cutter's. */
const createReader = () => {
  let buffer = Buffer.allocUnsafeSlow(1 << 20);
  return (file: number, size: number, most: number): Content => {
    // One byte more than the listing says, so that a file that grew is noticed without asking for its end.
    let wanted = Math.min(size, most) + 1;
    let length = 0;
    for (;;) {
      if (wanted + 1 > buffer.length) {
        const larger = Buffer.allocUnsafeSlow(wanted * 2);
        buffer.copy(larger, 0, 0, length);
        buffer = larger;
      }
      const read = readSync(file, buffer, length, wanted - length, null);
      length += read;
      if (read === 0 || length === size || length > most) return { bytes: buffer, length };
      if (length === wanted) wanted = Math.min(most + 1, wanted * 2);
    }
  };
};

/** Reads files of a directory. The three synchronous calls beat `fs.promises` eight times over (one file: 9 µs). */
export const directoryFiles = (work: ReadWork, files: RootedFiles): ReadFiles => {
  const read = createReader();
  const contentOf = (folder: string, name: string, size: number): Content => {
    const file = files.openFile(folder, name);
    try {
      return read(file, size, work.limits.maxFileBytes);
    } finally {
      closeSync(file);
    }
  };
  return (chunk, result) => {
    for (let index = 0; index < chunk.names.length; index++) {
      const folder = chunk.folders[chunk.folder[index] as number] as string;
      let content: Content;
      try {
        content = contentOf(folder, chunk.names[index] as string, chunk.sizes[index] as number);
      } catch (error) {
        leaveFile(result, index, error);
        continue;
      }
      work.take(result, index, keyAt(chunk, index), content, chunk.known.get(index) ?? []);
    }
  };
};
