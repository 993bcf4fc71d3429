import { join } from 'node:path';
import type { Pool } from 'pg';
import { openDuckDb } from '../lake/duckdb-session.ts';
import { openFileCache } from '../lake/file-cache.ts';
import { type Compacted, compactTable } from '../lake/rewrite.ts';
import { type Lake, requireTransactions } from '../lake/tables.ts';
import { holderName, withLease } from '../platform/leases.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { refreshOrderLookup } from './order-lookup.ts';
import { leaseName, leaseTtlMs } from './runs.ts';

export type CareDeps = {
  readonly pool: Pool;
  readonly lake: Lake;
  readonly stagingFolder: string;
  readonly table: string;
};

/** What the copies of files may take on this machine's disk. */
export const copiesBytes = 20_000_000_000;

/** Runs `work` with DuckDB and a file cache, under the archive's lease: no run writes meanwhile. */
export const withTools = async <T>(
  { pool, lake, stagingFolder, table }: CareDeps,
  work: (tools: {
    lake: Lake;
    session: Awaited<ReturnType<typeof openDuckDb>>;
    files: Awaited<ReturnType<typeof openFileCache>>;
    fence: Parameters<Parameters<typeof withLease>[1]>[0]['fence'];
  }) => Promise<T>,
): Promise<T> => {
  requireTransactions(lake, 'the archive');
  return withLease(
    { pool, name: leaseName(table), holder: holderName('archive'), ttlMs: leaseTtlMs },
    async ({ fence }) => {
      const session = await openDuckDb({ temporaryParent: join(stagingFolder, 'archive-care') });
      try {
        const folder = join(stagingFolder, `archive-files-${process.pid}`);
        return await work({
          lake,
          session,
          files: await openFileCache({ store: lake.store, folder, maxBytes: copiesBytes }),
          fence,
        });
      } finally {
        await session.close();
      }
    },
  );
};

/**
 * Joins the small files of each area and month. Rows keep their content and their time of archiving, so every receipt
 * stays good: it says nothing of where a row lies.
 * @throws LeaseHeldError a run works on the table
 */
export const compactArchive = (
  deps: CareDeps,
  options: { onProgress?: (done: { partitions: number; files: number }) => void } = {},
): Promise<Compacted> =>
  withTools(deps, async (tools) => {
    const compacted = await compactTable(tools, archivedOrdersTable, options);
    if (compacted.committed) await refreshOrderLookup(tools);
    return compacted;
  });
