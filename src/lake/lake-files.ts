import { gunzipSync } from 'node:zlib';
import { ObjectExistsError, type PutBody, type Store } from '../platform/store/store.ts';
import { decodeManifest, decodeManifestList, type ManifestEntry, type ManifestFile } from './manifests.ts';
import { parseMetadata, type Snapshot, type TableMetadata } from './metadata.ts';

/**
 * The key of a location in the store. Engines write one place in several ways: `file:/x` and `file:///x`,
 * `s3a://` and `s3://`.
 * @returns null for a place outside the store
 */
export const keyOf = (store: Store, location: string): string | null => {
  const normal = normalLocation(location);
  const root = `${store.url}/`;
  return normal.startsWith(root) ? normal.slice(root.length) : null;
};

export const normalLocation = (location: string): string => {
  if (location.startsWith('/')) return `file://${location}`;
  return location.replace(/^file:\/+/, 'file:///').replace(/^s3[an]:\/\//, 's3://');
};

const requireKey = (store: Store, location: string): string => {
  const key = keyOf(store, location);
  if (key === null)
    throw new Error(
      `${location} is outside the lake's object store ${store.url}; this code reads only there`,
    );
  return key;
};

export const readLocation = async (store: Store, location: string): Promise<Buffer> =>
  (await store.get(requireKey(store, location))).bytes();

/**
 * Writes a new file of a table; names carry a random part and are never reused. The refusal of a taken key is
 * the net under that: a live file cannot be overwritten.
 */
export const writeLocation = async (store: Store, location: string, body: PutBody): Promise<number> => {
  try {
    return (await store.put(requireKey(store, location), body, { ifNoneMatch: true })).size;
  } catch (error) {
    if (error instanceof ObjectExistsError) {
      throw new Error(`${location} is taken, and files of a table are never overwritten`, { cause: error });
    }
    throw error;
  }
};

export const readMetadata = async (store: Store, location: string): Promise<TableMetadata> => {
  const bytes = await readLocation(store, location);
  const text = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
  return parseMetadata(text.toString(), location);
};

export const readManifestList = async (store: Store, snapshot: Snapshot): Promise<ManifestFile[]> =>
  decodeManifestList(await readLocation(store, snapshot['manifest-list']), snapshot['manifest-list']);

/** @throws Error when the file is not as long as the manifest list says: cut at a block's end it would still read as whole */
export const readManifest = async (
  store: Store,
  metadata: TableMetadata,
  manifest: ManifestFile,
): Promise<ManifestEntry[]> => {
  const bytes = await readLocation(store, manifest.path);
  if (bytes.length !== manifest.length) {
    throw new Error(
      `${manifest.path} has ${bytes.length} bytes, and its manifest list says ${manifest.length}`,
    );
  }
  return decodeManifest(metadata, manifest, bytes);
};

/** Runs `work` over the items, at most `limit` at once, keeping their order. */
export const mapLimited = async <T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at] as T, at);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
};
