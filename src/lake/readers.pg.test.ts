import { readFile } from 'node:fs/promises';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { icebergRead } from 'icebird';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type LakeWorkshop, openLakeWorkshop } from '../../test/services/lake-workshop.ts';
import { openFileCache } from './file-cache.ts';
import { compactTable, deleteRows } from './rewrite.ts';
import { changeSchema, createTable, loadTable, tableFiles } from './tables.ts';

// Two readers that share nothing with this code: icebird (metadata, manifests, data files) and hyparquet (data files).

let desk: LakeWorkshop;
beforeAll(async () => {
  desk = await openLakeWorkshop();
  // icebird reads by fetch, which knows no file://.
  vi.stubGlobal('fetch', async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = input instanceof Request ? input.url : String(input);
    const bytes = await readFile(decodeURIComponent(url.replace(/^file:\/\//, '')));
    const range = /bytes=(\d+)-(\d*)/.exec(new Headers(init?.headers).get('range') ?? '');
    if (init?.method === 'HEAD')
      return new Response(null, { headers: { 'content-length': String(bytes.length) } });
    if (!range) return new Response(bytes);
    const end = range[2] ? Number(range[2]) + 1 : bytes.length;
    return new Response(bytes.subarray(Number(range[1]), end), { status: 206 });
  });
});
afterAll(async () => {
  vi.unstubAllGlobals();
  await desk.close();
});

type Row = Record<string, unknown>;

/** One form for the values of three readers: numbers and dates as text, nulls left out. */
const plain = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row)
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => [name, plainValue(value)]),
  );

const plainValue = (value: unknown): unknown => {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value === 'object' && value !== null) return plain(value as Row);
  return typeof value === 'string' ? value : String(value);
};

const sorted = (rows: readonly Row[]): Row[] =>
  rows.map(plain).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

const byIcebird = async (name: string): Promise<Row[]> => {
  const { metadata, metadataLocation } = await loadTable(desk.lake, name);
  const raw = JSON.parse(await readFile(metadataLocation.slice('file://'.length), 'utf8')) as NonNullable<
    Parameters<typeof icebergRead>[0]['metadata']
  >;
  return sorted(await icebergRead({ tableUrl: metadata.location, metadata: raw }));
};

const byHyparquet = async (name: string): Promise<Row[]> => {
  const rows: Row[] = [];
  for (const { path } of await tableFiles(desk.lake, await loadTable(desk.lake, name))) {
    const file = await asyncBufferFromFile(path.slice('file://'.length));
    rows.push(...(await parquetReadObjects({ file, compressors })));
  }
  return sorted(rows);
};

/** Our own rows, with instants and decimals in the form of the others. */
const byLastro = async (name: string): Promise<Row[]> => {
  const { metadata } = await loadTable(desk.lake, name);
  const schema = metadata.schemas.find((each) => each['schema-id'] === metadata['current-schema-id']);
  const columns = (schema?.fields ?? []).map(({ name: column, type }) => {
    if (type === 'timestamptz' || type === 'timestamp')
      return `strftime("${column}", '%Y-%m-%dT%H:%M:%S.%gZ') AS "${column}"`;
    if (type === 'date') return `strftime("${column}", '%Y-%m-%dT00:00:00.000Z') AS "${column}"`;
    // hyparquet gives decimals as doubles; these have few digits.
    return String(type).startsWith('decimal') ? `CAST("${column}" AS DOUBLE) AS "${column}"` : `"${column}"`;
  });
  return sorted(await desk.rows(name, {}, `SELECT ${columns.join(', ')} FROM t`));
};

describe('tables written here', () => {
  it('are read identically by icebird and hyparquet', async () => {
    await createTable(desk.lake, 'readers.orders', {
      columns: [
        { name: 'id', type: 'long', required: true },
        { name: 'criada', type: 'timestamptz' },
        { name: 'dia', type: 'date' },
        { name: 'area', type: 'string' },
        { name: 'valor', type: 'decimal(12,2)' },
        { name: 'nota', type: 'double' },
        { name: 'ativa', type: 'boolean' },
        { name: 'partes', type: { list: 'string' } },
      ],
      partitionBy: [
        { column: 'criada', transform: 'month' },
        { column: 'id', transform: 'bucket[4]' },
      ],
      sortBy: [{ column: 'area' }],
    });
    await desk.write(
      'readers.orders',
      `(SELECT range AS id, TIMESTAMPTZ '2026-01-15 10:00:00.123+00' + INTERVAL (range % 90) DAY AS criada,
          DATE '2026-01-01' + CAST(range % 400 AS INTEGER) AS dia, CASE WHEN range % 7 <> 0 THEN 'área ' || range % 3 END AS area,
          CAST(range * 0.25 AS DECIMAL(12,2)) AS valor, range / 8.0::DOUBLE AS nota, range % 2 = 0 AS ativa,
          ['a', 'parte ' || range] AS partes FROM range(2000))`,
    );
    const own = await byLastro('readers.orders');
    expect(own).toHaveLength(2000);
    expect(await byIcebird('readers.orders')).toEqual(own);
    expect(await byHyparquet('readers.orders')).toEqual(own);
  });

  it('are read identically after compaction, deletion and a changed schema', async () => {
    const files = await openFileCache({
      store: desk.lake.store,
      folder: `${desk.folder}/cache2`,
      maxBytes: 1e9,
    });
    const deps = { lake: desk.lake, session: desk.session, files };
    await desk.write(
      'readers.orders',
      "(SELECT range AS id, TIMESTAMPTZ '2026-01-20 00:00:00+00' AS criada FROM range(2000, 2100))",
    );
    await deleteRows(deps, 'readers.orders', [{ column: 'area', op: '=', value: 'área 1' }]);
    await compactTable(deps, 'readers.orders');
    await changeSchema(desk.lake, 'readers.orders', [
      { rename: 'nota', to: 'pontos' },
      { add: { name: 'motivo', type: 'string' } },
      { drop: 'ativa' },
    ]);
    await desk.write('readers.orders', `(SELECT 5000::BIGINT AS id, 'x' AS motivo, 1.5::DOUBLE AS "pontos")`);
    const own = await byLastro('readers.orders');
    expect(own.length).toBeGreaterThan(1000);
    expect(await byIcebird('readers.orders')).toEqual(own);
  });
});
