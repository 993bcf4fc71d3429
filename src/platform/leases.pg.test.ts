import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import {
  acquireLease,
  assertFence,
  type Fence,
  FenceLostError,
  holderName,
  LeaseHeldError,
  listLeases,
  readLease,
  releaseLease,
  renewLease,
  withLease,
} from './leases.ts';
import { transaction } from './postgres.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
  await database.pool.query(
    'CREATE TABLE lake_commits (token bigint NOT NULL, at timestamptz DEFAULT clock_timestamp())',
  );
});
afterAll(() => database.drop());

let number = 0;
const newName = (): string => `test:${++number}`;

const take = async (name: string, holder = 'ana', ttlMs = 60_000): Promise<Fence> => {
  const answer = await acquireLease(database.pool, { name, holder, ttlMs });
  if (!answer.acquired) throw new LeaseHeldError(answer.heldBy);
  return { name, token: answer.lease.token };
};

/** What the passing of time does to a lease: its holder sends no heartbeat until it has expired. */
const expire = async (name: string): Promise<void> => {
  await database.pool.query(
    "UPDATE leases SET expires_at = clock_timestamp() - interval '1 s' WHERE name = $1",
    [name],
  );
};

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  await vi.waitFor(async () => expect(await condition()).toBe(true), { timeout: 90_000, interval: 10 });
};

describe('a lease', () => {
  it('has one holder, and tells the others who it is, since when and until when', async () => {
    const name = newName();
    const before = Date.now();
    await take(name, 'ana');
    const second = await acquireLease(database.pool, { name, holder: 'rui', ttlMs: 1_000 });
    if (second.acquired) throw new Error('two holders');
    expect(second.heldBy).toMatchObject({ name, holder: 'ana', token: 1n });
    expect(second.heldBy.until.getTime() - second.heldBy.since.getTime()).toBeGreaterThan(59_000);
    expect(Math.abs(second.heldBy.since.getTime() - before)).toBeLessThan(60_000);
  });

  it('is free again after a release, and after the expiry of a holder that died; its token only rises', async () => {
    const name = newName();
    const first = await take(name);
    expect(await releaseLease(database.pool, first)).toBe(true);
    expect(await readLease(database.pool, name)).toBeUndefined();
    const second = await take(name, 'rui');
    await expire(name);
    const third = await take(name, 'eva');
    expect([first.token, second.token, third.token]).toEqual([1n, 2n, 3n]);
    expect(await releaseLease(database.pool, second)).toBe(false);
    expect(await readLease(database.pool, name)).toMatchObject({ holder: 'eva', token: 3n });
  });

  it('is renewed by its token alone, also when expired as long as nobody took it', async () => {
    const fence = await take(newName());
    await expire(fence.name);
    expect(await renewLease(database.pool, fence, 60_000)).toBe('renewed');
    expect((await acquireLease(database.pool, { name: fence.name, holder: 'rui', ttlMs: 1 })).acquired).toBe(
      false,
    );
    expect(await renewLease(database.pool, { ...fence, token: 99n }, 60_000)).toBe('lost');
    await releaseLease(database.pool, fence);
    expect(await renewLease(database.pool, fence, 60_000)).toBe('lost');
  });

  it('goes to exactly one of many that ask at once, round after round', async () => {
    const name = newName();
    const tokens: bigint[] = [];
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 24 }, (_, n) =>
          acquireLease(database.pool, { name, holder: `w${n}`, ttlMs: 60_000 }),
        ),
      );
      const winners = answers.filter((answer) => answer.acquired);
      expect(winners).toHaveLength(1);
      const winner = winners[0]?.acquired ? winners[0].lease : undefined;
      for (const answer of answers) {
        if (!answer.acquired) expect(answer.heldBy.holder).toBe(winner?.holder);
      }
      tokens.push(winner?.token ?? 0n);
      await (round % 2 === 0
        ? expire(name)
        : releaseLease(database.pool, { name, token: winner?.token ?? 0n }));
    }
    expect(tokens).toEqual([1n, 2n, 3n, 4n, 5n]);
  });

  it('does not look at the clock of the process', async () => {
    const name = newName();
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('1999-01-01T00:00:00Z') });
    try {
      const fence = await take(name, 'ana', 60_000);
      vi.setSystemTime(new Date('2199-01-01T00:00:00Z'));
      expect((await acquireLease(database.pool, { name, holder: 'rui', ttlMs: 60_000 })).acquired).toBe(
        false,
      );
      expect(await renewLease(database.pool, fence, 60_000)).toBe('renewed');
      await transaction(database.pool, (tx) => assertFence(tx, fence));
    } finally {
      vi.useRealTimers();
    }
    expect((await listLeases(database.pool)).find((lease) => lease.name === name)).toMatchObject({
      expired: false,
    });
  });
});

describe('the fence of a commit', () => {
  const commit = (fence: Fence): Promise<void> =>
    transaction(database.pool, async (tx) => {
      await assertFence(tx, fence);
      await tx.query('INSERT INTO lake_commits (token) VALUES ($1)', [String(fence.token)]);
    });

  it('refuses a zombie, a release and a lease that never was', async () => {
    const zombie = await take(newName());
    await expire(zombie.name);
    await commit(zombie); // expired, but nobody else can have worked in between
    const next = await take(zombie.name, 'rui');
    await expect(commit(zombie)).rejects.toThrow(FenceLostError);
    await expect(commit(zombie)).rejects.toThrow(/token 1 is not valid any more, found token 2 of rui/);
    await commit(next);
    await releaseLease(database.pool, next);
    await expect(commit(next)).rejects.toThrow(/released/);
    await expect(commit({ name: 'never', token: 1n })).rejects.toThrow(/no such lease/);
  });

  it('keeps the next holder waiting until the commit is over', async () => {
    const fence = await take(newName());
    await expire(fence.name);
    let taken = false;
    let next: Promise<Fence> | undefined;
    await transaction(database.pool, async (tx) => {
      await assertFence(tx, fence);
      next = take(fence.name, 'rui').then((given) => {
        taken = true;
        return given;
      });
      await until(async () => {
        const waiting = await database.pool.query(
          "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        return waiting.rowCount === 1;
      });
      expect(taken).toBe(false);
    });
    expect((await next)?.token).toBe(2n);
  });

  it('lets commits of one holder run side by side, and the heartbeat says busy meanwhile', async () => {
    const fence = await take(newName());
    await transaction(database.pool, async (tx) => {
      await assertFence(tx, fence);
      await transaction(database.pool, (other) => assertFence(other, fence));
      expect(await renewLease(database.pool, fence, 60_000)).toBe('busy');
    });
    expect(await renewLease(database.pool, fence, 60_000)).toBe('renewed');
  });

  it('orders the commits of holders that race and die: tokens never go back', async () => {
    const name = newName();
    await database.pool.query('TRUNCATE lake_commits');
    const refusals: unknown[] = [];
    const worker = async (n: number): Promise<void> => {
      for (let round = 0; round < 12; round += 1) {
        const answer = await acquireLease(database.pool, { name, holder: `w${n}`, ttlMs: 3 });
        if (!answer.acquired) continue;
        const fence = { name, token: answer.lease.token };
        for (let step = 0; step < 3; step += 1) {
          await commit(fence).catch((error: unknown) => refusals.push(error));
        }
        // Dies here without a release: the 3 ms pass by themselves.
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, n) => worker(n)));
    const rows = await database.pool.query<{ token: string }>('SELECT token FROM lake_commits ORDER BY at');
    const tokens = rows.rows.map((row) => Number(row.token));
    expect(tokens.length).toBeGreaterThan(0);
    expect(tokens).toEqual(tokens.toSorted((a, b) => a - b));
    expect(refusals.every((error) => error instanceof FenceLostError)).toBe(true);
  });
});

describe('withLease', () => {
  it('renews in the background, lets go at the end, also after an error', async () => {
    const name = newName();
    const options = { pool: database.pool, name, holder: holderName('test'), ttlMs: 6_000 };
    const answer = await withLease(options, async ({ signal }) => {
      const first = await readLease(database.pool, name);
      await until(async () => {
        const lease = await readLease(database.pool, name);
        return (lease?.renewedAt.getTime() ?? 0) > (first?.renewedAt.getTime() ?? Infinity);
      });
      expect(signal.aborted).toBe(false);
      await expect(withLease(options, async () => 'second')).rejects.toThrow(LeaseHeldError);
      return 'first';
    });
    expect(answer).toBe('first');
    expect(await readLease(database.pool, name)).toBeUndefined();
    await expect(withLease(options, () => Promise.reject(new Error('work failed')))).rejects.toThrow(
      'work failed',
    );
    expect(await readLease(database.pool, name)).toBeUndefined();
  });

  it('aborts the work when the lease is lost, and does not release its successor', async () => {
    const name = newName();
    const seen = await withLease(
      { pool: database.pool, name, holder: 'ana', ttlMs: 60 },
      async ({ fence, signal }) => {
        await until(async () => {
          await expire(name); // until a heartbeat comes too late
          return (await acquireLease(database.pool, { name, holder: 'rui', ttlMs: 60_000 })).acquired;
        });
        await until(() => signal.aborted);
        await expect(transaction(database.pool, (tx) => assertFence(tx, fence))).rejects.toThrow(
          FenceLostError,
        );
        return signal.reason as unknown;
      },
    );
    expect(seen).toBeInstanceOf(FenceLostError);
    expect(await readLease(database.pool, name)).toMatchObject({ holder: 'rui' });
  });

  it('aborts the work when the database does not answer for as long as the lease lasts', async () => {
    const name = newName();
    let away = false;
    const pool = new Proxy(database.pool, {
      get: (target, key) =>
        key === 'query' && away
          ? () => Promise.reject(new Error('connection refused'))
          : Reflect.get(target, key, target),
    });
    const reason = await withLease({ pool, name, holder: 'ana', ttlMs: 60 }, async ({ signal }) => {
      away = true;
      await until(() => signal.aborted);
      return signal.reason as unknown;
    });
    expect(String(reason)).toContain('no answer from the database for 60 ms');
  });

  it('passes on the abort of its caller, and does not begin after it', async () => {
    const name = newName();
    const outer = new AbortController();
    const options = { pool: database.pool, name, holder: 'ana', ttlMs: 60_000, signal: outer.signal };
    await withLease(options, async ({ signal }) => {
      outer.abort(new Error('SIGTERM'));
      expect(signal.reason).toMatchObject({ message: 'SIGTERM' });
    });
    await expect(withLease(options, async () => 'work')).rejects.toThrow('SIGTERM');
  });
});
