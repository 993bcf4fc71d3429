import type { DuckDBConnection } from '@duckdb/node-api';
import { allRows, quoteName, quoteText } from '../../lake/duckdb-session.ts';

/** Relations (anything that may stand behind FROM) of one table at two moments, with one row for each key. */
export type Snapshots = {
  /** undefined: there was none before, so every row is new. */
  readonly before: string | undefined;
  readonly after: string;
  readonly key: readonly string[];
  /** The columns whose values are compared. Columns that one of the two lacks are to be given as null. */
  readonly columns: readonly string[];
};

/**
 * When a snapshot is not believed. An API that answers success with half of its list would otherwise delete the other
 * half. Nothing is derived from such a snapshot: it stays in bronze, and a person decides.
 */
export type SnapshotGuard = {
  /** Least share of the rows before. Default 0.5. */
  readonly minShare?: number;
  /** Least rows at all. Default 1. */
  readonly minRows?: number;
};

/** A snapshot that is empty, or much smaller than the one before. */
export class SuspiciousSnapshotError extends Error {
  constructor(found: number, before: number, least: number) {
    super(
      `the snapshot has ${found} rows, expected at least ${least} (the one before has ${before}): no row was deleted. ` +
        'If it is right, lower the guard for one run',
    );
    this.name = 'SuspiciousSnapshotError';
  }
}

/** A snapshot in which a key is there twice says nothing clear of its row. */
export class AmbiguousSnapshotError extends Error {
  constructor(key: readonly string[], count: number) {
    super(
      `expected one row for each ${key.join(', ')} in the snapshot, found ${count} keys more than once; nothing was derived`,
    );
    this.name = 'AmbiguousSnapshotError';
  }
}

export type SnapshotChanges = {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
};

const figure = async (connection: DuckDBConnection, sql: string): Promise<number> =>
  Number((await allRows(connection, sql))[0]?.['n'] ?? 0);

/** @throws SuspiciousSnapshotError */
export const guardSnapshot = (
  { before, after }: { before: number; after: number },
  { minShare = 0.5, minRows = 1 }: SnapshotGuard = {},
): void => {
  const least = Math.max(minRows, Math.ceil(before * minShare));
  if (after < least) throw new SuspiciousSnapshotError(after, before, least);
};

/**
 * Derives what happened between two snapshots as the table `mudancas` of the session: `operacao` (insert, update,
 * delete), the key's columns, `antes` and `depois` (the row's columns as JSON, null where there was none) and `colunas`,
 * the names of those that changed. DuckDB joins the two on disk where they do not fit its memory.
 * @throws SuspiciousSnapshotError @throws AmbiguousSnapshotError nothing was derived
 */
export const diffSnapshots = async (
  connection: DuckDBConnection,
  { before, after, key, columns }: Snapshots,
  guard: SnapshotGuard = {},
): Promise<SnapshotChanges> => {
  const keys = key.map(quoteName);
  const counts = {
    before: before === undefined ? 0 : await figure(connection, `SELECT count(*) AS n FROM ${before} AS b`),
    after: await figure(connection, `SELECT count(*) AS n FROM ${after} AS a`),
  };
  guardSnapshot(counts, guard);
  const twice = await figure(
    connection,
    `SELECT count(*) AS n FROM (SELECT 1 FROM ${after} AS a GROUP BY ${keys.join(', ')} HAVING count(*) > 1)`,
  );
  if (twice > 0) throw new AmbiguousSnapshotError(key, twice);

  const all = columns.map(quoteName);
  const old = before ?? `(SELECT ${all.join(', ')} FROM ${after} AS none WHERE false)`;
  const json = (side: string): string =>
    `to_json(struct_pack(${all.map((name) => `${name} := ${side}.${name}`).join(', ')}))::VARCHAR`;
  const compared = columns.filter((name) => !key.includes(name)).map(quoteName);
  const differs = (name: string): string => `b.${name} IS DISTINCT FROM a.${name}`;
  const changed = columns
    .filter((name) => !key.includes(name))
    .map((name) => `CASE WHEN ${differs(quoteName(name))} THEN ${quoteText(name)} END`);
  await connection.run(
    `CREATE OR REPLACE TABLE mudancas AS
     SELECT CASE WHEN b.lastro_there IS NULL THEN 'insert' WHEN a.lastro_there IS NULL THEN 'delete' ELSE 'update' END AS operacao,
            ${keys.map((name) => `coalesce(a.${name}, b.${name}) AS ${name}`).join(', ')},
            CASE WHEN b.lastro_there THEN ${json('b')} END AS antes,
            CASE WHEN a.lastro_there THEN ${json('a')} END AS depois,
            CASE WHEN a.lastro_there AND b.lastro_there THEN concat_ws(', '${changed.map((sql) => `, ${sql}`).join('')}) END AS colunas
     FROM (SELECT *, true AS lastro_there FROM ${old} AS o) b
     FULL JOIN (SELECT *, true AS lastro_there FROM ${after} AS n) a ON ${keys.map((name) => `b.${name} IS NOT DISTINCT FROM a.${name}`).join(' AND ')}
     WHERE a.lastro_there IS NULL OR b.lastro_there IS NULL${compared.map((name) => ` OR ${differs(name)}`).join('')}`,
  );
  const of = (operation: string): Promise<number> =>
    figure(connection, `SELECT count(*) AS n FROM mudancas WHERE operacao = '${operation}'`);
  return { inserted: await of('insert'), updated: await of('update'), deleted: await of('delete') };
};
