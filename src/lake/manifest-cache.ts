import type { Store } from '../platform/store/store.ts';
import { readManifest } from './lake-files.ts';
import { type ManifestEntry, type ManifestFile, specColumns } from './manifests.ts';
import type { TableMetadata } from './metadata.ts';

/** Reads a manifest as `readManifest` does; the entries are shared and must not be changed. */
export type ManifestReader = (
  store: Store,
  metadata: TableMetadata,
  manifest: ManifestFile,
) => Promise<readonly ManifestEntry[]>;

/**
 * Keeps the entries of manifests that were read last, up to `maxEntries` of them together; a larger manifest is never
 * kept, and neither is a failure. A manifest is never written again under its path, so nothing goes stale.
 *
 * Kept per store object, not per URL alone: two stores may have one URL (buckets of one name at two endpoints), and a
 * store that is no longer used takes its entries along.
 */
export const manifestCache = (maxEntries: number, read: ManifestReader = readManifest): ManifestReader => {
  const stores = new WeakMap<Store, Kept>();
  return async (store, metadata, manifest) => {
    const kept = stores.get(store) ?? { manifests: new Map(), entries: 0 };
    stores.set(store, kept);
    const key = keyOf(metadata, manifest);
    const known = kept.manifests.get(key);
    if (known) {
      // A Map keeps the order of insertion: the least recently used stands first.
      kept.manifests.delete(key);
      kept.manifests.set(key, known);
      return known;
    }
    const entries = await read(store, metadata, manifest);
    if (entries.length <= maxEntries && !kept.manifests.has(key)) {
      kept.manifests.set(key, entries);
      kept.entries += entries.length;
      dropOldest(kept, maxEntries);
    }
    return entries;
  };
};

type Kept = { readonly manifests: Map<string, readonly ManifestEntry[]>; entries: number };

const dropOldest = (kept: Kept, maxEntries: number): void => {
  for (const [key, entries] of kept.manifests) {
    if (kept.entries <= maxEntries) return;
    kept.manifests.delete(key);
    kept.entries -= entries.length;
  }
};

/** Everything that decoding takes from elsewhere than the manifest's own bytes. */
const keyOf = (metadata: TableMetadata, manifest: ManifestFile): string =>
  JSON.stringify([
    manifest.path,
    manifest.length,
    manifest.specId,
    manifest.sequenceNumber,
    manifest.addedSnapshotId,
    specColumns(metadata, manifest.specId),
  ]);
