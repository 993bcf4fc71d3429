import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { type FauxqsServer, startFauxqs } from 'fauxqs';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReceivedWebhook } from '../../sandbox/webhooks.ts';
import { type Desk, eventually, openDesk, orderOf } from '../../test/services/desk.ts';
import { callbackProblem } from '../platform/webhooks.ts';
import { placeOrder } from './orders.ts';

const region = 'us-east-1';
const secret = `whsec_${Buffer.from('a test secret of 24 byte').toString('base64')}`;

let server: FauxqsServer;
let client: SQSClient;
let queueUrl: string;
let desk: Desk;

beforeAll(async () => {
  process.env['AWS_ACCESS_KEY_ID'] ??= 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test';
  server = await startFauxqs({ port: 0, logger: false });
  const endpoint = `http://127.0.0.1:${server.port}`;
  client = new SQSClient({ region, endpoint });
  const created = await client.send(
    new CreateQueueCommand({ QueueName: 'results.fifo', Attributes: { FifoQueue: 'true' } }),
  );
  queueUrl = created.QueueUrl ?? '';
  desk = await openDesk({
    env: {
      WEBHOOK_ALLOW_PRIVATE: 'true',
      WEBHOOK_SECRET: secret,
      MESSAGES_SQS_URL: queueUrl,
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
    },
  });
});
afterAll(async () => {
  await desk.close();
  client.destroy();
  await server.stop();
});

const hookOf = (name: string, query = ''): string => `${desk.sandbox.url}/sandbox/webhooks/${name}${query}`;

const receivedBy = (name: string, count: number): Promise<ReceivedWebhook[]> =>
  eventually(`${count} webhook(s) to ${name}`, async () => {
    const found = (await (await fetch(hookOf(name))).json()) as ReceivedWebhook[];
    return found.length >= count ? found : undefined;
  });

const pulled = async (orderKey: string): Promise<{ id: string; type: string } | undefined> => {
  const { body } = await desk.call<{ messages: { id: string; type: string; orderKey: string }[] }>(
    'GET',
    '/v1/messages?limit=1000',
  );
  return body.messages.find((message) => message.orderKey === orderKey);
};

describe('the result of an order', () => {
  it('is the same message to readers, webhook and SQS', async () => {
    const order = await desk.decide(orderOf('alone', { callbackUrl: hookOf('same') }));
    const [call] = await receivedBy('same', 1);
    const message = await eventually('the message', () => pulled(order.orderKey));
    expect(JSON.parse(call?.body ?? '')).toEqual(message);

    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 }),
    );
    expect(Messages.map(({ Body }) => Body)).toContain(call?.body);
  });

  it('is signed with the key of the desk, under the id of the message', async () => {
    await desk.decide(orderOf('half', { callbackUrl: hookOf('signed') }));
    const [call] = await receivedBy('signed', 1);
    const headers = call?.headers as Record<string, string>;
    const message = new Webhook(secret).verify(call?.body ?? '', headers) as { id: string };
    expect(headers['webhook-id']).toBe(message.id);
    expect(message).toMatchObject({ verdict: 'no_quorum', failureReason: 'no_grouping' });
  });

  it('is sent again, with the same id and bytes, where the receiver fails', async () => {
    const order = await desk.decide(
      orderOf('alone', { callbackUrl: hookOf('failing', '?status=500&times=1') }),
    );
    const [first, second] = await receivedBy('failing', 2);
    expect([first?.status, second?.status]).toEqual([500, 204]);
    expect(second?.body).toBe(first?.body);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    const delivered = await eventually('the delivery', async () => {
      const { rows } = await desk.db.query(
        `SELECT status_entrega, tentativas FROM entregas JOIN mensagens USING (mensagem_id)
         WHERE envelope_id = $1 AND canal = 'webhook' AND status_entrega = 'entregue'`,
        [order.orderKey],
      );
      return rows[0];
    });
    expect(delivered).toEqual({ status_entrega: 'entregue', tentativas: 2 });
  });

  it('is given up where the receiver is gone: the job is dead, with the reason', async () => {
    const order = await desk.decide(orderOf('alone', { callbackUrl: hookOf('gone', '?status=410&times=9') }));
    const dead = await eventually('the dead job', async () =>
      (await desk.parts.jobs.dead(10)).find(({ queue }) => queue === 'delivery'),
    );
    expect(dead.error).toMatchObject({ message: expect.stringContaining('410') });
    const { rows } = await desk.db.query(
      `SELECT status_entrega, ultimo_erro FROM entregas JOIN mensagens USING (mensagem_id)
       WHERE envelope_id = $1 AND canal = 'webhook'`,
      [order.orderKey],
    );
    expect(rows).toEqual([{ status_entrega: 'morta', ultimo_erro: expect.stringContaining('410') }]);
  });

  it('also of a cancelled order', async () => {
    const { orderKey } = await desk.place(orderOf('unread_rule', { callbackUrl: hookOf('cancelled') }));
    await desk.call('POST', `/v1/orders/${orderKey}/cancel`);
    const [call] = await receivedBy('cancelled', 1);
    expect(JSON.parse(call?.body ?? '')).toMatchObject({ type: 'envelope.cancelled', orderKey });
  });
});

describe('a callback address that no webhook would go to', () => {
  const place = (callbackUrl: string) =>
    placeOrder(
      { ...desk.parts.orders, callbackProblem: (url) => callbackProblem(url, false) },
      {
        principal: {
          clientId: 'area-CRD01',
          subject: 'area-CRD01',
          scopes: new Set<string>(),
          areas: new Set(['CRD01']),
          clients: new Set<string>(),
        },
        requestId: 'req_test',
      },
      orderOf('alone', { callbackUrl }),
      undefined,
    );

  it.each([
    'http://example.com/',
    'https://10.0.0.1/',
    'https://[::ffff:127.0.0.1]/',
    'https://u:p@example.com/',
  ])('is refused with the order: %s', async (callbackUrl) => {
    await expect(place(callbackUrl)).rejects.toMatchObject({
      type: 'validation-failed',
      violations: [{ pointer: '/callbackUrl', message: expect.stringContaining('expected') }],
    });
  });
});
