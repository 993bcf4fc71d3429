import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { parse as parseCsv } from 'csv-parse/sync';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { isLosslessNumber, LosslessNumber, parse as parseJson } from 'lossless-json';
import { readSheet } from 'read-excel-file/node';
import type { ReportColumnDescription } from '../../src/reports/contract.ts';
import { comparable, type ExpectedRow } from './report-oracle.ts';

type Columns = readonly Pick<ReportColumnDescription, 'name' | 'type'>[];

/** JSON text in the form of the oracle's documents; the empty text for none. */
export const comparableDocument = (text: string): string => (text === '' ? '' : document(text));

const document = (text: string): string =>
  comparable(parseJson(text, undefined, (digits) => new LosslessNumber(digits)));

/** Reads a file back with a library that has nothing to do with the one that wrote it. */
export const readReport = async (
  path: string,
  format: string,
  columns: Columns,
  { separator = ',' }: { separator?: string } = {},
): Promise<ExpectedRow[]> => {
  switch (format) {
    case 'csv':
      return (
        parseCsv(await readFile(path), { columns: true, delimiter: separator, bom: true }) as Record<
          string,
          string
        >[]
      ).map((row) => read(columns, (name, type) => csvValue(row[name] ?? '', type)));
    case 'json':
      return (
        parseJson(await readFile(path, 'utf8'), undefined, (digits) => new LosslessNumber(digits)) as Record<
          string,
          unknown
        >[]
      ).map((row) => read(columns, (name, type) => jsonValue(row[name], type)));
    case 'ndjson': {
      const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
      return lines.map((line) => {
        const row = parseJson(line, undefined, (digits) => new LosslessNumber(digits)) as Record<
          string,
          unknown
        >;
        return read(columns, (name, type) => jsonValue(row[name], type));
      });
    }
    case 'parquet': {
      const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path), compressors });
      return rows.map((row) => read(columns, (name, type) => parquetValue(row[name], type)));
    }
    case 'xlsx': {
      const [head, ...rows] = await readSheet(path, { trim: false });
      const names = (head ?? []).map((name) => String(name).replace(/ \(Brasília\)$/, ''));
      return rows.map((row) => read(columns, (name, type) => xlsxValue(row[names.indexOf(name)], type)));
    }
    default:
      throw new Error(`no reader for ${format}`);
  }
};

const read = (
  columns: Columns,
  value: (name: string, type: ReportColumnDescription['type']) => string | null,
): ExpectedRow => Object.fromEntries(columns.map(({ name, type }) => [name, value(name, type)]));

// In CSV, null and the empty text differ by quotes only, which this reader does not tell.
const csvValue = (text: string, type: string): string | null => {
  if (text === '') return null;
  if (type === 'timestamp') return String(Date.parse(text));
  if (type === 'json') return document(text);
  // The apostrophe is there for spreadsheets, and there only where it must be.
  return type === 'text' && /^'[=+\-@\t\r\n]/.test(text) ? text.slice(1) : mustBeHarmless(text, type);
};

const mustBeHarmless = (text: string, type: string): string => {
  if (type === 'text' && /^[=+\-@\t\r\n]/.test(text)) throw new Error(`a formula in CSV: ${text}`);
  return text;
};

const jsonValue = (value: unknown, type: string): string | null => {
  if (type === 'json') return value === null ? null : comparable(value);
  if (value === null || value === undefined) return null;
  if (type === 'timestamp') return String(Date.parse(String(value)));
  if (type === 'list') return JSON.stringify(value);
  return isLosslessNumber(value) ? value.value : String(value);
};

const parquetValue = (value: unknown, type: string): string | null => {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return String(value.getTime());
  if (type === 'json') return document(String(value));
  if (type === 'list') return JSON.stringify(value);
  return String(value);
};

const xlsxValue = (value: unknown, type: string): string | null => {
  if (value === null || value === undefined) return null;
  if (type === 'timestamp') return String(brasilia(value));
  if (type === 'integer') return String(value);
  const text = String(value).replace(/_x([0-9A-F]{4})_/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return type === 'json' ? document(text) : text;
};

/** A cell's date is Brasília's clock; the reader takes it for UTC. Brasília has had no summer time since 2019. */
const brasilia = (value: unknown): number => {
  if (!(value instanceof Date)) throw new Error(`expected a date, found ${String(value)}`);
  return value.getTime() + 3 * 3_600_000;
};

/** The text of a PDF in the order in which it was drawn, without white space; null where poppler is not installed. */
export const pdfText = async (path: string): Promise<string | null> => {
  try {
    const { stdout } = await promisify(execFile)('pdftotext', ['-raw', path, '-'], { maxBuffer: 1e9 });
    return stdout.replaceAll(/\s/g, '');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
};
