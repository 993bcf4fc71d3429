import type { DuckDBConnection } from '@duckdb/node-api';
import { rowsOf, typeName } from '../../lake/engines/duckdb-values.ts';
import { QueryError } from '../../lake/engines/engine.ts';
import type { Query } from './run-checks.ts';

/**
 * Checks over what a DuckDB session holds: views and temporary tables that are not committed anywhere yet. The rows
 * are gathered in a table that may spill before they are read: a stream that fails in the middle would look like one
 * that is over.
 */
export const sessionQuery = (connection: DuckDBConnection): Query =>
  async function* (sql) {
    await connection.run('DROP TABLE IF EXISTS lastro_check_rows');
    await connection.run(`CREATE TEMP TABLE lastro_check_rows AS ${sql}`).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      const fault = /^(out of memory|io|internal|fatal) error/i.test(message) ? 'engine' : 'query';
      throw new QueryError(message, { cause: error, fault });
    });
    const result = await connection.stream('SELECT * FROM lastro_check_rows');
    const types = result.columnTypes();
    const columns = result.deduplicatedColumnNames().map((name, n) => {
      const type = types[n];
      return { name, type: type === undefined ? 'unknown' : typeName(type) };
    });
    yield { columns, rows: [], truncated: false };
    for (;;) {
      const chunk = await result.fetchChunk();
      if (!chunk || chunk.rowCount === 0) return;
      yield { columns, rows: rowsOf(chunk, columns.length), truncated: false };
    }
  };
