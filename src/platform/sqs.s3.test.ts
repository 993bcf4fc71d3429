import { CreateQueueCommand, type Message, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { type FauxqsServer, startFauxqs } from 'fauxqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeliveredMessage } from './delivery.ts';
import { openSqs } from './sqs.ts';
import { openMemoryStore } from './store/memory.ts';

let server: FauxqsServer;
let client: SQSClient;
let endpoint: string;
const region = 'us-east-1';
const { store } = openMemoryStore();

beforeAll(async () => {
  process.env['AWS_ACCESS_KEY_ID'] ??= 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test';
  server = await startFauxqs({ port: 0, logger: false });
  endpoint = `http://127.0.0.1:${server.port}`;
  client = new SQSClient({ region, endpoint });
});
afterAll(async () => {
  client.destroy();
  await server.stop();
});

const createQueue = async (name: string, Attributes: Record<string, string> = {}): Promise<string> => {
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: name, Attributes }));
  return QueueUrl ?? '';
};

const receive = async (url: string): Promise<Message[]> => {
  const { Messages = [] } = await client.send(
    new ReceiveMessageCommand({
      QueueUrl: url,
      MaxNumberOfMessages: 10,
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: ['All'],
    }),
  );
  return Messages;
};

const message = (id: string, change: Partial<DeliveredMessage> = {}): DeliveredMessage => ({
  id,
  orderKey: 'ord_1',
  body: JSON.stringify({ id, text: 'não' }),
  at: new Date('2026-11-22T23:59:00Z'),
  ...change,
});

const send = async (url: string, ...messages: DeliveredMessage[]): Promise<void> => {
  const sqs = openSqs({ region, endpoint, store });
  try {
    for (const each of messages) await sqs.send(url, each);
  } finally {
    sqs.close();
  }
};

describe('a message to SQS', () => {
  it('has the bytes that readers and webhooks get, and its id for de-duplication', async () => {
    const url = await createQueue('results');
    await send(url, message('msg_1'));
    const [received] = await receive(url);
    expect(received?.Body).toBe(message('msg_1').body);
    expect(received?.MessageAttributes?.['id']?.StringValue).toBe('msg_1');
  });

  it('on a FIFO queue is in the group of its order, and is there once however often it is sent', async () => {
    const url = await createQueue('results.fifo', { FifoQueue: 'true' });
    await send(url, message('msg_1'), message('msg_1'), message('msg_2', { orderKey: 'ord_2' }));
    const received = [...(await receive(url)), ...(await receive(url))];
    expect(
      received.map(({ Attributes }) => [
        Attributes?.['MessageGroupId'],
        Attributes?.['MessageDeduplicationId'],
      ]),
    ).toEqual([
      ['ord_1', 'msg_1'],
      ['ord_2', 'msg_2'],
    ]);
  });

  it('over the limit of a queue goes to the object store, and the queue gets a reference', async () => {
    const url = await createQueue('large');
    const body = JSON.stringify({ id: 'msg_big', text: 'é'.repeat(140_000) });
    await send(url, message('msg_big', { body }), message('msg_big', { body }));
    const [received] = await receive(url);
    expect(JSON.parse(received?.Body ?? '')).toEqual({
      id: 'msg_big',
      orderKey: 'ord_1',
      bodyAt: `${store.url}/messages/2026-11-22/msg_big.json`,
    });
    const stored = await (await store.get('messages/2026-11-22/msg_big.json')).bytes();
    expect(stored.toString()).toBe(body);
  });

  it('just under the limit still fits with its attributes', async () => {
    const url = await createQueue('edge');
    const body = 'x'.repeat(262_144 - 1_024);
    await send(url, message('msg_edge', { body }), message('msg_over', { body: `${body}x` }));
    const received = await receive(url);
    expect(received.map(({ Body }) => Body?.length === body.length)).toEqual([true, false]);
  });

  it('to a queue that is not there fails', async () => {
    await expect(send(`${endpoint}/000000000000/nowhere`, message('msg_1'))).rejects.toThrow();
  });
});
