import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import yazl from 'yazl';
import { allRows, quoteName, quoteText } from '../../lake/duckdb-session.ts';
import { ReportTooLargeError } from '../errors.ts';
import type { OutputColumn } from '../query.ts';
import type { ReportFile } from './report-file.ts';
import { rowTexts } from './row-stream.ts';

/** Rows of a worksheet without the header (Excel's specifications and limits). */
export const xlsxRowLimit = 1_048_575;

/** UTF-16 code units of a cell (the same). */
const cellLimit = 32_767;

/**
 * XLSX with one sheet: a frozen header with a filter, text as text (a cell of this type is never a formula), dates as
 * dates of Brasília, integers as numbers up to the 15 digits that Excel keeps and as text beyond. DuckDB makes the XML
 * of the rows, so that JavaScript only hands it on to the compressor: a million rows need the memory of a few thousand.
 * @throws ReportTooLargeError rather than leave out a row or cut a cell
 */
export const writeXlsx = async (file: ReportFile): Promise<number> => {
  if (file.expectedRows > xlsxRowLimit) {
    throw new ReportTooLargeError(
      `the report has ${file.expectedRows} rows, and a worksheet holds ${xlsxRowLimit} below its header; ask for CSV, which has no limit, or for a shorter period`,
    );
  }
  let rows = 0;
  const sheet = async function* (): AsyncGenerator<string> {
    yield sheetHead(file.columns);
    for await (const texts of rowTexts(file, `SELECT ${rowXml(file.columns)} AS xml FROM ${file.rows}`)) {
      yield texts.map((text, at) => text.replaceAll(rowNumber, String(rows + at + 2))).join('');
      rows += texts.length;
      file.progress(rows);
    }
    yield `</sheetData><autoFilter ref="A1:${columnLetters(file.columns.length)}${rows + 1}"/></worksheet>`;
  };
  try {
    await zip(file, Readable.from(sheet()));
  } catch (error) {
    file.signal.throwIfAborted();
    await refuseLongCells(file);
    throw error;
  }
  return rows;
};

const zip = async (file: ReportFile, sheet: Readable): Promise<void> => {
  const archive = new yazl.ZipFile();
  for (const [path, text] of Object.entries(parts)) archive.addBuffer(Buffer.from(text), path);
  // Level 1: XML of this kind is a tenth of its size at any level, and the higher ones take three times as long.
  archive.addReadStream(sheet, 'xl/worksheets/sheet1.xml', { compressionLevel: 1 });
  archive.end();
  const failed = new Promise<never>((_, reject) => {
    archive.on('error', reject);
    sheet.on('error', reject);
  });
  await Promise.race([
    pipeline(archive.outputStream, createWriteStream(file.path), { signal: file.signal }),
    failed,
  ]);
};

/** Stands for the number of the row, which only the stream knows: a character that XML cannot carry. */
const rowNumber = '\u0002';

const rowXml = (columns: readonly OutputColumn[]): string =>
  `'<row r="${rowNumber}">' || ${columns.map((column, at) => cellXml(column, `${columnLetters(at + 1)}${rowNumber}`)).join(' || ')} || '</row>'`;

/** A cell with its address; Excel does without, some readers do not. */
const cellXml = ({ name, type }: OutputColumn, address: string): string => {
  const value = quoteName(name);
  const cell = `'<c r="${address}"`;
  switch (type) {
    case 'timestamp': {
      // Days since 1899-12-30; Excel's date has no zone, the header names it. A hair more than it is, so that readers
      // who cut the milliseconds instead of rounding them come out right.
      const local = `epoch_ms(timezone('America/Sao_Paulo', ${value}))`;
      return `CASE WHEN ${value} IS NULL THEN '' ELSE ${cell} s="1"><v>' || CAST(25569.0000000001 + ${local} / 86400000.0 AS DECIMAL(18, 10)) || '</v></c>' END`;
    }
    case 'integer':
      return `CASE WHEN ${value} IS NULL THEN '' WHEN abs(${value}) < 1000000000000000 THEN ${cell}><v>' || ${value} || '</v></c>' ELSE ${cell} t="inlineStr"><is><t>' || ${value} || '</t></is></c>' END`;
    case 'list':
      return textCell(`CAST(to_json(${value}) AS VARCHAR)`, cell);
    default:
      return textCell(value, cell);
  }
};

const textCell = (value: string, cell: string): string =>
  `CASE WHEN ${value} IS NULL THEN '' WHEN strlen(${value}) > ${cellLimit} AND ${utf16Length(value)} > ${cellLimit} THEN error('cell too long') ELSE ${cell} t="inlineStr"><is><t xml:space="preserve">' || ${escaped(value)} || '</t></is></c>' END`;

const utf16Length = (value: string): string =>
  `length(${value}) + length(regexp_replace(${value}, '[^\\x{10000}-\\x{10ffff}]', '', 'g'))`;

/** What XML 1.0 cannot carry at all; a carriage return it can, but only as a reference. */
const forbidden = [...Array(0x20).keys()]
  .filter((code) => ![0x09, 0x0a, 0x0d].includes(code))
  .concat(0xfffe, 0xffff);

const hex = (code: number): string => code.toString(16).toUpperCase().padStart(4, '0');

const escaped = (value: string): string => {
  const replaced = (text: string, from: string, to: string): string => `replace(${text}, ${from}, '${to}')`;
  // What looks like an escape of SpreadsheetML is escaped, then the forbidden characters are written as such ones.
  const literal = `regexp_replace(${value}, '_x([0-9A-Fa-f]{4}_)', '_x005F_x\\1', 'g')`;
  const rare = forbidden.reduce((text, code) => replaced(text, `chr(${code})`, `_x${hex(code)}_`), literal);
  const safe = `CASE WHEN regexp_matches(${value}, '[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x{fffe}\\x{ffff}]|_x[0-9A-Fa-f]{4}_') THEN ${rare} ELSE ${value} END`;
  return [
    ["'&'", '&amp;'],
    ["'<'", '&lt;'],
    ["'>'", '&gt;'],
    ['chr(13)', '&#13;'],
  ].reduce((text, [from, to]) => replaced(text, from ?? '', to ?? ''), `(${safe})`);
};

/** A stream that fails in the engine does not say why: look for the one reason that is not a fault. */
const refuseLongCells = async ({ connection, columns, rows }: ReportFile): Promise<void> => {
  const texts = columns.filter(({ type }) => type !== 'timestamp' && type !== 'integer');
  const lengths = texts.map(({ name, type }) => {
    const value = type === 'list' ? `CAST(to_json(${quoteName(name)}) AS VARCHAR)` : quoteName(name);
    return `SELECT ${quoteText(name)} AS name, max(${utf16Length(value)}) AS length FROM ${rows.split(' ')[0]}`;
  });
  const [longest] = await allRows(
    connection,
    `SELECT * FROM (${lengths.join(' UNION ALL ')}) ORDER BY length DESC NULLS LAST LIMIT 1`,
  );
  if (Number(longest?.length ?? 0) <= cellLimit) return;
  throw new ReportTooLargeError(
    `a value of ${longest?.name} has ${longest?.length} characters, and a cell holds ${cellLimit}; ask for CSV, JSON or Parquet`,
  );
};

const xml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const columnLetters = (count: number): string => {
  let letters = '';
  for (let rest = count; rest > 0; rest = Math.floor((rest - 1) / 26))
    letters = String.fromCharCode(65 + ((rest - 1) % 26)) + letters;
  return letters;
};

const heading = ({ name, type }: OutputColumn): string =>
  type === 'timestamp' ? `${name} (Brasília)` : name;

const widths: Partial<Record<OutputColumn['type'], number>> = {
  integer: 10,
  timestamp: 20,
  json: 60,
  list: 34,
};

const sheetHead = (columns: readonly OutputColumn[]): string =>
  `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><worksheet xmlns="${main}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>${columns
    .map(
      ({ type }, at) =>
        `<col min="${at + 1}" max="${at + 1}" width="${widths[type] ?? 24}" customWidth="1"/>`,
    )
    .join('')}</cols><sheetData><row r="1">${columns
    .map(
      (column, at) =>
        `<c r="${columnLetters(at + 1)}1" t="inlineStr" s="2"><is><t xml:space="preserve">${xml(heading(column))}</t></is></c>`,
    )
    .join('')}</row>`;

const declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>';
const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const relations = 'http://schemas.openxmlformats.org/package/2006/relationships';
const office = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const content = 'application/vnd.openxmlformats-officedocument.spreadsheetml';

/** The parts of a workbook besides its sheet (ECMA-376, part 1). */
const parts = {
  '[Content_Types].xml': `${declaration}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="${content}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="${content}.worksheet+xml"/><Override PartName="/xl/styles.xml" ContentType="${content}.styles+xml"/></Types>`,
  '_rels/.rels': `${declaration}<Relationships xmlns="${relations}"><Relationship Id="r1" Type="${office}/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
  'xl/workbook.xml': `${declaration}<workbook xmlns="${main}" xmlns:r="${office}"><sheets><sheet name="Relatório" sheetId="1" r:id="r1"/></sheets></workbook>`,
  'xl/_rels/workbook.xml.rels': `${declaration}<Relationships xmlns="${relations}"><Relationship Id="r1" Type="${office}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="${office}/styles" Target="styles.xml"/></Relationships>`,
  'xl/styles.xml': `${declaration}<styleSheet xmlns="${main}"><numFmts count="1"><numFmt numFmtId="164" formatCode="dd/mm/yyyy\\ hh:mm:ss"/></numFmts><fonts count="2"><font><sz val="10"/><name val="Arial"/></font><font><b/><sz val="10"/><name val="Arial"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf/><xf numFmtId="164" applyNumberFormat="1"/><xf fontId="1" applyFont="1"/></cellXfs></styleSheet>`,
};
