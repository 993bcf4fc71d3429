import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { jsonAnswer, type PipelineRoom, pipelineRoom } from '../../test/services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import type { Check, Pipeline } from './declaration.ts';
import { definePipeline } from './define.ts';

let database: TestDatabase;
let room: PipelineRoom;
let rows: { id: number; valor: number }[] = [];

beforeAll(async () => {
  database = await testDatabase();
  room = await pipelineRoom(database.pool, { api: () => jsonAnswer(rows), at: '2024-01-02T02:00:00Z' });
});

afterAll(async () => {
  await room.close();
  await database.drop();
});

const make = (name: string, checks: readonly Check[]): Pipeline =>
  definePipeline({
    name,
    about: 'checks',
    source: { kind: 'http', base: { env: 'X', default: 'http://127.0.0.1:9' }, path: '/rows?{from:date}' },
    windows: [{ every: 'day', from: '2024-01-01' }],
    silver: {
      columns: { id: { type: 'int' }, valor: { type: 'decimal(10,2)' } },
      key: ['id'],
      budget: { share: 1 },
    },
    checks,
  });

it('a check that quarantines takes its rows out, with the reason; the others go on', async () => {
  rows = [
    { id: 1, valor: 5 },
    { id: 2, valor: -5 },
    { id: 3, valor: 5000 },
  ];
  const pipeline = make('quarentena', [
    { kind: 'range', column: 'valor', min: 0, max: 100, onFail: 'quarantine' },
  ]);
  expect((await room.run(pipeline)).windows).toMatchObject([{ report: { added: 1, quarantined: 2 } }]);
  expect(await room.rows('silver.quarentena', 'id')).toEqual([{ id: 1 }]);
  expect(await room.rows('silver.quarentena_quarentena', 'motivo, registro')).toEqual([
    { motivo: 'verificacao', registro: '{"id":2,"valor":-5}' },
    { motivo: 'verificacao', registro: '{"id":3,"valor":5000}' },
  ]);
});

it('a check that stops commits nothing but what it found: every failing row, and the result in its history', async () => {
  rows = [
    { id: 1, valor: 1 },
    { id: 2, valor: 2 },
  ];
  const checks: Check[] = [
    { kind: 'sql', name: 'positivo', sql: 'SELECT * FROM silver.parada WHERE valor > 0', onFail: 'stop' },
    { kind: 'row_count', min: 1 },
  ];
  const pipeline = make('parada', checks);
  expect((await room.run(pipeline)).windows).toMatchObject([
    { state: 'failed', error: expect.stringContaining('positivo') },
  ]);
  expect(await room.rows('silver.parada')).toEqual([]);
  const found = await room.rows(
    'qualidade.resultados',
    'pipeline, verificacao, resultado, linhas_reprovadas',
  );
  expect(found.filter((row) => row['pipeline'] === 'parada')).toEqual([
    { pipeline: 'parada', verificacao: 'positivo', resultado: 'fail', linhas_reprovadas: '2' },
    { pipeline: 'parada', verificacao: expect.any(String), resultado: 'pass', linhas_reprovadas: '0' },
  ]);
  const failing = await room.rows('qualidade.linhas_reprovadas', 'pipeline, linha');
  expect(failing.filter((row) => row['pipeline'] === 'parada')).toHaveLength(2);
});

it('a check that warns lets the run go on and says so; it sees silver as it would be', async () => {
  rows = [{ id: 1, valor: 1 }];
  const pipeline = make('aviso', [{ kind: 'row_count', min: 3, name: 'linhas' }]);
  expect((await room.run(pipeline)).windows).toMatchObject([
    { state: 'done', report: { notices: [expect.stringContaining('check "linhas" failed')] } },
  ]);
  rows = [
    { id: 2, valor: 1 },
    { id: 3, valor: 1 },
  ];
  room.setClock('2024-01-03T02:00:00Z');
  expect((await room.run(pipeline)).windows).toMatchObject([{ state: 'done', report: { notices: [] } }]);
});

it('an unknown combination is refused when it is declared', () => {
  expect(() => make('x', [{ kind: 'row_count', onFail: 'quarantine' }])).toThrow("can't quarantine");
});

it.each([
  ['zod', z.object({ id: z.number(), valor: z.number().max(10) })],
  ['JSON Schema', { type: 'object', properties: { valor: { type: 'number', maximum: 10 } } }],
])('a record that its schema (%s) refuses goes to quarantine', async (kind, schema) => {
  rows = [
    { id: 1, valor: 1 },
    { id: 2, valor: 11 },
  ];
  const base = make(kind === 'zod' ? 'esquema_zod' : 'esquema_json', []);
  const pipeline = definePipeline({ ...base, silver: { ...base.silver, schema } });
  expect((await room.run(pipeline)).windows).toMatchObject([{ report: { added: 1, quarantined: 1 } }]);
  expect(await room.rows(`silver.${pipeline.name}_quarentena`, 'motivo, registro')).toEqual([
    { motivo: 'esquema', registro: '{"id":2,"valor":11}' },
  ]);
});

it('a full snapshot tells inserts, updates and deletes; one with less than half of the rows is not believed', async () => {
  const base = make('inteiro', []);
  const pipeline = definePipeline({ ...base, windows: { full: true, every: 'hour' } });
  const take = async (at: string, ...values: [number, number][]) => {
    rows = values.map(([id, valor]) => ({ id, valor }));
    room.setClock(at);
    return (await room.run(pipeline)).windows[0];
  };
  await take('2024-01-05T01:00:00Z', [1, 1], [2, 2], [3, 3]);
  await take('2024-01-05T02:00:00Z', [1, 1], [2, 5], [4, 4]);
  expect(await room.rows('silver.inteiro', 'id, valor')).toMatchObject([
    { id: 1 },
    { id: 2, valor: '5.00' },
    { id: 4 },
  ]);
  expect(await room.rows('mudancas.inteiro', 'operacao, chave, colunas')).toEqual([
    { operacao: 'delete', chave: '{"id":3}', colunas: null },
    { operacao: 'insert', chave: '{"id":1}', colunas: null },
    { operacao: 'insert', chave: '{"id":2}', colunas: null },
    { operacao: 'insert', chave: '{"id":3}', colunas: null },
    { operacao: 'insert', chave: '{"id":4}', colunas: null },
    { operacao: 'update', chave: '{"id":2}', colunas: 'valor' },
  ]);
  expect(await take('2024-01-05T03:00:00Z', [1, 1])).toMatchObject({
    state: 'failed',
    error: expect.stringContaining('no row was deleted'),
  });
  expect(await take('2024-01-05T04:00:00Z')).toMatchObject({ state: 'failed' });
  expect(await room.rows('silver.inteiro', 'id')).toHaveLength(3);
});
