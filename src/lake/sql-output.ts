import { csvHeader, csvRow } from './engines/csv.ts';
import type { Batch, Column, SqlValue } from './engines/engine.ts';

/** Takes text and waits while its reader is slow. */
export type Sink = (text: string) => Promise<void>;

export type Written = { readonly rows: number; readonly truncated: boolean };

/** An array of objects, a row a line. Cut off (no closing bracket) when the query fails on the way. */
export const writeJson = async (batches: AsyncIterable<Batch>, sink: Sink): Promise<Written> => {
  let rows = 0;
  let truncated = false;
  for await (const batch of batches) {
    const keys = uniqueNames(batch.columns).map((name) => JSON.stringify(name));
    const lines = batch.rows.map((row) => {
      const fields = keys.map((key, n) => `${key}:${JSON.stringify(row[n] ?? null)}`);
      return `{${fields.join(',')}}`;
    });
    if (lines.length > 0) await sink(`${rows === 0 ? '[\n' : ',\n'}${lines.join(',\n')}`);
    rows += lines.length;
    truncated = batch.truncated;
  }
  await sink(rows === 0 ? '[]\n' : '\n]\n');
  return { rows, truncated };
};

/** RFC 4180 with a header. */
export const writeCsv = async (batches: AsyncIterable<Batch>, sink: Sink): Promise<Written> => {
  let rows = 0;
  let truncated = false;
  let first = true;
  for await (const batch of batches) {
    if (first) await sink(csvHeader(batch.columns));
    first = false;
    if (batch.rows.length > 0) await sink(batch.rows.map(csvRow).join(''));
    rows += batch.rows.length;
    truncated = batch.truncated;
  }
  return { rows, truncated };
};

// The widths come from the first rows; a wider value further down only shifts its own line.
const measuredRows = 1_000;
const widestCell = 100;

/** A table for people: columns aligned, numbers to the right, long values cut with `…`, control characters shown. */
export const writeTable = async (batches: AsyncIterable<Batch>, sink: Sink): Promise<Written> => {
  let held: string[][] = [];
  let layout: Layout | undefined;
  let columns: readonly Column[] = [];
  let rows = 0;
  let truncated = false;
  const flush = async (): Promise<void> => {
    if (columns.length === 0) return;
    const text: string[] = [];
    if (!layout) {
      layout = measure(columns, held);
      text.push(layout.head);
    }
    for (const row of held) text.push(layout.line(row));
    held = [];
    if (text.length > 0) await sink(text.join(''));
  };
  for await (const batch of batches) {
    columns = batch.columns;
    for (const row of batch.rows) held.push(columns.map((_, n) => cell(row[n] ?? null)));
    rows += batch.rows.length;
    truncated = batch.truncated;
    if (layout || held.length >= measuredRows) await flush();
  }
  await flush();
  return { rows, truncated };
};

type Layout = { head: string; line: (row: readonly string[]) => string };

const measure = (columns: readonly Column[], rows: readonly string[][]): Layout => {
  const names = columns.map(({ name }) => visible(name));
  const widths = names.map((name, n) =>
    rows.reduce((widest, row) => Math.max(widest, width(row[n] ?? '')), width(name)),
  );
  const right = columns.map(({ type }) =>
    /^(tinyint|smallint|integer|bigint|hugeint|real|double|decimal)/.test(type),
  );
  const line = (row: readonly string[]): string => {
    const cells = row.map((text, n) => {
      const space = ' '.repeat(Math.max(0, (widths[n] ?? 0) - width(text)));
      return right[n] ? space + text : text + space;
    });
    return `${cells.join('  ').trimEnd()}\n`;
  };
  return { head: `${line(names)}${widths.map((n) => '─'.repeat(n)).join('  ')}\n`, line };
};

const cell = (value: SqlValue): string => {
  if (value === null) return '∅';
  const text = visible(typeof value === 'object' ? JSON.stringify(value) : String(value));
  const points = [...text.slice(0, widestCell * 2)];
  return points.length <= widestCell && text.length <= widestCell * 2
    ? text
    : `${points.slice(0, widestCell - 1).join('')}…`;
};

/** What a terminal would obey is shown instead: data must not move the cursor or change the title. */
const visible = (text: string): string =>
  text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, spelled);

const spelled = (char: string): string =>
  ({ '\n': '\\n', '\r': '\\r', '\t': '\\t' })[char] ??
  `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;

const width = (text: string): number => [...text].length;

/** Object keys must differ: the second `n` becomes `n_2`. */
const uniqueNames = (columns: readonly Column[]): string[] => {
  const taken = new Set<string>();
  return columns.map(({ name }) => {
    let unique = name;
    for (let n = 2; taken.has(unique); n += 1) unique = `${name}_${n}`;
    taken.add(unique);
    return unique;
  });
};
