import {
  CreateTableCommand,
  DynamoDBClient,
  PutItemCommand,
  type AttributeValue as SdkValue,
} from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe } from 'vitest';
import { ordersTableDefinition } from '../../sandbox/orders-table.ts';
import { portSuite } from '../../test/archive/port.ts';
import {
  type DynamoDbLocal,
  dynamoDbLocalMissing,
  startDynamoDbLocal,
} from '../../test/services/dynamodb-local.ts';
import { openDynamoDb } from './dynamodb.ts';

const missing = dynamoDbLocalMissing();

describe.skipIf(missing !== undefined)(
  `Amazon's DynamoDB Local${missing ? `: left out, ${missing}` : ''}`,
  () => {
    let local: DynamoDbLocal;
    let orders: ReturnType<typeof openDynamoDb>;
    let client: DynamoDBClient;
    beforeAll(async () => {
      local = await startDynamoDbLocal();
      const options = {
        region: 'us-east-1',
        endpoint: local.url,
        credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      };
      client = new DynamoDBClient(options);
      await client.send(new CreateTableCommand(ordersTableDefinition('ordens') as never));
      orders = openDynamoDb({ table: 'ordens', ...options });
    });
    afterAll(async () => {
      orders?.close();
      client?.destroy();
      await local?.stop();
    });
    portSuite(() => ({
      table: orders.table,
      set: async (item) => {
        await client.send(
          new PutItemCommand({ TableName: 'ordens', Item: item as unknown as Record<string, SdkValue> }),
        );
      },
    }));
  },
);
