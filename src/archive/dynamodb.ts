import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DescribeTableCommand,
  DynamoDBClient,
  DynamoDBServiceException,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandOutput,
  ResourceNotFoundException,
  ScanCommand,
  type AttributeValue as SdkValue,
} from '@aws-sdk/client-dynamodb';
import type { Item } from './item.ts';
import {
  type OrdersTable,
  OrdersTableError,
  type Page,
  type PagePosition,
  type PageRequest,
  type TableFacts,
  ThrottledError,
} from './orders-table.ts';

export type DynamoDbOptions = {
  readonly table: string;
  readonly region: string;
  /** In place of AWS: a local stand-in. */
  readonly endpoint?: string;
  /** Longest wait for one answer. */
  readonly timeoutMs?: number;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
};

const indexName = 'por_area_data';
const throttled = ['ProvisionedThroughputExceededException', 'ThrottlingException', 'RequestLimitExceeded'];

type Items = Record<string, SdkValue>[] | undefined;
// The SDK's values have one member more, for types that it does not know; `canonicalItem` refuses such a value.
const itemsOf = (items: Items): Item[] => (items ?? []) as unknown as Item[];
const wire = (item: Item): Record<string, SdkValue> => item as unknown as Record<string, SdkValue>;
const unitsOf = (consumed: { CapacityUnits?: number | undefined } | undefined, least = 0.5): number =>
  consumed?.CapacityUnits ?? least;

/**
 * The table in Amazon DynamoDB, or in a stand-in of it. The SDK does not try again by itself: retries are the
 * archive's own (`patience.ts`), so that it slows down where it is throttled.
 */
export const openDynamoDb = (options: DynamoDbOptions): { table: OrdersTable; close: () => void } => {
  const client = new DynamoDBClient({
    region: options.region,
    maxAttempts: 1,
    requestHandler: { requestTimeout: options.timeoutMs ?? 10_000, connectionTimeout: 3_000 },
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
  });
  const { table: TableName } = options;
  const known = <T>(work: () => Promise<T>): Promise<T> =>
    work().catch((error: unknown) => {
      throw translated(error, options);
    });
  const get = async (ids: readonly string[]): Promise<Page> => {
    const items: Item[] = [];
    let units = 0;
    let keys = ids.map((id) => ({ ordem_id: { S: id } }));
    while (keys.length > 0) {
      const answer = await client.send(
        new BatchGetItemCommand({
          RequestItems: { [TableName]: { Keys: keys, ConsistentRead: true } },
          ReturnConsumedCapacity: 'TOTAL',
        }),
      );
      const found = itemsOf(answer.Responses?.[TableName]);
      items.push(...found);
      units += answer.ConsumedCapacity?.[0]?.CapacityUnits ?? found.length;
      const left = answer.UnprocessedKeys?.[TableName]?.Keys ?? [];
      // An answer without one item and with all keys left is a throttled one.
      if (found.length === 0 && left.length > 0)
        throw new ThrottledError(`reads of ${TableName} are throttled`);
      keys = left as typeof keys;
    }
    return { items, units };
  };
  const getOne = async (id: string): Promise<{ item?: Item; units: number }> => {
    const answer = await client.send(
      new GetItemCommand({
        TableName,
        Key: { ordem_id: { S: id } },
        ConsistentRead: true,
        ReturnConsumedCapacity: 'TOTAL',
      }),
    );
    const [item] = itemsOf(answer.Item ? [answer.Item] : []);
    return { ...(item ? { item } : {}), units: unitsOf(answer.ConsumedCapacity) };
  };
  const table: OrdersTable = {
    describe: () => known(() => describe(client, TableName)),
    page: (request) => known(() => readPage(client, TableName, request)),
    get: (ids) => known(() => get(ids)),
    remove: (orderId, { expression, names, values }) =>
      known(async () => {
        try {
          const answer = await client.send(
            new DeleteItemCommand({
              TableName,
              Key: { ordem_id: { S: orderId } },
              ConditionExpression: expression,
              ...(Object.keys(names).length > 0 ? { ExpressionAttributeNames: { ...names } } : {}),
              ...(Object.keys(values).length > 0 ? { ExpressionAttributeValues: wire(values) } : {}),
              ReturnValues: 'ALL_OLD',
              ReturnConsumedCapacity: 'TOTAL',
            }),
          );
          const [old] = itemsOf(answer.Attributes ? [answer.Attributes] : []);
          if (!old) throw new OrdersTableError(`${TableName} removed an order and did not say what it was`);
          return { outcome: 'removed', old, units: unitsOf(answer.ConsumedCapacity, 1) };
        } catch (error) {
          if (!(error instanceof ConditionalCheckFailedException)) throw error;
          const { item, units } = await getOne(orderId);
          return item
            ? { outcome: 'changed', found: item, units: units + 1 }
            : { outcome: 'absent', units: units + 1 };
        }
      }),
    put: (item) =>
      known(async () => {
        try {
          const answer = await client.send(
            new PutItemCommand({
              TableName,
              Item: wire(item),
              ConditionExpression: 'attribute_not_exists(ordem_id)',
              ReturnConsumedCapacity: 'TOTAL',
            }),
          );
          return { outcome: 'put', units: unitsOf(answer.ConsumedCapacity, 1) };
        } catch (error) {
          if (!(error instanceof ConditionalCheckFailedException)) throw error;
          const found = await getOne(item.ordem_id && 'S' in item.ordem_id ? item.ordem_id.S : '');
          return { outcome: 'taken', ...(found.item ? { found: found.item } : {}), units: found.units + 1 };
        }
      }),
  };
  return { table, close: () => client.destroy() };
};

const describe = async (client: DynamoDBClient, TableName: string): Promise<TableFacts> => {
  const { Table } = await client.send(new DescribeTableCommand({ TableName }));
  const index = Table?.GlobalSecondaryIndexes?.find((each) => each.IndexName === indexName);
  const { ProjectionType, NonKeyAttributes = [] } = index?.Projection ?? {};
  const isUsable = index !== undefined && (index.IndexStatus ?? 'ACTIVE') === 'ACTIVE';
  return {
    name: TableName,
    items: Table?.ItemCount ?? 0,
    bytes: Table?.TableSizeBytes ?? 0,
    index: isUsable
      ? {
          whole:
            ProjectionType === 'ALL' ||
            ['data_atualizacao', 'status_ordem'].every((name) => NonKeyAttributes.includes(name)),
        }
      : null,
  };
};

const readPage = async (client: DynamoDBClient, TableName: string, request: PageRequest): Promise<Page> => {
  if (request.kind === 'area') {
    const answer = await client.send(
      new QueryCommand({
        TableName,
        IndexName: indexName,
        KeyConditionExpression: 'area_id = :area AND data_criacao < :before',
        ExpressionAttributeValues: {
          ':area': { S: request.areaId },
          ':before': { S: request.createdBefore },
        },
        ReturnConsumedCapacity: 'TOTAL',
        ...(request.from ? { ExclusiveStartKey: request.from } : {}),
      }),
    );
    return pageOf(answer);
  }
  const answer = await client.send(
    new ScanCommand(
      request.kind === 'scan'
        ? {
            TableName,
            ConsistentRead: true,
            ReturnConsumedCapacity: 'TOTAL',
            ...(request.of > 1 ? { Segment: request.segment, TotalSegments: request.of } : {}),
            ...(request.from ? { ExclusiveStartKey: request.from } : {}),
          }
        : {
            TableName,
            IndexName: indexName,
            Limit: 1,
            ReturnConsumedCapacity: 'TOTAL',
            ...(request.after ? { ExclusiveStartKey: request.after } : {}),
          },
    ),
  );
  return pageOf(answer);
};

const pageOf = (
  answer: Pick<QueryCommandOutput, 'Items' | 'LastEvaluatedKey' | 'ConsumedCapacity'>,
): Page => ({
  items: itemsOf(answer.Items),
  ...(answer.LastEvaluatedKey ? { next: answer.LastEvaluatedKey as unknown as PagePosition } : {}),
  units: unitsOf(answer.ConsumedCapacity),
});

const translated = (error: unknown, { table, region, endpoint }: DynamoDbOptions): Error => {
  if (error instanceof OrdersTableError || error instanceof ThrottledError) return error;
  const where = `table ${table} of DynamoDB (${endpoint ?? region})`;
  if (error instanceof ResourceNotFoundException) {
    return new OrdersTableError(
      `there is no ${where}; set LASTRO_ORDERS_TABLE, or AWS_REGION, to where it is`,
      error,
    );
  }
  if (error instanceof DynamoDBServiceException && throttled.includes(error.name)) {
    return new ThrottledError(`${where} throttles: ${error.message}`);
  }
  const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  // Without a status the request did not arrive, or its answer did not.
  const status = error instanceof DynamoDBServiceException ? (error.$metadata.httpStatusCode ?? 0) : 0;
  const isTransient = (status === 0 || status >= 500) && !(error instanceof TypeError);
  const remedy =
    status === 0
      ? '; set the credentials and AWS_REGION, or AWS_ENDPOINT_URL_DYNAMODB (`lastro sandbox orders` runs a stand-in)'
      : '';
  return new OrdersTableError(`${where} cannot be used: ${words}${remedy}`, error, isTransient);
};
