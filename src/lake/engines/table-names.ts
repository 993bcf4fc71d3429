import { lower } from './duckdb-statement.ts';
import { QueryError } from './engine.ts';

/**
 * The lake's table that a query means, of all names (`namespace.table`). SQL's names compare without case, the
 * catalog's are exact; an exact match goes first. A table named alone is the only one of that name.
 * @throws QueryError where there is none, or where it is not clear which
 */
export const resolveTable = (
  names: readonly string[],
  { namespace, table }: { namespace: string; table: string },
): string => {
  const asked = namespace === '' ? table : `${namespace}.${table}`;
  const nameOf = (full: string): string => (namespace === '' ? full.slice(full.lastIndexOf('.') + 1) : full);
  const exact = names.filter((full) => nameOf(full) === asked);
  const matches = exact.length > 0 ? exact : names.filter((full) => lower(nameOf(full)) === lower(asked));
  const [found] = matches;
  if (found !== undefined && matches.length === 1) return found;
  if (matches.length > 1) {
    throw new QueryError(`table ${asked} is not clear: found ${matches.join(', ')}; write one of these`);
  }
  const near = names.filter((full) => lower(full).endsWith(`.${lower(table)}`)).slice(0, 3);
  const hint =
    near.length > 0 ? `did you mean ${near.join(', ')}?` : 'the command `lastro tables` lists them';
  throw new QueryError(`expected a table of the lake, found none named ${asked}; ${hint}`);
};
