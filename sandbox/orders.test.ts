import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sandboxOrder } from './orders.ts';
import { type OrdersStandIn, startOrdersTable } from './orders-table.ts';

const until = new Date('2026-01-01T00:00:00.000Z');
const plain = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) =>
    each instanceof Uint8Array ? Buffer.from(each).toString('base64') : each,
  );

describe('orders of the sandbox', () => {
  const orders = Array.from({ length: 3_000 }, (_, at) => sandboxOrder(at, { count: 3_000, until }));

  it('are the same for the same arguments, others for another seed', () => {
    expect(plain(sandboxOrder(7, { count: 3_000, until }))).toBe(plain(orders[7]));
    expect(plain(sandboxOrder(7, { count: 3_000, until, seed: 2 }))).not.toBe(plain(orders[7]));
  });

  it('cover three years, and have ids of their own', () => {
    const created = orders.map((order) => String(order.data_criacao?.S)).sort();
    expect(created[0]?.slice(0, 4)).toBe('2023');
    expect(created.at(-1)?.slice(0, 4)).toBe('2025');
    expect(new Set(orders.map((order) => order.ordem_id?.S)).size).toBe(3_000);
  });

  it('have every type of DynamoDB, open ones, and ones without a version', () => {
    const text = plain(orders);
    for (const type of ['S', 'N', 'B', 'BOOL', 'NULL', 'L', 'M', 'SS', 'NS', 'BS'])
      expect(text).toContain(`{"${type}":`);
    expect(text).toContain('12345678901234567890123456789012345678');
    expect(orders.filter((order) => order.versao === undefined).length).toBeGreaterThan(2);
    const open = orders.filter((order) =>
      ['rascunho', 'em_assinatura', 'pendente'].includes(String(order.status_ordem?.S)),
    );
    expect(open.length).toBeGreaterThan(150);
    expect(open.length).toBeLessThan(350);
  });
});

describe('the stand-in', () => {
  let standIn: OrdersStandIn;
  beforeAll(async () => {
    standIn = await startOrdersTable();
  });
  afterAll(() => standIn.close());

  const ask = async (
    action: string,
    body: object,
  ): Promise<{ status: number; body: Record<string, unknown> }> => {
    const answer = await fetch(standIn.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `DynamoDB_20120810.${action}`,
        'x-amz-date': '20260101T000000Z',
        authorization:
          'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=a',
      },
      body: JSON.stringify({ TableName: 'ordens', ...body }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };

  it('compares lists and maps in conditions by value, as DynamoDB does, and says no as dynalite does', async () => {
    const order = sandboxOrder(1, { count: 10, until });
    await standIn.load([order]);
    const Key = { ordem_id: order.ordem_id };
    const remove = (values: object) =>
      ask('DeleteItem', {
        Key,
        ConditionExpression: 'participantes = :p AND versao = :v AND attribute_not_exists(outra)',
        ExpressionAttributeValues: { ':v': order.versao, ...values },
      });
    const refused = await remove({ ':p': { L: [] } });
    expect(refused.status).toBe(400);
    expect(refused.body.__type).toMatch(/ConditionalCheckFailedException/);
    expect((await ask('GetItem', { Key })).body.Item).toBeDefined();
    expect((await remove({ ':p': order.participantes })).status).toBe(200);
    expect((await ask('GetItem', { Key })).body.Item).toBeUndefined();
  });
});
