import { quoteName, quoteText } from '../lake/duckdb-session.ts';

/**
 * The SQL by which captures become versions. Silver is a function of the set of captures: a key's versions are its
 * rows in the order of (fetched at, hash), equal neighbours joined. The incremental merge is the same SQL over the
 * current version and the new rows, which is exact while every new capture is newer than all before it.
 */

const list = (columns: readonly string[], table = ''): string =>
  columns.map((column) => `${table}${quoteName(column)}`).join(', ');

export const sameKey = (key: readonly string[], one: string, other: string): string =>
  key.map((column) => `${one}.${quoteName(column)} = ${other}.${quoteName(column)}`).join(' AND ');

/** `linhas`: silver's rows with where and when they were seen. `select` gives `_registro` and the columns. */
export const linesSql = (select: string, columns: readonly string[], hash: string): string =>
  `SELECT s._registro, ${list(columns, 's.')}, ${hash} AS hash_linha, b.captura_id, b.posicao, b.visto, b.conjunto_id, b.apaga = 1 AS apaga
   FROM (${select}) s JOIN brutos b USING (_registro)`;

/**
 * `eventos`: what was seen of each key, one row for each instant. Of two rows with one key in one instant the
 * greatest by `newest`, then by hash, is the one that counts.
 */
export const eventsSql = ({
  columns,
  key,
  newest,
  current,
  absences,
}: {
  columns: readonly string[];
  key: readonly string[];
  newest: readonly string[];
  /** A relation with silver's present rows of the keys, or undefined. */
  current: string | undefined;
  absences: boolean;
}): string => {
  const order = [
    ...newest.map((column) => `${quoteName(column)} DESC NULLS LAST`),
    'hash_linha DESC',
    'captura_id DESC',
    'posicao DESC',
  ];
  const parts = [
    `SELECT ${list(columns)}, hash_linha, captura_id, posicao, visto, apaga, false AS velho FROM linhas
     QUALIFY row_number() OVER (PARTITION BY ${list(key)}, visto ORDER BY ${order.join(', ')}) = 1`,
  ];
  if (current !== undefined) {
    parts.push(
      `SELECT ${list(columns, 'c.')}, c.hash_linha, c.captura_id, c.posicao, c.valido_desde AS visto, false AS apaga, true AS velho
       FROM ${current} c SEMI JOIN chaves_tocadas t ON ${sameKey(key, 'c', 't')}`,
    );
  }
  if (absences) {
    const own = columns.map((column) =>
      key.includes(column) ? quoteName(column) : `NULL AS ${quoteName(column)}`,
    );
    parts.push(
      `SELECT ${own.join(', ')}, '' AS hash_linha, '' AS captura_id, 0 AS posicao, visto, true AS apaga, false AS velho FROM ausencias`,
    );
  }
  return parts.join(' UNION ALL ');
};

/** `versoes`: joined events, each with the instant at which it ends (`ate`, null: it holds). */
export const versionsSql = (columns: readonly string[], key: readonly string[]): string =>
  `SELECT ${list(columns)}, hash_linha, captura_id, posicao, visto AS valido_desde, apaga, velho,
     lead(visto) OVER chave AS valido_ate, lead(apaga) OVER chave AS depois_apaga
   FROM (
     SELECT *, CASE WHEN apaga THEN '' ELSE hash_linha END AS marca,
       lag(CASE WHEN apaga THEN '' ELSE hash_linha END) OVER (PARTITION BY ${list(key)} ORDER BY visto) AS antes
     FROM eventos)
   WHERE marca IS DISTINCT FROM antes
   WINDOW chave AS (PARTITION BY ${list(key)} ORDER BY visto)`;

/** Keys that a complete snapshot does not have: gone from its instant on. */
export const absencesSql = (
  key: readonly string[],
  current: string | undefined,
  snapshots: readonly { setId: string; at: Date }[],
): string => {
  const known = [
    `SELECT ${list(key)} FROM linhas`,
    ...(current === undefined ? [] : [`SELECT ${list(key)} FROM ${current}`]),
  ].join(' UNION ');
  const sets = snapshots
    .map(({ setId, at }) => `(${quoteText(setId)}, TIMESTAMPTZ ${quoteText(at.toISOString())})`)
    .join(', ');
  return `SELECT ${list(key, 'k.')}, s.visto FROM (${known}) k CROSS JOIN (VALUES ${sets}) s (conjunto_id, visto)
    WHERE NOT EXISTS (SELECT 1 FROM presentes p WHERE p.conjunto_id = s.conjunto_id AND ${sameKey(key, 'p', 'k')})`;
};
