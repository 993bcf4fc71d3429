import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type ConsolidateRoom,
  consolidateRoom,
  eventsTable as table,
} from '../../test/services/consolidate.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { acquireLease, LeaseHeldError } from '../platform/leases.ts';
import { listQuarantine, showQuarantined } from './quarantine.ts';
import { replayQuarantine } from './replay.ts';
import { rollbackRun } from './rollback.ts';
import { leaseName } from './runs.ts';

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

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

const withDepth = (maxDepth: number) => ({
  ...room.deps.limits,
  read: { ...room.deps.limits.read, maxDepth },
});

describe('quarantine', () => {
  it('lists by reason, key and run, and shows the bytes', async () => {
    await room.put('t+0+0000000007.json', '{"a":1}\n{"a":\n{"a":3}');
    await room.put('dup.json', '{"a":1,"a":2}');
    const { runId } = await room.run();
    const all = await listQuarantine(room.deps, table);
    expect(
      all.map(({ reason, objectKey, position, faultAt, runId: run }) => [
        reason,
        objectKey,
        position,
        faultAt,
        run,
      ]),
    ).toEqual([
      ['duplicate_key', 'dup.json', 0, 7, runId],
      ['truncated', 't+0+0000000007.json', 1, 13, runId],
    ]);
    expect(await listQuarantine(room.deps, table, { reason: 'truncated', run: runId })).toHaveLength(1);
    expect(await listQuarantine(room.deps, table, { key: 'nothing' })).toEqual([]);
    const piece = await showQuarantined(room.deps, table, all[1]?.id ?? '');
    expect(piece?.raw.toString()).toBe('{"a":');
    expect(await showQuarantined(room.deps, table, "q_'x")).toBeUndefined();
  });

  it('replays after a fix exactly once, at its place, also when two do it at a time', async () => {
    await room.put('t+0+0000000007.json', `{"a":1}\n${deep(9)}\n{"a":3}`);
    await room.put('packed.json.gz', gzipSync(deep(7)));
    const limits = withDepth(5);
    await room.run({ limits });
    const request = { table, filter: { reason: 'too_deep' } };
    expect(await replayQuarantine({ ...room.deps, limits }, request)).toMatchObject({ rows: 0, runId: null });
    const attempts = await Promise.allSettled([
      replayQuarantine({ ...room.deps, limits: withDepth(8) }, request),
      replayQuarantine({ ...room.deps, limits: withDepth(8) }, request),
    ]);
    const refused = attempts.filter(({ status }) => status === 'rejected');
    for (const attempt of refused) expect(attempt).toMatchObject({ reason: expect.any(LeaseHeldError) });
    await replayQuarantine(room.deps, request);
    expect(await replayQuarantine(room.deps, request)).toMatchObject({ pieces: 0, rows: 0 });
    const rows = (await room.rows()).map((row) => [
      row.object_key,
      row.position,
      row.kafka_offset ?? null,
      row.document,
    ]);
    expect(rows.sort()).toEqual(
      [
        ['packed.json.gz', 0, null, deep(7)],
        ['t+0+0000000007.json', 0, 7n, '{"a":1}'],
        ['t+0+0000000007.json', 1, 8n, deep(9)],
        ['t+0+0000000007.json', 2, 9n, '{"a":3}'],
      ].sort(),
    );
    expect(await listQuarantine(room.deps, table)).toEqual([]);
    // The evidence stays.
    expect(await room.rows(`${table}_quarantine`)).toHaveLength(2);
  }, 60_000);

  it('takes mended bytes for one piece; what is still bad stays, and undoing a replay brings it back', async () => {
    await room.put('bad.json', '{"a":1,}');
    await room.run();
    const [piece] = await listQuarantine(room.deps, table);
    const filter = { id: piece?.id ?? '' };
    const still = await replayQuarantine(room.deps, { table, filter, mended: Buffer.from('{"a":1') });
    expect(still).toMatchObject({ rows: 0, stillBad: [{ reason: 'truncated' }] });
    const { runId } = await replayQuarantine(room.deps, { table, filter, mended: Buffer.from('{"a":1}\n') });
    expect((await room.rows()).map((row) => [row.object_key, row.document])).toEqual([
      ['bad.json', '{"a":1}'],
    ]);
    await rollbackRun(room.deps, { runId: runId ?? '' });
    expect(await room.rows()).toEqual([]);
    expect(await listQuarantine(room.deps, table)).toHaveLength(1);
  }, 60_000);
});

describe('one run at a time', () => {
  it('says who holds the table, and replaces a holder that died', async () => {
    await room.put('a.json', '{}');
    const lease = { name: leaseName(table), holder: 'consolidate@other:1', ttlMs: 60_000 };
    await acquireLease(database.pool, lease);
    await expect(room.run()).rejects.toThrow(/held by consolidate@other:1/);
    await database.pool.query(`UPDATE leases SET expires_at = clock_timestamp() WHERE name = $1`, [
      lease.name,
    ]);
    expect((await room.run()).summary.rows).toBe(1);
  });

  it("refuses a zombie's late commit by its token, and nothing of it is seen", async () => {
    await room.put('a.json', '{"a":1}');
    await room.put('bad.json', '{');
    let replacement: Promise<unknown> | undefined;
    const zombie = room.run({
      fault: async (point) => {
        if (point !== 'after-parquet') return;
        await database.pool.query('UPDATE leases SET expires_at = clock_timestamp()');
        replacement = room.run({ stagingFolder: `${room.deps.stagingFolder}-2` });
        await replacement;
      },
    });
    await expect(zombie).rejects.toThrow(/token 1 is not valid any more/);
    await replacement;
    expect(await room.rows()).toHaveLength(1);
    expect(await listQuarantine(room.deps, table)).toHaveLength(1);
    expect((await room.run()).summary).toMatchObject({ files: 2, skipped: 2, rows: 0 });
  }, 60_000);
});
