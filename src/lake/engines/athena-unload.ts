import { createWriteStream } from 'node:fs';
import { mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { QueryExecution } from '@aws-sdk/client-athena';
import type { StoredObject } from '../../platform/store/store.ts';
import { openDuckDb, quoteText } from '../duckdb-session.ts';
import { keyOf, mapLimited } from '../lake-files.ts';
import { QueryError, type Scratch } from './engine.ts';
import { textLiteral } from './trino-types.ts';

const downloadsAtOnce = 4;

/** @throws QueryError Athena writes to S3 only */
export const scratchUrl = ({ store, prefix }: Scratch, below: string): string => {
  if (!store.url.startsWith('s3://'))
    throw new QueryError(`expected a store on S3 for Athena to write to, found ${store.url}`, {
      fault: 'engine',
    });
  return `${store.url}/${prefix}${below}`;
};

/** Its target must be empty, which a prefix of this query alone is. */
export const unloadSql = (query: string, scratch: Scratch): string =>
  `UNLOAD (${query}\n) TO ${textLiteral(scratchUrl(scratch, 'data/'))} WITH (format = 'PARQUET', compression = 'SNAPPY')`;

/**
 * Brings the files of a finished UNLOAD here, as one Parquet file. Listing finds all of them (S3 lists what was written
 * before), and the manifest, where Athena put it into this place too, must name the same ones.
 */
export const collectUnloaded = async (
  { scratch, execution, signal }: { scratch: Scratch; execution: QueryExecution; signal: AbortSignal },
  file: string,
): Promise<{ rows: number; bytes: number }> => {
  const objects = (await Array.fromAsync(scratch.store.list(`${scratch.prefix}data/`))).filter(
    ({ key }) => !key.endsWith('/'),
  );
  await checkManifest(scratch, execution, objects);
  if (objects.length === 0) throw new QueryError('Athena unloaded no file at all', { fault: 'engine' });
  const folder = await mkdtemp(`${file}.parts-`);
  try {
    const parts = await mapLimited(objects, downloadsAtOnce, async (object, n) => {
      const part = join(folder, `${n}.parquet`);
      const body = await scratch.store.get(object.key, { signal });
      await pipeline(body.stream(), createWriteStream(part), { signal });
      const { size } = await stat(part);
      if (size !== object.size)
        throw new Error(`expected ${object.size} bytes of ${object.key}, found ${size}`);
      return part;
    });
    signal.throwIfAborted();
    return await joinParts(parts, folder, file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const checkManifest = async (
  { store }: Scratch,
  execution: QueryExecution,
  objects: readonly StoredObject[],
): Promise<void> => {
  const key = keyOf(store, execution.Statistics?.DataManifestLocation ?? '');
  // A workgroup that enforces its own settings keeps it elsewhere.
  if (key === null) return;
  const manifest = await (await store.get(key)).bytes();
  const named = manifest
    .toString()
    .split(/\r?\n/)
    .filter((line) => line !== '');
  const found = new Set(objects.map((object) => object.key));
  const missing = named.filter((name) => !found.has(keyOf(store, name) ?? ''));
  if (missing.length > 0 || named.length !== found.size)
    throw new QueryError(
      `expected the ${named.length} files that Athena's manifest names, found ${found.size}, without ${missing.length} of them`,
      { fault: 'engine' },
    );
};

const joinParts = async (
  parts: readonly string[],
  folder: string,
  file: string,
): Promise<{ rows: number; bytes: number }> => {
  const session = await openDuckDb({ temporaryParent: folder });
  try {
    const whole = join(folder, 'whole.parquet');
    const result = await session.connection.run(
      `COPY (SELECT * FROM read_parquet([${parts.map(quoteText).join(', ')}])) TO ${quoteText(whole)} (FORMAT parquet, COMPRESSION zstd)`,
    );
    const rows = Number((await result.getRows())[0]?.[0] ?? 0);
    await rename(whole, file);
    return { rows, bytes: (await stat(file)).size };
  } finally {
    await session.close();
  }
};

/** Removes everything that is in the place. */
export const clearScratch = async ({ store, prefix }: Scratch): Promise<void> => {
  const keys = (await Array.fromAsync(store.list(prefix))).map(({ key }) => key);
  await mapLimited(keys, downloadsAtOnce, (key) => store.remove(key));
};
