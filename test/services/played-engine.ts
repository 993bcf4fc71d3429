import { openDuckDb, quoteText } from '../../src/lake/duckdb-session.ts';
import { rowsOf, typeName } from '../../src/lake/engines/duckdb-values.ts';
import type { Column, SqlValue } from '../../src/lake/engines/engine.ts';
import type { FileCache } from '../../src/lake/file-cache.ts';
import { planFiles, scanLocations, scanSql } from '../../src/lake/scan.ts';
import { type Lake, loadTable } from '../../src/lake/tables.ts';
import type { AthenaAnswer } from './athena.ts';
import type { TrinoAnswer } from './trino.ts';

export type PlayedEngine = {
  /** Answers a statement in the SQL that Trino and Athena share; `?` stand for the literals. */
  readonly run: (
    sql: string,
    literals?: readonly string[],
  ) => Promise<{ columns: Column[]; rows: SqlValue[][] }>;
  /** The same as Parquet, in so many files. */
  readonly write: (sql: string, literals: readonly string[], files: readonly string[]) => Promise<void>;
  /** Snapshots that it claims not to know, so many times. */
  readonly forget: (times: number) => void;
  readonly close: () => Promise<void>;
};

/**
 * Plays Trino's SQL on DuckDB over a lake's tables, as far as the statements of reports go: enough to compare whole
 * answers through the protocols. That the SQL is Trino's own is for the tests with a real one.
 */
export const openPlayedEngine = async (
  { lake, files }: { lake: Lake; files: FileCache },
  folder: string,
): Promise<PlayedEngine> => {
  const { connection, close } = await openDuckDb({ temporaryParent: folder });
  await connection.run('CREATE MACRO json_format(x) AS CAST(x AS VARCHAR)');
  await connection.run('CREATE MACRO from_iso8601_timestamp(x) AS CAST(x AS TIMESTAMPTZ)');
  let forgotten = 0;

  const prepare = async (sql: string, literals: readonly string[]): Promise<string> => {
    const found = /"(\w+)"\."(\w+)" FOR VERSION AS OF (\d+)/.exec(sql);
    if (!found) return withLiterals(sql, literals);
    const [mention = '', namespace, name, snapshotId = ''] = found;
    const table = await loadTable(lake, `${namespace}.${name}`);
    if (forgotten > 0 || !table.metadata.snapshots.some((each) => each['snapshot-id'] === snapshotId)) {
      forgotten -= 1;
      throw new Error(`Iceberg snapshot ID does not exists: ${snapshotId}`);
    }
    const plan = await planFiles(lake, table, { snapshotId });
    const held = await files.hold(scanLocations(plan));
    return withLiterals(
      sql.replace(mention, scanSql(plan, held.localPath).replaceAll('$', '$$$$')),
      literals,
    );
  };

  return {
    run: async (sql, literals = []) => {
      const result = await connection.run(await prepare(sql, literals));
      const types = result.columnTypes();
      const columns = result.columnNames().map((name, n) => {
        const type = types[n];
        return { name, type: type ? typeName(type) : 'unknown' };
      });
      const rows: SqlValue[][] = [];
      for (const chunk of await result.fetchAllChunks()) rows.push(...rowsOf(chunk, columns.length));
      return { columns, rows };
    },
    write: async (sql, literals, parts) => {
      await connection.run(
        `CREATE OR REPLACE TEMP TABLE unloaded AS SELECT *, row_number() OVER () AS nth FROM (${await prepare(sql, literals)})`,
      );
      for (const [n, file] of parts.entries())
        await connection.run(
          `COPY (SELECT * EXCLUDE (nth) FROM unloaded WHERE nth % ${parts.length} = ${n}) TO ${quoteText(file)} (FORMAT parquet)`,
        );
    },
    forget: (times) => {
      forgotten = times;
    },
    close,
  };
};

const withLiterals = (sql: string, literals: readonly string[]): string => {
  const left = [...literals];
  // Texts and names of the statement pass by whole: a question mark in them is none.
  const text = sql.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|\?/g, (token) =>
    token === '?' ? (left.shift() ?? 'too few parameters') : token,
  );
  if (left.length > 0) throw new Error(`too many parameters: ${left.length} are left`);
  return text;
};

/** The statement behind EXECUTE IMMEDIATE, and its values as literals. */
export const parseExecute = (statement: string): { sql: string; literals: string[] } => {
  const literal = `'(?:[^']|'')*'`;
  const found = new RegExp(`^EXECUTE IMMEDIATE (${literal}) USING (${literal}(?:, ${literal})*)$`).exec(
    statement,
  );
  if (!found) return { sql: statement, literals: [] };
  return {
    sql: (found[1] ?? '').slice(1, -1).replaceAll("''", "'"),
    literals: (found[2] ?? '').match(new RegExp(literal, 'g')) ?? [],
  };
};

const errorOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What Trino's protocol makes of a statement, in pages of so many rows. */
export const playTrino =
  (engine: PlayedEngine, pageRows = 7) =>
  async (statement: string): Promise<TrinoAnswer> => {
    if (statement.includes('AS endless')) return { endless: true };
    try {
      const { sql, literals } = parseExecute(statement);
      const { columns, rows } = await engine.run(sql, literals);
      const pages = Array.from({ length: Math.ceil(rows.length / pageRows) }, (_, n) =>
        JSON.stringify(rows.slice(n * pageRows, (n + 1) * pageRows)),
      );
      return { columns, pages };
    } catch (error) {
      return {
        error: { message: errorOf(error), errorName: 'PLAYED', errorCode: 1, errorType: 'USER_ERROR' },
      };
    }
  };

/** What Athena's API makes of a SELECT. */
export const playAthena = async (
  engine: PlayedEngine,
  sql: string,
  literals: readonly string[],
): Promise<AthenaAnswer> => {
  if (sql.includes('AS endless')) return { running: Infinity };
  try {
    const { columns, rows } = await engine.run(sql, literals);
    return { columns, rows: rows.map((row) => row.map((value) => (value === null ? null : String(value)))) };
  } catch (error) {
    return { failure: errorOf(error), failureCategory: 2 };
  }
};
