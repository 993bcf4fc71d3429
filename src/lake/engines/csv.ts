import type { Column, SqlValue } from './engine.ts';

/** A field of RFC 4180: quoted where it has a quote, a comma, a line break or space at its ends. Null is empty. */
const csvField = (value: SqlValue | undefined): string => {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  // An empty text is quoted: it is not the same as null.
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export const csvHeader = (columns: readonly Column[]): string => csvRow(columns.map(({ name }) => name));

export const csvRow = (row: readonly (SqlValue | undefined)[]): string =>
  `${row.map(csvField).join(',')}\r\n`;
