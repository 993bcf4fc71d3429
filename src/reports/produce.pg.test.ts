import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeArchivedOrders } from '../../sandbox/archived-orders.ts';
import { type LakeWorkshop, openLakeWorkshop } from '../../test/services/lake-workshop.ts';
import { busiest, columnsOf, difference, reportCases } from '../../test/services/report-cases.ts';
import { comparableDocument, pdfText, readReport } from '../../test/services/report-files.ts';
import { type ExpectedRow, expectedRows, type SourceRow } from '../../test/services/report-oracle.ts';
import { openFileCache } from '../lake/file-cache.ts';
import type { ProduceDeps, ReportColumnDescription, ReportRequest, ReportViewer } from './contract.ts';
import { writePdf } from './formats/pdf/pdf.ts';
import { writeXlsx, xlsxRowLimit } from './formats/xlsx.ts';
import { produceReport, reportKinds } from './reports.ts';

let workshop: LakeWorkshop;
let deps: ProduceDeps;
let rows: SourceRow[];
const asOf = new Date('2026-11-25T12:00:00Z');
const everyone: ReportViewer = { areas: 'all', clients: 'all', unmasked: false, scopes: ['reports:read'] };

beforeAll(async () => {
  workshop = await openLakeWorkshop();
  const files = await openFileCache({ store: workshop.lake.store, folder: '', maxBytes: 0 });
  const { lake, session } = workshop;
  deps = { lake, files, limits: { temporaryParent: join(workshop.folder, 'reports') } };
  await makeArchivedOrders({ lake, session, files }, { count: 300, months: 3, areas: 3, hostileEvery: 5 });
  rows = (await workshop.rows(
    'ordens.ordens_arquivadas',
    {},
    `SELECT * REPLACE (epoch_ms(data_criacao)::DOUBLE AS data_criacao, epoch_ms(arquivado_em)::DOUBLE AS arquivado_em) FROM t`,
  )) as unknown as SourceRow[];
}, 60_000);

afterAll(() => workshop.close());

const produce = async (
  request: Partial<ReportRequest> & Pick<ReportRequest, 'kind' | 'format'>,
  viewer: ReportViewer = everyone,
) => {
  const folder = await mkdtemp(join(workshop.folder, 'file-'));
  const produced = await produceReport(
    deps,
    { request: { parameters: {}, options: {}, ...request }, viewer, asOf },
    { folder, signal: new AbortController().signal },
  );
  return { ...produced, folder };
};

describe('every kind in every format', () => {
  it.each(['csv', 'json', 'ndjson', 'parquet', 'xlsx'] as const)(
    '%s holds the rows of the source',
    async (format) => {
      for (const unmasked of [false, true]) {
        for (const { kind, parameters, ...choice } of reportCases(rows)) {
          const produced = await produce({ kind, parameters, format }, { ...everyone, unmasked });
          const expected = expectedRows(kind, rows, { ...choice, unmasked });
          expect(expected.length, `${kind}: the case is empty`).toBeGreaterThan(0);
          const found = await readReport(produced.path, format, columnsOf(kind));
          expect(difference(found, expected), `${kind} unmasked=${unmasked}`).toEqual({
            missing: [],
            foreign: [],
          });
          expect(produced).toMatchObject({ rows: expected.length, expectedRows: expected.length });
          expect(await readdir(produced.folder)).toEqual([`${kind}.${format}`]);
          expect(produced.bytes).toBe((await readFile(produced.path)).length);
        }
      }
    },
  );
});

/** What the columns of a row look like on paper, without white space. JSON stays apart: see `documentOnPaper`. */
const onPaper = (row: ExpectedRow, columns: readonly ReportColumnDescription[]): string =>
  columns
    .filter(({ type }) => type !== 'json')
    .map(({ name, type }) => {
      const value = row[name] ?? '';
      if (type === 'timestamp' && value !== '')
        return new Date(Number(value))
          .toLocaleString('pt-BR', { timeZone: 'America/Sao_Paulo' })
          .replace(',', '');
      if (type === 'list' && value !== '') return (JSON.parse(value) as string[]).join(', ');
      return value;
    })
    .join('')
    .replaceAll(/[\s\p{Cc}]/gu, '');

/** A drawn row as text again: what has no glyph, or cannot be seen, stands on paper as its code point. */
const asText = (drawn: string): string =>
  drawn
    // pdftotext's own marks around what it takes for right-to-left; ours would stand as a code point.
    .replaceAll(/[\u202b\u202c]/g, '')
    .replaceAll(/‹U\+([0-9A-F]{4,6})›/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replaceAll(/[\s\p{Cc}]/gu, '');

/** Readers turn right-to-left text their own way: of such a row the characters count, not their order. */
const isTurned = (text: string): boolean => /\p{Script=Hebrew}/u.test(text);
const characters = (text: string): string => [...text].sort().join('');

describe('a PDF', () => {
  it.for(reportKinds.map(({ name }) => name))(
    'shows every row of %s, in order, under its heads',
    async (kind, { skip }) => {
      const { parameters, ...choice } =
        reportCases(rows).find((one) => one.kind === kind) ?? expect.unreachable();
      const columns = columnsOf(kind);
      const produced = await produce({ kind, parameters, format: 'pdf' });
      const text = await pdfText(produced.path);
      if (text === null) return skip('pdftotext (poppler-utils) is not installed');
      const expected = expectedRows(kind, rows, { ...choice, unmasked: false });
      expect(produced.rows).toBe(expected.length);
      const title = reportKinds.find(({ name }) => name === kind)?.title.replaceAll(' ', '') ?? '';
      const heads = columns.map((column) => column.title.replaceAll(' ', '')).join('');
      const pages = text.split(heads).length - 1;
      expect(text).toContain(`${title}Página${pages}`);
      expect(text).toContain(`Totaldelinhas:${expected.length}`);
      const body = text
        .split(heads)
        .slice(1)
        .join('')
        .replaceAll(new RegExp(`${title}Página\\d+`, 'g'), '');
      const found = body.split(/(?=ord_[0-9A-Z]{19})/);
      const place = (row: ExpectedRow): number[] =>
        ['data_criacao', 'posicao', 'evento_n'].map((name) => Number(row[name] ?? 0));
      const inOrder = expected.toSorted((a, b) => {
        const [[dateA = 0, ...placesA], [dateB = 0, ...placesB]] = [place(a), place(b)];
        const ids = String(a.ordem_id) < String(b.ordem_id) ? -1 : Number(a.ordem_id !== b.ordem_id);
        return dateA - dateB || ids || placesA.reduce((turn, at, n) => turn || at - (placesB[n] ?? 0), 0);
      });
      expect(found.length).toBe(inOrder.length);
      const json = columns.find(({ type }) => type === 'json')?.name;
      for (const [at, row] of inOrder.entries()) {
        const drawn = asText(found[at]?.replace(/Totaldelinhas.*/, '') ?? '');
        const wanted = onPaper(row, columns);
        const document = json === undefined ? '' : (row[json] ?? '').replaceAll(/\s/g, '');
        if (isTurned(wanted) || isTurned(document))
          expect(characters(drawn)).toBe(characters(wanted + document.replaceAll('#', '')));
        else {
          // A kind's document is its last column.
          expect(drawn.slice(0, wanted.length)).toBe(wanted);
          expect(comparableDocument(drawn.slice(wanted.length))).toBe(document);
        }
      }
    },
  );
});

describe('a report', () => {
  const area = { kind: 'area-orders', parameters: { areaId: 'ARE01' } } as const;

  it('is for those who may see it, and holds only what they may see', async () => {
    const areas = { ...everyone, areas: ['ARE02'] };
    await expect(produce({ ...area, format: 'csv' }, areas)).rejects.toThrow(
      'not among those that may be seen',
    );
    const client = busiest(
      rows.map((row) => row.cliente_requisitante_id).filter((id) => id.startsWith('cli_')),
    );
    const own = { ...everyone, clients: [client] };
    await expect(produce({ ...area, format: 'csv' }, own)).rejects.toThrow('clients ask for client-orders');
    const others = { kind: 'client-orders', parameters: { clientId: 'cli_another' }, format: 'csv' } as const;
    await expect(produce(others, own)).rejects.toThrow('not among those that may be seen');
    // A viewer's area is a condition of the query, whatever the request names.
    const limited = await produce(
      { kind: 'requester-orders', parameters: { requesterId: client }, format: 'ndjson' },
      { ...everyone, areas: ['ARE01'] },
    );
    const expected = rows.filter((row) => row.cliente_requisitante_id === client && row.area_id === 'ARE01');
    expect(limited.rows).toBe(expected.length);
  });

  it('is narrowed by period and status', async () => {
    const [from, to] = ['2026-09-05T00:00:00.000Z', '2026-10-02T00:00:00.000Z'];
    const produced = await produce({ ...area, from, to, status: 'concluida', format: 'json' });
    const expected = expectedRows('area-orders', rows, {
      filter: (row) =>
        row.area_id === 'ARE01' &&
        row.status_ordem === 'concluida' &&
        row.data_criacao >= Date.parse(from) &&
        row.data_criacao < Date.parse(to),
      unmasked: false,
    });
    expect(expected.length).toBeGreaterThan(0);
    const found = await readReport(produced.path, 'json', columnsOf('area-orders'));
    expect(difference(found, expected)).toEqual({ missing: [], foreign: [] });
  });

  it('without rows is a whole file too', async () => {
    for (const format of ['csv', 'json', 'ndjson', 'parquet', 'xlsx'] as const) {
      const none = await produce({ kind: 'order-events', parameters: { orderId: 'ord_none' }, format });
      expect(none).toMatchObject({ rows: 0, expectedRows: 0 });
      expect(await readReport(none.path, format, columnsOf('order-events'))).toEqual([]);
    }
  });

  it('in CSV has a byte order mark and semicolons where they are asked for', async () => {
    const options = { separator: ';', bom: true } as const;
    const produced = await produce({ ...area, format: 'csv', options });
    const bytes = await readFile(produced.path);
    expect([...bytes.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf]);
    expect(bytes.toString()).toMatch(/^\ufeffordem_id;area_id;[^\n]*\r\n/);
    expect(await readReport(produced.path, 'csv', columnsOf('area-orders'), options)).toHaveLength(
      produced.rows,
    );
  });

  it('flat has a column for each member, with the digits of long numbers', async () => {
    const produced = await produce(
      { kind: 'order-rules', parameters: { areaId: 'ARE01' }, format: 'ndjson', options: { json: 'flat' } },
      { ...everyone, unmasked: true },
    );
    const found = (await readFile(produced.path, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(Object.keys(found[0])).toEqual([
      'ordem_id',
      'area_id',
      'data_criacao',
      'status_ordem',
      'posicao',
      'regra.regra',
      'regra.minimo',
      'regra.grupos',
      'regra.valor',
    ]);
    const values = new Set(found.map((row) => row['regra.valor']));
    expect(values).toContain('9876543210.1234567890123456789012345678');
    expect(found.find((row) => row['regra.regra'] === 'conjunta')).toMatchObject({
      'regra.grupos': '["A","B"]',
      'regra.minimo': '2',
    });
  });

  it('counts an order once, wherever it is', async () => {
    const [first, second, third] = rows.filter((row) => row.area_id === 'ARE01');
    if (!first || !second || !third) throw new Error('expected three orders');
    const current = ({ arquivado_em: _, ...row }: SourceRow, change: object) => ({
      ...row,
      hash_versao: 'of the current one',
      data_criacao: new Date(row.data_criacao).toISOString(),
      ...change,
    });
    const staged = [
      // The same version: the archived row stays. A newer one: the current row. New: counted.
      current(first, { status_ordem: 'pendente' }),
      current(second, { status_ordem: 'pendente', versao: '99' }),
      current(third, { ordem_id: 'ord_new', status_ordem: 'em_assinatura' }),
      current(third, { ordem_id: 'ord_elsewhere', area_id: 'ARE02' }),
    ];
    const folder = await mkdtemp(join(workshop.folder, 'file-'));
    const currentOrders = async function* () {
      yield* staged;
    };
    const request = { ...area, format: 'ndjson', options: {} } as const;
    const produced = await produceReport(
      { ...deps, currentOrders },
      { request, viewer: everyone, asOf },
      { folder, signal: new AbortController().signal },
    );
    const found = await readReport(produced.path, 'ndjson', columnsOf('area-orders'));
    expect(found).toHaveLength(rows.filter((row) => row.area_id === 'ARE01').length + 1);
    const statusOf = (id: string) =>
      found.filter((row) => row.ordem_id === id).map((row) => row.status_ordem);
    expect(statusOf(first.ordem_id)).toEqual([first.status_ordem]);
    expect(statusOf(second.ordem_id)).toEqual(['pendente']);
    expect(statusOf('ord_new')).toEqual(['em_assinatura']);
  });

  it('is refused, not cut, where its format cannot hold it', async () => {
    const file = {
      columns: [],
      rows: '',
      path: '',
      progress: () => {},
      signal: new AbortController().signal,
    };
    const tooMany = { ...file, connection: workshop.session.connection, expectedRows: xlsxRowLimit + 1 };
    await expect(writeXlsx(tooMany)).rejects.toThrow(/1048576 rows.*ask for CSV/);
    await expect(writePdf(tooMany, { title: '', lines: [], asOf })).rejects.toThrow(/ask for CSV/);
    const long = async function* () {
      const { arquivado_em: _, ...row } = rows[0] as SourceRow;
      const metadados_ordem = JSON.stringify({ text: 'é'.repeat(40_000) });
      yield {
        ...row,
        ordem_id: 'ord_long',
        data_criacao: new Date().toISOString(),
        hash_versao: 'h',
        metadados_ordem,
      };
    };
    const request = { kind: 'order-metadata', parameters: { orderId: 'ord_long' }, options: {} } as const;
    const folder = await mkdtemp(join(workshop.folder, 'file-'));
    const make = (format: 'xlsx' | 'csv') =>
      produceReport(
        { ...deps, currentOrders: long },
        { request: { ...request, format }, viewer: everyone, asOf },
        { folder, signal: file.signal },
      );
    await expect(make('xlsx')).rejects.toThrow(/metadados has 40011 characters/);
    expect(await make('csv')).toMatchObject({ rows: 1 });
    expect(await readdir(folder)).toEqual(['order-metadata.csv']);
  });

  it('whose file cannot be written fails, and the process lives', async () => {
    const { connection } = workshop.session;
    await connection.run("CREATE OR REPLACE TEMP VIEW one_text AS SELECT 'x' AS texto");
    const file = {
      connection,
      rows: 'one_text',
      columns: [{ name: 'texto', title: 'Texto', type: 'text' }],
      expectedRows: 1,
      path: join(workshop.folder, 'no-such-folder', 'file'),
      signal: new AbortController().signal,
      progress: () => {},
    } as const;
    await expect(writePdf(file, { title: '', lines: [], asOf })).rejects.toThrow('ENOENT');
    await expect(writeXlsx(file)).rejects.toThrow('ENOENT');
  });

  it('that fails or is stopped leaves nothing', async () => {
    const folder = await mkdtemp(join(workshop.folder, 'file-'));
    const request = { ...area, format: 'csv', options: {} } as const;
    const input = { request, viewer: everyone, asOf };
    const failing = async function* () {
      yield* [];
      throw new Error('DynamoDB is away');
    };
    const signal = new AbortController().signal;
    await expect(
      produceReport({ ...deps, currentOrders: failing }, input, { folder, signal }),
    ).rejects.toThrow('DynamoDB is away');
    for (const format of ['csv', 'parquet', 'xlsx', 'pdf'] as const) {
      const stop = new AbortController();
      const progress = () => stop.abort(new Error('cancelled'));
      const stopped = produceReport(
        deps,
        { ...input, request: { ...request, format } },
        { folder, signal: stop.signal, progress },
      );
      await expect(stopped).rejects.toThrow('cancelled');
    }
    expect(await readdir(folder)).toEqual([]);
  });
});
