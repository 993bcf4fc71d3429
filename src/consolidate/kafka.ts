import { Producer, stringSerializers } from '@platformatic/kafka';
import type { SendMessages } from './feedback.ts';

/**
 * A producer on the brokers (`host:port`, …). It connects at the first message. Every message waits for all in-sync
 * replicas.
 */
export const openKafka = ({
  brokers,
  timeoutMs = 10_000,
}: {
  brokers: readonly string[];
  timeoutMs?: number;
}): { send: SendMessages; close: () => Promise<void> } => {
  const producer = new Producer({
    clientId: 'lastro-consolidate',
    bootstrapBrokers: [...brokers],
    serializers: stringSerializers,
    acks: -1,
    autocreateTopics: true,
    retries: 2,
    retryDelay: 250,
    connectTimeout: timeoutMs,
    timeout: timeoutMs,
  });
  return {
    send: async (messages) => {
      await producer.send({
        messages: messages.map((message) => ({ ...message, headers: { ...message.headers } })),
      });
    },
    close: async () => {
      await producer.close();
    },
  };
};
