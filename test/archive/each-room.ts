import { afterEach, beforeEach } from 'vitest';
import { type TestDatabase, testDatabase } from '../services/postgres.ts';
import { type MemoryOrders, memoryOrders } from './memory-orders.ts';
import { type ArchiveRoom, archiveRoom } from './room.ts';

export type EachRoom = { database: TestDatabase; table: MemoryOrders; room: ArchiveRoom };

/** A database, an empty table of orders and an archive over it, new for each test of the file. */
export const eachArchiveRoom = (use: (made: EachRoom) => void): void => {
  let made: EachRoom;
  beforeEach(async () => {
    const database = await testDatabase();
    const table = memoryOrders();
    made = { database, table, room: await archiveRoom(database.pool, table) };
    use(made);
  });
  afterEach(async () => {
    await made.room.close();
    await made.database.drop();
  });
};
