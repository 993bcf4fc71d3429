import { readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ConsolidateRoom, consolidateRoom, eventsTable } from '../../test/services/consolidate.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { listQuarantine } from './quarantine.ts';
import { listRuns } from './runs.ts';

const fixtures = join(import.meta.dirname, '../../test/fixtures/json');

const webhooks = gunzipSync(readFileSync(join(fixtures, 'github-webhooks.ndjson.gz')))
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

afterAll(() => {});

const documents = async (): Promise<string[]> =>
  (await room.rows()).map((row) => String(row.document)).sort();

const plain = (value: unknown): unknown =>
  typeof value === 'bigint' ? Number(value) : value instanceof Date ? value.toISOString() : value;

const shown = (rows: Record<string, unknown>[]): string[] =>
  rows
    .map((row) =>
      JSON.stringify(
        Object.fromEntries(
          Object.entries(row)
            .map(([k, v]) => [k, plain(v)])
            .sort(),
        ),
      ),
    )
    .sort();

describe('real input', () => {
  it('takes the webhooks and the whole JSONTestSuite: y_ as rows, n_ into quarantine, everything verbatim', async () => {
    const suite = join(fixtures, 'JSONTestSuite/test_parsing');
    const names = readdirSync(suite);
    for (const name of names) await room.put(`suite/${name}`, readFileSync(join(suite, name)));
    for (const { path, text } of webhooks) await room.put(`webhooks/${path}`, text);

    const { summary } = await room.run();

    const rows = await room.rows();
    const byKey = new Map(rows.map((row) => [String(row.object_key), String(row.document)]));
    const quarantine = await listQuarantine(room.deps, eventsTable);
    const reasons = new Map(quarantine.map(({ objectKey, reason }) => [objectKey, reason]));
    expect(summary).toMatchObject({ files: names.length + 329, skipped: 0, duplicates: 0, gaps: 0 });
    expect(summary.documents).toBe(summary.rows + summary.quarantined);
    expect(rows).toHaveLength(summary.rows);
    for (const { path, text } of webhooks) expect(byKey.get(`webhooks/${path}`)).toBe(text.trim());
    for (const name of names) {
      const key = `suite/${name}`;
      const text = readFileSync(join(suite, name), 'utf8').trim();
      if (name.startsWith('y_object_duplicated')) expect(reasons.get(key)).toBe('duplicate_key');
      else if (name.startsWith('y_')) expect(byKey.get(key)).toBe(text);
      else if (name.startsWith('n_')) expect(reasons.has(key) && !byKey.has(key)).toBe(true);
      else expect(byKey.has(key)).not.toBe(reasons.has(key));
    }
    expect(shown(await room.icebirdRows())).toEqual(shown(rows));
  }, 60_000);

  it('keeps the bytes of what it quarantines', async () => {
    const bad = Buffer.from([0x7b, 0x22, 0xff, 0x00, 0x0a, 0x01, 0x22]);
    await room.put('bad.json', bad);
    await room.run();
    const [row] = await room.rows(`${eventsTable}_quarantine`);
    expect(Buffer.from(row?.raw as Uint8Array)).toEqual(bad);
    expect(row).toMatchObject({ object_key: 'bad.json', reason: 'bad_utf8', fault_at: 2n, raw_bytes: 7n });
  });
});

describe('formats', () => {
  it('reads JSON lines, gzip and pretty-printed documents, with offsets that count on', async () => {
    await room.put('t/partition=0/t+0+0000000010.json', '{"a":1}\n{"a":\n{"a":3}\r\n');
    await room.put('t/partition=0/t+0+0000000013.json.gz', gzipSync('{\r\n "a": [1,\n2]\n}'));
    await room.put('x-1-5', gzipSync('{"b":1}\n{"b":2}\n'));
    await room.put('free.ndjson', '1\n"\u2028"\n');
    await room.put('broken.json.gz', gzipSync('{}').subarray(0, 12));
    const { summary } = await room.run();
    expect(summary).toMatchObject({ documents: 9, rows: 7, quarantined: 2, gaps: 0 });
    const rows = (await room.rows()).map((row) =>
      [row.topic ?? '', row.kafka_partition ?? '', row.kafka_offset ?? '', row.position, row.document].join(
        ' ',
      ),
    );
    expect(rows.sort()).toEqual(
      [
        't 0 10 0 {"a":1}',
        't 0 12 2 {"a":3}',
        't 0 13 0 {\r\n "a": [1,\n2]\n}',
        'x 1 5 0 {"b":1}',
        'x 1 6 1 {"b":2}',
        '   0 1',
        '   1 "\u2028"',
      ].sort(),
    );
    const quarantine = await listQuarantine(room.deps, eventsTable);
    expect(quarantine.map(({ reason, kafkaOffset }) => [reason, kafkaOffset]).sort()).toEqual([
      ['bad_gzip', null],
      ['truncated', 11],
    ]);
  });

  it('takes names that no line can hold as they are', async () => {
    const name = 'a\u0001b\nc"é%41.json';
    await room.put(name, '{"a":1}');
    await room.put(`${'k'.repeat(200)}.json`, '[]');
    await room.run();
    expect((await room.rows()).map((row) => row.object_key).sort()).toEqual([
      name,
      `${'k'.repeat(200)}.json`,
    ]);
  });

  it('quarantines what is too large and takes what is just large', async () => {
    const limits = {
      ...room.deps.limits,
      read: { maxDocumentBytes: 3_000_000, maxDepth: 512, maxFileBytes: 12_000_000 },
    };
    await room.put('large.json', JSON.stringify({ text: 'x'.repeat(2_900_000) }));
    await room.put('document.json', JSON.stringify({ text: 'x'.repeat(3_100_000) }));
    await room.put('file.json', JSON.stringify({ text: 'x'.repeat(13_000_000) }));
    await room.put('bomb.json.gz', gzipSync(`"${' '.repeat(13_000_000)}"`));
    const { summary } = await room.run({ limits });
    expect(summary).toMatchObject({ rows: 1, quarantined: 3 });
    const quarantine = await room.rows(`${eventsTable}_quarantine`);
    expect(quarantine.map((row) => [row.object_key, row.reason, row.raw_cut]).sort()).toEqual([
      ['bomb.json.gz', 'too_large', false],
      ['document.json', 'too_large', false],
      ['file.json', 'too_large', true],
    ]);
  });
});

describe('links', () => {
  it('reads nothing outside the source, though a file or a folder is swapped for a link after it was listed', async () => {
    const outside = join(room.folder, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'a.json'), '"secret"');
    for (const key of ['file/a.json', 'folder/a.json', 'stays/a.json']) await room.put(key, '"inside"');
    const place = (path: string): string => join(room.inbox, path);
    const notices: string[] = [];
    const planned = (): void => {
      renameSync(place('file/a.json'), place('file/kept'));
      symlinkSync(join(outside, 'a.json'), place('file/a.json'));
      renameSync(place('folder'), place('_kept'));
      symlinkSync(outside, place('folder'));
    };
    await room.run({ report: { planned, notice: (message) => notices.push(message) } });
    expect(notices.join()).toContain('file/a.json was left for the next run: ');
    expect(notices.join()).toContain('links are not followed');
    expect(new Set(await documents())).toEqual(new Set(['"inside"']));
    // Links are not listed either; what is put back is taken.
    await room.run();
    renameSync(place('file/kept'), place('file/a.json'));
    rmSync(place('folder'));
    renameSync(place('_kept'), place('folder'));
    await room.run();
    expect(await documents()).toEqual(['"inside"', '"inside"', '"inside"']);
  });
});

describe('nothing twice', () => {
  it('changes nothing when it runs again, and takes only what is new', async () => {
    await room.put('a.json', '{"a":1}');
    await room.put('b.json', '{');
    const first = await room.run();
    expect(first.summary).toMatchObject({ files: 2, skipped: 0, rows: 1, quarantined: 1, dataFiles: 2 });
    const again = await room.run();
    expect(again.summary).toMatchObject({
      files: 2,
      skipped: 2,
      documents: 0,
      rows: 0,
      dataFiles: 0,
      snapshotId: first.summary.snapshotId,
    });
    await room.put('c.json', '{"c":1}');
    expect((await room.run()).summary).toMatchObject({ files: 3, skipped: 2, rows: 1 });
    expect(await documents()).toEqual(['{"a":1}', '{"c":1}']);
  });

  it('skips an object that was only written again, and takes and reports one with other content', async () => {
    await room.put('a.json', '{"a":1}');
    await room.run();
    await room.put('a.json', '{"a":1}', 5);
    expect((await room.run()).summary).toMatchObject({ files: 1, skipped: 1, documents: 0 });
    expect((await room.run()).summary).toMatchObject({ files: 1, skipped: 1, bytesIn: 0 });
    await room.put('a.json', '{"a":2}', 6);
    const notices: string[] = [];
    const { summary } = await room.run({ report: { notice: (message) => notices.push(message) } });
    expect(summary).toMatchObject({ files: 1, skipped: 0, rows: 1 });
    expect(notices.join()).toContain('1 files were written again with other content');
    expect(await documents()).toEqual(['{"a":1}', '{"a":2}']);
  });

  it('keeps equal documents of different objects where no offset says that they are one', async () => {
    await room.put('a.json', '{"a":1}');
    await room.put('b.json', '{"a":1}');
    expect((await room.run()).summary).toMatchObject({ rows: 2, duplicates: 0 });
  });

  it('drops exact duplicates by offset within a run and across runs, keeps and reports other content', async () => {
    await room.put('one/t+0+0000000000.json', '{"n":0}\n{"n":1}\n{"n":2}');
    await room.put('two/t+0+0000000001.json', '{"n":1}\n{"n":"other"}\n{"n":3}');
    const notices: string[] = [];
    const first = await room.run({ report: { notice: (message) => notices.push(message) } });
    expect(first.summary).toMatchObject({ documents: 6, rows: 5, duplicates: 1, gaps: 0 });
    expect(notices.join()).toContain('1 documents have the Kafka offset of another document');
    await room.put('three/t+0+0000000002.json', '{"n":2}\n{"n":3}\n{"n":4}');
    await room.put('three/t+0+0000000009.json', '{"n":9}');
    await room.put('three/t+1+0000000009.json', '{"n":9}');
    expect((await room.run()).summary).toMatchObject({ documents: 5, rows: 3, duplicates: 2, gaps: 1 });
    expect(await documents()).toEqual(
      ['{"n":0}', '{"n":1}', '{"n":2}', '{"n":"other"}', '{"n":3}', '{"n":4}', '{"n":9}', '{"n":9}'].sort(),
    );
    await room.put('late/t+0+0000000005.json', '{"n":5}\n{"n":6}\n{"n":7}\n{"n":8}');
    expect((await room.run()).summary).toMatchObject({ rows: 4, gaps: 0 });
  });

  it('drops exact duplicates of an earlier batch of the same run', async () => {
    await room.put('a/t+0+0000000005.json', '{"n":5}');
    await room.put('b/t+0+0000000005.json', '{"n":5}');
    await room.put('c/t+0+0000000005.json', '{"n":"other"}');
    const { summary } = await room.run({ limits: { ...room.deps.limits, batchFiles: 1 } });
    expect(summary).toMatchObject({ documents: 3, rows: 2, duplicates: 1 });
    expect(await documents()).toEqual(['{"n":"other"}', '{"n":5}']);
  });

  it('cuts the work into batches with a commit each, and goes on where a failed run ended', async () => {
    for (let n = 0; n < 10; n++) await room.put(`t+0+${String(n).padStart(10, '0')}.json`, `{"n":${n}}`);
    const limits = { ...room.deps.limits, batchFiles: 3 };
    let commits = 0;
    const crash = room.run({
      limits,
      fault: (point) => {
        if (point === 'after-commit' && ++commits === 2) throw new Error('crash');
      },
    });
    await expect(crash).rejects.toThrow('crash');
    expect(await room.rows()).toHaveLength(6);
    expect((await room.run({ limits })).summary).toMatchObject({
      files: 10,
      skipped: 6,
      rows: 4,
      dataFiles: 2,
    });
    expect(await documents()).toHaveLength(10);
    const runs = await listRuns(database.pool);
    expect(runs.map(({ state, error }) => [state, error])).toEqual([
      ['done', null],
      ['failed', 'crash'],
    ]);
  });
});

describe('partitions', () => {
  it('writes one file for each topic where the table is partitioned so', async () => {
    for (const topic of ['a', 'b']) {
      for (const n of [0, 1])
        await room.put(`${topic}+${n}+0000000000.json`, `{"topic":"${topic}","n":${n}}`);
    }
    await room.put('free.json', '0');
    const { consolidate } = await import('./consolidate.ts');
    const { parsePartitionBy } = await import('./tables.ts');
    const partitionBy = parsePartitionBy('topic, month(ingested_at)');
    const { summary } = await consolidate(room.deps, {
      source: await room.source(),
      table: eventsTable,
      partitionBy,
    });
    expect(summary).toMatchObject({ rows: 5, dataFiles: 3 });
    expect(await room.icebirdRows()).toHaveLength(5);
  });
});
