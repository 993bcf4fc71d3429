import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { type DeliveredMessage, deliver } from './delivery.ts';
import { GiveUp } from './jobs.ts';
import { silentLog } from './log.ts';
import { type Channel, deliveryQueue, postMessage } from './outbox.ts';
import { transaction } from './postgres.ts';

let database: TestDatabase;
let planned: { messageId: string; channel: Channel; key: string | undefined }[];
let sent: { target: string; message: DeliveredMessage }[];
let fail: Error | undefined;

beforeAll(async () => {
  database = await testDatabase();
});
beforeEach(async () => {
  await database.pool.query('TRUNCATE mensagens CASCADE');
  planned = [];
  sent = [];
  fail = undefined;
});
afterAll(() => database.drop());

const at = new Date('2026-11-22T12:00:00Z');
const body = '{"id":"msg_1"}';

const post = (callbackUrl: string | null, sqsUrl?: string) =>
  transaction(database.pool, (tx) =>
    postMessage(
      {
        jobs: {
          enqueue: async (_, __, data, options) => {
            planned.push({
              ...(data as unknown as { messageId: string; channel: Channel }),
              key: options?.key,
            });
          },
        },
        sqsUrl,
      },
      tx,
      { id: 'msg_1', type: 'test', orderKey: 'ord_1', areaId: 'CRD01', body, at, callbackUrl },
    ),
  );

const send = async (target: string, message: DeliveredMessage): Promise<void> => {
  sent.push({ target, message });
  if (fail) throw fail;
};

const run = (channel: Channel, attempt = 0) =>
  deliver(
    { db: database.pool, log: silentLog(), clock: () => at, sendWebhook: send, sendToQueue: send },
    { messageId: 'msg_1', channel },
    { attempt },
  );

const states = async () => {
  const { rows } = await database.pool.query(
    'SELECT canal, status_entrega, tentativas, ultimo_erro FROM entregas ORDER BY canal',
  );
  return rows;
};

describe('the deliveries of a message', () => {
  it('are none where nobody but readers wants it', async () => {
    await post(null);
    expect([planned, await states()]).toEqual([[], []]);
  });

  it('are one for each channel, and those of an order follow on each other', async () => {
    await post('https://example.com/hook', 'https://sqs.example/queue');
    expect(planned).toEqual([
      { messageId: 'msg_1', channel: 'webhook', key: 'ord_1:webhook' },
      { messageId: 'msg_1', channel: 'sqs', key: 'ord_1:sqs' },
    ]);
    await run('webhook');
    await run('sqs');
    const message = { id: 'msg_1', orderKey: 'ord_1', body, at };
    expect(sent).toEqual([
      { target: 'https://example.com/hook', message },
      { target: 'https://sqs.example/queue', message },
    ]);
    expect(await states()).toMatchObject([
      { canal: 'sqs', status_entrega: 'entregue' },
      { canal: 'webhook', status_entrega: 'entregue' },
    ]);
  });

  it('are not repeated once they arrived', async () => {
    await post('https://example.com/hook');
    await run('webhook');
    await run('webhook', 1);
    expect(sent).toHaveLength(1);
  });
});

describe('a delivery that fails', () => {
  beforeEach(() => post('https://example.com/hook'));

  it('is tried again by its job, with the reason on record', async () => {
    fail = new Error('expected 2xx, found 500');
    await expect(run('webhook')).rejects.toThrow('found 500');
    expect(await states()).toEqual([
      { canal: 'webhook', status_entrega: 'pendente', tentativas: 1, ultimo_erro: 'expected 2xx, found 500' },
    ]);
    fail = undefined;
    await run('webhook', 1);
    expect(await states()).toEqual([
      { canal: 'webhook', status_entrega: 'entregue', tentativas: 2, ultimo_erro: null },
    ]);
  });

  it('for the last time is dead, and alive again when its job is redriven', async () => {
    fail = new Error('found 500');
    await expect(run('webhook', deliveryQueue.retryLimit)).rejects.toThrow();
    expect(await states()).toMatchObject([{ status_entrega: 'morta' }]);
    fail = undefined;
    await run('webhook', 0);
    expect(await states()).toMatchObject([{ status_entrega: 'entregue' }]);
  });

  it('has a reason that tells nobody who it was about', async () => {
    fail = new Error('the receiver said: 52998224725 <maria@example.com> is unknown');
    await expect(run('webhook')).rejects.toThrow();
    expect(await states()).toMatchObject([
      { ultimo_erro: 'the receiver said: ***.982.247-** <m***@example.com> is unknown' },
    ]);
  });

  it('for good is dead at once', async () => {
    fail = new GiveUp('the receiver answered 410 (gone)');
    await expect(run('webhook')).rejects.toThrow(GiveUp);
    expect(await states()).toMatchObject([
      { status_entrega: 'morta', ultimo_erro: 'the receiver answered 410 (gone)' },
    ]);
  });

  it('is given up where the message is past its retention', async () => {
    await database.pool.query('DELETE FROM mensagens');
    await expect(run('webhook')).rejects.toThrow(GiveUp);
  });
});
