import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Desk, openDesk, orderOf } from '../../test/services/desk.ts';
import type { Outcome } from './outcome.ts';
import { writeOutcomeInBatch } from './outcome.ts';
import { insertEvidence, loadOrder } from './store.ts';

// Orders that are worked on at the same time share statements. None may be touched by what happens to another.

let desk: Desk;

beforeAll(async () => {
  desk = await openDesk({ worker: false });
});
afterAll(() => desk.close());

const placed = async (): Promise<string> => (await desk.place(orderOf('alone'))).orderKey;

const failing = (orderKey: string, change: Partial<Outcome> = {}): Outcome => ({
  orderKey,
  areaId: 'CRD01',
  author: 'lastro',
  at: new Date(),
  status: 'failed',
  failureReason: 'no_grouping',
  wait: null,
  parties: [],
  certificates: [],
  event: { type: 'decided', detail: {} },
  message: { id: `msg_${randomUUID()}`, type: 'test', body: '{}' },
  action: 'order.decide',
  ...change,
});

const write = (outcome: Outcome): Promise<boolean> => writeOutcomeInBatch(desk.db, outcome);

const answerOf = (orderKey: string, raw = '{}') =>
  insertEvidence(desk.db, {
    orderKey,
    items: [
      { partner: 'powers', query: 'q', raw, sha256: '0'.repeat(64), receivedAt: new Date().toISOString() },
    ],
    markProcessing: true,
  });

const messagesOf = async (orderKey: string): Promise<string[]> => {
  const { rows } = await desk.db.query<{ mensagem_id: string }>(
    'SELECT mensagem_id FROM mensagens WHERE envelope_id = $1',
    [orderKey],
  );
  return rows.map(({ mensagem_id }) => mensagem_id);
};

/** Holds an order's row until it is let go, as a session that someone forgot would. */
const holding = async (orderKey: string): Promise<{ letGo: () => Promise<void> }> => {
  const client = new pg.Client({ connectionString: desk.databaseUrl });
  await client.connect();
  await client.query('BEGIN');
  await client.query('SELECT FROM envelopes WHERE envelope_id = $1 FOR UPDATE', [orderKey]);
  return { letGo: () => client.end() };
};

describe('outcomes that are written together', () => {
  it('are each written with what belongs to them', async () => {
    const keys = await Promise.all([placed(), placed(), placed()]);
    const outcomes = keys.map((key) => failing(key));
    expect(await Promise.all(outcomes.map(write))).toEqual([true, true, true]);
    for (const { orderKey, message } of outcomes) {
      expect(await messagesOf(orderKey)).toEqual([message?.id]);
      expect((await desk.order(orderKey)).timeline.map(({ type }) => type)).toEqual([
        'order_created',
        'decided',
      ]);
    }
  });

  it('of one order are one: twins of a job in the same batch', async () => {
    const [orderKey, other] = await Promise.all([placed(), placed()]);
    const twins = [failing(orderKey), failing(orderKey), failing(other)];
    const written = await Promise.all(twins.map(write));
    expect(written.filter(Boolean)).toHaveLength(2);
    expect(written[2]).toBe(true);
    const winner = twins.find((_, index) => written[index]);
    expect(await messagesOf(orderKey)).toEqual([winner?.message?.id]);
  });

  it('leave out an order that is decided already', async () => {
    const [decided, open] = await Promise.all([placed(), placed()]);
    await write(failing(decided));
    expect(await Promise.all([write(failing(decided)), write(failing(open))])).toEqual([false, true]);
    expect(await messagesOf(decided)).toHaveLength(1);
  });

  it('do not fail for one that can not be stored', async () => {
    const [good, bad] = await Promise.all([placed(), placed()]);
    const [written, refused] = await Promise.allSettled([
      write(failing(good)),
      write(failing(bad, { failureReason: null })),
    ]);
    expect(written).toMatchObject({ status: 'fulfilled', value: true });
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: '23514' } });
    expect((await desk.order(bad)).status).toBe('draft');
  });

  it('do not wait for an order that another session holds', async () => {
    const [held, free] = await Promise.all([placed(), placed()]);
    const session = await holding(held);
    const waiting = write(failing(held));
    expect(await write(failing(free))).toBe(true);
    expect((await desk.order(held)).status).toBe('draft');
    await session.letGo();
    expect(await waiting).toBe(true);
  });
});

describe('evidence that is kept together', () => {
  it('is each under its order, and marks each as in processing', async () => {
    const keys = await Promise.all([placed(), placed()]);
    await Promise.all(keys.map((key, index) => answerOf(key, JSON.stringify({ index }))));
    const loaded = await Promise.all(
      keys.map((orderKey) => loadOrder(desk.db, { orderKey, now: new Date(), freshSeconds: 120 })),
    );
    expect(loaded.map((found) => found?.order.status)).toEqual(['processing', 'processing']);
    expect(loaded.map((found) => found?.evidence.map(({ raw }) => raw))).toEqual([
      ['{"index":0}'],
      ['{"index":1}'],
    ]);
  });

  it('of an order that is gone fails alone', async () => {
    const orderKey = await placed();
    const [gone, kept] = await Promise.allSettled([
      answerOf('ord_00000000000000000000000000'),
      answerOf(orderKey),
    ]);
    expect(gone).toMatchObject({ status: 'rejected', reason: { code: '23503' } });
    expect(kept.status).toBe('fulfilled');
  });

  it('does not wait for an order that another session holds', async () => {
    const [held, free] = await Promise.all([placed(), placed()]);
    const session = await holding(held);
    const waiting = answerOf(held);
    await answerOf(free);
    await session.letGo();
    await waiting;
    expect((await desk.order(held)).status).toBe('processing');
  });
});

describe('orders that are loaded together', () => {
  it('are each the one asked for, and null where there is none', async () => {
    const [one, other] = await Promise.all([placed(), placed()]);
    const asked = [one, 'ord_00000000000000000000000000', other, one];
    const loaded = await Promise.all(
      asked.map((orderKey) => loadOrder(desk.db, { orderKey, now: new Date(), freshSeconds: 120 })),
    );
    expect(loaded.map((found) => found?.order.orderKey)).toEqual([one, undefined, other, one]);
  });
});
