import { allRows, type DuckSession, quoteName } from '../lake/duckdb-session.ts';
import type { Pipeline } from './declaration.ts';
import { sameKey } from './silver-sql.ts';

/**
 * A record that says that every row is gone, as a TRUNCATE of a source's log does (`deletes.all`). It has no key: each key
 * that was seen before it is deleted at its instant, unless the same answer has a newer row of that key.
 */

const list = (columns: readonly string[], table: string): string =>
  columns.map((column) => `${table}.${quoteName(column)}`).join(', ');

/**
 * Makes `esvaziamentos` (`visto` and the `newest` columns), and takes out of `linhas` what the same answer had before
 * one of them. To be called once `linhas` is there. Gives how many there are.
 */
export const stageEmptied = async ({ connection }: DuckSession, { silver }: Pipeline): Promise<number> => {
  if (silver.deletes?.all === undefined) return 0;
  const newest = silver.newest ?? [];
  await connection.run(
    `CREATE OR REPLACE TABLE esvaziamentos AS SELECT b.visto, ${list(newest, 'c')} FROM brutos b JOIN chaves c USING (_registro)
     WHERE b.apaga = 2 AND _registro NOT IN (SELECT _registro FROM violacoes WHERE alcance = 'linha')`,
  );
  await connection.run(
    `DELETE FROM linhas l WHERE EXISTS (SELECT 1 FROM esvaziamentos e
       WHERE e.visto = l.visto AND (${list(newest, 'l')}) < (${list(newest, 'e')}))`,
  );
  const [found] = await allRows(connection, 'SELECT count(*) AS n FROM esvaziamentos');
  return Number(found?.['n'] ?? 0);
};

/** Makes `ausencias`: the keys that are gone, each from the instant of a record that said so. */
export const findEmptied = async (
  { connection }: DuckSession,
  { silver: { key } }: Pipeline,
  /** A relation with silver's present rows, or undefined. */
  current: string | undefined,
): Promise<void> => {
  const own = key.map(quoteName).join(', ');
  const known = [
    `SELECT ${own} FROM linhas`,
    ...(current === undefined ? [] : [`SELECT ${own} FROM ${current}`]),
  ].join(' UNION ');
  // What is left of the same instant in `linhas` is newer: those rows are there again.
  await connection.run(
    `CREATE OR REPLACE TABLE ausencias AS SELECT DISTINCT ${list(key, 'k')}, e.visto FROM (${known}) k CROSS JOIN esvaziamentos e
     WHERE NOT EXISTS (SELECT 1 FROM linhas l WHERE l.visto = e.visto AND ${sameKey(key, 'l', 'k')})`,
  );
};
