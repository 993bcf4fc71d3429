import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { DeliveredMessage, SendToQueue } from './delivery.ts';
import type { Store } from './store/store.ts';

/**
 * The most that one SQS message took until 2025 and that every queue still takes. The attributes count as well:
 * one kibibyte is more than ours need.
 */
const limitBytes = 262_144 - 1_024;

/**
 * Sends messages to SQS. On a FIFO queue those of one order are a group, and the message's id de-duplicates.
 * A body over the limit goes to the object store first, and the queue gets a reference to it.
 */
export const openSqs = ({
  region,
  endpoint,
  store,
}: {
  region: string;
  endpoint?: string | undefined;
  store: Pick<Store, 'put' | 'url'>;
}): { send: SendToQueue; close: () => void } => {
  const client = new SQSClient({
    region,
    ...(endpoint ? { endpoint } : {}),
    // A job may take two minutes: a queue that hangs must give up before, so that its reason is on record.
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000, throwOnRequestTimeout: true },
  });
  return {
    send: async (url, message) => {
      const body =
        Buffer.byteLength(message.body) > limitBytes ? await storeBody(store, message) : message.body;
      await client.send(
        new SendMessageCommand({
          QueueUrl: url,
          MessageBody: body,
          MessageAttributes: { id: { DataType: 'String', StringValue: message.id } },
          ...(url.endsWith('.fifo')
            ? { MessageGroupId: message.orderKey, MessageDeduplicationId: message.id }
            : {}),
        }),
      );
    },
    close: () => client.destroy(),
  };
};

/** The key follows from the message's id: a repeated delivery writes the same object again. */
const storeBody = async (store: Pick<Store, 'put' | 'url'>, message: DeliveredMessage): Promise<string> => {
  const key = `messages/${message.at.toISOString().slice(0, 10)}/${message.id}.json`;
  await store.put(key, message.body);
  return JSON.stringify({ id: message.id, orderKey: message.orderKey, bodyAt: `${store.url}/${key}` });
};
