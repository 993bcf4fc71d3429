import type { DuckDBConnection } from '@duckdb/node-api';
import { isNode, lower, type Node, parseStatement, text } from '../../lake/engines/duckdb-statement.ts';
import { QueryError } from '../../lake/engines/engine.ts';
import { nameOf, names, nodes, partsOf } from './expression-parts.ts';
import {
  atLeast,
  type Influence,
  type InfluencingColumn,
  type LineageColumn,
  mergeOrigins,
  type Origin,
  resolveColumn,
  type Scope,
  type Source,
} from './origins.ts';

export type SqlLineage = {
  /** Columns of the answer, in order. */
  readonly columns: readonly LineageColumn[];
  readonly influences: readonly InfluencingColumn[];
  /** Tables that the query reads, as `namespace.table`. */
  readonly tables: readonly string[];
  /** Mentions of columns that no table is known to have: lineage is incomplete there. */
  readonly unresolved: readonly string[];
};

/** The columns of a table by its name, `namespace.table` in lower case; undefined where they are not known. */
export type ColumnsOf = (table: string) => readonly string[] | undefined;

/**
 * Which columns of which tables the columns of a query come from. The query is parsed by DuckDB, not run.
 * @throws QueryError for what is no single query over tables
 */
export const sqlLineage = async (
  connection: DuckDBConnection,
  sql: string,
  columnsOf: ColumnsOf,
): Promise<SqlLineage> => {
  const { tree, tables } = await parseStatement(connection, sql);
  const bare = tables.find(({ namespace }) => namespace === '');
  if (bare) {
    // Which table a name alone means depends on what the lake has at the time.
    throw new QueryError(`expected tables as namespace.table, found ${JSON.stringify(bare.table)}`);
  }
  const [statement] = nodes(tree.statements);
  const reading: Reading = { columnsOf, influences: new Map(), unresolved: new Set() };
  const place: Place = { reading, outer: undefined, ctes: new Map() };
  const columns = isNode(statement?.node) ? queryColumns(statement.node, place) : [];
  return {
    columns,
    influences: [...reading.influences.values()],
    tables: [...new Set(tables.map(({ namespace, table }) => `${namespace}.${table}`.toLowerCase()))],
    unresolved: [...reading.unresolved],
  };
};

type Reading = {
  readonly columnsOf: ColumnsOf;
  readonly influences: Map<string, InfluencingColumn>;
  readonly unresolved: Set<string>;
};

/** Where a query stands: within which other query, and behind which WITH. */
type Place = {
  readonly reading: Reading;
  readonly outer: Scope | undefined;
  readonly ctes: ReadonlyMap<string, readonly LineageColumn[]>;
};

/** Where an expression stands. `before`: the columns selected so far, which it may name. */
type Context = { readonly place: Place; readonly scope: Scope; readonly before: readonly LineageColumn[] };

const originsOf = (paths: readonly string[][], { place, scope, before }: Context): Origin[] =>
  paths.flatMap((path) => {
    const selected =
      path.length === 1 ? before.find(({ name }) => lower(name) === lower(path[0])) : undefined;
    const found = resolveColumn(path, scope) ?? selected?.origins;
    if (!found) place.reading.unresolved.add(path.join('.'));
    return [...(found ?? [])];
  });

const note = ({ reading }: Place, origins: readonly Origin[], influence: Influence): void => {
  for (const { table, column } of origins) {
    reading.influences.set(`${influence}\n${table}\n${column}`, { table, column, influence });
  }
};

const inside = ({ place, scope }: Context): Place => ({ ...place, outer: scope });

/** The origins of an expression's value. What it only depends on is noted. */
const valueOrigins = (expression: Node, context: Context): Origin[] => {
  const { columns, conditions, windows, queries, isAggregate } = partsOf(expression);
  note(context.place, originsOf(conditions, context), 'CONDITIONAL');
  note(context.place, originsOf(windows, context), 'WINDOW');
  const inner = queries.flatMap((node) =>
    queryColumns(node, inside(context)).flatMap(({ origins }) => origins),
  );
  const isPlain = expression.class === 'COLUMN_REF';
  const least = isAggregate ? 'AGGREGATION' : isPlain ? 'IDENTITY' : 'TRANSFORMATION';
  return mergeOrigins(atLeast([...originsOf(columns, context), ...inner], least));
};

/** What a condition, a grouping or an order looks at. */
const depend = (expression: unknown, influence: Influence, context: Context): void => {
  const { columns, conditions, windows, queries } = partsOf(expression);
  note(context.place, originsOf([...columns, ...conditions, ...windows], context), influence);
  for (const node of queries) {
    for (const { origins } of queryColumns(node, inside(context))) note(context.place, origins, influence);
  }
};

const renamed = (columns: readonly LineageColumn[], aliases: readonly string[]): LineageColumn[] =>
  columns.map((column, n) => ({ ...column, name: aliases[n] ?? column.name }));

const withoutOrigin = (columns: readonly string[]): LineageColumn[] =>
  columns.map((name) => ({ name, origins: [] }));

const sourcesOf = (node: Node, place: Place): Source[] => {
  const aliases = names(node.column_name_alias);
  const alias = text(node.alias);
  switch (node.type) {
    case 'BASE_TABLE':
      return [baseTable(node, aliases, place)];
    case 'SUBQUERY': {
      const query = isNode(node.subquery) && isNode(node.subquery.node) ? node.subquery.node : {};
      return [{ alias, columns: renamed(queryColumns(query, place), aliases) }];
    }
    case 'JOIN':
      return joinSources(node, place);
    case 'EXPRESSION_LIST': {
      const [first] = Array.isArray(node.values) ? (node.values as unknown[]) : [];
      const width = Array.isArray(first) ? first.length : 0;
      return [
        {
          alias,
          columns: renamed(withoutOrigin(Array.from({ length: width }, (_, n) => `col${n}`)), aliases),
        },
      ];
    }
    case 'TABLE_FUNCTION':
      return [{ alias, columns: withoutOrigin(aliases.length > 0 ? aliases : [alias]) }];
    default:
      return [];
  }
};

const baseTable = (node: Node, aliases: readonly string[], { reading, ctes }: Place): Source => {
  const name = text(node.table_name);
  const alias = text(node.alias) || name;
  const cte = text(node.schema_name) === '' ? ctes.get(lower(name)) : undefined;
  if (cte) return { alias, columns: renamed(cte, aliases) };
  const table = lower(`${text(node.schema_name)}.${name}`);
  const columns = reading.columnsOf(table)?.map((column): LineageColumn => {
    return { name: column, origins: [{ table, column, derivation: 'IDENTITY' }] };
  });
  return columns ? { alias, columns: renamed(columns, aliases) } : { alias, columns: [], open: table };
};

const joinSources = (node: Node, place: Place): Source[] => {
  const left = isNode(node.left) ? sourcesOf(node.left, place) : [];
  // What stands to the right may name what stands to the left (LATERAL).
  const beside = { ...place, outer: { sources: left, outer: place.outer } };
  const right = isNode(node.right) ? sourcesOf(node.right, beside) : [];
  const context = { place, scope: { sources: [...left, ...right], outer: place.outer }, before: [] };
  depend(node.condition, 'JOIN', context);
  const using = names(node.using_columns).map((name) => [name]);
  note(place, originsOf(using, context), 'JOIN');
  return [...left, ...right];
};

const starColumns = (expression: Node, context: Context): LineageColumn[] => {
  const relation = lower(expression.relation_name);
  const excluded = new Set(names(expression.exclude_list).map(lower));
  const replaced = new Map(nodes(expression.replace_list).map((entry) => [lower(entry.key), entry.value]));
  const sources = context.scope.sources.filter(({ alias }) => relation === '' || lower(alias) === relation);
  return sources.flatMap(({ alias, columns, open }) => {
    if (open !== undefined) context.place.reading.unresolved.add(`${alias}.*`);
    return columns.flatMap((column) => {
      if (excluded.has(lower(column.name))) return [];
      const other = replaced.get(lower(column.name));
      return [isNode(other) ? { name: column.name, origins: valueOrigins(other, context) } : column];
    });
  });
};

const selectColumns = (node: Node, place: Place): LineageColumn[] => {
  const sources = isNode(node.from_table) ? sourcesOf(node.from_table, place) : [];
  const columns: LineageColumn[] = [];
  const context: Context = { place, scope: { sources, outer: place.outer }, before: columns };
  for (const expression of nodes(node.select_list)) {
    if (expression.class === 'STAR') columns.push(...starColumns(expression, context));
    else columns.push({ name: nameOf(expression), origins: valueOrigins(expression, context) });
  }
  for (const condition of [node.where_clause, node.having, node.qualify])
    depend(condition, 'FILTER', context);
  for (const group of nodes(node.group_expressions)) {
    // `GROUP BY 1` stands for the first column.
    const position = isNode(group.value) ? group.value.value : undefined;
    if (typeof position === 'number') note(place, columns[position - 1]?.origins ?? [], 'GROUP_BY');
    else depend(group, 'GROUP_BY', context);
  }
  for (const modifier of nodes(node.modifiers)) depend(modifier.orders, 'SORT', context);
  return columns;
};

const unionColumns = (type: unknown, left: LineageColumn[], right: LineageColumn[]): LineageColumn[] => {
  const joined = (name: string, sides: (LineageColumn | undefined)[]): LineageColumn => ({
    name,
    origins: mergeOrigins(sides.flatMap((side) => side?.origins ?? [])),
  });
  if (type !== 'UNION_BY_NAME') return left.map((column, n) => joined(column.name, [column, right[n]]));
  const find = (columns: LineageColumn[], name: string): LineageColumn | undefined =>
    columns.find((column) => lower(column.name) === lower(name));
  const added = right.filter(({ name }) => !find(left, name));
  return [...left, ...added].map(({ name }) => joined(name, [find(left, name), find(right, name)]));
};

const withCtes = (node: Node, place: Place): Place => {
  const ctes = new Map(place.ctes);
  for (const { key, value } of isNode(node.cte_map) ? nodes(node.cte_map.map) : []) {
    if (!isNode(value) || !isNode(value.query) || !isNode(value.query.node)) continue;
    ctes.set(lower(key), renamed(queryColumns(value.query.node, { ...place, ctes }), names(value.aliases)));
  }
  return { ...place, ctes };
};

const queryColumns = (node: Node, given: Place): LineageColumn[] => {
  const place = withCtes(node, given);
  const side = (name: 'left' | 'right', at: Place = place): LineageColumn[] => {
    const inner = node[name];
    return isNode(inner) ? queryColumns(inner, at) : [];
  };
  if (node.type === 'SET_OPERATION_NODE') return unionColumns(node.setop_type, side('left'), side('right'));
  if (node.type === 'RECURSIVE_CTE_NODE') {
    const first = renamed(side('left'), names(node.aliases));
    const ctes = new Map([...place.ctes, [lower(node.cte_name), first]]);
    return unionColumns('UNION', first, side('right', { ...place, ctes }));
  }
  return selectColumns(node, place);
};
