import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type ConsolidateRoom,
  consolidateRoom,
  eventsTable as table,
} from '../../test/services/consolidate.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { transaction } from '../platform/postgres.ts';
import { parseDomain } from './domain-models.ts';
import { deliverFeedback, type KafkaMessage, type SendMessages } from './feedback.ts';
import { queueFeedback } from './feedback-queue.ts';
import { feedbackChecks } from './feedback-schemas.ts';
import { openKafka } from './kafka.ts';
import { consolidateRound } from './round.ts';

let database: TestDatabase;
let room: ConsolidateRoom;

beforeEach(async () => {
  database = await testDatabase();
  room = await consolidateRoom(database.pool);
});

afterEach(async () => {
  await room.close();
  await database.drop();
});

const domain = {
  ...parseDomain(
    'n.sql',
    "-- key: day, n\n-- feedback: changes\nSELECT day, CAST(payload ->> '$.n' AS INT) AS n FROM events",
  ),
  schema: { type: 'object', properties: { n: { type: 'integer', maximum: 10 } } },
};

const deliver = (send: SendMessages) =>
  deliverFeedback({ pool: database.pool, send, check: feedbackChecks([domain]), deadLetterTopic: 'dead' });

const collect = (): { sent: KafkaMessage[]; send: SendMessages } => {
  const sent: KafkaMessage[] = [];
  return {
    sent,
    send: async (messages) => {
      sent.push(...messages);
    },
  };
};

const fill = async (): Promise<void> => {
  await room.put('t+0+0000000000.json', '{"n":1}');
  await room.put('t+0+0000000001.json', '{"n":11}');
  await room.put('bad.json', '{');
  await room.run({ domains: [domain], feedbackTopic: 'lake' });
};

describe('feedback', () => {
  it('tells each batch and each changed record once; what breaks its schema goes to the dead letters, once', async () => {
    await fill();
    const { sent, send } = collect();
    expect(await deliver(send)).toEqual({ sent: 2, dead: 1, pending: 0 });
    expect(sent.map(({ topic, key }) => [topic, key.replace(/^.*\//, '')])).toEqual([
      ['lake', table],
      ['lake.n', '1'],
      ['dead', '11'],
    ]);
    expect(JSON.parse(sent[0]?.value ?? '')).toMatchObject({
      type: 'consolidate.batch_committed',
      documents: 3,
      rows: 2,
      quarantine: { documents: 1, reasons: { truncated: 1 } },
    });
    expect(JSON.parse(sent[2]?.value ?? '').reason).toMatch(/record\/n must be <= 10/);
    expect(await deliver(send)).toEqual({ sent: 0, dead: 0, pending: 0 });
    expect(sent).toHaveLength(3);
  });

  it('waits while the broker is down, and the lake does not', async () => {
    await fill();
    const kafka = openKafka({ brokers: ['127.0.0.1:1'], timeoutMs: 300 });
    const delivered = await deliver(kafka.send);
    await kafka.close();
    expect(delivered).toMatchObject({ sent: 0, pending: 3, error: expect.any(String) });
    const { sent, send } = collect();
    // The head is not due yet, and nothing overtakes it.
    expect(await deliver(send)).toMatchObject({ sent: 0, pending: 3 });
    await database.pool.query('UPDATE consolidate_feedback SET next_attempt_at = clock_timestamp()');
    expect(await deliver(send)).toMatchObject({ sent: 2, dead: 1, pending: 0 });
    expect(sent[0]?.topic).toBe('lake');
  });

  it('sends a message again whose acknowledgement was lost, under the same id', async () => {
    await fill();
    const { sent, send } = collect();
    const lost: SendMessages = async (messages) => {
      await send(messages);
      throw new Error('connection lost');
    };
    await deliver(lost);
    await database.pool.query('UPDATE consolidate_feedback SET next_attempt_at = clock_timestamp()');
    await deliver(send);
    expect(sent.map(({ headers }) => headers.id).slice(0, 3)).toEqual(
      sent.map(({ headers }) => headers.id).slice(3),
    );
  });

  it('lets no message that is too large or of no known schema hold up the others', async () => {
    const { runId } = await room.run();
    const base = { runId, topic: 'lake', key: 'k' };
    await transaction(database.pool, (tx) =>
      queueFeedback(
        tx,
        { ...base, id: 'large', schema: 'batch', body: JSON.stringify('x'.repeat(1_000_000)) },
        { ...base, id: 'unknown', schema: 'nothing', body: '{}' },
      ),
    );
    const { sent, send } = collect();
    expect(await deliver(send)).toEqual({ sent: 0, dead: 2, pending: 0 });
    expect(sent.map(({ value }) => JSON.parse(value).reason)).toEqual([
      'expected at most 900000 bytes, found 1000002',
      'there is no schema nothing',
    ]);
  });
});

type Incident = Record<string, string>;

/** The Table API's part that is used, with incidents in memory. */
const startServiceNow = async () => {
  const incidents: Incident[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = chunks.length > 0 ? (JSON.parse(Buffer.concat(chunks).toString()) as Incident) : {};
    const url = new URL(request.url ?? '/', 'http://stand-in');
    const answer = (status: number, result: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ result }));
    };
    if (request.headers.authorization !== 'Bearer secret') return answer(401, null);
    if (request.method === 'GET') {
      const id = /correlation_id=([^^]*)/.exec(url.searchParams.get('sysparm_query') ?? '')?.[1];
      return answer(
        200,
        incidents.filter((each) => each.correlation_id === id && each.state !== '6'),
      );
    }
    if (request.method === 'POST') {
      const made = { ...body, sys_id: `s${incidents.length}`, number: `INC${incidents.length}`, state: '1' };
      incidents.push(made);
      return answer(201, made);
    }
    const found = incidents.find(({ sys_id }) => url.pathname.endsWith(`/${sys_id}`));
    Object.assign(found ?? {}, body);
    return answer(found ? 200 : 404, found);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    incidents,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
};

describe('incidents', () => {
  it('opens one for a failed run, adds to it, resolves it when a run passes, and ServiceNow down fails nothing', async () => {
    const serviceNow = await startServiceNow();
    const settings = { url: serviceNow.url, token: 'secret' };
    const notices: string[] = [];
    const report = { notice: (message: string) => notices.push(message) };
    const request = { source: await room.source(), table };
    const fault = (): void => {
      throw new Error('disk on fire');
    };
    await room.put('a.json', '{}');
    const failing = { ...room.deps, serviceNow: settings, report, fault };
    await expect(consolidateRound(failing, request)).rejects.toThrow('disk on fire');
    await expect(consolidateRound(failing, request)).rejects.toThrow('disk on fire');
    expect(serviceNow.incidents).toHaveLength(1);
    expect(serviceNow.incidents[0]).toMatchObject({
      correlation_id: 'lastro:consolidate:kconnect.events',
      description: expect.stringContaining('disk on fire'),
      work_notes: expect.stringContaining('failed too'),
    });
    await consolidateRound({ ...room.deps, serviceNow: settings, report }, request);
    expect(serviceNow.incidents[0]?.state).toBe('6');
    await serviceNow.close();
    await consolidateRound({ ...room.deps, serviceNow: settings, report }, request);
    expect(notices.at(-1)).toMatch(/fetch failed/);
    expect(notices).toContain('incident INC0 is resolved');
  });
});
