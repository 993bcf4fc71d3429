import type { Db } from '../../platform/postgres.ts';

export type TableColumn = {
  readonly name: string;
  readonly typeOid: number;
  /** As SQL writes it: `bigint`, `numeric`, `public.estado`. */
  readonly type: string;
  readonly isKey: boolean;
  /** May be moved out of line: an update that leaves it alone then does not send it. */
  readonly isToastable: boolean;
};

/** A table of PostgreSQL as a source. */
export type SourceTable = {
  readonly schema: string;
  readonly table: string;
  readonly identity: 'default' | 'nothing' | 'full' | 'index';
  readonly columns: readonly TableColumn[];
};

/** A name for PostgreSQL's SQL. */
export const pgName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

export const pgTable = ({ schema, table }: { schema: string; table: string }): string =>
  `${pgName(schema)}.${pgName(table)}`;

/** `pedidos` or `vendas.pedidos`; without a schema it is `public`. @throws Error */
export const parseTable = (text: string): { schema: string; table: string } => {
  const parts = text.split('.');
  const [schema = '', table = ''] = parts.length === 1 ? ['public', text] : parts;
  if (parts.length > 2 || schema === '' || table === '')
    throw new Error(`expected a table as schema.table, found ${JSON.stringify(text)}`);
  return { schema, table };
};

type ColumnRow = {
  name: string;
  type_oid: number;
  type: string;
  is_key: boolean;
  is_toastable: boolean;
  identity: 'd' | 'n' | 'f' | 'i';
};

/**
 * The columns of a table, in order, with those of its primary key. Generated columns are left out, as pgoutput leaves
 * them out.
 * @throws Error where the table is not there, or has no primary key
 */
export const readTable = async (db: Db, name: string): Promise<SourceTable> => {
  const { schema, table } = parseTable(name);
  const { rows } = await db.query<ColumnRow>(
    `SELECT a.attname AS name, a.atttypid::int8::int AS type_oid, format_type(a.atttypid, NULL) AS type, coalesce(a.attnum = ANY (i.indkey::int2[]), false) AS is_key,
            a.attstorage IN ('x', 'e', 'm') AS is_toastable, c.relreplident AS identity
     FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
     LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') ORDER BY a.attnum`,
    [schema, table],
  );
  const identities = { d: 'default', n: 'nothing', f: 'full', i: 'index' } as const;
  const first = rows[0];
  if (!first)
    throw new Error(
      `expected the table ${schema}.${table} in the source's database, found none that can be seen`,
    );
  if (!rows.some((row) => row.is_key))
    throw new Error(`expected a primary key on ${schema}.${table}, found none: its rows can't be told apart`);
  return {
    schema,
    table,
    identity: identities[first.identity],
    columns: rows.map((row) => ({
      name: row.name,
      typeOid: row.type_oid,
      type: row.type,
      isKey: row.is_key,
      isToastable: row.is_toastable,
    })),
  };
};

/** The columns of the primary key, in the table's order. */
export const keyColumns = ({ columns }: SourceTable): TableColumn[] => columns.filter(({ isKey }) => isKey);

/** The columns of a SELECT that gives each value as PostgreSQL's text. */
export const textColumns = (columns: readonly TableColumn[]): string =>
  columns.map(({ name }) => `${pgName(name)}::text AS ${pgName(name)}`).join(', ');

/** Address of the source for people, without the user and the password. */
export const sourceAddress = (url: string, table: SourceTable): string => {
  const { hostname, port, pathname } = new URL(url);
  return `postgres://${hostname}:${port || 5432}${pathname} ${table.schema}.${table.table}`;
};
