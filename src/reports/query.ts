import { randomBytes } from 'node:crypto';
import type { DuckDBConnection } from '@duckdb/node-api';
import { allRows, quoteName, quoteText } from '../lake/duckdb-session.ts';
import { predicateSql } from '../lake/predicate.ts';
import type { OrderConditions } from './conditions.ts';
import type { ReportRequest, ReportViewer } from './contract.ts';
import { registerExactJson, unmarkedJson, unmarkedText } from './exact-json.ts';
import { type FlatColumn, flatColumns, flatSql } from './flatten.ts';
import type { Each, KindColumn, ReportKind } from './kind.ts';
import { maskListSql, maskSql, preparedJson, suspectSql } from './masking.ts';
import { clientSql } from './parameters.ts';
import { orderSchema } from './source.ts';

/** A column of the file. `flat` is a member of a JSON column as text. */
export type OutputColumn = {
  readonly name: string;
  readonly title: string;
  readonly type: KindColumn['type'] | 'flat';
};

/** The rows of a report as the view `report_rows` of the connection, masked already. */
export type ReportRows = {
  readonly columns: readonly OutputColumn[];
  readonly expectedRows: number;
  /** Columns to sort by where the order matters. */
  readonly order: readonly string[];
};

type RowsInput = {
  readonly kind: ReportKind;
  readonly request: ReportRequest;
  readonly viewer: ReportViewer;
  readonly conditions: OrderConditions;
  /** Of `openOrderSource`. */
  readonly relation: string;
};

/**
 * Makes the views of a report, from the source to `report_rows`, and counts its rows.
 *
 * The count is a query of its own, over the columns that choose orders and the lengths of their lists; the rows come
 * from taking the lists apart. What is written is compared with it.
 */
export const makeRows = async (connection: DuckDBConnection, input: RowsInput): Promise<ReportRows> => {
  const { kind, request, viewer, conditions } = input;
  const each = eachOf(kind, request);
  const where = [predicateSql(orderSchema, conditions.predicate), ...conditions.clients.map(clientSql)].join(
    ' AND ',
  );
  // What is looked up by a key is little: it is read once, and only what the kind needs; what tells versions apart is a
  // third of that, and read only where there are several. What is not looked up would have to be written down first, so
  // it is read twice, once to count and once to copy.
  const isLittle = conditions.keys.length > 0;
  const named = namedFields(kind, request);
  const read = async (fields: readonly string[]): Promise<void> => {
    await connection.run(
      `CREATE OR REPLACE TEMP ${isLittle ? 'TABLE' : 'VIEW'} orders AS SELECT ${fields.join(', ')} FROM ${input.relation} WHERE ${where}`,
    );
  };
  await read(named);
  const expectedRows = await chooseOrders(connection, {
    each,
    status: conditions.status,
    addVersions: () => read(neededFields(kind, request)),
  });

  const masked = !viewer.unmasked;
  // Letters only: nothing that a mask could take for a number.
  const marker = `${[...randomBytes(20)].map((byte) => String.fromCharCode(97 + (byte % 26))).join('')}:`;
  registerExactJson(connection, { masked, marker });
  const prepared = named.map((name) => (isJson(name) ? `${preparedJson(name, masked)} AS ${name}` : name));
  await connection.run(`CREATE TEMP VIEW prepared AS SELECT ${prepared.join(', ')} FROM chosen`);
  await connection.run(
    `CREATE TEMP VIEW parts AS SELECT *${each ? `, unnest(${each.list}) AS e` : ''} FROM prepared o`,
  );
  const columns = await outputColumns(connection, kind.columns, request.options.json === 'flat');
  await connection.run(
    `CREATE TEMP VIEW report_values AS SELECT ${columns.map(({ column, sql }) => `${sql} AS ${quoteName(column.name)}`).join(', ')} FROM parts o`,
  );
  await connection.run(
    `CREATE TEMP VIEW report_rows AS SELECT ${columns.map((each) => `${finished(each, masked, marker)} AS ${quoteName(each.column.name)}`).join(', ')} FROM (SELECT *, ${suspectRow(columns)} AS ${suspect} FROM report_values)`,
  );
  const order = ['data_criacao', 'ordem_id', 'posicao', 'evento_n'];
  return {
    columns: columns.map(({ column }) => column),
    expectedRows,
    order: order.filter((name) => columns.some(({ column }) => column.name === name)),
  };
};

const eachOf = (kind: ReportKind, { parameters }: ReportRequest): Each | undefined =>
  kind.each?.({ participantId: parameters.participantId });

/** The columns of an order that a kind's SQL names, and what is looked at in every report. */
const namedFields = (
  kind: ReportKind,
  request: ReportRequest,
  always: readonly string[] = ['ordem_id', 'status_ordem'],
): string[] => {
  const each = eachOf(kind, request);
  const sql = [each?.list, each?.count, ...kind.columns.map((column) => column.sql)].join(' ');
  return orderSchema.fields
    .map(({ name }) => name)
    .filter((name) => always.includes(name) || new RegExp(`\\bo\\.${name}\\b`).test(sql));
};

/** The same, and those that tell an order's versions apart. */
export const neededFields = (kind: ReportKind, request: ReportRequest): string[] =>
  namedFields(kind, request, ['ordem_id', 'status_ordem', 'versao', 'hash_versao', 'arquivado_em']);

const isJson = (name: string): boolean => /^(regras|metadados|notificacoes|logs_eventos)_/.test(name);

/**
 * The view `chosen`: of each order the latest version, where it has the status asked for. The number of a report's
 * rows is the answer.
 *
 * An order may be there more than once: archived, restored and archived again; or archived and not yet removed from
 * the operational store. Looking for repeated ids costs a pass over one column, and only where there are some are
 * their rows compared. The look is at hashes, of 64 bits: two ids that share one cost a comparison in vain, and ids that
 * are the same cannot escape it.
 */
const chooseOrders = async (
  connection: DuckDBConnection,
  {
    each,
    status,
    addVersions,
  }: { each: Each | undefined; status: string | undefined; addVersions: () => Promise<void> },
): Promise<number> => {
  const wanted = status === undefined ? 'true' : `status_ordem = ${quoteText(status)}`;
  const rowsWhere = (condition: string): string =>
    each ? `coalesce(sum(${each.count}) FILTER (${condition}), 0)` : `count(*) FILTER (${condition})`;
  const [counted] = await allRows(
    connection,
    `SELECT count(*) AS versions, count(DISTINCT hash(ordem_id)) AS orders, ${rowsWhere(wanted)} AS rows FROM orders o`,
  );
  const isRepeated = counted?.versions !== counted?.orders;
  if (isRepeated) {
    await addVersions();
    await connection.run(
      'CREATE TEMP TABLE repeated AS SELECT ordem_id FROM orders GROUP BY ordem_id HAVING count(*) > 1',
    );
  }
  await connection.run(
    `CREATE TEMP VIEW chosen AS SELECT * FROM ${isRepeated ? `(${latestVersions})` : 'orders'} WHERE ${wanted}`,
  );
  if (!isRepeated) return Number(counted?.rows ?? 0);
  const [again] = await allRows(connection, `SELECT ${rowsWhere('true')} AS rows FROM chosen o`);
  return Number(again?.rows ?? 0);
};

/**
 * The higher version wins. Of the same version, the archived row: it is what was proven. Without versions (an old
 * service wrote none) the current one: it can only have been changed after it was archived.
 */
const latestVersions = `
  SELECT * FROM orders WHERE ordem_id NOT IN (SELECT ordem_id FROM repeated)
  UNION ALL
  SELECT * FROM orders WHERE ordem_id IN (SELECT ordem_id FROM repeated)
  QUALIFY row_number() OVER (PARTITION BY ordem_id ORDER BY versao DESC NULLS LAST,
    CASE WHEN (arquivado_em IS NULL) = (versao IS NULL) THEN 0 ELSE 1 END, arquivado_em DESC, hash_versao) = 1`;

type Output = { readonly column: OutputColumn; readonly from: KindColumn; readonly sql: string };

const outputColumns = async (
  connection: DuckDBConnection,
  columns: readonly KindColumn[],
  isFlat: boolean,
): Promise<Output[]> => {
  const outputs: Output[] = [];
  for (const from of columns) {
    const { name, title, type, sql } = from;
    if (type !== 'json' || !isFlat) {
      outputs.push({ column: { name, title, type }, from, sql });
      continue;
    }
    const flat = await flatColumns(connection, { relation: 'parts o', column: name, sql });
    outputs.push(
      ...flat.map(
        (member: FlatColumn): Output => ({
          column: { name: member.name, title: member.title, type: 'flat' },
          from,
          sql: flatSql(sql, member),
        }),
      ),
    );
  }
  return outputs;
};

/** Whether something in a row may have to be masked. */
const suspect = '"__lastro_suspect"';

const isMasked = ({ column, from }: Output, type: 'text' | 'list'): boolean =>
  column.type === type && !from.isKey;

const suspectRow = (columns: readonly Output[]): string => {
  const named = (type: 'text' | 'list'): string[] =>
    columns.filter((each) => isMasked(each, type)).map(({ column }) => quoteName(column.name));
  return suspectSql({ texts: named('text'), lists: named('list') });
};

/** A value of `report_values` as it goes into files. What came out of JSON was masked with its document. */
const finished = (each: Output, masked: boolean, marker: string): string => {
  const { type, name } = each.column;
  const value = quoteName(name);
  if (type === 'json') return unmarkedJson(`CAST(${value} AS VARCHAR)`, marker);
  if (type === 'flat') return unmarkedText(value, marker);
  if (!masked) return value;
  if (isMasked(each, 'text')) return `CASE WHEN ${suspect} THEN ${maskSql(value)} ELSE ${value} END`;
  if (isMasked(each, 'list')) return `CASE WHEN ${suspect} THEN ${maskListSql(value)} ELSE ${value} END`;
  return value;
};
