import type { ReportFile } from './report-file.ts';

/**
 * The values of a query's single text column, some thousand at a time.
 *
 * A query that fails while its rows are streamed looks like one that is over (@duckdb/node-api 1.5.6), but the failure
 * aborts the transaction around it, and that shows.
 */
export async function* rowTexts(
  { connection, signal }: Pick<ReportFile, 'connection' | 'signal'>,
  sql: string,
): AsyncGenerator<string[]> {
  await connection.run('BEGIN');
  try {
    const result = await connection.stream(sql);
    for (;;) {
      const chunk = await result.fetchChunk();
      signal.throwIfAborted();
      if (!chunk || chunk.rowCount === 0) break;
      yield chunk.getColumnValues(0).map(String);
    }
    await connection.run('SELECT 1').catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new Error('the rows of the report could not be read to their end', { cause });
    });
  } finally {
    await connection.run('ROLLBACK').catch(() => {});
  }
}
