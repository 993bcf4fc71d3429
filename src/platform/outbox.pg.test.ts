import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { transactionsOver } from '../../test/services/visibility.ts';
import { isMessageCursor, postMessage, readMessages } from './outbox.ts';
import { type Tx, transaction } from './postgres.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});
beforeEach(() => database.pool.query('TRUNCATE mensagens CASCADE'));
afterAll(() => database.drop());

const jobs = { enqueue: async () => {} };

const post = (tx: Tx, id: string, areaId = 'CRD01') =>
  postMessage({ jobs }, tx, {
    id,
    type: 'test',
    orderKey: 'ord_1',
    areaId,
    body: JSON.stringify({ id }),
    at: new Date(),
    callbackUrl: null,
  });

const postAlone = (id: string, areaId?: string) => transaction(database.pool, (tx) => post(tx, id, areaId));

const read = async (after?: string, areas: string[] | null = null, limit = 100) => {
  const page = await readMessages(database.pool, { areas, after, limit });
  return { ids: page.messages.map((message) => (message as { id: string }).id), next: page.next };
};

/** What is committed is shown once no older transaction is open: also none of the tests beside this one. */
const readAll = async (...args: Parameters<typeof read>): ReturnType<typeof read> => {
  await transactionsOver(database.pool);
  return read(...args);
};

/** A transaction that a test opens, writes in and ends when it likes. */
const openTransaction = async (): Promise<AsyncDisposable & { tx: Tx; commit: () => Promise<void> }> => {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query('BEGIN');
  return {
    tx: client as unknown as Tx,
    commit: async () => {
      await client.query('COMMIT');
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
};

describe('messages after a cursor', () => {
  it('come in order, once each, page by page', async () => {
    for (const id of ['m1', 'm2', 'm3', 'm4', 'm5']) await postAlone(id);
    const first = await readAll(undefined, null, 2);
    const second = await read(first.next, null, 2);
    const third = await read(second.next, null, 2);
    expect([first.ids, second.ids, third.ids]).toEqual([['m1', 'm2'], ['m3', 'm4'], ['m5']]);
    expect(await read(third.next)).toEqual({ ids: [], next: third.next });
    await postAlone('m6');
    expect((await readAll(third.next)).ids).toEqual(['m6']);
  });

  it('miss none that was numbered first and committed last', async () => {
    await using early = await openTransaction();
    await using late = await openTransaction();
    await post(early.tx, 'numbered-first');
    await post(late.tx, 'numbered-second');
    await late.commit();

    // The second is committed and stays hidden: whoever read past it would step over the first.
    const before = await read();
    expect(before.ids).toEqual([]);
    await early.commit();
    expect((await readAll(before.next)).ids).toEqual(['numbered-first', 'numbered-second']);
  });

  it('miss none where a later transaction took the lower number', async () => {
    await using older = await openTransaction();
    await older.tx.query('SELECT pg_current_xact_id()');
    await using younger = await openTransaction();
    await post(younger.tx, 'lower-number');
    await younger.commit();
    await postAlone('between');
    await post(older.tx, 'higher-number');

    const before = await read();
    expect(before.ids).toEqual([]);
    await older.commit();
    const all = await readAll(before.next);
    expect(all.ids.toSorted()).toEqual(['between', 'higher-number', 'lower-number']);
    expect((await read(all.next)).ids).toEqual([]);
  });

  it('come in the order of numbers, not of their digits', async () => {
    await database.pool.query('ALTER TABLE mensagens ALTER COLUMN sequencia RESTART WITH 95');
    const ids = Array.from({ length: 15 }, (_, index) => `m${95 + index}`);
    await transaction(database.pool, async (tx) => {
      for (const id of ids) await post(tx, id);
    });
    const seen: string[] = [];
    let page = await readAll(undefined, null, 4);
    while (page.ids.length > 0) {
      seen.push(...page.ids);
      page = await read(page.next, null, 4);
    }
    expect(seen).toEqual(ids);
  });

  it('that were rolled back never existed', async () => {
    await postAlone('kept');
    await expect(
      transaction(database.pool, async (tx) => {
        await post(tx, 'undone');
        throw new Error('undo');
      }),
    ).rejects.toThrow('undo');
    await postAlone('after');
    expect((await readAll()).ids).toEqual(['kept', 'after']);
  });

  it('are those of the areas asked for', async () => {
    await postAlone('one', 'CRD01');
    await postAlone('two', 'CRD02');
    await postAlone('three', 'CAM01');
    expect((await readAll(undefined, ['CRD01', 'CAM01'])).ids).toEqual(['one', 'three']);
    expect((await read(undefined, [])).ids).toEqual([]);
  });

  it('reach a reader whole while many write and read at once', async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    let writing = true;
    const reader = async (): Promise<void> => {
      for (;;) {
        const last = !writing;
        const page = await (last ? readAll : read)(cursor, null, 7);
        seen.push(...page.ids);
        cursor = page.next;
        if (last && page.ids.length === 0) return;
      }
    };
    const writers = Promise.all(
      Array.from({ length: 4 }, async (_, writer) => {
        for (let count = 0; count < 50; count++)
          await transaction(database.pool, async (tx) => {
            await post(tx, `w${writer}-${count}-a`);
            await tx.query('SELECT pg_sleep(random() * 0.005)');
            await post(tx, `w${writer}-${count}-b`);
          });
      }),
    ).finally(() => {
      writing = false;
    });
    await Promise.all([writers, reader()]);
    expect(new Set(seen).size).toBe(400);
    expect(seen).toHaveLength(400);
  });
});

describe('a message cursor', () => {
  it('is one that we gave, in range', () => {
    for (const cursor of ['0-0', '18446744073709551615-9223372036854775807']) {
      expect(isMessageCursor(cursor)).toBe(true);
    }
    for (const cursor of [
      '',
      '1',
      '1-',
      '-1',
      'a-b',
      '1-1-1',
      '18446744073709551616-1',
      '1-9223372036854775808',
    ])
      expect(isMessageCursor(cursor)).toBe(false);
  });
});
