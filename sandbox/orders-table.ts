import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';

/**
 * A stand-in of DynamoDB with the table of orders: dynalite, in memory. Two things of it are mended here, through what
 * its module exports:
 * - It compares lists and maps by reference, so that no condition on them ever holds; DynamoDB compares by value.
 * - Its store can be reached, so that orders are loaded in seconds: by the API it takes 300 to 500 puts a second.
 */

type Value = Record<string, unknown>;
type WireItem = Record<string, Value>;
type Expression = { type: string; name?: string; args: unknown[] };
type Put = { type: 'put'; key: string; value: unknown };
type SubDb = { batch: (operations: Put[], done: (error: Error | null) => void) => void };
type Table = { GlobalSecondaryIndexes?: { IndexName: string }[]; TableName: string };
type Store = {
  getTable: (name: string, done: (error: Error | null, table: Table) => void) => void;
  getItemDb: (name: string) => SubDb;
  getIndexDb: (kind: 'Global', table: string, index: string) => SubDb;
};
type DynaliteDb = {
  create: (options: unknown) => Store;
  checkConditional: (
    data: { _condition?: { expression: Expression } },
    item: WireItem | undefined,
  ) => unknown;
  mapPath: (path: unknown[], item: WireItem) => Value | undefined;
  createKey: (item: WireItem, table: Table) => string;
  getIndexActions: (
    indexes: unknown[],
    before: WireItem | null,
    item: WireItem,
    table: Table,
  ) => { puts: { index: string; key: string; item: WireItem }[] };
};

const require = createRequire(import.meta.url);
const db = require('dynalite/db') as DynaliteDb;
const dynalite = require('dynalite') as (options: object) => Server;

const canonical = (value: unknown, type = ''): unknown => {
  if (Array.isArray(value)) {
    const members = value.map((each) => canonical(each));
    return type.endsWith('S') ? members.map(String).sort() : members;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .map(([name, inside]) => [name, canonical(inside, /^(SS|NS|BS)$/.test(name) ? name : '')])
    .sort(([one], [other]) => (String(one) < String(other) ? -1 : 1));
};

const sameValue = (one: unknown, other: unknown): boolean =>
  JSON.stringify(canonical(one)) === JSON.stringify(canonical(other));

/** Whether a condition compares a list or a map for equality anywhere. */
const comparesDocuments = ({ args, type }: Expression, item: WireItem): boolean =>
  args.some((arg) => isExpression(arg) && comparesDocuments(arg, item)) ||
  (type === '=' && args.some((arg) => ['L', 'M'].some((kind) => kind in (resolved(arg, item) ?? {}))));

const isExpression = (arg: unknown): arg is Expression =>
  typeof arg === 'object' && arg !== null && !Array.isArray(arg) && 'type' in arg && 'args' in arg;

const resolved = (arg: unknown, item: WireItem): Value | undefined =>
  Array.isArray(arg) ? db.mapPath(arg, item) : (arg as Value);

const original = db.checkConditional;

/** Conditions of equalities joined by AND are evaluated here when they compare documents; all others by dynalite. */
const holds = (expression: Expression, item: WireItem): boolean => {
  if (expression.type === 'and') return expression.args.every((arg) => holds(arg as Expression, item));
  if (expression.type === '=') {
    const [one, other] = expression.args.map((arg) => resolved(arg, item));
    return one !== undefined && other !== undefined && sameValue(one, other);
  }
  return original({ _condition: { expression } }, item) == null;
};

db.checkConditional = (data, item) => {
  const expression = data._condition?.expression;
  if (!expression || !item || !comparesDocuments(expression, item)) return original(data, item);
  if (holds(expression, item)) return null;
  // dynalite's own refusal, from a condition that never holds.
  return original({ _condition: { expression: { type: 'attribute_exists', args: [['\0']] } } }, {});
};

export type OrdersStandIn = {
  /** For AWS_ENDPOINT_URL_DYNAMODB. */
  readonly url: string;
  /** Puts orders straight into the store, in chunks; what is there under the same id is replaced. */
  readonly load: (items: readonly unknown[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Items as they go over the wire: bytes as base64. */
const toWire = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(toWire);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inside]) => [name, toWire(inside)]));
};

/** The definition of the table: key, and the index by area and creation. */
export const ordersTableDefinition = (name: string, { index = true }: { index?: boolean } = {}) => ({
  TableName: name,
  BillingMode: 'PAY_PER_REQUEST' as const,
  KeySchema: [{ AttributeName: 'ordem_id', KeyType: 'HASH' as const }],
  AttributeDefinitions: ['ordem_id', ...(index ? ['area_id', 'data_criacao'] : [])].map((AttributeName) => ({
    AttributeName,
    AttributeType: 'S' as const,
  })),
  ...(index
    ? {
        GlobalSecondaryIndexes: [
          {
            IndexName: 'por_area_data',
            KeySchema: [
              { AttributeName: 'area_id', KeyType: 'HASH' as const },
              { AttributeName: 'data_criacao', KeyType: 'RANGE' as const },
            ],
            Projection: { ProjectionType: 'ALL' as const },
          },
        ],
      }
    : {}),
});

/** Starts dynalite with an empty table of orders. Port 0: any. */
export const startOrdersTable = async ({
  port = 0,
  table = 'ordens',
  index = true,
}: {
  port?: number;
  table?: string;
  index?: boolean;
} = {}): Promise<OrdersStandIn> => {
  let store: Store | undefined;
  const create = db.create;
  db.create = (options) => {
    store = create(options);
    return store;
  };
  const server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
  db.create = create;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': 'DynamoDB_20120810.CreateTable',
      'x-amz-date': '20260101T000000Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=a',
    },
    body: JSON.stringify(ordersTableDefinition(table, { index })),
  });
  if (!answer.ok) throw new Error(`dynalite did not make the table: ${await answer.text()}`);
  const opened = store as unknown as Store;
  // The table is CREATING for one turn of the event loop.
  const definition = await waitForTable(opened, table);
  const indexes = definition.GlobalSecondaryIndexes ?? [];
  return {
    url,
    load: async (items) => {
      const batches = new Map<SubDb, Put[]>([[opened.getItemDb(table), []]]);
      const put = (to: SubDb, key: string, value: unknown): void => {
        const batch = batches.get(to) ?? [];
        batch.push({ type: 'put', key, value });
        batches.set(to, batch);
      };
      for (const item of items) {
        const wire = toWire(item) as WireItem;
        put(opened.getItemDb(table), db.createKey(wire, definition), wire);
        for (const each of db.getIndexActions(indexes, null, wire, definition).puts) {
          put(opened.getIndexDb('Global', table, each.index), each.key, each.item);
        }
      }
      for (const [to, operations] of batches) {
        await new Promise<void>((resolve, reject) => {
          to.batch(operations, (error) => (error ? reject(error) : resolve()));
        });
      }
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
};

const waitForTable = async (store: Store, name: string): Promise<Table> => {
  for (let turn = 0; turn < 100; turn++) {
    const found = await new Promise<Table | undefined>((resolve) => {
      store.getTable(name, (error, table) => resolve(error ? undefined : table));
    });
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`dynalite made no table ${name} within a second`);
};
