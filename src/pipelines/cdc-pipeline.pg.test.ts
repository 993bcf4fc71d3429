import { afterAll, beforeAll, expect, it } from 'vitest';
import { type LogicalPostgres, startLogicalPostgres } from '../../test/services/logical-postgres.ts';
import { type PipelineRoom, pipelineRoom } from '../../test/services/pipelines.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { pgLogicalSource } from './cdc/pg-logical.ts';
import { definePipeline } from './define.ts';

let database: TestDatabase;
let source: LogicalPostgres;
let room: PipelineRoom;

beforeAll(async () => {
  [database, source] = await Promise.all([testDatabase(), startLogicalPostgres()]);
  room = await pipelineRoom(database.pool);
}, 60_000);

afterAll(async () => {
  await room.close();
  await source.close();
  await database.drop();
});

const pipeline = definePipeline({
  name: 'contas',
  about: 'a table of another PostgreSQL, by its log',
  source: pgLogicalSource({ urlFrom: 'SOURCE_URL', table: 'contas', publication: 'lastro' }),
  windows: [{ every: 'hour', from: '2024-01-01', catchUpSpan: 100_000 }],
  silver: {
    columns: {
      id: { type: 'long' },
      saldo: { type: 'decimal(38,10)', required: true },
      lsn: { type: 'long', from: '_lsn' },
      seq: { type: 'int', from: '_seq' },
    },
    key: ['id'],
    newest: ['lsn', 'seq'],
    deletes: { field: '_op', value: 'delete', all: 'truncate' },
    contract: { columns: 'evolve' },
    sql: 'SELECT _registro, id, saldo, lsn, seq FROM registros',
  },
});

const run = async (at: string) => {
  room.setClock(at);
  const { windows } = await room.run(pipeline, {}, { env: { SOURCE_URL: source.url } });
  expect(windows.map(({ state, error }) => error ?? state)).not.toContain('failed');
  return windows;
};

it('a PostgreSQL table by logical replication: rows, changes and deletes, each once, with every digit', async () => {
  await source.run('CREATE TABLE contas (id bigint PRIMARY KEY, saldo numeric NOT NULL)');
  await source.run('CREATE PUBLICATION lastro FOR TABLE contas');
  await source.run('INSERT INTO contas VALUES (1, 10.5), (2, 12345678901234567890.1234567891), (3, 1)');
  await run('2024-01-01T01:05:00Z');
  expect(await room.rows('silver.contas', 'id, saldo')).toEqual([
    { id: '1', saldo: '10.5000000000' },
    { id: '2', saldo: '12345678901234567890.1234567891' },
    { id: '3', saldo: '1.0000000000' },
  ]);

  await source.run('UPDATE contas SET saldo = 11 WHERE id = 1');
  await source.run('UPDATE contas SET saldo = 12 WHERE id = 1');
  await source.run('DELETE FROM contas WHERE id = 3');
  await source.run('INSERT INTO contas VALUES (4, 4)');
  await run('2024-01-01T02:05:00Z');
  expect(await room.rows('silver.contas', 'id, saldo')).toMatchObject([
    { id: '1', saldo: '12.0000000000' },
    { id: '2' },
    { id: '4', saldo: '4.0000000000' },
  ]);
  expect(await room.rows('silver.contas_historico', 'id, saldo, motivo')).toEqual([
    { id: '1', saldo: '10.5000000000', motivo: 'atualizada' },
    { id: '3', saldo: '1.0000000000', motivo: 'removida' },
  ]);
  await run('2024-01-01T03:05:00Z');
  expect(await room.rows('silver.contas', 'count(*) AS n')).toEqual([{ n: '3' }]);

  // What a TRUNCATE took is deleted with its history; rows of the same transaction after it are there.
  await source.run(
    'BEGIN; INSERT INTO contas VALUES (5, 5); TRUNCATE contas; INSERT INTO contas VALUES (1, 12), (6, 6); COMMIT',
  );
  await run('2024-01-01T04:05:00Z');
  const rows = await room.rows('silver.contas', 'id, saldo');
  expect(rows).toEqual([
    { id: '1', saldo: '12.0000000000' },
    { id: '6', saldo: '6.0000000000' },
  ]);
  const removed = await room.rows('silver.contas_historico', 'id, saldo, motivo');
  expect(removed.filter(({ motivo }) => motivo === 'removida')).toEqual([
    { id: '2', saldo: '12345678901234567890.1234567891', motivo: 'removida' },
    { id: '3', saldo: '1.0000000000', motivo: 'removida' },
    { id: '4', saldo: '4.0000000000', motivo: 'removida' },
  ]);
  expect(await room.rows('silver.contas_quarentena')).toEqual([]);
  // Once: neither a run without changes nor silver made anew from the whole log does it again.
  await run('2024-01-01T05:05:00Z');
  room.setClock('2024-01-01T06:05:00Z');
  await room.run(pipeline, { rebuild: true }, { env: { SOURCE_URL: source.url } });
  expect(await room.rows('silver.contas', 'id, saldo')).toEqual(rows);
  expect(await room.rows('silver.contas_historico', 'id, saldo, motivo')).toEqual(removed);

  await source.run('TRUNCATE contas');
  await run('2024-01-01T07:05:00Z');
  expect(await room.rows('silver.contas')).toEqual([]);
  expect(
    (await room.rows('silver.contas_historico', 'id, motivo')).filter(({ motivo }) => motivo === 'removida'),
  ).toHaveLength(5);
}, 120_000);
