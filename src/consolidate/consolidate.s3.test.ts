import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type ConsolidateRoom,
  consolidateRoom,
  eventsTable as table,
} from '../../test/services/consolidate.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { type S3StandIn, startFauxqsS3, startPlainS3 } from '../../test/services/s3.ts';
import { consolidate } from './consolidate.ts';
import { openSource } from './source.ts';

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

const run = async ({ endpoint, region, credentials }: S3StandIn, place: string, notices: string[] = []) => {
  const source = await openSource(place, { endpoint, region, credentials, connections: 8 });
  const report = { notice: (message: string) => notices.push(message) };
  return (await consolidate({ ...room.deps, report }, { source, table })).summary;
};

const put = async (
  { endpoint, region, credentials }: S3StandIn,
  objects: Record<string, string>,
): Promise<void> => {
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  for (const [Key, Body] of Object.entries(objects)) {
    await client.send(new PutObjectCommand({ Bucket: 'kconnect', Key, Body }));
  }
  client.destroy();
};

describe('small files in S3', () => {
  it('takes what the real SDK put there, once, and one written again with other content', async () => {
    const s3 = await startFauxqsS3(['kconnect']);
    const objects = Object.fromEntries(
      Array.from({ length: 60 }, (_, n) => [
        `raw/topics/t/partition=${n % 3}/t+${n % 3}+${String(Math.floor(n / 3)).padStart(10, '0')}.json`,
        `{"n":${n},"text":"é"}`,
      ]),
    );
    await put(s3, { ...objects, 'raw/_SUCCESS': '', 'raw/bad.json': '{', 'elsewhere/x.json': '{}' });
    expect(await run(s3, 's3://kconnect/raw/')).toMatchObject({
      files: 61,
      rows: 60,
      quarantined: 1,
      gaps: 0,
    });
    expect(await run(s3, 's3://kconnect/raw')).toMatchObject({ files: 61, skipped: 61, documents: 0 });
    // A wider source sees the same objects under the same names.
    expect(await run(s3, 's3://kconnect')).toMatchObject({ files: 62, skipped: 61, rows: 1 });
    await put(s3, { 'raw/topics/t/partition=0/t+0+0000000000.json': '{"n":"other"}' });
    expect(await run(s3, 's3://kconnect')).toMatchObject({ skipped: 61, rows: 1 });
    expect(await room.rows()).toHaveLength(62);
    await s3.close();
  }, 60_000);

  it('lists in pages, retries what fails, and leaves what it cannot read for the next run', async () => {
    let broken = true;
    const s3 = await startPlainS3({
      pageSize: 7,
      fault: ({ method, key, count }) => {
        if (method === 'GET' && key.endsWith('gone.json') && broken) return 404;
        return method === 'GET' && key.endsWith('.json') && count % 9 === 0 ? 'reset' : undefined;
      },
    });
    for (let n = 0; n < 40; n++) {
      s3.objects.set(`kconnect/f/a${n}.json`, Buffer.from(`{"n":${n}}`));
    }
    s3.objects.set('kconnect/f/gone.json', Buffer.from('{"n":40}'));
    const notices: string[] = [];
    expect(await run(s3, 's3://kconnect/f', notices)).toMatchObject({ files: 41, rows: 40, documents: 40 });
    expect(notices.join()).toContain('gone.json was left for the next run: it is gone since it was listed');
    broken = false;
    expect(await run(s3, 's3://kconnect/f')).toMatchObject({ files: 41, skipped: 40, rows: 1 });
    await s3.close();
  }, 60_000);

  it('leaves an object that is written again between its listing and its reading for the next run', async () => {
    const s3 = await startPlainS3({
      fault: ({ method, key }) => {
        // The listing has been given out when the first object is asked for.
        if (method === 'GET' && key.endsWith('.json'))
          s3.objects.set('kconnect/f/a.json', Buffer.from('{"n":"new"}'));
        return undefined;
      },
    });
    s3.objects.set('kconnect/f/a.json', Buffer.from('{"n":"old"}'));
    s3.objects.set('kconnect/f/b.json', Buffer.from('{"n":"old"}'));
    const notices: string[] = [];
    expect(await run(s3, 's3://kconnect/f', notices)).toMatchObject({ files: 2, rows: 1 });
    expect(notices.join()).toContain('a.json" in s3://kconnect/f was written again since it was listed');
    expect(await run(s3, 's3://kconnect/f')).toMatchObject({ files: 2, skipped: 1, rows: 1 });
    expect((await room.rows()).map(({ document }) => document).sort()).toEqual([
      '{"n":"new"}',
      '{"n":"old"}',
    ]);
    await s3.close();
  }, 60_000);
});
