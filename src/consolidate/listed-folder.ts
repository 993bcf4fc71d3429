import { blocksOf, openTextList, receivedTexts, type TextList, textAt } from './text-list.ts';

/** One folder of the source and the objects in it. Seventy thousand of them take 3 MB, beyond the collector's reach. */
export type ListedFolder = {
  /** Relative to the source, `/` at the end; empty for the source itself. */
  readonly path: string;
  readonly names: TextList;
  readonly sizes: Float64Array;
  /** Milliseconds since 1970. */
  readonly modified: Float64Array;
  /** Absent: the place has none. */
  readonly etags?: TextList;
};

/** Changes whenever the object is written again: its ETag, or size and time of the last write. */
export const versionAt = ({ sizes, modified, etags }: ListedFolder, index: number): string =>
  etags ? textAt(etags, index) : `${sizes[index]}-${modified[index]}`;

/** The version of an object whose store gives no ETag. As a weak one, it is compared by nobody but ourselves. */
export const madeUpVersion = (size: number, modified: number): string => `W/${size}-${modified}`;

/** The ETag that a version is, where a GET can ask for it: a weak one names no bytes (RFC 9110, 8.8.1). */
export const comparableEtag = (version: string | undefined): string | undefined =>
  version?.startsWith('W/') ? undefined : version;

export type ListedObject = { name: string; size: number; modified: number; etag?: string };

/** Gathers the objects of a folder. Either all have an ETag, or none has. */
export const openListedFolder = (path: string) => {
  const names = openTextList();
  const sizes: number[] = [];
  const modified: number[] = [];
  const etags = openTextList();
  let tagged = false;
  return {
    add: (object: ListedObject): void => {
      names.push(object.name);
      sizes.push(object.size);
      modified.push(object.modified);
      if (object.etag === undefined) return;
      tagged = true;
      etags.push(object.etag);
    },
    folder: (): ListedFolder => ({
      path,
      names: names.list(),
      sizes: Float64Array.from(sizes),
      modified: Float64Array.from(modified),
      ...(tagged ? { etags: etags.list() } : {}),
    }),
  };
};

/** What to hand over when a folder is sent to another thread, so that nothing is copied. */
export const folderBlocks = ({ names, sizes, modified, etags }: ListedFolder): ArrayBuffer[] => [
  ...blocksOf(names),
  ...([sizes.buffer, modified.buffer] as ArrayBuffer[]),
  ...(etags ? blocksOf(etags) : []),
];

/** A folder that came from another thread. */
export const receivedFolder = (folder: ListedFolder): ListedFolder => ({
  ...folder,
  names: receivedTexts(folder.names),
  ...(folder.etags ? { etags: receivedTexts(folder.etags) } : {}),
});
