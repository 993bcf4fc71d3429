import type { DuckDBConnection } from '@duckdb/node-api';
import { parse as parseJson, stringify as stringifyJson } from 'lossless-json';
import { quoteText } from '../duckdb-session.ts';
import { QueryError } from './engine.ts';

/** A node of DuckDB's syntax tree as `json_serialize_sql` writes it. Integers beyond 2^53 are bigint. */
export type Node = { [key: string]: unknown };

/** An older state, or another one: a snapshot, an instant, a branch or tag. */
export type Travel = { readonly snapshotId: string } | { readonly time: Date } | { readonly ref: string };

/** One mention of a table in the query's text. */
export type TableMention = {
  /** Empty: the query names the table alone. */
  readonly namespace: string;
  readonly table: string;
  readonly at?: Travel;
  readonly node: Node;
};

export type Statement = { readonly tree: Node; readonly tables: readonly TableMention[] };

// What a query may use in FROM besides tables. A list of what is allowed, because every new version brings more
// functions that read files, settings or the engine's own state.
const tableFunctions = new Set([
  'range',
  'generate_series',
  'unnest',
  'json_each',
  'json_tree',
  'repeat',
  'repeat_row',
]);

// Scalar functions that tell about the machine or leave traces. None of them can read a file.
const deniedFunctions = new Set([
  'current_setting',
  'getvariable',
  'getenv',
  'write_log',
  'nextval',
  'currval',
]);

/**
 * Parses one SELECT (also `WITH`, `VALUES`, `FROM …`, `DESCRIBE`, `SUMMARIZE`) with DuckDB's own parser, which does
 * not run it, and checks that it uses nothing but tables and harmless functions. This is the first
 * of two walls: the engine that then runs it cannot open any file but those of the tables found here.
 * @throws QueryError
 */
export const parseStatement = async (
  connection: DuckDBConnection,
  sql: string,
  { parameters = 0 }: { parameters?: number } = {},
): Promise<Statement> => {
  const tree = await serialize(connection, sql);
  const ctes = new Set<string>();
  const mentions: TableMention[] = [];
  visit(tree, (node) => {
    if (Array.isArray(node.map)) {
      for (const entry of node.map)
        if (isNode(entry) && typeof entry.key === 'string') ctes.add(lower(entry.key));
    }
    if (node.type === 'RECURSIVE_CTE_NODE' || node.type === 'CTE_NODE') ctes.add(lower(node.cte_name));
    if (node.class === 'PARAMETER' && parameters === 0)
      throw new QueryError('the query has parameters ($1, ?) and no values came with it: write them into it');
    if (node.class === 'FUNCTION') checkFunction(node);
    if (node.type === 'TABLE_FUNCTION') checkTableFunction(node);
    if (node.type === 'SHOW_REF' && !isNode(node.query)) {
      throw new QueryError(
        'SHOW is not supported: the command `lastro tables` lists the tables, DESCRIBE shows one',
      );
    }
    if (node.type === 'BASE_TABLE') mentions.push(toMention(node));
  });
  for (const name of ctes) checkCteName(name);
  // A name alone that is some CTE's is taken for the CTE.
  const tables = mentions.filter(
    ({ namespace, table, at }) => namespace !== '' || at !== undefined || !ctes.has(lower(table)),
  );
  return { tree, tables };
};

/**
 * The text of a changed tree. DuckDB writes it, and it is accepted only when parsing it gives the same tree again.
 * @throws QueryError
 */
export const toSql = async (connection: DuckDBConnection, tree: Node): Promise<string> => {
  const json = quoteText(stringifyJson(tree) ?? '');
  const reader = await connection.runAndReadAll(`SELECT json_deserialize_sql(${json})`);
  const sql = text(reader.getRows()[0]?.[0]);
  if (shape(await serialize(connection, sql)) !== shape(tree)) {
    throw new QueryError(
      'this query cannot be combined with AT: put the table with AT into a simpler query of its own (a CTE helps)',
    );
  }
  return sql;
};

const serialize = async (connection: DuckDBConnection, sql: string): Promise<Node> => {
  if (sql.includes('\0')) throw new QueryError('the query has a NUL character; remove it');
  const reader = await connection
    .runAndReadAll(`SELECT json_serialize_sql(${quoteText(sql)})`)
    .catch((error: unknown) => {
      throw new QueryError(error instanceof Error ? error.message : String(error));
    });
  const tree = parseJson(text(reader.getRows()[0]?.[0]), undefined, exactNumber);
  if (!isNode(tree)) throw new QueryError('the query could not be parsed');
  if (tree.error === true) {
    if (tree.error_type === 'not implemented') {
      throw new QueryError(
        'expected a query (SELECT, WITH, VALUES, DESCRIBE or SUMMARIZE), found another statement; the lake is read-only here',
      );
    }
    throw new QueryError(`${text(tree.error_message)}${position(tree.position, sql)}`);
  }
  const count = Array.isArray(tree.statements) ? tree.statements.length : 0;
  if (count !== 1) throw new QueryError(`expected one statement, found ${count}`);
  return tree;
};

const exactNumber = (digits: string): number | bigint => {
  const number = Number(digits);
  return /^-?\d+$/.test(digits) && !Number.isSafeInteger(number) ? BigInt(digits) : number;
};

/** DuckDB counts bytes. */
const position = (offset: unknown, sql: string): string => {
  if (typeof offset !== 'string' || !/^\d+$/.test(offset)) return '';
  const before = Buffer.from(sql).subarray(0, Number(offset)).toString().split('\n');
  return ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`;
};

const toMention = (node: Node): TableMention => {
  const [catalog, namespace, table] = [
    text(node.catalog_name),
    text(node.schema_name),
    text(node.table_name),
  ];
  if (catalog !== '') {
    throw new QueryError(
      `expected a table as namespace.table, found ${catalog}.${namespace}.${table}; where the namespace has dots, write "${catalog}.${namespace}".${table}`,
    );
  }
  const at = isNode(node.at_clause) ? toTravel(node.at_clause) : undefined;
  return { namespace, table, node, ...(at === undefined ? {} : { at }) };
};

const toTravel = (clause: Node): Travel => {
  const constant = constantOf(clause.expr);
  if (clause.unit === 'VERSION' && constant && /^\d+$/.test(String(constant.value))) {
    return { snapshotId: String(constant.value) };
  }
  if (clause.unit === 'VERSION' && typeof constant?.value === 'string' && constant.value !== '') {
    return { ref: constant.value };
  }
  if (clause.unit === 'TIMESTAMP' && constant && typeof constant.value === 'string') {
    const iso = constant.value.trim().replace(' ', 'T');
    const time = new Date(
      /(Z|[+-]\d\d(:?\d\d)?)$/i.test(iso.slice(10)) || iso.length <= 10 ? iso : `${iso}Z`,
    );
    if (!Number.isNaN(time.getTime())) return { time };
  }
  throw new QueryError(
    "expected AT (VERSION => a snapshot's id, or the name of a branch) or AT (TIMESTAMP => '2026-01-31 12:00:00') with constants",
  );
};

const checkFunction = (node: Node): void => {
  const name = lower(node.function_name);
  if (deniedFunctions.has(name))
    throw new QueryError(`the function ${name} is not allowed in queries of the lake`);
};

const checkTableFunction = (node: Node): void => {
  const name = isNode(node.function) ? lower(node.function.function_name) : '';
  if (tableFunctions.has(name)) return;
  throw new QueryError(
    `the table function ${name || '(unnamed)'} is not allowed: queries read the lake's tables only ` +
      `(besides ${[...tableFunctions].join(', ')})`,
  );
};

/**
 * Outside its scope a CTE's name would mean what else DuckDB knows by it: a file, or one of the views that tell about
 * the engine. So a CTE may not be called like one.
 */
const checkCteName = (name: string): void => {
  if (/^[\p{L}\p{N}_ -]+$/u.test(name) && !/^(duckdb|sqlite|pragma|pg)_/.test(name)) return;
  throw new QueryError(
    `a CTE cannot be called ${JSON.stringify(name)}: expected letters, digits, _, - and spaces, and no name of the engine's own (duckdb_…, sqlite_…, pragma_…, pg_…)`,
  );
};

/** A constant, or a cast of one: `DATE '2026-01-31'` is a text constant with `cast` DATE. */
export type Constant = {
  readonly value: unknown;
  readonly type: string;
  readonly scale: number;
  readonly cast?: string;
};

export const constantOf = (node: unknown): Constant | undefined => {
  if (!isNode(node)) return undefined;
  if (node.class === 'CAST' && node.try_cast === false && isNode(node.cast_type)) {
    const inner = constantOf(node.child);
    return inner && inner.cast === undefined ? { ...inner, cast: text(node.cast_type.id) } : undefined;
  }
  const constant = node.class === 'CONSTANT' ? node.value : undefined;
  if (!isNode(constant) || constant.is_null !== false || !isNode(constant.type)) return undefined;
  const info = constant.type.type_info;
  const scale = isNode(info) && typeof info.scale === 'number' ? info.scale : 0;
  return { value: constant.value, type: text(constant.type.id), scale };
};

export const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Names compare without case in DuckDB (it folds ASCII and more; both sides are folded the same way here). */
export const lower = (value: unknown): string => text(value).toLowerCase();

export const visit = (value: unknown, see: (node: Node) => void): void => {
  if (Array.isArray(value)) for (const item of value) visit(item, see);
  else if (isNode(value)) {
    see(value);
    for (const child of Object.values(value)) visit(child, see);
  }
};

/** The tree without places in the text. */
const shape = (tree: Node): string =>
  stringifyJson(tree, (key, value: unknown) => (key === 'query_location' ? undefined : value)) ?? '';
