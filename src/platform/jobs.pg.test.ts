import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/services/desk.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { GiveUp, type Jobs, openJobs, type Queue } from './jobs.ts';
import { silentLog } from './log.ts';
import { openMetrics } from './metrics.ts';
import { transaction } from './postgres.ts';

type Work = { name: string };

const queue: Queue<Work> = {
  name: 'work',
  retryLimit: 1,
  retryDelaySeconds: 1,
  retryDelayMaxSeconds: 1,
  expireInSeconds: 60,
  urgent: true,
};
const other: Queue<Work> = { ...queue, name: 'other', retryLimit: 0 };
const third: Queue<Work> = { ...queue, name: 'third', retryLimit: 0 };

let database: TestDatabase;
let jobs: Jobs;
const metrics = openMetrics('test');

const open = (works: boolean): Promise<Jobs> =>
  openJobs({
    url: database.url,
    queues: [queue, other, third],
    works,
    log: silentLog(),
    ...(works ? { metrics } : {}),
  });

beforeEach(async () => {
  metrics.clear();
  database = await testDatabase();
  jobs = await open(true);
});
afterEach(async () => {
  await jobs.close();
  await database.drop();
});

const add = (name: string, to: Queue<Work> = queue, options = {}) =>
  transaction(database.pool, (tx) => jobs.enqueue(tx, to, { name }, options));

const deadAfter = (count: number) =>
  eventually(`${count} dead jobs`, async () => {
    const dead = await jobs.dead(100);
    return dead.length === count ? dead : undefined;
  });

describe('a job', () => {
  it('exists exactly when the transaction that made it commits', async () => {
    const ran: string[] = [];
    await jobs.work(queue, 4, async ({ name }) => void ran.push(name));
    await expect(
      transaction(database.pool, async (tx) => {
        await jobs.enqueue(tx, queue, { name: 'undone' });
        throw new Error('undo');
      }),
    ).rejects.toThrow('undo');
    await add('done');
    await eventually('the job', async () => (ran.length > 0 ? true : undefined));
    expect(ran).toEqual(['done']);
  });

  it('can be one of many that are added together', async () => {
    const ran: string[] = [];
    await jobs.work(queue, 4, async ({ name }) => void ran.push(name));
    await transaction(database.pool, async (tx) => {
      await jobs.enqueueAll(tx, queue, []);
      await jobs.enqueueAll(
        tx,
        queue,
        ['one', 'two', 'three'].map((name) => ({ name })),
      );
    });
    await eventually('all of them', async () => (ran.length === 3 ? true : undefined));
    expect(ran.sort()).toEqual(['one', 'three', 'two']);
  });

  it('can be added by a process that works on none', async () => {
    const adder = await open(false);
    try {
      await transaction(database.pool, (tx) => adder.enqueue(tx, queue, { name: 'from the API' }));
    } finally {
      await adder.close();
    }
    expect(await jobs.overview()).toContainEqual(
      expect.objectContaining({ queue: 'work', waiting: 1, deferred: 0 }),
    );
  });

  it('that fails is tried again, and told which try it is', async () => {
    const tries: number[] = [];
    await jobs.work(queue, 1, async (_, { attempt }) => {
      tries.push(attempt);
      if (attempt === 0) throw new Error('not yet');
    });
    await add('second time lucky');
    await eventually('the second try', async () => (tries.length === 2 ? true : undefined));
    expect(tries).toEqual([0, 1]);
    expect(await jobs.dead(10)).toEqual([]);
  });

  it('waits where it is told to', async () => {
    await add('later', queue, { afterSeconds: 3_600 });
    expect(await jobs.overview()).toContainEqual(
      expect.objectContaining({ queue: 'work', waiting: 0, deferred: 1 }),
    );
  });

  it('in hand is finished before the process ends', async () => {
    let finished = false;
    const started = Promise.withResolvers<void>();
    await jobs.work(queue, 1, async () => {
      started.resolve();
      await new Promise((resolve) => setTimeout(resolve, 300));
      finished = true;
    });
    await add('slow');
    await started.promise;
    await jobs.close();
    expect(finished).toBe(true);
  });
});

describe('a job that can not succeed', () => {
  it('is dead after its last try, with what it was and why', async () => {
    await jobs.work(queue, 1, async () => {
      throw new TypeError('the poison');
    });
    await add('poisoned');
    const [dead] = await deadAfter(1);
    expect(dead).toEqual({
      id: expect.any(String),
      queue: 'work',
      data: { name: 'poisoned' },
      error: expect.objectContaining({ message: 'the poison', name: 'TypeError' }),
      diedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
    expect(await jobs.overview()).toContainEqual(expect.objectContaining({ queue: 'work', dead: 1 }));
  });

  it('and says so is dead at once', async () => {
    let tries = 0;
    await jobs.work(queue, 1, async () => {
      tries++;
      throw new GiveUp('nobody wants it, says maria@example.com');
    });
    await add('unwanted');
    const [dead] = await deadAfter(1);
    expect(dead?.error).toMatchObject({ message: 'nobody wants it, says m***@example.com' });
    expect(tries).toBe(1);
  });

  it('does not hold up those beside it', async () => {
    const ran: string[] = [];
    await jobs.work(queue, 8, async ({ name }) => {
      if (name === 'poisoned') throw new GiveUp('no');
      ran.push(name);
    });
    await transaction(database.pool, async (tx) => {
      for (const name of ['one', 'poisoned', 'two']) await jobs.enqueue(tx, queue, { name });
    });
    await deadAfter(1);
    await eventually('the others', async () => (ran.length === 2 ? true : undefined));
    expect(ran.toSorted()).toEqual(['one', 'two']);
  });

  it('runs again when it is redriven: one of them, or all of its queue', async () => {
    let well = false;
    const ran: string[] = [];
    const handler = async ({ name }: Work): Promise<void> => {
      if (!well) throw new Error('ill');
      ran.push(name);
    };
    await jobs.work(other, 4, handler);
    await jobs.work(third, 4, handler);
    for (const name of ['a', 'b', 'c']) await add(name, other);
    await add('of another queue', third);
    const dead = await deadAfter(4);
    well = true;

    const one = dead.find(({ data }) => (data as Work).name === 'b');
    expect(await jobs.redrive('other', [one?.id ?? ''])).toBe(1);
    await eventually('the redriven job', async () => (ran.length === 1 ? true : undefined));
    expect(ran).toEqual(['b']);
    expect(await jobs.redrive('other')).toBe(2);
    await eventually('the others', async () => (ran.length === 3 ? true : undefined));
    expect(ran.toSorted()).toEqual(['a', 'b', 'c']);
    expect((await jobs.dead(10)).map(({ queue: name }) => name)).toEqual(['third']);
    expect(await jobs.redrive('other')).toBe(0);
  });

  it('is told newest first, and no more of them than asked for', async () => {
    await jobs.work(other, 1, async () => {
      throw new Error('ill');
    });
    for (const name of ['a', 'b', 'c']) {
      await add(name, other);
      await eventually('its death', async () => {
        const dead = await jobs.dead(10);
        return dead.some(({ data }) => (data as Work).name === name) ? true : undefined;
      });
    }
    expect((await jobs.dead(2)).map(({ data }) => (data as Work).name)).toEqual(['c', 'b']);
    expect(await jobs.dead(10)).toHaveLength(3);
  });
});

describe('jobs of one key', () => {
  it('run one after the other, in the order in which their transactions began', async () => {
    const fifo: Queue<Work> = { ...queue, name: 'ordered', orderedByKey: true };
    const ordered = await openJobs({ url: database.url, queues: [fifo], works: true, log: silentLog() });
    try {
      const ran: string[] = [];
      let atOnce = 0;
      let most = 0;
      await ordered.work(fifo, 8, async ({ name }) => {
        most = Math.max(most, ++atOnce);
        await new Promise((resolve) => setTimeout(resolve, 20));
        ran.push(name);
        atOnce--;
      });
      for (const name of ['1', '2', '3', '4'])
        await transaction(database.pool, (tx) => ordered.enqueue(tx, fifo, { name }, { key: 'ord_1' }));
      await eventually('all of them', async () => (ran.length === 4 ? true : undefined));
      expect(ran).toEqual(['1', '2', '3', '4']);
      expect(most).toBe(1);
    } finally {
      await ordered.close();
    }
  });
});

describe('metrics', () => {
  it('tell how long jobs took, how they ended and how many there are', async () => {
    await jobs.work(queue, 1, async ({ name }) => {
      if (name === 'bad') throw new GiveUp('no');
    });
    await add('good');
    await add('bad');
    await deadAfter(1);
    const text = await eventually('the figures', async () => {
      const found = await metrics.metrics();
      return /lastro_job_duration_seconds_count\{queue="work",outcome="done".*\} 1/.test(found)
        ? found
        : undefined;
    });
    expect(text).toMatch(/lastro_job_duration_seconds_count\{queue="work",outcome="failed".*\} 1/);
    expect(text).toMatch(/lastro_jobs\{queue="work_dead",state="waiting".*\}/);
  });
});
