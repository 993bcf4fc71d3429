import { rm, stat } from 'node:fs/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { formatTableName } from '../catalog/catalog.ts';
import { interruptOn } from '../duckdb-interrupt.ts';
import { type DuckOptions, openDuckDb, quoteName, quoteText } from '../duckdb-session.ts';
import type { FileCache } from '../file-cache.ts';
import { currentSchema } from '../metadata.ts';
import { planFiles, type ScanOptions, type ScanPlan, scanLocations, scanSql } from '../scan.ts';
import { type Lake, listTables, loadTable, type Table } from '../tables.ts';
import { confineToFiles } from './duckdb-confinement.ts';
import { exportProjection } from './duckdb-export.ts';
import { findFilters, toPredicate } from './duckdb-filters.ts';
import {
  lower,
  parseStatement,
  type Statement,
  type TableMention,
  type Travel,
  toSql,
} from './duckdb-statement.ts';
import { rowsOf, typeName } from './duckdb-values.ts';
import {
  type Batch,
  type CopyTarget,
  type LakeEngine,
  QueryError,
  type QueryOptions,
  querySignal,
} from './engine.ts';
import { resolveTable } from './table-names.ts';

export type DuckDbEngineDeps = {
  readonly lake: Lake;
  readonly cache: FileCache;
  /** Of each query. */
  readonly limits?: Pick<DuckOptions, 'memoryLimit' | 'threads' | 'temporaryParent' | 'maxTemporarySize'>;
  /** Queries at once; further ones wait. Memory is at most this many times the limit of one. */
  readonly concurrency?: number;
};

/**
 * The embedded engine. Every query gets a DuckDB of its own (about 20 ms): it holds only views of the tables that the
 * query names, over the files that can matter to it, may open exactly these files, and its settings are locked.
 */
export const openDuckDbEngine = ({
  lake,
  cache,
  limits = {},
  concurrency = 2,
}: DuckDbEngineDeps): LakeEngine => {
  const turns = openTurns(concurrency);
  const running = new Set<AbortController>();

  const run = async function* <T>(
    options: QueryOptions,
    work: (connection: DuckDBConnection, signal: AbortSignal) => AsyncGenerator<T>,
  ): AsyncGenerator<T> {
    const closing = new AbortController();
    running.add(closing);
    const { signal: asked, clear } = querySignal(options);
    const signal = AbortSignal.any([asked, closing.signal]);
    let leave: (() => void) | undefined;
    let session: Awaited<ReturnType<typeof openDuckDb>> | undefined;
    let stopInterrupting: (() => void) | undefined;
    try {
      leave = await turns.enter(signal);
      session = await openDuckDb(limits);
      stopInterrupting = interruptOn(signal, session.connection);
      yield* work(session.connection, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw toQueryError(error);
    } finally {
      stopInterrupting?.();
      clear();
      running.delete(closing);
      await session?.close();
      leave?.();
    }
  };

  return {
    query: (sql, options = {}) =>
      run(options, async function* (connection, signal) {
        const { maxRows = Infinity, parameters = [] } = options;
        const deps = { lake, cache, connection, signal, parameters: parameters.length };
        const prepared = await prepare(deps, sql);
        try {
          await confineToFiles(connection, prepared.files);
          signal.throwIfAborted();
          yield* stream(prepared.sql, { connection, signal, maxRows, parameters });
        } finally {
          prepared.release();
        }
      }),

    copyTo: async (sql, target, options = {}) => {
      const copying = run(options, async function* (connection, signal) {
        const { parameters = [] } = options;
        const deps = { lake, cache, connection, signal, parameters: parameters.length };
        const prepared = await prepare(deps, sql);
        try {
          await confineToFiles(connection, [...prepared.files, target.file]);
          signal.throwIfAborted();
          yield await copyOut(connection, prepared.sql, target, parameters);
        } finally {
          prepared.release();
        }
      });
      for await (const answer of copying) return answer;
      throw new Error('expected the copy to answer');
    },

    close: async () => {
      for (const closing of running) closing.abort(new Error('the SQL engine was closed'));
    },
  };
};

type Prepared = { sql: string; files: string[]; release: () => void };

type PrepareDeps = {
  lake: Lake;
  cache: FileCache;
  connection: DuckDBConnection;
  signal: AbortSignal;
  /** How many values come with the query. */
  parameters: number;
};

/** Parses the query, plans and fetches the files of its tables, and makes a view of each. */
const prepare = async (
  { lake, cache, connection, signal, parameters }: PrepareDeps,
  sql: string,
): Promise<Prepared> => {
  const statement = await parseStatement(connection, sql, { parameters });
  const views = await planViews(lake, statement);
  signal.throwIfAborted();
  const locations = [...new Set(views.flatMap((view) => scanLocations(view.plan)))];
  const held = await cache.hold(locations, signal);
  try {
    for (const { namespace, name, plan } of views) {
      await connection.run(`CREATE SCHEMA IF NOT EXISTS ${quoteName(namespace)}`);
      await connection.run(
        `CREATE VIEW ${quoteName(namespace)}.${quoteName(name)} AS SELECT * FROM ${scanSql(plan, held.localPath)}`,
      );
    }
    const travels = statement.tables.some((mention) => mention.at !== undefined);
    return {
      sql: travels ? await toSql(connection, statement.tree) : sql,
      files: locations.map(held.localPath),
      release: held.release,
    };
  } catch (error) {
    held.release();
    throw error;
  }
};

type View = { namespace: string; name: string; plan: ScanPlan };

/**
 * One view for each table and version. Mentions of the same one share it: its files are those that any of them
 * needs. A table is loaded once, so that all mentions see the same snapshot.
 */
const planViews = async (lake: Lake, { tree, tables }: Statement): Promise<View[]> => {
  const filters = findFilters(tree);
  const names = tables.length > 0 ? (await listTables(lake)).map(formatTableName) : [];
  const loaded = new Map<string, Table>();
  const views = new Map<string, View>();
  for (const mention of tables) {
    const fullName = resolveTable(names, mention);
    const table = loaded.get(fullName) ?? (await loadTable(lake, fullName));
    loaded.set(fullName, table);
    const name = viewName(mention);
    const options = mention.at === undefined ? {} : toScanOptions(mention.at);
    const conditions = filters.get(mention.node) ?? [];
    // An older snapshot has its own schema, in which a name may stand for another column.
    const schema =
      mention.at === undefined
        ? currentSchema(table.metadata)
        : (await planMentioned(lake, table, mention, options)).schema;
    const filter = toPredicate(conditions, schema);
    const plan = await planMentioned(lake, table, mention, { ...options, filter });
    // DuckDB looks for a name without a namespace in `main`.
    const namespace = mention.namespace || 'main';
    const key = lower(`${namespace}.${name}`);
    const view = views.get(key);
    views.set(key, view ? { ...view, plan: union(view.plan, plan) } : { namespace, name, plan });
    if (mention.at !== undefined) redirect(mention, name);
  }
  return [...views.values()];
};

const toScanOptions = (at: Travel): ScanOptions =>
  'time' in at ? { at: at.time } : 'ref' in at ? { ref: at.ref } : { snapshotId: at.snapshotId };

/** What cannot be planned (no such snapshot, a file format that is not read) is said as it is, without a stack. */
const planMentioned = async (
  lake: Lake,
  table: Table,
  mention: TableMention,
  options: ScanOptions,
): Promise<ScanPlan> => {
  try {
    return await planFiles(lake, table, options);
  } catch (error) {
    const fault = mention.at === undefined ? 'engine' : 'query';
    throw error instanceof Error ? new QueryError(error.message, { cause: error, fault }) : error;
  }
};

const union = (a: ScanPlan, b: ScanPlan): ScanPlan => {
  const known = new Set(a.files.map(({ file }) => file.path));
  return { ...a, files: [...a.files, ...b.files.filter(({ file }) => !known.has(file.path))] };
};

const viewName = ({ table, at }: TableMention): string => {
  if (at === undefined) return table;
  return `${table}@${'time' in at ? at.time.toISOString() : 'ref' in at ? at.ref : at.snapshotId}`;
};

/** The mention with AT becomes a mention of its view, under the name that the rest of the query knows it by. */
const redirect = ({ node, table }: TableMention, view: string): void => {
  node.at_clause = null;
  node.table_name = view;
  if (node.alias === '') node.alias = table;
};

type Streaming = {
  connection: DuckDBConnection;
  signal: AbortSignal;
  maxRows: number;
  parameters: readonly string[];
};

async function* stream(
  sql: string,
  { connection, signal, maxRows, parameters }: Streaming,
): AsyncGenerator<Batch> {
  await connection.run('BEGIN');
  const result = await connection.stream(sql, [...parameters]);
  const types = result.columnTypes();
  const columns = result.deduplicatedColumnNames().map((name, n) => {
    const type = types[n];
    return { name, type: type === undefined ? 'unknown' : typeName(type) };
  });
  let left = maxRows;
  let first = true;
  for (;;) {
    const chunk = await result.fetchChunk();
    signal.throwIfAborted();
    if (!chunk || chunk.rowCount === 0) {
      await assertWhole(connection, { sql, parameters }, signal);
      if (first) yield { columns, rows: [], truncated: false };
      return;
    }
    const rows = rowsOf(chunk, columns.length);
    const truncated = rows.length > left;
    yield { columns, rows: truncated ? rows.slice(0, left) : rows, truncated };
    if (truncated) return;
    left -= rows.length;
    first = false;
  }
}

/**
 * A query that fails while its rows are streamed looks like one that is over: `fetchChunk` of @duckdb/node-api 1.5.6
 * answers an empty chunk for both (its binding does not pass `duckdb_result_error` on). But the failure aborts the
 * transaction that the stream runs in, and that shows. The reason is lost; running the query again, into a table
 * that may spill, says it.
 */
const assertWhole = async (
  connection: DuckDBConnection,
  { sql, parameters }: { sql: string; parameters: readonly string[] },
  signal: AbortSignal,
): Promise<void> => {
  try {
    await connection.run('SELECT 1');
    return;
  } catch {
    signal.throwIfAborted();
  }
  await connection.run('ROLLBACK');
  await connection.run(`CREATE TEMP TABLE again AS ${sql}`, [...parameters]);
  throw new QueryError(
    'the query ended before all of its rows were read, and did not fail again; run it again',
    { fault: 'engine' },
  );
};

const copyOut = async (
  connection: DuckDBConnection,
  sql: string,
  { file, format }: CopyTarget,
  parameters: readonly string[],
): Promise<{ rows: number; bytes: number }> => {
  try {
    // A view takes the text whole, whatever comments or semicolon it ends with. It takes no parameters; a table does.
    const kind = parameters.length === 0 ? 'VIEW' : 'TABLE';
    await connection.run(`CREATE TEMP ${kind} answer AS ${sql}`, [...parameters]);
    const select = await exportProjection(connection, 'answer', format);
    const result = await connection.run(
      `COPY (${select}) TO ${quoteText(file)} (${copyFormats[format]}, USE_TMP_FILE false)`,
    );
    const rows = Number((await result.getRows())[0]?.[0] ?? 0);
    return { rows, bytes: (await stat(file)).size };
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
};

const copyFormats = {
  parquet: 'FORMAT parquet, COMPRESSION zstd',
  // RFC 4180 wants CRLF, which DuckDB does not write; every reader takes LF.
  csv: "FORMAT csv, HEADER true, NULLSTR ''",
  ndjson: 'FORMAT json',
} as const;

const toQueryError = (error: unknown): unknown => {
  // DuckDB's errors say what kind they are: `Binder Error: …`, `Out of Memory Error: …`.
  const kind =
    error instanceof Error && !(error instanceof QueryError)
      ? /^([\w ]+) Error: /i.exec(error.message)?.[1]
      : undefined;
  if (error instanceof Error && kind !== undefined) {
    const fault = /^(out of memory|io|internal|fatal|http)$/i.test(kind) ? 'engine' : 'query';
    return new QueryError(error.message.trim(), { cause: error, fault });
  }
  return error;
};

type Turns = { enter: (signal: AbortSignal) => Promise<() => void> };

const openTurns = (places: number): Turns => {
  let free = places;
  const waiting: (() => void)[] = [];
  const leave = (): void => {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  };
  const enter = async (signal: AbortSignal): Promise<() => void> => {
    signal.throwIfAborted();
    if (free > 0) free -= 1;
    else {
      await new Promise<void>((resolve, reject) => {
        const turn = (): void => {
          signal.removeEventListener('abort', give);
          resolve();
        };
        const give = (): void => {
          waiting.splice(waiting.indexOf(turn), 1);
          reject(signal.reason);
        };
        waiting.push(turn);
        signal.addEventListener('abort', give, { once: true });
      });
    }
    return leave;
  };
  return { enter };
};
