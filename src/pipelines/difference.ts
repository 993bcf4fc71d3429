import { allRows, type DuckSession, quoteName, type RowObject } from '../lake/duckdb-session.ts';

/** How two states of a table differ, row by row, by key. */
export type Difference = {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly same: number;
  /** A few of each: the key, and for changed rows the columns that differ, before and after. */
  readonly examples: {
    readonly added: readonly RowObject[];
    readonly changed: readonly RowObject[];
    readonly removed: readonly RowObject[];
  };
};

const examplesOfEach = 5;

/**
 * Holds two relations against each other. Columns that only one of them has count as null in the other. `ignored`
 * columns (when a row was first seen) make no difference.
 */
export const differenceOf = async (
  session: DuckSession,
  {
    before,
    after,
    key,
    ignored = [],
  }: { before: string | undefined; after: string; key: readonly string[]; ignored?: readonly string[] },
): Promise<Difference> => {
  const { connection } = session;
  const columnsOf = async (relation: string): Promise<string[]> =>
    (await allRows(connection, `DESCRIBE SELECT * FROM ${relation}`)).map((row) =>
      String(row['column_name']),
    );
  const now = await columnsOf(after);
  const old = before === undefined ? [] : await columnsOf(before);
  const compared = [...new Set([...now, ...old])].filter(
    (name) => !key.includes(name) && !ignored.includes(name),
  );
  const project = (relation: string, own: readonly string[]): string => {
    const columns = [...key, ...compared].map((name) =>
      own.includes(name) ? `${quoteName(name)}::VARCHAR AS ${quoteName(name)}` : `NULL AS ${quoteName(name)}`,
    );
    return `SELECT ${columns.join(', ')}, true AS lastro_there FROM ${relation}`;
  };
  const none = `SELECT * REPLACE (false AS lastro_there) FROM (${project(after, now)}) WHERE false`;
  const on = key
    .map((name) => `b.${quoteName(name)} IS NOT DISTINCT FROM a.${quoteName(name)}`)
    .join(' AND ');
  const differs = compared.map((name) => `b.${quoteName(name)} IS DISTINCT FROM a.${quoteName(name)}`);
  const keys = key.map(
    (name) => `coalesce(a.${quoteName(name)}, b.${quoteName(name)}) AS ${quoteName(name)}`,
  );
  const values = compared.flatMap((name) => [
    `b.${quoteName(name)} AS ${quoteName(`antes:${name}`)}`,
    `a.${quoteName(name)} AS ${quoteName(`depois:${name}`)}`,
  ]);
  await connection.run(
    `CREATE OR REPLACE TABLE diferenca AS
     SELECT CASE WHEN b.lastro_there IS NULL THEN 'added' WHEN a.lastro_there IS NULL THEN 'removed'
                 WHEN ${differs.length === 0 ? 'false' : differs.join(' OR ')} THEN 'changed' ELSE 'same' END AS lastro_kind,
            ${[...keys, ...values].join(', ')}
     FROM (${before === undefined ? none : project(before, old)}) b FULL JOIN (${project(after, now)}) a ON ${on}`,
  );
  const counts = await allRows(connection, 'SELECT lastro_kind, count(*) AS n FROM diferenca GROUP BY 1');
  const countOf = (kind: string): number =>
    Number(counts.find((row) => row['lastro_kind'] === kind)?.['n'] ?? 0);
  const examplesOf = async (kind: string): Promise<RowObject[]> =>
    (
      await allRows(
        connection,
        `SELECT * EXCLUDE (lastro_kind) FROM diferenca WHERE lastro_kind = '${kind}' ORDER BY ALL LIMIT ${examplesOfEach}`,
      )
    ).map((row) => shownRow(row, key, kind));
  const examples = {
    added: await examplesOf('added'),
    changed: await examplesOf('changed'),
    removed: await examplesOf('removed'),
  };
  await connection.run('DROP TABLE diferenca');
  return {
    added: countOf('added'),
    changed: countOf('changed'),
    removed: countOf('removed'),
    same: countOf('same'),
    examples,
  };
};

/** The key, and what there is to see: all values of a row that comes or goes, those that differ of a changed one. */
const shownRow = (row: RowObject, key: readonly string[], kind: string): RowObject => {
  const shown: RowObject = Object.fromEntries(key.map((name) => [name, row[name] ?? null]));
  for (const [name, value] of Object.entries(row)) {
    const [side, column = ''] = name.split(/:(.*)/);
    if (side === 'depois' && kind === 'added') shown[column] = value;
    if (side === 'antes' && kind === 'removed') shown[column] = value;
    if (side === 'depois' && kind === 'changed' && value !== row[`antes:${column}`]) {
      shown[column] = `${row[`antes:${column}`] ?? 'null'} → ${value ?? 'null'}`;
    }
  }
  return shown;
};
