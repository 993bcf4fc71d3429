import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryOrders } from '../../test/archive/memory-orders.ts';
import { everyType } from '../../test/archive/port.ts';
import { type ArchiveRoom, archiveRoom, order } from '../../test/archive/room.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { type S3StandIn, startPlainS3 } from '../../test/services/s3.ts';
import { publicJwks } from '../platform/signing-keys.ts';
import { openStore } from '../platform/store/open-store.ts';
import type { OpenedStore } from '../platform/store/store.ts';
import { canonicalItem, type Item } from './item.ts';
import { verifyReceipt } from './receipt.ts';
import { makeReceipt } from './receipts.ts';
import { itemOf } from './row.ts';

let database: TestDatabase;
let s3: S3StandIn;
let store: OpenedStore;
let room: ArchiveRoom;
const items: Item[] = [...Array.from({ length: 30 }, (_, at) => order(`o${at}`)), everyType('todos')];
const table = memoryOrders(items);
let failing = 0;

beforeAll(async () => {
  database = await testDatabase();
  // Every seventh request is answered 503, and each thirteenth done without an answer.
  s3 = await startPlainS3({
    fault: ({ count }) =>
      failing === 0 ? undefined : count % 7 === 0 ? 503 : count % 13 === 0 ? 'lost' : undefined,
  });
  store = await openStore('s3://banco/lake', {
    s3: { region: s3.region, endpoint: s3.endpoint, credentials: s3.credentials },
  });
  room = await archiveRoom(database.pool, table, store.store);
});
afterAll(async () => {
  await room.close();
  await store.close();
  await s3.close();
  await database.drop();
});

describe('an archive in S3', () => {
  it('is read back, proven and published there, also where S3 fails and loses answers', async () => {
    failing = 1;
    const { counts } = await room.run();
    failing = 0;
    expect(counts).toMatchObject({ archived: 31, removed: 31 });
    expect((await room.rows()).map((row) => canonicalItem(itemOf(row))).sort()).toEqual(
      items.map(canonicalItem).sort(),
    );
    const receipt = await makeReceipt({ db: database.pool, lake: room.lake }, { orderId: 'o7' });
    expect(await verifyReceipt(receipt, { jwks: publicJwks(room.deps.keys) })).toMatchObject({ valid: true });
    const published: string[] = [];
    for await (const { key } of store.store.list('archive/roots/')) published.push(key);
    expect(published).toHaveLength(1);
  });
});
