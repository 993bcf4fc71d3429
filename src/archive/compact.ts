import { hash } from 'node:crypto';
import { join } from 'node:path';
import type { Pool } from 'pg';
import type { DataFile } from '../lake/data-file.ts';
import { openDuckDb } from '../lake/duckdb-session.ts';
import { openFileCache } from '../lake/file-cache.ts';
import { type Compacted, compactTable } from '../lake/rewrite.ts';
import { type Lake, requireTransactions } from '../lake/tables.ts';
import { holderName, withLease } from '../platform/leases.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { hashBytes } from './item.ts';
import { refreshOrderLookup, tidyOrderLookup } from './order-lookup.ts';
import type { RebuiltRows } from './rebuild.ts';
import { openRebuilder, type Rebuilder } from './rebuild-threads.ts';
import { leaseName, leaseTtlMs } from './runs.ts';
import { rowGroupSize } from './write.ts';

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

/** Where a test may stop a compaction: each is a state of the world that a crash can leave behind. */
export type CompactFault = 'before-compact' | 'after-compact' | 'after-lookup';

export type CompactRequest = {
  /** `all`: every month and area with two small files; `paying`: those where a schedule should, where it pays. */
  readonly which: 'all' | 'paying';
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: { partitions: number; files: number }) => void;
  /** What it throws ends the compaction as a crash would. */
  readonly fault?: (point: CompactFault) => void | Promise<void>;
};

/** A compaction that would lose or change rows: it is not committed. */
export class CompactionError extends Error {
  constructor(message: string) {
    super(`${message}; the table stays as it was, see the disk and the store`);
    this.name = 'CompactionError';
  }
}

/** A month that orders still arrive in is written again and again: each time some files together, then once more. */
const payingFiles = 8;
const quietMs = 7 * 86_400_000;

/**
 * Joins the small files that runs left in each month and area. Rows keep their content and their time of archiving, so
 * every receipt stays good: it says nothing of where a row lies. Before the commit both the files that leave and those
 * in their place are read back by the other implementation of Parquet: the orders may be nowhere else any more.
 *
 * Months and areas with a batch that is not proven yet are left out: its proof, or its leaving the table, is about its
 * own file. Killed anywhere, the table has either the old files or the new ones; a lookup that lags behind makes
 * reports search more, and the next run brings it up to date.
 * @throws LeaseHeldError a run works on the table @throws CompactionError
 */
export const compactArchive = (
  deps: CareDeps,
  request: CompactRequest = { which: 'all' },
): Promise<Compacted> =>
  withTools(deps, async (tools) => {
    const windows = await windowStates(deps);
    const rebuilder = openRebuilder();
    try {
      const compacted = await compactTable(tools, archivedOrdersTable, {
        rowGroupSize,
        worth: (files) => {
          const window = windows.get(partitionKey(files[0]?.partition ?? []));
          if (window?.isUnproven) return false;
          return files.length >= (request.which === 'all' || window?.isQuiet ? 2 : payingFiles);
        },
        check: async (remove, add) => {
          await requireSameOrders(rebuilder, tools.lake, { remove, add });
          request.signal?.throwIfAborted();
          await request.fault?.('before-compact');
        },
        onProgress: (done) => {
          request.signal?.throwIfAborted();
          request.onProgress?.(done);
        },
      });
      if (compacted.committed) await request.fault?.('after-compact');
      await refreshOrderLookup(tools, request.signal ? { signal: request.signal } : {});
      await request.fault?.('after-lookup');
      await tidyOrderLookup(tools);
      return compacted;
    } finally {
      await rebuilder.close();
    }
  });

type WindowState = { readonly isUnproven: boolean; readonly isQuiet: boolean };

/** As the partition of a data file says it: months since 1970, and the area. */
const partitionKey = ([month, areaId]: readonly unknown[]): string => `${String(month)} ${String(areaId)}`;

const windowStates = async ({ pool }: CareDeps): Promise<Map<string, WindowState>> => {
  const { rows } = await pool.query<{ month: number; area_id: string } & WindowState>(
    `SELECT (extract(year FROM month) - 1970)::int * 12 + extract(month FROM month)::int - 1 AS month, area_id,
       bool_or(state = 'committed') AS "isUnproven",
       max(archived_at) < clock_timestamp() - $1 * interval '1 ms' AS "isQuiet"
     FROM archive_batches GROUP BY 1, 2`,
    [quietMs],
  );
  return new Map(rows.map((row) => [partitionKey([row.month, row.area_id]), row]));
};

/** What rows hold together, whatever their order and their files. */
type Sum = { rows: number; low: bigint; high: bigint };

const requireSameOrders = async (
  rebuilder: Rebuilder,
  { store }: Lake,
  { remove, add }: { remove: readonly DataFile[]; add: readonly DataFile[] },
): Promise<void> => {
  const sumOf = async (files: readonly DataFile[]): Promise<Sum> => {
    const sum: Sum = { rows: 0, low: 0n, high: 0n };
    for (const file of files) {
      await rebuilder.rebuild(store, file, (rows) => {
        const [fault] = rows.faults;
        if (fault) throw new CompactionError(`${file.path}, order ${rows.ids[fault.at]}: ${fault.fault}`);
        addRows(sum, rows);
      });
    }
    return sum;
  };
  const [before, after] = [await sumOf(remove), await sumOf(add)];
  if (before.rows !== after.rows || before.low !== after.low || before.high !== after.high) {
    throw new CompactionError(
      `${remove.length} files with ${before.rows} orders would become ${add.length} files with ${after.rows}, and not the same ones`,
    );
  }
};

const addRows = (sum: Sum, { ids, hashes, archivedAt }: RebuiltRows): void => {
  for (const [at, orderId] of ids.entries()) {
    const version = Buffer.from(hashes.buffer, at * hashBytes, hashBytes).toString('hex');
    const row = hash('sha256', JSON.stringify([orderId, version, archivedAt[at]]), 'buffer');
    sum.low = BigInt.asUintN(64, sum.low + row.readBigUInt64LE(0));
    sum.high = BigInt.asUintN(64, sum.high + row.readBigUInt64LE(8));
  }
  sum.rows += ids.length;
};
