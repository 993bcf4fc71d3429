import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryOrders } from '../../test/archive/memory-orders.ts';
import { type ArchiveRoom, archiveRoom, order } from '../../test/archive/room.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { itemHash } from './item.ts';
import { itemOf } from './row.ts';

let database: TestDatabase;
let room: ArchiveRoom;
const table = memoryOrders([], { pageSize: 7 });

beforeAll(async () => {
  database = await testDatabase();
  room = await archiveRoom(database.pool, table);
});
afterAll(async () => {
  await room.close();
  await database.drop();
});

describe('a run', () => {
  it('moves what is due into the lake, item by item, and leaves the rest', async () => {
    const due = Array.from({ length: 40 }, (_, at) =>
      order(`o${at}`, {
        area_id: { S: `A${at % 3}` },
        data_criacao: { S: `2024-0${1 + (at % 4)}-06T07:08:09.010Z` },
      }),
    );
    for (const item of due) table.set(item);
    table.set(order('open', { status_ordem: { S: 'em_assinatura' } }));
    table.set(order('young', { data_atualizacao: { S: new Date().toISOString() } }));
    table.set(order('odd', { data_atualizacao: { S: 'soon' } }));
    const { counts } = await room.run();
    expect(counts).toMatchObject({
      read: 43,
      open: 1,
      young: 1,
      unfit: 1,
      archived: 40,
      removed: 40,
      batches: 12,
    });
    expect([...table.items.keys()].sort()).toEqual(['odd', 'open', 'young']);
    const rows = await room.rows();
    const hashes = (items: readonly string[]): string[] => items.toSorted();
    expect(hashes(rows.map((row) => itemHash(itemOf(row))))).toEqual(hashes(due.map(itemHash)));
    const { rows: intervals } = await database.pool.query(
      "SELECT DISTINCT state FROM intervals WHERE pipeline = 'archive'",
    );
    expect(intervals).toEqual([{ state: 'done' }]);
  });

  it('finds nothing to do the second time', async () => {
    const { counts } = await room.run();
    expect(counts).toMatchObject({ read: 3, archived: 0, batches: 0, removed: 0 });
    expect(await room.rows()).toHaveLength(40);
  });
});
