import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrdersStandIn, startOrdersTable } from '../../sandbox/orders-table.ts';
import { order } from '../../test/archive/room.ts';
import { parseConfig } from '../platform/config.ts';
import { openCurrentOrders } from './archive.ts';
import { itemHash } from './item.ts';

let standIn: OrdersStandIn;
let reader: Awaited<ReturnType<typeof openCurrentOrders>>;

beforeAll(async () => {
  standIn = await startOrdersTable();
  const ids = Array.from({ length: 30 }, (_, at) => `ord_${at}`);
  await standIn.load(ids.map((id, at) => order(id, { area_id: { S: at % 3 === 0 ? 'ARE01' : 'ARE02' } })));
  reader = await openCurrentOrders(
    parseConfig({ AWS_ENDPOINT_URL_DYNAMODB: standIn.url, LASTRO_ORDERS_TABLE: 'ordens' }),
  );
});
afterAll(async () => {
  reader.close();
  await standIn.close();
});

const read = async (filter: Parameters<typeof reader.read>[0]) => {
  const rows = [];
  for await (const row of reader.read(filter, { signal: new AbortController().signal })) rows.push(row);
  return rows;
};

describe('current orders', () => {
  it('are all of the table, each once, or those of some areas', async () => {
    const all = await read({ areas: 'all' });
    expect(new Set(all.map(({ ordem_id: id }) => id)).size).toBe(30);
    expect(all).toHaveLength(30);
    expect(await read({ areas: ['ARE01'] })).toHaveLength(10);
    expect(await read({ areas: [] })).toEqual([]);
  });

  it('come one by its id, in the columns and with the hash of the archive', async () => {
    const [found, ...others] = await read({ areas: 'all', orderId: 'ord_7' });
    expect(others).toEqual([]);
    expect(found).toMatchObject({ ordem_id: 'ord_7', area_id: 'ARE02' });
    expect(found?.hash_versao).toBe(itemHash(order('ord_7', { area_id: { S: 'ARE02' } })));
    expect(found?.data_criacao).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(await read({ areas: 'all', orderId: 'ord_none' })).toEqual([]);
    expect(await read({ areas: ['ARE01'], orderId: 'ord_7' })).toEqual([]);
  });
});
