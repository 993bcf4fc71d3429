import { describe, expect, it } from 'vitest';
import { eachArchiveRoom } from '../../test/archive/each-room.ts';
import { type MemoryOrders, memoryOrders } from '../../test/archive/memory-orders.ts';
import { everyType } from '../../test/archive/port.ts';
import { type ArchiveRoom, order } from '../../test/archive/room.ts';
import type { TestDatabase } from '../../test/services/postgres.ts';
import { defaultLimits } from './archive-run.ts';
import { canonicalItem, type Item, itemHash } from './item.ts';
import type { OrdersTable } from './orders-table.ts';
import { itemOf } from './row.ts';

let database: TestDatabase;
let table: MemoryOrders;
let room: ArchiveRoom;

eachArchiveRoom((made) => {
  ({ database, table, room } = made);
});

const outcomes = async (): Promise<Record<string, string>> => {
  const { rows } = await database.pool.query(
    'SELECT ordem_id, outcome FROM archive_receipts ORDER BY batch_id, position',
  );
  return Object.fromEntries(rows.map((row) => [row.ordem_id, row.outcome]));
};

/** The table, with something done just before the archive removes an order. */
const meddling = (before: (id: string) => void): OrdersTable => ({
  ...table,
  remove: async (id, condition) => {
    before(id);
    return table.remove(id, condition);
  },
});

const without = (item: Item, name: string): Item =>
  Object.fromEntries(Object.entries(item).filter(([key]) => key !== name));

describe('an order that', () => {
  it('is changed between its reading and its removal stays, and is archived again as it then is', async () => {
    table.set(order('o1'));
    const changed = order('o1', { versao: { N: '4' }, metadados: { M: { canal: { S: 'app' } } } });
    const { counts } = await room.run({ table: meddling(() => table.set(changed)) });
    expect(counts).toMatchObject({ archived: 1, removed: 0, changed: 1 });
    expect(canonicalItem(table.items.get('o1') as Item)).toBe(canonicalItem(changed));
    expect((await room.run()).counts).toMatchObject({ archived: 1, removed: 1 });
    expect((await room.rows()).map((row) => row.versao).sort()).toEqual([3n, 4n]);
    expect(table.items.size).toBe(0);
  });

  it('has no version and is changed by an old service stays', async () => {
    const old = without(order('o1'), 'versao');
    table.set(old);
    const changed = { ...old, logs_eventos: { L: [{ S: 'reaberta' }] } };
    const { counts } = await room.run({ table: meddling(() => table.set(changed)) });
    expect(counts).toMatchObject({ removed: 0, changed: 1 });
    expect(table.items.get('o1')).toBe(changed);
  });

  it('has no version and gets an attribute of a name that nobody knew is put back as it then was', async () => {
    const old = without(order('o1'), 'versao');
    table.set(old);
    const changed = { ...old, coisa_nova: { BOOL: true } };
    const { counts } = await room.run({ table: meddling(() => table.set(changed)) });
    expect(counts).toMatchObject({ removed: 0, changed: 1 });
    expect(canonicalItem(table.items.get('o1') as Item)).toBe(canonicalItem(changed));
  });

  it('is deleted by someone else is told apart from those that the archive removed', async () => {
    table.set(order('o1'));
    table.set(order('o2'));
    const { counts } = await room.run({ table: meddling((id) => id === 'o1' && table.items.delete('o1')) });
    expect(counts).toMatchObject({ archived: 2, removed: 1, gone: 1 });
    expect(await outcomes()).toEqual({ o1: 'gone', o2: 'removed' });
  });

  it('is made again under the same id, with the same version number, stays', async () => {
    table.set(order('o1'));
    const again = order('o1', { metadados: { M: { canal: { S: 'novo' } } } });
    const { counts } = await room.run({ table: meddling(() => table.set(again)) });
    expect(counts).toMatchObject({ removed: 0, changed: 1 });
    expect(table.items.get('o1')).toBe(again);
  });

  it('is made again later exactly as it was is not archived twice, and removed again', async () => {
    table.set(order('o1'));
    await room.run();
    table.set(order('o1'));
    expect((await room.run()).counts).toMatchObject({ archived: 0, again: 1, removed: 1 });
    expect(await room.rows()).toHaveLength(1);
    expect(table.items.size).toBe(0);
  });

  it.each([
    ['400 KB', order('o1', { texto: { S: '\u0001'.repeat(390_000) } })],
    ['every type, 38 digits, empty strings, nested nulls, emoji', everyType('o1')],
    ['texts that begin with a byte order mark', order('o1', { contrato_id: { S: '\ufeffc1' } })],
    [
      'unknown attributes with names that trip',
      order(
        'o1',
        JSON.parse(
          '{"__proto__":{"S":"x"},"constructor":{"N":"1"},"":{"S":""},"$map":{"M":{"$binary":{"S":"x"}}},"_atributos":{"S":"mine"}}',
        ),
      ),
    ],
    ['no version and no update but its texts', without(without(order('o1'), 'versao'), 'participantes')],
    [
      'control characters and separators in its ids',
      order('o1', { cliente_requisitante_id: { S: 'a\u001f\u001e\n%41' }, contrato_id: { S: '' } }),
    ],
    [
      'metadata that look like ours',
      order('o1', { metadados: { M: { _atributos: { M: { versao: { N: '9' } } } } } }),
    ],
  ])('has %s comes back from the lake as it was', async (_, item) => {
    table.set(item);
    expect((await room.run()).counts).toMatchObject({ archived: 1, removed: 1 });
    expect((await room.rows()).map((row) => canonicalItem(itemOf(row)))).toEqual([canonicalItem(item)]);
  });

  it('cannot be put into the table stays, and is told of', async () => {
    const notices: string[] = [];
    table.set(without(order('sem-cliente'), 'cliente_requisitante_id'));
    table.set(order('nul\0'));
    table.set(order('ontem', { data_criacao: { S: 'ontem' } }));
    table.set(order('bom'));
    const { counts } = await room.run({ report: { notice: (message) => void notices.push(message) } });
    expect(counts).toMatchObject({ unfit: 3, archived: 1, removed: 1 });
    expect(notices.join('\n')).toMatch(/sem-cliente stays: expected text in cliente_requisitante_id/);
    expect(table.items.size).toBe(3);
  });

  it('has more attributes than a condition holds, and no version, stays', async () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`a${at}`, { BOOL: true }]));
    table.set(without(order('o1', many), 'versao'));
    table.set(order('o2', many));
    const { counts } = await room.run();
    expect(counts).toMatchObject({ archived: 2, removed: 1, unprovable: 1 });
    expect([...table.items.keys()]).toEqual(['o1']);
    expect((await room.run()).counts).toMatchObject({ archived: 0, unprovable: 1 });
  });
});

describe('a run', () => {
  it('is refused while another holds the table', async () => {
    table.set(order('o1'));
    let second: Promise<unknown> | undefined;
    const { counts } = await room.run({
      fault: async (point) => {
        if (point !== 'after-commit') return;
        second = room.run().catch((error: unknown) => error);
        await second;
      },
    });
    expect(await second).toMatchObject({ name: 'LeaseHeldError' });
    expect(counts).toMatchObject({ archived: 1, removed: 1 });
  });

  it('that lost its lease to another commits, proves and removes nothing more', async () => {
    for (let at = 0; at < 6; at++) table.set(order(`o${at}`));
    let other: number | undefined;
    const zombie = room.run({
      fault: async (point) => {
        if (point !== 'after-verify' || other !== undefined) return;
        await database.pool.query('UPDATE leases SET expires_at = clock_timestamp()');
        other = (await room.run()).counts.removed;
      },
    });
    await expect(zombie).rejects.toMatchObject({ name: 'FenceLostError' });
    expect(other).toBe(6);
    expect(await room.rows()).toHaveLength(6);
    expect(table.items.size).toBe(0);
  });

  it('on a machine whose clock has jumped is refused', async () => {
    table.set(order('o1', { data_atualizacao: { S: new Date().toISOString() } }));
    const ahead = (): Date => new Date(Date.now() + 365 * 86_400_000);
    await expect(room.run({ clock: ahead })).rejects.toThrow(/clock is \d+ s off the database's/);
    await expect(room.run({ clock: () => new Date(0) })).rejects.toThrow(/clock is -\d+ s off/);
    expect(table.items.size).toBe(1);
  });

  it('whose clock steps back between two steps still proves and removes what it archived', async () => {
    table.set(order('o1'));
    let at = Date.now();
    const backwards = (): Date => {
      at -= 30_000;
      return new Date(at);
    };
    const { counts } = await room.run({ clock: backwards });
    expect(counts).toMatchObject({ archived: 1 });
    await room.run();
    expect(table.items.size).toBe(0);
    expect(await room.rows()).toHaveLength(1);
  });

  it('that reads back something else takes it out of the table again, removes nothing, and tells the orders', async () => {
    for (let at = 0; at < 4; at++) table.set(order(`o${at}`));
    table.set(order('other', { area_id: { S: 'B' } }));
    const spoil = async (): Promise<void> => {
      await database.pool.query(
        `UPDATE archive_receipts SET version_hash = sha256(version_hash) WHERE ordem_id = 'o2'`,
      );
    };
    await expect(
      room.run({ fault: async (point) => (point === 'after-commit' ? spoil() : undefined) }),
    ).rejects.toThrow(/o2: the item rebuilt from its row has another hash/);
    expect([...table.items.keys()].sort()).toEqual(['o0', 'o1', 'o2', 'o3']);
    expect((await room.rows()).map((row) => row.ordem_id)).toEqual(['other']);
    const { rows } = await database.pool.query("SELECT detail FROM archive_batches WHERE state = 'rejected'");
    expect(rows[0]?.detail.differences).toMatchObject([{ orderId: 'o2' }]);
    // The next run does it anew.
    expect((await room.run()).counts).toMatchObject({ archived: 4, removed: 4 });
  });

  it.each(['salt', 'leaf', 'version_hash'])(
    'does not remove an order whose receipt no longer holds: its %s was changed',
    async (column) => {
      table.set(order('o1'));
      const spoil = async (): Promise<void> => {
        const value = column === 'salt' ? "decode(repeat('00', 16), 'hex')" : `sha256(${column})`;
        await database.pool.query(`UPDATE archive_receipts SET ${column} = ${value}`);
      };
      await expect(
        room.run({ fault: async (point) => (point === 'after-proof' ? spoil() : undefined) }),
      ).rejects.toThrow(/o1|signed root|cannot be read back/);
      expect(table.items.has('o1')).toBe(true);
    },
  );

  it('does not remove an order whose published root is gone or another one', async () => {
    table.set(order('o1'));
    const { store } = room.lake;
    const spoil = async (): Promise<void> => {
      for await (const { key } of store.list('archive/roots/')) await store.put(key, 'another');
    };
    await expect(
      room.run({ fault: async (point) => (point === 'after-proof' ? spoil() : undefined) }),
    ).rejects.toThrow(/published statement/);
    expect(table.items.has('o1')).toBe(true);
  });

  it('cuts a window into batches by orders and bytes, and a scan into rounds that a later run goes on from', async () => {
    const small = memoryOrders(
      Array.from({ length: 40 }, (_, at) => order(`o${at}`)),
      { pageSize: 2 },
    );
    const limits = { ...defaultLimits, batchOrders: 3, roundOrders: 8 };
    let rounds = 0;
    const dying = room.run({
      limits,
      table: small,
      fault: async (point) => {
        if (point === 'after-select' && ++rounds === 3) throw new Error('killed');
      },
    });
    await expect(dying).rejects.toThrow('killed');
    expect((await database.pool.query('SELECT 1 FROM archive_scans')).rowCount).toBe(1);
    const { counts } = await room.run({ limits, table: small });
    expect(counts.read).toBeLessThan(40);
    expect((await database.pool.query('SELECT 1 FROM archive_scans')).rowCount).toBe(0);
    await room.run({ limits, table: small });
    expect(small.items.size).toBe(0);
    expect(new Set((await room.rows()).map((row) => row.hash_versao)).size).toBe(40);
    expect((await room.rows()).every((row) => itemHash(itemOf(row)) === row.hash_versao)).toBe(true);
  });
});
