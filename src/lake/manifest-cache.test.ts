import { describe, expect, it } from 'vitest';
import { openMemoryStore } from '../platform/store/memory.ts';
import type { DataFile } from './data-file.ts';
import { readManifest } from './lake-files.ts';
import { manifestCache } from './manifest-cache.ts';
import { encodeManifest, type ManifestFile } from './manifests.ts';
import { newTableMetadata } from './table-definition.ts';

const metadata = newTableMetadata(
  { columns: [{ name: 'day', type: 'date' }], partitionBy: [{ column: 'day', transform: 'identity' }] },
  'memory:/t',
  new Date(0),
);

const dataFile = (path: string): DataFile => ({
  content: 'data',
  path,
  format: 'PARQUET',
  specId: 0,
  partition: [20_000],
  records: 1,
  bytes: 100,
});

/** A store with manifests of so many files each, and a cache that notes what it reads from the store. */
const workshop = async (maxEntries: number, sizes: readonly number[]) => {
  const { store } = openMemoryStore();
  const manifests: ManifestFile[] = [];
  for (const [at, size] of sizes.entries()) {
    const files = Array.from({ length: size }, (_, n) => dataFile(`memory:/t/data/${at}-${n}.parquet`));
    const bytes = encodeManifest(
      metadata,
      0,
      'data',
      files.map((file) => ({
        status: 'added',
        snapshotId: '7',
        sequenceNumber: null,
        fileSequenceNumber: null,
        file,
      })),
    );
    const key = `t/metadata/${at}.avro`;
    await store.put(key, bytes);
    manifests.push(manifestFile(`${store.url}/${key}`, bytes.length, size));
  }
  const reads: string[] = [];
  const read = manifestCache(maxEntries, (from, table, manifest) => {
    reads.push(manifest.path);
    return readManifest(from, table, manifest);
  });
  const ask = async (at: number): Promise<number> => {
    reads.length = 0;
    const manifest = manifests[at] as ManifestFile;
    const entries = await read(store, metadata, manifest);
    expect(entries).toEqual(await readManifest(store, metadata, manifest));
    return reads.length;
  };
  return { store, manifests, read, ask };
};

const manifestFile = (path: string, length: number, files: number): ManifestFile => ({
  path,
  length,
  specId: 0,
  content: 'data',
  sequenceNumber: 3,
  minSequenceNumber: 3,
  addedSnapshotId: '7',
  addedFiles: files,
  existingFiles: 0,
  deletedFiles: 0,
  addedRows: files,
  existingRows: 0,
  deletedRows: 0,
});

describe('manifestCache', () => {
  it('reads a manifest once, and drops the one that was asked for longest ago', async () => {
    const { ask } = await workshop(5, [2, 2, 2]);
    expect([await ask(0), await ask(1), await ask(0), await ask(1)]).toEqual([1, 1, 0, 0]);
    expect(await ask(0)).toBe(0);
    expect(await ask(2)).toBe(1);
    expect([await ask(0), await ask(2), await ask(1)]).toEqual([0, 0, 1]);
  });

  it('never keeps more entries than its bound', async () => {
    const { ask } = await workshop(3, [4, 3]);
    expect([await ask(0), await ask(0)]).toEqual([1, 1]);
    expect([await ask(1), await ask(1)]).toEqual([1, 0]);
    expect([await ask(0), await ask(1)]).toEqual([1, 0]);
  });

  it('counts a manifest once that is read twice at the same time', async () => {
    const { store, manifests, read, ask } = await workshop(4, [2, 2]);
    const first = manifests[0] as ManifestFile;
    await Promise.all([read(store, metadata, first), read(store, metadata, first)]);
    await ask(1);
    expect([await ask(0), await ask(1)]).toEqual([0, 0]);
  });

  it('keeps no failure', async () => {
    const { store, manifests, read, ask } = await workshop(5, [2]);
    const manifest = manifests[0] as ManifestFile;
    const bytes = await (await store.get('t/metadata/0.avro')).bytes();
    await store.remove('t/metadata/0.avro');
    await expect(read(store, metadata, manifest)).rejects.toThrow('no object');
    await store.put('t/metadata/0.avro', bytes.subarray(0, 40));
    await expect(read(store, metadata, manifest)).rejects.toThrow('its manifest list says');
    await store.put('t/metadata/0.avro', bytes);
    expect([await ask(0), await ask(0)]).toEqual([1, 0]);
  });

  it('keeps stores of one URL apart, and what a manifest inherits from its list', async () => {
    const one = await workshop(5, [2]);
    const { store: other } = openMemoryStore();
    const manifest = one.manifests[0] as ManifestFile;
    expect(other.url).toBe(one.store.url);
    await one.ask(0);
    await expect(one.read(other, metadata, manifest)).rejects.toThrow('no object');
    const later = await one.read(one.store, metadata, { ...manifest, sequenceNumber: 9 });
    expect(later.map((entry) => entry.sequenceNumber)).toEqual([9, 9]);
  });
});
