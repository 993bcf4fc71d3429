import type { Db } from '../../platform/postgres.ts';
import type { CustomSource } from '../declaration.ts';
import { readRows, rowRecord } from './pg-rows.ts';
import { type SourceDatabase, sourceUrl, withClient } from './pg-source.ts';
import {
  keyColumns,
  pgName,
  pgTable,
  readTable,
  type SourceTable,
  sourceAddress,
  type TableColumn,
} from './pg-table.ts';

export type CursorSourceOptions = SourceDatabase & {
  /** `schema.table`; without a schema it is `public`. It needs a primary key. */
  readonly table: string;
  /** A column that grows with every insert and update: `atualizado_em`, or a number from a sequence. */
  readonly cursor: string;
  /**
   * How far behind the last value the next reading begins: `10 minutes` for a time, `1000` for a number. A row gets its
   * value when it is written and is seen when its transaction commits: take more than the longest transaction lasts.
   */
  readonly overlap: string;
  /** Rows of one page. Default 20,000. */
  readonly pageRows?: number;
};

/**
 * A table of PostgreSQL by a column that grows. Every reading takes the rows from the last value on, less the overlap;
 * rows that come twice change nothing, as silver merges by key.
 *
 * It can't see deletions, changes that leave the cursor column alone, and rows that commit later than the overlap
 * allows for. Where that matters, use `pgLogicalSource`.
 */
export const pgCursorSource = (options: CursorSourceOptions): CustomSource => ({
  kind: 'custom',
  name: `postgres rows ${options.table} by ${options.cursor} less ${options.overlap}`,
  read: ({ next, watermark, env }) => {
    const url = sourceUrl(options, env);
    return withClient(url, async (db) => {
      const table = await readTable(db, options.table);
      const cursor = cursorColumn(table, options);
      if (next === null) await requireCursorValues(db, table, cursor);
      const from = watermark === null ? undefined : await beginning(db, cursor, watermark, options.overlap);
      const page = await readRows(db, table, {
        order: [cursor, ...keyColumns(table).filter(({ name }) => name !== cursor.name)],
        after: next === null ? null : (JSON.parse(next) as string[]),
        limit: options.pageRows ?? 20_000,
        ...(from === undefined ? {} : { where: `t.${pgName(cursor.name)} >= ${from}` }),
      });
      const reached = page.rows.at(-1)?.[cursor.name] ?? watermark;
      return {
        body: Buffer.from(JSON.stringify(page.rows.map((row) => rowRecord(table, row)))),
        address: sourceAddress(url, table),
        next: page.next && JSON.stringify(page.next),
        ...(reached === null ? {} : { watermark: reached }),
      };
    });
  },
});

const cursorColumn = (table: SourceTable, options: CursorSourceOptions): TableColumn => {
  const cursor = table.columns.find(({ name }) => name === options.cursor);
  if (cursor) return cursor;
  const names = table.columns.map(({ name }) => name).join(', ');
  throw new Error(`no column ${options.cursor} in ${options.table}; its columns are ${names}`);
};

const requireCursorValues = async (db: Db, table: SourceTable, { name }: TableColumn): Promise<void> => {
  const { rows } = await db.query<{ n: string }>(
    `SELECT count(*) AS n FROM ${pgTable(table)} AS t WHERE t.${pgName(name)} IS NULL`,
  );
  if (rows[0]?.n === '0') return;
  throw new Error(
    `${table.schema}.${table.table}: ${rows[0]?.n} rows have no ${name} and would never be read; fill it, make it NOT NULL, or use logical replication`,
  );
};

/** The last value less the overlap, as a literal. */
const beginning = async (
  db: Db,
  { type }: TableColumn,
  watermark: string,
  overlap: string,
): Promise<string> => {
  const step = /^(smallint|integer|bigint|numeric)/.test(type) ? 'numeric' : 'interval';
  const { rows } = await db.query<{ value: string }>(
    `SELECT quote_literal($1::${type} - $2::${step}) AS value`,
    [watermark, overlap],
  );
  return `${rows[0]?.value}::${type}`;
};
