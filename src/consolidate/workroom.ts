import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckSession, openDuckDb } from '../lake/duckdb-session.ts';
import type { Limits } from './limits.ts';
import { type BatchReading, type Readers, readingThreads } from './read.ts';

/** What a run works with: reading threads, DuckDB, and a folder for what they stage. */
export type Workroom = {
  readonly folder: string;
  readonly session: DuckSession;
  readonly readers: Readers;
  /** Removes a batch's staged lines, which its Parquet files hold by now. */
  readonly forget: (reading: BatchReading) => Promise<void>;
  readonly close: () => Promise<void>;
};

/**
 * Opens it for a table. To be called under the table's lease: what a killed run left in the folder is removed. A
 * zombie that still writes there fails, as its commit would.
 */
export const openWorkroom = async (
  { stagingFolder, limits }: { stagingFolder: string; limits: Limits },
  { table, readers }: { table: string; readers: Readers },
): Promise<Workroom> => {
  const folder = join(stagingFolder, table);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const memoryLimit = `${Math.round((limits.memoryBytes * 0.4) / 1e6)}MB`;
  const session = await openDuckDb({ memoryLimit, threads: readingThreads(), temporaryParent: folder });
  return {
    folder,
    session,
    readers,
    forget: async ({ events, quarantine }) => {
      await Promise.all([...events, ...quarantine].map((path) => rm(path, { force: true })));
    },
    close: async () => {
      await readers.close();
      await session.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
