import type { Store } from '../platform/store/store.ts';
import type { LiveFile } from './data-file.ts';
import { mapLimited, readManifestList } from './lake-files.ts';
import { manifestCache } from './manifest-cache.ts';
import type { ManifestEntry, ManifestFile } from './manifests.ts';
import type { Snapshot, TableMetadata } from './metadata.ts';

/** Manifests read at once: enough to hide S3's latency, few enough to bound memory. */
export const manifestsAtOnce = 8;

/** Some 7 KB each for a table of sixteen columns (measured): under 40 MB. */
const readManifest = manifestCache(5_000);

export const liveFile = (entry: ManifestEntry): LiveFile => ({
  ...entry.file,
  sequenceNumber: entry.sequenceNumber,
  fileSequenceNumber: entry.fileSequenceNumber,
  snapshotId: entry.snapshotId,
});

export const hasLiveFiles = (manifest: ManifestFile): boolean =>
  manifest.addedFiles + manifest.existingFiles > 0;

/** The data and delete files of a snapshot, from the manifests that `wanted` lets through. */
export const liveFiles = async (
  store: Store,
  metadata: TableMetadata,
  snapshot: Snapshot | null,
  wanted: (manifest: ManifestFile) => boolean = () => true,
): Promise<LiveFile[]> => {
  if (!snapshot) return [];
  const manifests = (await readManifestList(store, snapshot)).filter(
    (manifest) => hasLiveFiles(manifest) && wanted(manifest),
  );
  const entries = await mapLimited(manifests, manifestsAtOnce, (manifest) =>
    readManifest(store, metadata, manifest),
  );
  return entries.flat().flatMap((entry) => (entry.status === 'deleted' ? [] : [liveFile(entry)]));
};
