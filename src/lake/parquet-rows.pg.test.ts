import { join } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LakeWorkshop, openLakeWorkshop } from '../../test/services/lake-workshop.ts';
import { writeDataFiles } from './data-writer.ts';
import { allRows, quoteText } from './duckdb-session.ts';
import { type RowValue, writeRows } from './parquet-rows.ts';
import { append, createTable, loadTable } from './tables.ts';

let desk: LakeWorkshop;
beforeAll(async () => {
  desk = await openLakeWorkshop();
});
afterAll(() => desk.close());

const columns = [
  { name: 'id', type: 'long', required: true },
  { name: 'n', type: 'int' },
  { name: 'dia', type: 'date' },
  { name: 'quando', type: 'timestamptz' },
  { name: 'hora', type: 'timestamp' },
  { name: 'texto', type: 'string' },
  { name: 'corpo', type: 'binary', required: true },
] as const;

const rows: RowValue[][] = [
  [9_007_199_254_740_993n, -1, 19_724, 1_704_153_600_123_456n, 0n, 'ação 🏦', Buffer.from([0, 255, 1])],
  [-5n, null, null, null, null, null, Buffer.alloc(0)],
  [7n, 2_147_483_647, -1, -1n, 1n, '', Buffer.from('x')],
];
const long = 'e'.repeat(40);
const large: RowValue[][] = Array.from({ length: 500 }, (_, at) => [
  ...[BigInt(at), at % 7 === 0 ? null : at, null, null, null, at % 3 === 0 ? null : `${long}${at}`],
  Buffer.alloc(20_000, at % 251),
]);

const write = async (name: string, given: readonly RowValue[][]) => {
  const table = await createTable(desk.lake, name, { columns });
  const file = await writeRows(desk.lake.store, table, given, []);
  await append(desk.lake, name, { add: [file] });
  return { table, file, local: join(desk.folder, 'store', file.path.slice(desk.lake.store.url.length + 1)) };
};

describe('rows in memory as a Parquet file', () => {
  it('are read back as they are, by DuckDB and by hyparquet', async () => {
    const { local } = await write('linhas.poucas', rows);
    const sql =
      'SELECT id, n, dia, epoch_us(quando) AS quando, epoch_us(hora) AS hora, texto, hex(corpo) AS corpo FROM t ORDER BY id';
    expect(await desk.rows('linhas.poucas', {}, sql)).toEqual([
      { id: '-5', n: null, dia: null, quando: null, hora: null, texto: null, corpo: '' },
      { id: '7', n: 2_147_483_647, dia: '1969-12-31', quando: '-1', hora: '1', texto: '', corpo: '78' },
      {
        ...{ id: '9007199254740993', n: -1, dia: '2024-01-02', quando: '1704153600123456', hora: '0' },
        ...{ texto: 'ação 🏦', corpo: '00FF01' },
      },
    ]);
    const file = await asyncBufferFromFile(local);
    const found = await parquetReadObjects({ file, compressors, utf8: false });
    expect(found.map(({ id, n, texto }) => [id, n ?? null, texto ?? null])).toEqual(
      rows.map(([id, n, , , , texto]) => [id, n, texto]),
    );
    const { schema, key_value_metadata: known } = await parquetMetadataAsync(file);
    expect(schema.slice(1).map(({ name, field_id: id }) => [name, id])).toEqual(
      columns.map(({ name }, at) => [name, at + 1]),
    );
    expect(known?.[0]?.key).toBe('iceberg.schema');
  });

  it('lie in several pages where they are large, whole and in order', async () => {
    const { local } = await write('linhas.grandes', large);
    const [found] = await allRows(
      desk.session.connection,
      `SELECT count(*) AS rows, count(n) AS n, count(texto) AS texto, sum(octet_length(corpo)) AS bytes,
         bool_and(n IS NULL OR n = id) AS same, bool_and(left(hex(corpo), 2) = right('0' || to_hex(id % 251), 2)) AS bodies
       FROM read_parquet(${quoteText(local)})`,
    );
    expect(found).toMatchObject({
      rows: '500',
      n: '428',
      texto: '333',
      bytes: '10000000',
      same: true,
      bodies: true,
    });
    const read = await parquetReadObjects({
      file: await asyncBufferFromFile(local),
      compressors,
      utf8: false,
    });
    expect(read.map(({ corpo }) => (corpo as Uint8Array)[19_999])).toEqual(large.map((_, at) => at % 251));
  });

  it('have the statistics that DuckDB would tell of the same rows', async () => {
    const { file, table, local } = await write('linhas.contadas', large);
    const [other] = await writeDataFiles(desk, table, `(SELECT * FROM read_parquet(${quoteText(local)}))`);
    expect(file.valueCounts).toEqual(other?.valueCounts);
    expect(file.nullCounts).toEqual(other?.nullCounts);
    for (const bounds of ['lowerBounds', 'upperBounds'] as const) {
      const shown = (map: ReadonlyMap<number, Uint8Array> | undefined) =>
        [1, 2, 6].map((id) => Buffer.from(map?.get(id) ?? []).toString('hex'));
      expect(shown(file[bounds])).toEqual(shown(other?.[bounds]));
    }
    expect(file.records).toBe(500);
    expect((await loadTable(desk.lake, 'linhas.contadas')).metadata.snapshots).toHaveLength(1);
  });

  it('are refused where a required value is missing, or a type can not be written', async () => {
    await expect(
      write('linhas.sem_valor', [[null, 1, null, null, null, null, Buffer.from('x')]]),
    ).rejects.toThrow('row 0 lacks the required column id');
    const table = await createTable(desk.lake, 'linhas.decimal', {
      columns: [{ name: 'v', type: 'decimal(9,2)' }],
    });
    await expect(writeRows(desk.lake.store, table, [[1n]], [])).rejects.toThrow('found decimal');
  });
});
