import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonAnswer, type PipelineRoom, pipelineRoom, type TestApi } from '../../test/services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { findHoles, listIntervals } from '../platform/ledger-views.ts';
import { definePipeline } from './define.ts';

const quotes: Record<string, string> = {
  '2024-01-02': '0.017089',
  '2024-01-03': '0.017090',
  '2024-01-04': '0.017100',
};

const pipeline = definePipeline({
  name: 'selic',
  about: 'a series of a test',
  source: {
    kind: 'http',
    base: { env: 'SELIC_URL', default: 'http://127.0.0.1:9' },
    path: '/dados?de={from:dd/MM/yyyy}&ate={last:dd/MM/yyyy}',
  },
  windows: [{ every: 'day', from: '2024-01-01', lookback: 3 }],
  silver: {
    columns: {
      data: { type: 'date', format: 'dd/MM/yyyy' },
      valor: { type: 'decimal(18,6)', required: true },
    },
    key: ['data'],
  },
  gold: [
    {
      name: 'selic_mensal',
      sql: `SELECT CAST(date_trunc('month', data) AS DATE) AS mes, count(*) AS dias, sum(valor) AS soma FROM silver.selic GROUP BY 1`,
      key: ['mes'],
    },
  ],
});

const ddmmyyyy = (iso: string): string => iso.split('-').reverse().join('/');
const isoOf = (text: string | null): string => (text ?? '').split('/').reverse().join('-');

const api: TestApi = ({ url }) => {
  const { searchParams } = new URL(url);
  const [from, to] = [isoOf(searchParams.get('de')), isoOf(searchParams.get('ate'))];
  return jsonAnswer(
    Object.entries(quotes)
      .filter(([day]) => day >= from && day <= to)
      .map(([day, valor]) => ({ data: ddmmyyyy(day), valor })),
  );
};

let database: TestDatabase;
let room: PipelineRoom;

beforeAll(async () => {
  database = await testDatabase();
  room = await pipelineRoom(database.pool, { api, at: '2024-01-04T02:00:00Z' });
});

afterAll(async () => {
  await room.close();
  await database.drop();
});

describe('a pipeline', () => {
  it('goes from the API to bronze, silver and gold, with its window in the ledger', async () => {
    const { windows, gold } = await room.run(pipeline);
    expect(windows).toMatchObject([{ state: 'done', report: { calls: 1, records: 2, added: 2 } }]);
    expect(gold).toEqual([{ gold: 'selic_mensal', state: 'done', rows: 1 }]);
    expect(await room.rows('silver.selic', 'data, valor')).toEqual([
      { data: '2024-01-02', valor: '0.017089' },
      { data: '2024-01-03', valor: '0.017090' },
    ]);
    expect(await room.rows('gold.selic_mensal')).toEqual([
      { mes: '2024-01-01', dias: '2', soma: '0.034179' },
    ]);
    expect(await room.rows('bronze.selic', 'status, registros, recusada')).toEqual([
      { status: 200, registros: 2, recusada: null },
    ]);
    const intervals = await listIntervals(database.pool, { pipeline: 'selic' });
    expect(intervals).toMatchObject([
      { state: 'done', source: 'daily', watermark: '2024-01-04T00:00:00.000Z' },
    ]);
    expect(await findHoles(database.pool, { pipeline: 'selic' })).toEqual([]);
  });

  it('does nothing when nothing is due', async () => {
    expect((await room.run(pipeline)).windows).toEqual([]);
  });

  it('takes a restated value as the newest, and keeps the one before with when it held', async () => {
    quotes['2024-01-03'] = '0.018000';
    room.setClock('2024-01-05T02:00:00Z');
    const { windows, gold } = await room.run(pipeline);
    expect(windows).toMatchObject([{ state: 'done', report: { records: 3, added: 2, restated: 1 } }]);
    expect(gold).toMatchObject([{ state: 'done' }]);
    expect(await room.rows('silver.selic', 'data, valor')).toEqual([
      { data: '2024-01-02', valor: '0.017089' },
      { data: '2024-01-03', valor: '0.018000' },
      { data: '2024-01-04', valor: '0.017100' },
    ]);
    const [old] = await room.rows('silver.selic_historico', 'data, valor, valido_desde, valido_ate, motivo');
    expect(old).toMatchObject({ data: '2024-01-03', valor: '0.017090', motivo: 'atualizada' });
    expect(String(old?.['valido_desde'])).toMatch(/^2024-01-04 02:00/);
    expect(String(old?.['valido_ate'])).toMatch(/^2024-01-05 02:00/);
  });
});
