import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, type Json } from '@duckdb/node-api';

export type DuckOptions = {
  /** As DuckDB writes it: `400MB`. Above it, work spills to the temporary folder or fails; the process survives. */
  readonly memoryLimit?: string;
  readonly threads?: number;
  /** Parent of the session's own folder, which `close` removes. Default: the system's. */
  readonly temporaryParent?: string;
  readonly maxTemporarySize?: string;
  /**
   * Folders that SQL may reach; nothing else of the machine, no settings, no extensions. For SQL that people write.
   * DuckDB has no read-only folders: COPY TO and ATTACH may still write there, so let only SELECT statements in.
   * Absent: any file, for statements of our own that name the files they read and write.
   */
  readonly confineTo?: readonly string[];
};

/** A bounded DuckDB in memory. */
export type DuckSession = {
  readonly connection: DuckDBConnection;
  /** The session's own folder for staged files; removed by `close`. DuckDB's spill lies beside them. */
  readonly folder: string;
  /** A further connection for work at the same time, in UTC as the first. Closed with the session. */
  readonly connect: () => Promise<DuckDBConnection>;
  readonly close: () => Promise<void>;
};

export type RowObject = Record<string, Json>;

/**
 * Opens DuckDB with bounded memory, spill and threads, in UTC (timestamps would otherwise be written in the
 * machine's zone), with no extension ever fetched or loaded, and the insertion order not kept: keeping it makes
 * many-file reads quadratic and holds whole row groups back. Add ORDER BY where order matters.
 */
export const openDuckDb = async (options: DuckOptions = {}): Promise<DuckSession> => {
  const parent = options.temporaryParent ?? tmpdir();
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, 'lastro-duckdb-'));
  const spill = join(folder, 'spill');
  let instance: DuckDBInstance | undefined;
  const connections: DuckDBConnection[] = [];
  const close = async (): Promise<void> => {
    for (const connection of connections.splice(0)) connection.closeSync();
    instance?.closeSync();
    instance = undefined;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    instance = await DuckDBInstance.create(':memory:', {
      memory_limit: options.memoryLimit ?? '400MB',
      threads: String(options.threads ?? 2),
      temp_directory: spill,
      max_temp_directory_size: options.maxTemporarySize ?? '4GB',
      preserve_insertion_order: 'false',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      allow_community_extensions: 'false',
      // With it, DuckDB 1.5 describes a file that was written again within a second, with as many bytes, by the footer
      // that it had before: a manifest would get the bounds of other rows, and queries skip the file.
      enable_external_file_cache: 'false',
    });
    const opened = instance;
    const connect = async (): Promise<DuckDBConnection> => {
      const connection = await opened.connect();
      connections.push(connection);
      return connection;
    };
    const connection = await opened.connect();
    connections.push(connection);
    await connection.run("SET GLOBAL TimeZone = 'UTC'");
    if (options.confineTo) await confine(connection, options.confineTo);
    return { connection, folder, connect, close };
  } catch (error) {
    await close();
    throw error;
  }
};

const confine = async (connection: DuckDBConnection, folders: readonly string[]): Promise<void> => {
  const list = folders.map((folder) => quoteText(folder.endsWith('/') ? folder : `${folder}/`)).join(', ');
  await connection.run(`SET allowed_directories = [${list}]`);
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
};

/** Runs one statement and gives its rows with values as JSON (decimals, longs and times as text). */
export const allRows = async (connection: DuckDBConnection, sql: string): Promise<RowObject[]> =>
  (await connection.runAndReadAll(sql)).getRowObjectsJson();

/** A text literal of SQL. */
export const quoteText = (text: string): string => {
  // DuckDB takes the statement as a C string: what follows a NUL would silently be cut off.
  if (text.includes('\0'))
    throw new Error(`expected text without NUL for SQL, found ${JSON.stringify(text)}`);
  return `'${text.replaceAll("'", "''")}'`;
};

/** A name of SQL, whatever its characters. */
export const quoteName = (name: string): string => {
  if (name.includes('\0'))
    throw new Error(`expected a name without NUL for SQL, found ${JSON.stringify(name)}`);
  return `"${name.replaceAll('"', '""')}"`;
};
