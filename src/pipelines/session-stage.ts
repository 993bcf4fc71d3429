import { DuckDBDataChunk, type DuckDBType, type timestampTZValue } from '@duckdb/node-api';
import type { DuckSession } from '../lake/duckdb-session.ts';

const chunkRows = 2_048;

/** Gathers rows in columns and hands them to DuckDB by the chunk. */
export const openStage = async (
  session: DuckSession,
  table: string,
  columns: readonly { name: string; type: DuckDBType; sql: string }[],
) => {
  const { connection } = session;
  await connection.run(
    `CREATE OR REPLACE TABLE ${table} (${columns.map(({ name, sql }) => `${name} ${sql}`).join(', ')})`,
  );
  const appender = await connection.createAppender(table);
  const types = columns.map(({ type }) => type);
  let rows: (string | number | bigint | null | ReturnType<typeof timestampTZValue>)[][] = columns.map(
    () => [],
  );
  const flush = (): void => {
    const count = rows[0]?.length ?? 0;
    if (count === 0) return;
    const chunk = DuckDBDataChunk.create(types, count);
    chunk.setColumns(rows);
    appender.appendDataChunk(chunk);
    rows = columns.map(() => []);
  };
  return {
    add: (
      values: readonly (string | number | bigint | null | ReturnType<typeof timestampTZValue>)[],
    ): void => {
      for (const [index, value] of values.entries()) rows[index]?.push(value);
      if ((rows[0]?.length ?? 0) >= chunkRows) flush();
    },
    close: (): void => {
      flush();
      appender.closeSync();
    },
  };
};
