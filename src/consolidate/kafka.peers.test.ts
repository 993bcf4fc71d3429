import { Consumer, stringDeserializers } from '@platformatic/kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConsolidateRoom, consolidateRoom } from '../../test/services/consolidate.ts';
import { type KafkaBroker, startKafka } from '../../test/services/kafka.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { parseDomain } from './domain-models.ts';
import { type Delivered, deliverFeedback } from './feedback.ts';
import { feedbackChecks } from './feedback-schemas.ts';
import { openKafka } from './kafka.ts';
import { rollbackRun } from './rollback.ts';

let broker: KafkaBroker;
let database: TestDatabase;
let room: ConsolidateRoom;

beforeAll(async () => {
  broker = await startKafka();
  database = await testDatabase();
  room = await consolidateRoom(database.pool);
}, 600_000);

afterAll(async () => {
  await room?.close();
  await database?.drop();
  await broker?.close();
});

const domain = {
  ...parseDomain(
    'n.sql',
    "-- key: day, n\n-- feedback: changes\nSELECT day, CAST(payload ->> '$.n' AS BIGINT) AS n FROM events",
  ),
  schema: { type: 'object', properties: { n: { maximum: 10 } } },
};
const deps = { domains: [domain], feedbackTopic: 'lake' };

const deliver = async (): Promise<Delivered> => {
  const kafka = openKafka({ brokers: [broker.address], timeoutMs: 2_000 });
  const check = feedbackChecks([domain]);
  try {
    return await deliverFeedback({
      pool: database.pool,
      send: kafka.send,
      check,
      deadLetterTopic: 'lake.dead',
    });
  } finally {
    await kafka.close();
  }
};

type Told = { topic: string; key: string; id: string; body: Record<string, unknown> };

const readAll = async (expected: number): Promise<Told[]> => {
  const consumer = new Consumer({
    groupId: `test-${expected}`,
    clientId: 'test',
    bootstrapBrokers: [broker.address],
    deserializers: stringDeserializers,
  });
  const stream = await consumer.consume({
    topics: ['lake', 'lake.n', 'lake.dead'],
    mode: 'earliest',
    maxWaitTime: 200,
  });
  const told: Told[] = [];
  for await (const { topic, key, value, headers } of stream) {
    told.push({ topic, key, id: String(headers.get('id')), body: JSON.parse(value) as Told['body'] });
    if (told.length === expected) break;
  }
  await consumer.close(true);
  return told;
};

describe('a real broker', () => {
  it('gets batches, changed records, dead letters and roll-backs once; down, it delays them and nothing else', async () => {
    await room.put('t+0+0000000000.json', '{"n":1}\n{"n":11}');
    const { runId } = await room.run(deps);
    expect(await deliver()).toEqual({ sent: 2, dead: 1, pending: 0 });

    await broker.stop();
    const undone = await rollbackRun({ ...room.deps, ...deps }, { runId });
    expect(undone.rows).toBe(2);
    expect(await deliver()).toMatchObject({ sent: 0, pending: 1, error: expect.any(String) });
    await broker.start();
    await database.pool.query('UPDATE consolidate_feedback SET next_attempt_at = clock_timestamp()');
    expect(await deliver()).toEqual({ sent: 1, dead: 0, pending: 0 });

    const told = await readAll(4);
    expect(told.map(({ topic }) => topic).sort()).toEqual(['lake', 'lake', 'lake.dead', 'lake.n']);
    expect(new Set(told.map(({ id }) => id)).size).toBe(4);
    const ofTable = told.filter(({ topic }) => topic === 'lake');
    expect(ofTable.map(({ key, body }) => [key, body.type])).toEqual([
      ['kconnect.events', 'consolidate.batch_committed'],
      ['kconnect.events', 'consolidate.rolled_back'],
    ]);
    expect(told.find(({ topic }) => topic === 'lake.dead')?.body.reason).toMatch(/must be <= 10/);
  }, 300_000);
});
