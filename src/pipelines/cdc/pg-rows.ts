import type { Db } from '../../platform/postgres.ts';
import type { ChangeRecord, MissingValue } from './change-record.ts';
import { keyColumns, pgName, pgTable, type SourceTable, type TableColumn, textColumns } from './pg-table.ts';
import { recordValue } from './pg-value.ts';

/** A row with each value as PostgreSQL's text. */
export type TextRow = Record<string, string | null>;

export const rowRecord = ({ columns }: SourceTable, row: TextRow): ChangeRecord =>
  Object.fromEntries(columns.map(({ name, typeOid }) => [name, recordValue(typeOid, row[name] ?? null)]));

const names = (columns: readonly TableColumn[]): string =>
  columns.map(({ name }) => `t.${pgName(name)}`).join(', ');

const parameters = (columns: readonly TableColumn[], first = 1): string =>
  columns.map(({ type }, n) => `$${first + n}::${type}`).join(', ');

export type RowsRequest = {
  /** The columns that order the rows; together they tell each from all others. */
  readonly order: readonly TableColumn[];
  /** The texts of these columns of the row that was read last. */
  readonly after: readonly string[] | null;
  readonly limit: number;
  readonly where?: string;
};

/** One page of rows in order, and where the next one begins (null: there is none). */
export const readRows = async (
  db: Db,
  table: SourceTable,
  { order, after, limit, where }: RowsRequest,
): Promise<{ rows: TextRow[]; next: string[] | null }> => {
  const conditions = [
    ...(where === undefined ? [] : [where]),
    ...(after === null ? [] : [`(${names(order)}) > (${parameters(order)})`]),
  ];
  const { rows } = await db.query<TextRow>(
    `SELECT ${textColumns(table.columns)} FROM ${pgTable(table)} AS t
     ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''} ORDER BY ${names(order)} LIMIT ${limit}`,
    [...(after ?? [])],
  );
  const last = rows.length < limit ? undefined : rows.at(-1);
  return { rows, next: last ? order.map(({ name }) => last[name] ?? '') : null };
};

const lookupsAtOnce = 500;

/**
 * Reads the values that updates did not send. What is read is the row as it is now: if it was changed since, that
 * change follows with its own values; if it is gone, its deletion follows.
 */
export const lookUp = async (db: Db, table: SourceTable, missing: readonly MissingValue[]): Promise<void> => {
  const key = keyColumns(table);
  const keyOf = (row: ChangeRecord | TextRow): string => JSON.stringify(key.map(({ name }) => row[name]));
  const byKey = new Map<string, MissingValue[]>();
  for (const each of missing) {
    const id = keyOf(each.record);
    byKey.set(id, [...(byKey.get(id) ?? []), each]);
  }
  const ids = [...byKey.keys()];
  for (let at = 0; at < ids.length; at += lookupsAtOnce) {
    const asked = ids.slice(at, at + lookupsAtOnce);
    const tuples = asked.map((_, n) => `(${parameters(key, n * key.length + 1)})`).join(', ');
    const values = asked.flatMap((id) => JSON.parse(id) as unknown[]);
    const { rows } = await db.query<TextRow>(
      `SELECT ${textColumns(table.columns)} FROM ${pgTable(table)} AS t WHERE (${names(key)}) IN (${tuples})`,
      values,
    );
    const found = new Map(rows.map((row) => [keyOf(rowRecord(table, row)), row]));
    for (const id of asked) for (const each of byKey.get(id) ?? []) fill(table, each, found.get(id));
  }
};

const fill = (table: SourceTable, { record, column }: MissingValue, row: TextRow | undefined): void => {
  const note = row ? '_looked_up' : '_unavailable';
  const noted = record[note];
  record[note] = [...(Array.isArray(noted) ? noted : []), column];
  const typeOid = table.columns.find(({ name }) => name === column)?.typeOid ?? 0;
  record[column] = row ? recordValue(typeOid, row[column] ?? null) : null;
};
