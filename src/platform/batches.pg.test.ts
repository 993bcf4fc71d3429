import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { batched, batchLockTimeout } from './batches.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
  await database.pool.query('CREATE TABLE numeros (numero int PRIMARY KEY CHECK (numero >= 0))');
});
beforeEach(() => database.pool.query('TRUNCATE numeros'));
afterAll(() => database.drop());

/** Stores numbers and answers their tens; `batches` keeps which went together. */
const storing = (batches: number[][]) =>
  batched(async (db: Pool, numbers: readonly number[]) => {
    batches.push([...numbers]);
    await db.query('INSERT INTO numeros SELECT * FROM unnest($1::int[])', [numbers]);
    return numbers.map((number) => number * 10);
  });

const stored = async (): Promise<number[]> => {
  const { rows } = await database.pool.query<{ numero: number }>(
    'SELECT numero FROM numeros ORDER BY numero',
  );
  return rows.map(({ numero }) => numero);
};

describe('calls of batched work', () => {
  it('go together where they come together, and each has its own answer', async () => {
    const batches: number[][] = [];
    const store = storing(batches);
    const answers = await Promise.all([1, 2, 3].map((number) => store(database.pool, number)));
    expect(answers).toEqual([10, 20, 30]);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  it('wait for the batch that runs, and go together after it', async () => {
    const batches: number[][] = [];
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const store = batched(async (_: Pool, numbers: readonly number[]) => {
      batches.push([...numbers]);
      await gate;
      return numbers;
    });
    const first = store(database.pool, 1);
    while (batches.length === 0) await new Promise(setImmediate);
    const later = [2, 3].map((number) => store(database.pool, number));
    await new Promise(setImmediate);
    expect(batches).toEqual([[1]]);
    open();
    expect(await Promise.all([first, ...later])).toEqual([1, 2, 3]);
    expect(batches).toEqual([[1], [2, 3]]);
  });

  it('are at most 64 of one batch', async () => {
    const batches: number[][] = [];
    const store = storing(batches);
    await Promise.all(Array.from({ length: 150 }, (_, number) => store(database.pool, number)));
    expect(batches.map(({ length }) => length)).toEqual([64, 64, 22]);
    expect(await stored()).toHaveLength(150);
  });

  it('of other dependencies are batches of their own', async () => {
    const together: string[] = [];
    const work = batched(async ({ name }: { name: string }, items: readonly string[]) => {
      together.push(`${name}: ${items.join(' ')}`);
      return items;
    });
    const [one, other] = [{ name: 'one' }, { name: 'other' }];
    await Promise.all([work(one, 'a'), work(other, 'b'), work(one, 'c')]);
    expect(together.sort()).toEqual(['one: a c', 'other: b']);
  });
});

describe('a batch', () => {
  it('that PostgreSQL refuses is done item by item: only what is wrong itself fails', async () => {
    const batches: number[][] = [];
    const store = storing(batches);
    const outcomes = await Promise.allSettled([1, -2, 3, 1].map((number) => store(database.pool, number)));
    expect(batches[0]).toEqual([1, -2, 3, 1]);
    expect(outcomes.map(({ status }) => status).filter((status) => status === 'rejected')).toHaveLength(2);
    expect(outcomes[1]).toMatchObject({ status: 'rejected', reason: { code: '23514' } });
    expect(outcomes[2]).toMatchObject({ status: 'fulfilled', value: 30 });
    expect(await stored()).toEqual([1, 3]);
  });

  it('whose connection is lost fails whole and is not done again: it may be committed', async () => {
    const batches: number[][] = [];
    const store = batched(async (db: Pool, numbers: readonly number[]) => {
      batches.push([...numbers]);
      await db.query('SELECT pg_terminate_backend(pg_backend_pid())');
      return numbers;
    });
    const outcomes = await Promise.allSettled([1, 2].map((number) => store(database.pool, number)));
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(batches).toEqual([[1, 2]]);
  });

  it('that answers too few of its items fails, and leaves none waiting', async () => {
    const work = batched(async (_: Pool, items: readonly number[]) => items.slice(1));
    const outcomes = await Promise.allSettled([1, 2].map((item) => work(database.pool, item)));
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { message: expect.stringContaining('2') },
      });
  });

  it('waits for a lock only where it is one item', () => {
    expect(batchLockTimeout([1])).toBeNull();
    expect(batchLockTimeout([1, 2])).toBe('1s');
  });
});
