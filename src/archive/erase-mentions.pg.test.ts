import { describe, expect, it } from 'vitest';
import { eachArchiveRoom } from '../../test/archive/each-room.ts';
import type { MemoryOrders } from '../../test/archive/memory-orders.ts';
import { type ArchiveRoom, order } from '../../test/archive/room.ts';
import type { TestDatabase } from '../../test/services/postgres.ts';
import { transaction } from '../platform/postgres.ts';
import { publicJwks } from '../platform/signing-keys.ts';
import { type EraseRequest, erase } from './erase.ts';
import { itemHash } from './item.ts';
import { parseIdentifier } from './mentions.ts';
import { verifyReceipt } from './receipt.ts';
import { makeReceipt } from './receipts.ts';
import { changeArea } from './retention.ts';
import { itemOf } from './row.ts';

let database: TestDatabase;
let table: MemoryOrders;
let room: ArchiveRoom;
eachArchiveRoom((made) => {
  ({ database, table, room } = made);
});

const request = (more: Partial<EraseRequest> = {}): EraseRequest => ({
  subject: { clientId: 'maria' },
  mode: 'erase',
  reference: 'LGPD-1',
  by: 'ana',
  ...more,
});
const deps = () => ({
  pool: database.pool,
  lake: room.lake,
  stagingFolder: room.deps.stagingFolder,
  clock: room.deps.clock,
  table: 'ordens',
  liveOrders: async () => [],
});

/** One order in which Maria takes part, with her CPF; others' orders that mention it, and one that does not. */
const archive = async (): Promise<void> => {
  table.set(
    order('dela', {
      participantes: {
        L: [
          {
            M: {
              cliente_participante_id: { S: 'maria' },
              metadados: { M: { cpf: { S: '123.456.789-09' } } },
            },
          },
        ],
      },
    }),
  );
  table.set(order('cita', { metadados: { M: { nota: { S: 'pedido do CPF 12345678909' } } } }));
  table.set(order('numero', { valor: { N: '12345678909' } }));
  table.set(order('retida', { area_id: { S: 'CAMB1' }, observacao: { S: 'ver 123.456.789-09' } }));
  table.set(order('outra', { metadados: { M: { nota: { S: 'CPF 52998224725' } } } }));
  await room.run();
};

describe('an erasure', () => {
  it('finds the person in free text of orders of others, names them, and replaces what may change', async () => {
    await archive();
    await transaction(database.pool, (tx) =>
      changeArea(tx, 'CAMB1', { retentionMonths: 240 }, { by: 'ana', now: new Date() }),
    );
    const told = (outcome: string) => [
      { orderId: 'cita', areaId: 'CRD01', where: 'metadados.nota', kind: 'cpf', outcome },
      {
        ...{ orderId: 'numero', areaId: 'CRD01', where: 'valor', kind: 'cpf' },
        outcome: outcome === 'found' ? outcome : 'kept',
      },
      {
        ...{ orderId: 'retida', areaId: 'CAMB1', where: 'observacao', kind: 'cpf' },
        outcome: outcome === 'found' ? outcome : 'kept',
      },
    ];
    const byOrder = (list: readonly { orderId: string }[]) =>
      [...list].sort((one, other) => (one.orderId < other.orderId ? -1 : 1));
    const dry = await erase(deps(), request({ dryRun: true }));
    expect(byOrder(dry.mentions)).toEqual(told('found'));
    const kept = await makeReceipt({ db: database.pool, lake: room.lake }, { orderId: 'outra' });
    const done = await erase(deps(), request());
    expect(byOrder(done.mentions)).toEqual(told('replaced'));
    const rows = await room.rows();
    expect(rows.every((row) => itemHash(itemOf(row)) === row.hash_versao)).toBe(true);
    expect(rows.find((row) => row.ordem_id === 'cita')?.metadados_ordem).toContain(
      'pedido do CPF anonimizado',
    );
    expect(rows.find((row) => row.ordem_id === 'outra')?.metadados_ordem).toContain('52998224725');
    expect(rows.find((row) => row.ordem_id === 'retida')?.metadados_ordem).toContain('123.456.789-09');
    expect(await verifyReceipt(kept, { jwks: publicJwks(room.deps.keys) })).toMatchObject({ valid: true });
    await expect(makeReceipt({ db: database.pool, lake: room.lake }, { orderId: 'cita' })).rejects.toThrow(
      /not in the archive/,
    );
    const { rows: register } = await database.pool.query('SELECT mentions FROM archive_erasures');
    expect(byOrder(register[0]?.mentions)).toEqual(told('replaced'));
    expect(JSON.stringify(register)).not.toMatch(/456.?789/);
  });

  it('finds by what is given where the person has no entry that says it', async () => {
    await archive();
    const known = [parseIdentifier('529.982.247-25')].flatMap((one) => one ?? []);
    const dry = await erase(deps(), request({ subject: { clientId: 'joana' }, known, dryRun: true }));
    expect(dry).toMatchObject({ found: [], mentions: [{ orderId: 'outra', where: 'metadados.nota' }] });
  });
});
