import type { DuckDBConnection } from '@duckdb/node-api';
import { quoteText } from '../duckdb-session.ts';

/**
 * From here on the connection's DuckDB opens these files and no other, neither to read nor to write; it loads nothing,
 * and its settings, with the limits of memory and space, can't be changed any more, this one included. (A folder could
 * be allowed too, but a query needs no more than its own files, and DuckDB has no folders that are only read.)
 *
 * It is the second wall, not the only one: `COPY … TO` may still write over these same files, and in DuckDB 1.5.6
 * `CALL enable_logging(storage = 'file')` ends the process. `parseStatement` lets neither in.
 */
export const confineToFiles = async (
  connection: DuckDBConnection,
  files: readonly string[],
): Promise<void> => {
  await connection.run(`SET allowed_paths = [${files.map(quoteText).join(', ')}]`);
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
};
