import type { DuckDBConnection } from '@duckdb/node-api';
import { allRows, quoteText } from '../lake/duckdb-session.ts';
import { jsonPointer } from '../shared/json-pointer.ts';
import { ReportTooLargeError } from './errors.ts';

/** A member that some document has: its place, the name of its column, and its heading on paper. */
export type FlatColumn = { readonly name: string; readonly title: string; readonly pointer: string };

const mostColumns = 200;

/**
 * The columns of a JSON column that is to be flattened: one for each member of the documents that are in the report,
 * however deep; lists stay JSON. Documents that are no objects get one column for the whole.
 * @throws ReportTooLargeError for more members than a table can sensibly have
 */
export const flatColumns = async (
  connection: DuckDBConnection,
  { relation, column, sql }: { relation: string; column: string; sql: string },
): Promise<FlatColumn[]> => {
  const [row] = await allRows(
    connection,
    `SELECT json_group_structure(CAST(${sql} AS JSON)) AS structure FROM ${relation}`,
  );
  const text = row?.structure;
  const structure: unknown = typeof text === 'string' ? JSON.parse(text) : null;
  const paths = leaves(structure, []);
  if (paths.length > mostColumns) {
    throw new ReportTooLargeError(
      `the documents of ${column} have ${paths.length} different members, and a flat report has at most ${mostColumns} columns of them; ask for options.json = "kept", or for fewer orders`,
    );
  }
  const taken = new Set<string>();
  return paths.map((path) => {
    const name = freeName([column, ...path].join('.'), taken);
    return { name, title: path.length === 0 ? column : path.join(' · '), pointer: jsonPointer(path) };
  });
};

const leaves = (structure: unknown, path: readonly string[]): (readonly string[])[] => {
  if (typeof structure !== 'object' || structure === null || Array.isArray(structure)) return [path];
  const members = Object.entries(structure);
  return members.length === 0 ? [path] : members.flatMap(([name, inner]) => leaves(inner, [...path, name]));
};

/** `{"a.b":1}` and `{"a":{"b":1}}` would have one name. Names compare without case in SQL. */
const freeName = (wanted: string, taken: Set<string>): string => {
  let name = wanted;
  for (let n = 2; taken.has(name.toLowerCase()); n++) name = `${wanted} (${n})`;
  taken.add(name.toLowerCase());
  return name;
};

/** The member as text; null where a document lacks it. */
export const flatSql = (sql: string, { pointer }: FlatColumn): string =>
  `json_extract_string(${sql}, ${quoteText(pointer === '' ? '$' : pointer)})`;
