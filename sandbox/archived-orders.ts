import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  appendOrderLookup,
  archivedOrdersDefinition,
  archivedOrdersTable,
  type LookupDeps,
  writeOrderLookup,
} from '../src/archive/archive.ts';
import { committedAs } from '../src/lake/changes.ts';
import type { DataFile } from '../src/lake/data-file.ts';
import { copyOptions, importDataFile, projectToTable, type WriterDeps } from '../src/lake/data-writer.ts';
import { allRows, quoteText } from '../src/lake/duckdb-session.ts';
import { mapLimited } from '../src/lake/lake-files.ts';
import { append, createTable, findTable, type Table } from '../src/lake/tables.ts';
import { type MadeUp, orderKeysSql, ordersSql } from './made-up-orders.ts';

export type ArchivedOrdersOptions = Pick<MadeUp, 'count'> &
  Partial<MadeUp> & {
    /** Default 24, up to and with `lastMonth`. */
    readonly months?: number;
    /** `2026-10`. */
    readonly lastMonth?: string;
    readonly signal?: AbortSignal;
    readonly onProgress?: (done: { orders: number; of: number }) => void;
  };

/**
 * Fills the archive with made-up orders: DuckDB makes them and writes one file for each month and area, some months at
 * the same time. The same options give the same orders (with the same version of DuckDB, whose hash picks the values);
 * only where the files lie differs. All of it is one commit, under an id of the options: what was killed before left
 * nothing but files without a table, and what was done before is not done again (`orders` is 0).
 */
export const makeArchivedOrders = async (
  deps: LookupDeps,
  { signal, onProgress, months = 24, lastMonth = '2026-10', ...options }: ArchivedOrdersOptions,
): Promise<{ orders: number }> => {
  const { lake } = deps;
  const made: MadeUp = { areas: 20, seed: 1, hostileEvery: 997, ...options };
  const commitId = `made-up-orders-${createHash('sha256')
    .update(JSON.stringify([made.count, made.areas, made.seed, made.hostileEvery, months, lastMonth]))
    .digest('hex')}`;
  const archive =
    (await findTable(lake, archivedOrdersTable)) ??
    (await createTable(lake, archivedOrdersTable, archivedOrdersDefinition));
  if (committedAs(archive.metadata, commitId)) return { orders: 0 };
  const add = await writeMonths(deps, archive, made, {
    months: monthsOf(months, lastMonth),
    onProgress: onProgress ?? (() => {}),
    signal: signal ?? new AbortController().signal,
  });
  // The lookup first: what it says of files that never come into the archive does no harm.
  await appendOrderLookup(lake, await writeOrderLookup(deps, archive, add));
  await append(lake, archivedOrdersTable, { add }, { commitId });
  return { orders: made.count };
};

const monthsOf = (months: number, lastMonth: string): string[] => {
  const [year, month] = lastMonth.split('-').map(Number);
  return Array.from({ length: months }, (_, at) =>
    new Date(Date.UTC(year ?? 0, (month ?? 1) - months + at, 1)).toISOString().slice(0, 7),
  );
};

type Months = Required<Pick<ArchivedOrdersOptions, 'signal' | 'onProgress'>> & {
  readonly months: readonly string[];
};

/** As many months at once as there are processors: a month's file is too small to keep more than one of them busy. */
const writeMonths = async (
  { lake, session }: WriterDeps,
  archive: Table,
  made: MadeUp,
  { months, signal, onProgress }: Months,
): Promise<DataFile[]> => {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let orders = 0;
  const written = await mapLimited(months, availableParallelism(), async (month, at) => {
    const [first, last] = [at, at + 1].map((part) => Math.floor((made.count * part) / months.length));
    if (either.aborted || first === undefined || last === undefined || first === last) return [];
    const connection = await session.connect();
    try {
      const deps = { lake, session: { ...session, connection } };
      const files = await writeMonth(deps, archive, { made, first, last, month, signal: either });
      orders += last - first;
      onProgress({ orders, of: made.count });
      return files;
    } catch (error) {
      // The other months end before the session is closed under them.
      failed.abort(error);
      return [];
    } finally {
      connection.closeSync();
    }
  });
  either.throwIfAborted();
  return written.flat();
};

type Part = {
  readonly made: MadeUp;
  readonly first: number;
  readonly last: number;
  readonly month: string;
  readonly signal: AbortSignal;
};

/**
 * One file for each area. Only the keys are sorted, and the whole rows are made from them while they are written:
 * sorting a thousand bytes a row takes longer than making them.
 */
const writeMonth = async (
  deps: WriterDeps,
  archive: Table,
  { made, month, signal, ...part }: Part,
): Promise<DataFile[]> => {
  const { connection, folder } = deps.session;
  await connection.run(`CREATE TEMP TABLE sandbox_keys AS ${orderKeysSql(made, { ...part, month })}`);
  const areas = await allRows(connection, 'SELECT DISTINCT area_id FROM sandbox_keys ORDER BY area_id');
  const monthNumber = Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1 - 1970 * 12;
  const file = join(folder, `sandbox-orders-${month}.parquet`);
  const added: DataFile[] = [];
  for (const { area_id: area } of areas) {
    signal.throwIfAborted();
    const keys = `(SELECT * FROM sandbox_keys WHERE area_id = ${quoteText(String(area))} ORDER BY cliente_requisitante_id, data_criacao)`;
    // Small groups, so that one client's rows are little to read.
    await connection.run(
      `COPY (${projectToTable(archive, `(${ordersSql(made, keys)})`)}) TO ${quoteText(file)} (${copyOptions(archive, { rowGroupSize: 20_480 })})`,
    );
    added.push(await importDataFile(deps, archive, file, { partition: [monthNumber, String(area)] }));
  }
  await rm(file, { force: true });
  return added;
};
