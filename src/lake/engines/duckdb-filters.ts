import type { Comparison, Condition, Literal, Predicate } from '../predicate.ts';
import type { Schema, Type } from '../schema.ts';
import { type Constant, constantOf, isNode, lower, type Node, text, visit } from './duckdb-statement.ts';

/** `column op constants` as it stands in a WHERE, for one mention of a table. */
type Filter = {
  readonly column: string;
  readonly op: Comparison | 'in';
  readonly constants: readonly Constant[];
};

/**
 * Finds, for each mention of a table, the conditions that every row of it must meet to count in the answer: simple
 * comparisons with constants, joined by AND, in the WHERE of the SELECT that names the table. Everything else is
 * passed over, so files are only ever left out that cannot matter; the query itself still filters the rows.
 *
 * Comparisons reject nulls, so they also hold for the outer side of a join: a row that is left out there would have
 * become a null-extended row, which the same comparison removes.
 */
export const findFilters = (tree: Node): Map<Node, Filter[]> => {
  const filters = new Map<Node, Filter[]>();
  visit(tree, (node) => {
    if (node.type !== 'SELECT_NODE' || !isNode(node.from_table)) return;
    const relations = relationsOf(node.from_table);
    for (const conjunct of conjunctsOf(node.where_clause)) {
      for (const { path, filter } of toFilters(conjunct)) {
        const relation = ownerOf(path, relations);
        if (relation) filters.set(relation, [...(filters.get(relation) ?? []), filter]);
      }
    }
  });
  return filters;
};

type Relation = { readonly node: Node; readonly prunable: boolean };

// Joins whose answer for one row of a side does not depend on the side's other rows. A positional join goes by the
// row's place and an ASOF join by its nearest neighbour: leaving rows out would change them.
const plainJoins = new Set(['REGULAR', 'CROSS', 'NATURAL']);

const relationsOf = (from: Node, prunable = true): Relation[] => {
  if (from.type !== 'JOIN') {
    const whole =
      from.sample === null && Array.isArray(from.column_name_alias) && from.column_name_alias.length === 0;
    return [{ node: from, prunable: prunable && from.type === 'BASE_TABLE' && whole }];
  }
  const plain = prunable && plainJoins.has(text(from.ref_type));
  return [from.left, from.right].flatMap((side) => (isNode(side) ? relationsOf(side, plain) : []));
};

const conjunctsOf = (where: unknown): Node[] => {
  if (!isNode(where)) return [];
  if (where.type !== 'CONJUNCTION_AND' || !Array.isArray(where.children)) return [where];
  return where.children.flatMap(conjunctsOf);
};

const comparisons: Record<string, Comparison> = {
  COMPARE_EQUAL: '=',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
};
const flipped: Record<Comparison, Comparison> = {
  '=': '=',
  '!=': '!=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
};

const toFilters = (node: Node): { path: string[]; filter: Filter }[] => {
  const op = comparisons[text(node.type)];
  if (node.class === 'COMPARISON' && op !== undefined) {
    const straight = one(node.left, op, [node.right]);
    return straight.length > 0 ? straight : one(node.right, flipped[op], [node.left]);
  }
  if (node.type === 'COMPARE_BETWEEN') {
    return [...one(node.input, '>=', [node.lower]), ...one(node.input, '<=', [node.upper])];
  }
  if (node.type === 'COMPARE_IN' && Array.isArray(node.children)) {
    const [column, ...values] = node.children as unknown[];
    return one(column, 'in', values);
  }
  return [];
};

const one = (column: unknown, op: Filter['op'], values: unknown[]): { path: string[]; filter: Filter }[] => {
  if (!isNode(column) || column.class !== 'COLUMN_REF' || !Array.isArray(column.column_names)) return [];
  const path = column.column_names.map(text);
  const constants = values.flatMap((value) => constantOf(value) ?? []);
  const name = path.at(-1);
  if (name === undefined || constants.length !== values.length) return [];
  return [{ path, filter: { column: name, op, constants } }];
};

/**
 * The mention that a column belongs to, only where there is no doubt: `alias.column` with one such alias in this
 * FROM, or a bare column where FROM has one relation. (A bare name that the table does not have belongs to an outer
 * query; `toPredicate` drops it.)
 */
const ownerOf = (path: readonly string[], relations: readonly Relation[]): Node | undefined => {
  if (path.length > 2) return undefined;
  const qualifier = path.length === 2 ? lower(path[0]) : undefined;
  const owners = relations.filter(
    ({ node }) =>
      qualifier === undefined ||
      lower(node.alias) === qualifier ||
      (text(node.alias) === '' && lower(node.table_name) === qualifier),
  );
  const owner = owners[0];
  return owners.length === 1 && owner?.prunable ? owner.node : undefined;
};

/**
 * The filters as a predicate over the table's columns. A filter is dropped where the engine would compare anything
 * but the column's own values with a constant of the column's own type (an implicit cast of the column, a text
 * that is not plainly a date, a constant with a fraction against an integer).
 */
export const toPredicate = (filters: readonly Filter[], schema: Schema): Predicate =>
  filters.flatMap(({ column, op, constants }): Condition[] => {
    const fields = schema.fields.filter((field) => lower(field.name) === lower(column));
    const field = fields[0];
    if (fields.length !== 1 || !field) return [];
    const literals = constants.flatMap((constant) => toLiteral(constant, field.type, op) ?? []);
    if (literals.length !== constants.length) return [];
    if (op === 'in') return [{ column: field.name, op, values: literals }];
    return literals.map((value) => ({ column: field.name, op, value }));
  });

const integers = new Set([
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
]);

const toLiteral = (constant: Constant, type: Type, op: Filter['op']): Literal | undefined => {
  const { value, cast } = constant;
  if (type === 'string')
    return constant.type === 'VARCHAR' && (cast ?? 'VARCHAR') === 'VARCHAR' ? text(value) : undefined;
  if (type === 'int' || type === 'long')
    return integers.has(constant.type) && cast === undefined ? integer(value) : undefined;
  if (type === 'double') {
    // NaN lies outside of the files' bounds, and for DuckDB it is the greatest value.
    return op !== '>' && op !== '>=' && cast === undefined && integers.has(constant.type)
      ? integer(value)
      : undefined;
  }
  if (typeof type === 'string' && type.startsWith('decimal')) {
    // With more digits than the column keeps, the engine compares at the finer scale.
    const scale = Number(/,\s*(\d+)\)/.exec(type)?.[1] ?? 0);
    return cast === undefined && constant.scale <= scale ? decimal(constant) : undefined;
  }
  if (type === 'date') return isText(constant, ['DATE']) ? match(value, /^\d{4}-\d\d-\d\d$/) : undefined;
  if (type === 'timestamp')
    return isText(constant, ['TIMESTAMP', 'DATE']) ? instant(text(value), cast === 'DATE') : undefined;
  if (type === 'timestamptz') {
    const naive = cast === 'TIMESTAMP' || cast === 'DATE';
    if (!isText(constant, ['TIMESTAMP WITH TIME ZONE', 'TIMESTAMP', 'DATE'])) return undefined;
    const at = instant(text(value), cast === 'DATE') ?? (naive ? undefined : zoned(text(value)));
    // The session is in UTC.
    return at === undefined || /(Z|[+-]\d\d:\d\d)$/.test(at) ? at : `${at}Z`;
  }
  return undefined;
};

const isText = ({ type, cast }: Constant, casts: readonly string[]): boolean =>
  type === 'VARCHAR' && (cast === undefined || casts.includes(cast));

const match = (value: unknown, pattern: RegExp): string | undefined =>
  pattern.test(text(value)) ? text(value) : undefined;

const integer = (value: unknown): bigint | undefined =>
  typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
    ? BigInt(value)
    : undefined;

const decimal = ({ value, type, scale }: Constant): string | undefined => {
  const whole = integer(value);
  if (whole === undefined || !(integers.has(type) || type === 'DECIMAL')) return undefined;
  const digits = String(whole < 0n ? -whole : whole).padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${whole < 0n ? '-' : ''}${digits.slice(0, point)}${scale > 0 ? `.${digits.slice(point)}` : ''}`;
};

/** A date, or a date and time without a zone, as `2026-01-31T10:00:00.5`. */
const instant = (value: string, dateOnly: boolean): string | undefined => {
  if (/^\d{4}-\d\d-\d\d$/.test(value)) return `${value}T00:00:00`;
  return !dateOnly && /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?$/.test(value)
    ? value.replace(' ', 'T')
    : undefined;
};

const zoned = (value: string): string | undefined => {
  const found = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)(Z|[+-]\d\d)(:\d\d)?$/.exec(value);
  if (!found) return undefined;
  const [, date, time, zone, minutes] = found;
  return `${date}T${time}${zone === 'Z' ? 'Z' : `${zone}${minutes ?? ':00'}`}`;
};
