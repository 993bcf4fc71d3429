import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrdersStandIn, startOrdersTable } from '../../sandbox/orders-table.ts';
import { memoryOrders } from '../../test/archive/memory-orders.ts';
import { portSuite } from '../../test/archive/port.ts';
import { order } from '../../test/archive/room.ts';
import { openDynamoDb } from './dynamodb.ts';
import { type OrdersTable, OrdersTableError, ThrottledError, unchangedCondition } from './orders-table.ts';
import { patient } from './patience.ts';

describe('dynalite', () => {
  let standIn: OrdersStandIn;
  let orders: ReturnType<typeof openDynamoDb>;
  beforeAll(async () => {
    standIn = await startOrdersTable();
    orders = openDynamoDb({
      ...{ table: 'ordens', region: 'us-east-1', endpoint: standIn.url },
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    });
  });
  afterAll(async () => {
    orders.close();
    await standIn.close();
  });
  portSuite(() => ({ table: orders.table, set: (item) => standIn.load([item]) }));

  it('says which table is missing', async () => {
    const other = openDynamoDb({
      ...{ table: 'outra', region: 'us-east-1', endpoint: standIn.url },
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    });
    await expect(other.table.describe()).rejects.toThrow(/there is no table outra .* LASTRO_ORDERS_TABLE/);
    other.close();
  });

  it('says that nobody answers, and that asking again may help', async () => {
    const nobody = openDynamoDb({
      ...{ table: 'ordens', region: 'us-east-1', endpoint: 'http://127.0.0.1:9' },
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    });
    await expect(nobody.table.describe()).rejects.toMatchObject({
      name: 'OrdersTableError',
      transient: true,
    });
    nobody.close();
  });
});

describe('the model in memory that the crash tests use', () => {
  const table = memoryOrders([], { index: true, pageSize: 9 });
  portSuite(() => ({ table, set: async (item) => table.set(item) }));
});

describe('the condition', () => {
  it('is not made for an order without a version and with more attributes than fit', () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`a${at}`, { BOOL: true }]));
    const { versao: _version, ...old } = order('x', many);
    expect(unchangedCondition(old)).toBeNull();
    expect(unchangedCondition(order('x', many))?.expression.split(' AND ')).toHaveLength(140);
    expect(Object.values(unchangedCondition(order('x', many))?.names ?? {}).slice(0, 3)).toEqual([
      'versao',
      'data_atualizacao',
      'status_ordem',
    ]);
  });
});

describe('patience', () => {
  const failing = (failures: Error[]): OrdersTable & { calls: number } => {
    const table = memoryOrders([order('o1')]);
    const counted = {
      ...table,
      calls: 0,
      get: async (ids: readonly string[]) => {
        counted.calls++;
        const failure = failures.shift();
        if (failure) throw failure;
        return table.get(ids);
      },
    };
    return counted;
  };

  it('asks again where it is throttled or gets no answer, and no more than it may', async () => {
    const waits: number[] = [];
    const notices: string[] = [];
    const deps = {
      sleep: async (ms: number) => void waits.push(ms),
      random: () => 1,
      now: () => 0,
      notice: (text: string) => void notices.push(text),
    };
    const table = failing([new ThrottledError('slow'), new OrdersTableError('gone', undefined, true)]);
    await patient(table, { readUnits: 100, writeUnits: 1 }, deps).get(['o1']);
    expect(table.calls).toBe(3);
    expect(waits).toEqual([100, 200]);
    expect(notices).toEqual(['slow; going on at 50 units a second']);
    const refused = failing([new OrdersTableError('no such table')]);
    await expect(patient(refused, { readUnits: 100, writeUnits: 1 }, deps).get(['o1'])).rejects.toThrow(
      'no such table',
    );
    expect(refused.calls).toBe(1);
    const dead = failing(Array.from({ length: 20 }, () => new ThrottledError('slow')));
    await expect(
      patient(dead, { readUnits: 100, writeUnits: 1 }, { ...deps, tries: 4 }).get(['o1']),
    ).rejects.toThrow('slow (4 tries)');
  });

  it('pays for what it read before it reads more', async () => {
    let at = 0;
    const table = patient(
      memoryOrders(Array.from({ length: 50 }, (_, index) => order(`o${index}`))),
      { readUnits: 10, writeUnits: 10 },
      {
        now: () => at,
        sleep: async (ms) => {
          at += ms;
        },
      },
    );
    const ids = Array.from({ length: 50 }, (_, index) => `o${index}`);
    for (let turn = 0; turn < 4; turn++) await table.get(ids);
    expect(at).toBe(15_000);
  });
});
