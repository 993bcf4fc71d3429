import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { icebergRead } from 'icebird';
import type { Pool } from 'pg';
import { type ConsolidateDeps, type Consolidated, consolidate } from '../../src/consolidate/consolidate.ts';
import { defaultLimits } from '../../src/consolidate/limits.ts';
import { openSource, type Source } from '../../src/consolidate/source.ts';
import { jdbcCatalog } from '../../src/lake/catalog/jdbc.ts';
import { openFileCache } from '../../src/lake/file-cache.ts';
import { planFiles } from '../../src/lake/scan.ts';
import { findTable, type Lake, loadTable, openLake } from '../../src/lake/tables.ts';
import { openDirectoryStore } from '../../src/platform/store/directory.ts';

export const eventsTable = 'kconnect.events';

export type Row = Record<string, unknown>;

export type ConsolidateRoom = {
  readonly deps: ConsolidateDeps;
  readonly lake: Lake;
  readonly folder: string;
  /** The directory of small files. */
  readonly inbox: string;
  readonly source: () => Promise<Source>;
  /** Writes one small file; `minute` makes the time of its last write. */
  readonly put: (key: string, content: string | Uint8Array, minute?: number) => Promise<void>;
  readonly run: (deps?: Partial<ConsolidateDeps>) => Promise<Consolidated>;
  /** Rows of a table, read from its live files by hyparquet. */
  readonly rows: (table?: string) => Promise<Row[]>;
  /** The same by icebird, from the table's metadata on. */
  readonly icebirdRows: (table?: string) => Promise<Row[]>;
  readonly close: () => Promise<void>;
};

/** A lake, an inbox and what a consolidation needs, in a temporary folder. The clock moves a minute a run. */
export const consolidateRoom = async (pool: Pool): Promise<ConsolidateRoom> => {
  const folder = await mkdtemp(join(tmpdir(), 'lastro-consolidate-'));
  const inbox = join(folder, 'inbox');
  await mkdir(inbox);
  const store = await openDirectoryStore(join(folder, 'store'));
  const lake = openLake({ store, catalog: jdbcCatalog({ db: pool }) });
  let now = Date.UTC(2026, 10, 22, 12);
  const deps: ConsolidateDeps = {
    pool,
    lake,
    files: await openFileCache({ store, folder: join(folder, 'cache'), maxBytes: 1e9 }),
    clock: () => new Date(now),
    stagingFolder: join(folder, 'staging'),
    limits: defaultLimits,
  };
  const source = (): Promise<Source> => openSource(inbox, { region: 'sa-east-1' });
  return {
    deps,
    lake,
    folder,
    inbox,
    source,
    put: async (key, content, minute = 0) => {
      const path = join(inbox, key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      const at = Date.UTC(2026, 10, 22, 0, minute) / 1000;
      await utimes(path, at, at);
    },
    run: async (changed = {}) => {
      now += 60_000;
      return consolidate({ ...deps, ...changed }, { source: await source(), table: eventsTable });
    },
    rows: (table = eventsTable) => hyparquetRows(lake, table),
    icebirdRows: (table = eventsTable) => icebirdRows(lake, table),
    close: () => rm(folder, { recursive: true, force: true }),
  };
};

/** Locations of a table's live data files. */
export const liveLocations = async (lake: Lake, table: string): Promise<string[]> => {
  const found = await findTable(lake, table);
  return found ? (await planFiles(lake, found)).files.map(({ file }) => file.path) : [];
};

const hyparquetRows = async (lake: Lake, table: string): Promise<Row[]> => {
  const rows: Row[] = [];
  for (const location of await liveLocations(lake, table)) {
    const file = await asyncBufferFromFile(fileURLToPath(location));
    rows.push(...(await parquetReadObjects({ file, compressors, utf8: false })));
  }
  return rows;
};

const icebirdRows = async (lake: Lake, table: string): Promise<Row[]> => {
  const { metadata, metadataLocation } = await loadTable(lake, table);
  const bytes = await readFile(fileURLToPath(metadataLocation));
  const text = bytes[0] === 0x1f ? gunzipSync(bytes).toString() : bytes.toString();
  const fetchBefore = globalThis.fetch;
  globalThis.fetch = fetchFile;
  try {
    return await icebergRead({ tableUrl: metadata.location, metadata: JSON.parse(text) });
  } finally {
    globalThis.fetch = fetchBefore;
  }
};

/** icebird reads over fetch, and Node's has no `file:`. */
const fetchFile: typeof fetch = async (input, init) => {
  const path = fileURLToPath(String(input));
  const { size } = await stat(path);
  const range = /bytes=(\d+)-(\d*)/.exec(new Headers(init?.headers).get('range') ?? '');
  const headers = { 'content-length': String(size) };
  if (init?.method === 'HEAD') return new Response(null, { headers });
  const limits = range ? { start: Number(range[1]), end: range[2] ? Number(range[2]) : size - 1 } : {};
  const body = Readable.toWeb(createReadStream(path, limits)) as unknown as ReadableStream;
  return new Response(body, { status: range ? 206 : 200 });
};
