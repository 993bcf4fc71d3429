import type { DuckDBConnection } from '@duckdb/node-api';
import { allRows } from '../lake/duckdb-session.ts';
import { icebergType } from '../lake/duckdb-types.ts';
import { UserError } from '../platform/cli.ts';
import type { ResultColumn } from './silver-tables.ts';

/** Columns of a SELECT, in the types of the lake. @throws UserError the SELECT is wrong, or a column's type has no place */
export const resultColumns = async (
  connection: DuckDBConnection,
  select: string,
  whose: string,
): Promise<ResultColumn[]> => {
  let described: Awaited<ReturnType<typeof allRows>>;
  try {
    described = await allRows(connection, `DESCRIBE SELECT * FROM (${select})`);
  } catch (error) {
    throw new UserError(
      `${whose}: the SQL is not valid: ${error instanceof Error ? error.message : String(error)}`,
      1,
    );
  }
  return described.map((row) => {
    const [name, type] = [String(row['column_name']), String(row['column_type'])];
    const known = icebergType(type);
    if (!known) {
      throw new UserError(`${whose}: column ${name} is ${type}, which the lake has no type for; cast it`, 1);
    }
    return { name, type: known };
  });
};
