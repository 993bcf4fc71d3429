import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ConsolidateRoom, consolidateRoom, liveLocations } from '../../test/services/consolidate.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { loadDomains, parseDomain } from './domain-models.ts';
import { rollbackRun } from './rollback.ts';

const root = join(import.meta.dirname, '../..');
const webhooks = gunzipSync(readFileSync(join(root, 'test/fixtures/json/github-webhooks.ndjson.gz')))
  .toString('utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as { path: string; text: string });

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

const dayLater = (days: number) => () => new Date(Date.UTC(2026, 10, 22 + days, 12));

const messages = async (): Promise<{ topic: string; key: string; body: Record<string, unknown> }[]> =>
  (await database.pool.query('SELECT topic, key, body FROM consolidate_feedback ORDER BY seq')).rows;

const simple = parseDomain(
  'simple.sql',
  `-- key: day, n
   -- feedback: changes
   SELECT day, CAST(payload ->> '$.n' AS BIGINT) AS n, max(payload ->> '$.v') AS v FROM events GROUP BY ALL
   -- test: no bad value
   SELECT * FROM result WHERE v = 'bad'`,
);

describe('domains', () => {
  it('turns the webhooks into pull requests and activity, and a second run leaves them as they are', async () => {
    const domains = await loadDomains(join(root, 'examples/domains/github'));
    for (const { path, text } of webhooks) await room.put(path, text);
    await room.put('odd.json', '"\\ud800"');
    await room.run({ domains });
    const pulls = await room.rows('kconnect.pull_requests');
    const expected = new Set(
      webhooks.flatMap(
        ({ text }) => (JSON.parse(text) as { pull_request?: { id: number } }).pull_request?.id ?? [],
      ),
    );
    expect(new Set(pulls.map((row) => Number(row.pull_request_id)))).toEqual(expected);
    const activity = await room.rows('kconnect.repository_activity');
    const events = activity.reduce((sum, row) => sum + Number(row.events), 0);
    expect(events).toBe(
      webhooks.filter(
        ({ text }) => (JSON.parse(text) as { repository?: { full_name?: string } }).repository?.full_name,
      ).length,
    );
    const before = await liveLocations(room.lake, 'kconnect.pull_requests');
    await room.run({ domains });
    expect(await liveLocations(room.lake, 'kconnect.pull_requests')).toEqual(before);
    expect(await room.icebirdRows('kconnect.repository_activity')).toHaveLength(activity.length);
  }, 60_000);

  it('refreshes only the days that changed, tells what changed, and goes on after a crash', async () => {
    const deps = { domains: [simple], feedbackTopic: 'lake' };
    await room.put('a.json', '{"n":1,"v":"a"}\n{"n":9007199254740993,"v":"b"}');
    await room.run({ ...deps, clock: dayLater(0) });
    await room.put('b.json', '{"n":3,"v":"c"}');
    await room.run({ ...deps, clock: dayLater(1) });
    const files = await liveLocations(room.lake, 'kconnect.simple');
    await room.put('c.json', '{"n":3,"v":"d"}\n{"n":4,"v":"e"}');
    const crash = (point: string) => {
      if (point === 'after-commit') throw new Error('crash');
    };
    await expect(room.run({ ...deps, clock: dayLater(1), fault: crash })).rejects.toThrow('crash');
    expect(await liveLocations(room.lake, 'kconnect.simple')).toEqual(files);
    await room.run({ ...deps, clock: dayLater(2) });
    const after = await liveLocations(room.lake, 'kconnect.simple');
    expect(after.filter((file) => files.includes(file))).toHaveLength(1);
    const rows = (await room.rows('kconnect.simple')).map((row) => `${row.n} ${row.v}`);
    expect(rows.sort()).toEqual(['1 a', '3 d', '4 e', '9007199254740993 b']);
    const changes = (
      await database.pool.query(
        `SELECT body::text FROM consolidate_feedback WHERE topic = 'lake.simple' ORDER BY seq`,
      )
    ).rows;
    expect(changes).toHaveLength(5);
    expect(changes.map(({ body }) => body as string).join()).toContain('"n":9007199254740993');
  }, 60_000);

  it('keeps its table and says why when a test, a key or the model fails; events stand and other domains go on', async () => {
    await room.put('a.json', '{"n":1,"v":"bad"}');
    const broken = parseDomain('broken.sql', '-- key: day\nSELECT day, nothing FROM events');
    const twice = parseDomain('twice.sql', '-- key: day\nSELECT day, n FROM events, range(2) AS r (n)');
    const fine = parseDomain('fine.sql', '-- key: day\nSELECT day, count(*) AS n FROM events GROUP BY ALL');
    await expect(room.run({ domains: [simple, fine] })).rejects.toThrow(
      /simple: test "no bad value" found a row/,
    );
    await expect(room.run({ domains: [broken] })).rejects.toThrow(/broken: its model failed.*nothing/);
    await expect(room.run({ domains: [twice] })).rejects.toThrow(/twice: its key is not unique/);
    expect(await room.rows()).toHaveLength(1);
    expect(await room.rows('kconnect.fine')).toHaveLength(1);
    expect(await room.rows('kconnect.simple')).toHaveLength(0);
  }, 60_000);

  it('builds a domain anew when its model changes, with new columns', async () => {
    await room.put('a.json', '{"n":1,"v":"x"}');
    await room.run({ domains: [simple] });
    const wider = parseDomain(
      'simple.sql',
      `-- key: day, n
       SELECT day, CAST(payload ->> '$.n' AS BIGINT) AS n, payload ->> '$.v' AS v, length(document) AS size FROM events`,
    );
    await room.run({ domains: [wider] });
    expect((await room.rows('kconnect.simple')).map((row) => [row.n, row.v, row.size])).toEqual([
      [1n, 'x', 15n],
    ]);
  }, 60_000);
});

describe('rollback', () => {
  it('undoes events, quarantine, domains, index and ledger in one commit, tells it, and the next run takes all again', async () => {
    const deps = { domains: [simple], feedbackTopic: 'lake' };
    await room.put('t+0+0000000000.json', '{"n":1,"v":"a"}');
    await room.run({ ...deps, clock: dayLater(0) });
    await room.put('t+0+0000000001.json', '{"n":2,"v":"b"}');
    await room.put('bad.json', '{');
    const { runId } = await room.run({ ...deps, clock: dayLater(0) });
    expect(await room.rows('kconnect.simple')).toHaveLength(2);

    const undone = await rollbackRun({ ...room.deps, ...deps }, { runId });

    expect(undone).toMatchObject({ rows: 1, quarantined: 1, domains: ['simple'] });
    expect((await room.rows()).map((row) => row.document)).toEqual(['{"n":1,"v":"a"}']);
    expect(await room.rows('kconnect.events_quarantine')).toHaveLength(0);
    expect((await room.rows('kconnect.simple')).map((row) => row.n)).toEqual([1n]);
    const last = (await messages()).at(-1);
    expect(last?.body).toMatchObject({ status: 'rolled_back', runId, batches: [`${runId}-0`] });
    const { rows: days } = await database.pool.query('SELECT state FROM intervals');
    expect(days).toEqual([{ state: 'hole' }]);
    await expect(rollbackRun(room.deps, { runId })).rejects.toThrow('rolled back already');

    const again = await room.run({ ...deps, clock: dayLater(0) });
    expect(again.summary).toMatchObject({ skipped: 1, rows: 1, quarantined: 1, duplicates: 0 });
    expect((await room.rows('kconnect.simple')).map((row) => row.n).sort()).toEqual([1n, 2n]);
    expect((await room.icebirdRows()).map((row) => row.document).sort()).toEqual([
      '{"n":1,"v":"a"}',
      '{"n":2,"v":"b"}',
    ]);
  }, 60_000);
});
