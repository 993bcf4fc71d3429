import { open } from 'node:fs/promises';
import { allRows, quoteName } from '../../../lake/duckdb-session.ts';
import { ReportTooLargeError } from '../../errors.ts';
import type { OutputColumn } from '../../query.ts';
import type { ReportFile } from '../report-file.ts';
import { rowTexts } from '../row-stream.ts';
import { openPages, type PdfHead } from './pages.ts';

/** Rows of a PDF: some hundreds of pages. Nobody reads more on paper, and a reader program has to hold its pages. */
export const pdfRowLimit = 20_000;

/** What stands above the table on the first page. */
export type ReportHead = {
  readonly title: string;
  /** `Período: …`, one line each. */
  readonly lines: readonly string[];
  readonly asOf: Date;
};

/**
 * PDF on A4: a head on the first page, the table's head on every page, page numbers, totals at the end; numbers and
 * times in pt-BR, times of Brasília. Pages are written as they fill, so memory does not grow with the rows.
 * @throws ReportTooLargeError above `pdfRowLimit`
 */
export const writePdf = async (file: ReportFile, head: ReportHead): Promise<number> => {
  if (file.expectedRows > pdfRowLimit) {
    throw new ReportTooLargeError(
      `the report has ${file.expectedRows} rows, and a PDF of ours holds ${pdfRowLimit}; ask for CSV, which has no limit, or for a shorter period`,
    );
  }
  const pages = openPages(file.columns, pdfHead(head));
  const handle = await open(file.path, 'w');
  let rows = 0;
  try {
    for await (const texts of rowTexts(file, `SELECT ${rowJson(file.columns)} AS cells FROM ${file.rows}`)) {
      for (const text of texts) {
        pages.row(JSON.parse(text) as (string | null)[]);
        rows++;
        if (rows % 200 === 0) {
          file.progress(rows);
          await handle.appendFile(pages.drawn());
          file.signal.throwIfAborted();
        }
      }
    }
    pages.totals(await totals(file, rows));
    await pages.end();
    await handle.appendFile(pages.drawn());
  } finally {
    await handle.close();
  }
  return rows;
};

const pdfHead = ({ title, lines, asOf }: ReportHead): PdfHead => ({
  title,
  asOf,
  lines: [...lines, `Emitido em ${brasilia.format(asOf)} (horário de Brasília)`],
});

const brasilia = new Intl.DateTimeFormat('pt-BR', {
  timeZone: 'America/Sao_Paulo',
  dateStyle: 'short',
  timeStyle: 'medium',
});

/** The cells of a row as a JSON list of texts, formatted for people. */
const rowJson = (columns: readonly OutputColumn[]): string =>
  `CAST(to_json([${columns.map(cellText).join(', ')}]) AS VARCHAR)`;

const cellText = ({ name, type }: OutputColumn): string => {
  const value = quoteName(name);
  switch (type) {
    case 'timestamp':
      return `strftime(timezone('America/Sao_Paulo', ${value}), '%d/%m/%Y %H:%M:%S')`;
    case 'integer':
      return `replace(format('{:,}', ${value}), ',', '.')`;
    case 'list':
      return `array_to_string(${value}, ', ')`;
    default:
      return value;
  }
};

/** Number of rows, and of each status. */
const totals = async ({ connection, columns, rows }: ReportFile, count: number): Promise<string[]> => {
  const lines = [`Total de linhas: ${count.toLocaleString('pt-BR')}`];
  const [relation = ''] = rows.split(' ');
  if (!columns.some(({ name }) => name === 'status_ordem') || count === 0) return lines;
  const found = await allRows(
    connection,
    `SELECT status_ordem, count(*)::INTEGER AS rows FROM ${relation} GROUP BY ALL ORDER BY rows DESC, status_ordem`,
  );
  const shares = found.map((row) => `${row.status_ordem}: ${Number(row.rows).toLocaleString('pt-BR')}`);
  return [...lines, `Por situação — ${shares.join(' · ')}`];
};
