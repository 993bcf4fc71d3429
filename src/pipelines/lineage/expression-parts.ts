import { isNode, lower, type Node, text } from '../../lake/engines/duckdb-statement.ts';

/** What an expression of DuckDB's syntax tree is made of. A column is its path: `['t', 'valor']`. */
export type Parts = {
  /** Columns that the value is computed from. */
  readonly columns: string[][];
  /** Columns that choose between values: of CASE and FILTER. */
  readonly conditions: string[][];
  /** Columns that a window is cut and ordered by. */
  readonly windows: string[][];
  /** Queries inside of it. */
  readonly queries: Node[];
  isAggregate: boolean;
};

const aggregates = new Set(
  `sum count count_star avg min max median mode stddev stddev_samp stddev_pop variance var_samp var_pop any_value first last
   arg_min arg_max min_by max_by list array_agg string_agg listagg bool_and bool_or product quantile quantile_cont quantile_disc
   approx_count_distinct count_if corr covar_pop covar_samp histogram bit_and bit_or bit_xor geometric_mean`.split(
    /\s+/,
  ),
);

export const nodes = (value: unknown): Node[] => (Array.isArray(value) ? value.filter(isNode) : []);
export const names = (value: unknown): string[] => (Array.isArray(value) ? value.map(text) : []);

type Walk = (value: unknown, columns: string[][]) => void;

const walkNode = (node: Node, parts: Parts, columns: string[][], walk: Walk): void => {
  switch (node.class) {
    case 'COLUMN_REF':
      columns.push(names(node.column_names));
      break;
    case 'SUBQUERY':
      if (isNode(node.subquery) && isNode(node.subquery.node)) parts.queries.push(node.subquery.node);
      walk(node.child, columns);
      break;
    case 'CASE':
      for (const check of nodes(node.case_checks)) {
        walk(check.when_expr, parts.conditions);
        walk(check.then_expr, columns);
      }
      walk(node.else_expr, columns);
      break;
    case 'LAMBDA': {
      // Its parameters look like columns.
      const parameters = new Set(partsOf(node.lhs).columns.map((path) => lower(path[0])));
      columns.push(...partsOf(node.expr).columns.filter((path) => !parameters.has(lower(path[0]))));
      break;
    }
    case 'WINDOW':
    case 'FUNCTION':
      if (aggregates.has(lower(node.function_name))) parts.isAggregate = true;
      walk(node.children, columns);
      walk([node.filter, node.filter_expr], parts.conditions);
      walk([node.partitions, node.orders], parts.windows);
      break;
    default:
      for (const child of Object.values(node)) walk(child, columns);
  }
};

export const partsOf = (expression: unknown): Parts => {
  const parts: Parts = { columns: [], conditions: [], windows: [], queries: [], isAggregate: false };
  const walk: Walk = (value, columns) => {
    if (Array.isArray(value)) for (const each of value) walk(each, columns);
    else if (isNode(value)) walkNode(value, parts, columns, walk);
  };
  walk(expression, parts.columns);
  return parts;
};

/** The name that DuckDB gives a column without alias, as far as other queries can refer to it. */
export const nameOf = (expression: Node): string => {
  if (text(expression.alias) !== '') return text(expression.alias);
  if (expression.class === 'COLUMN_REF') return names(expression.column_names).at(-1) ?? '';
  if (expression.class === 'CAST' && isNode(expression.child)) return nameOf(expression.child);
  return text(expression.function_name);
};
