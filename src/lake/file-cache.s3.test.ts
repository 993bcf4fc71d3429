import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GlueStandIn, startGlue } from '../../test/services/glue.ts';
import { startPlainS3 } from '../../test/services/s3.ts';
import { openStore } from '../platform/store/open-store.ts';
import { glueCatalog } from './catalog/glue.ts';
import { writeDataFiles } from './data-writer.ts';
import { allRows, type DuckSession, openDuckDb } from './duckdb-session.ts';
import { openFileCache } from './file-cache.ts';
import { planFiles, scanLocations, scanSql } from './scan.ts';
import { append, createTable, type Lake, loadTable, openLake, tableFiles } from './tables.ts';

// The lake as on AWS: objects in S3, pointers in Glue, DuckDB on local copies.

let glue: GlueStandIn;
let session: DuckSession;
let lake: Lake;
let folder: string;
const closers: (() => Promise<void> | void)[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-cache-'));
  const s3 = await startPlainS3({ pageSize: 5 });
  glue = await startGlue();
  session = await openDuckDb();
  const opened = await openStore('s3://lastro-lake/prod', { s3 });
  const { credentials, region } = s3;
  const catalog = glueCatalog({ region, credentials, endpoint: glue.endpoint });
  lake = openLake({ store: opened.store, catalog });
  closers.push(opened.close, s3.close, glue.close, catalog.close, session.close);
  await createTable(lake, 'aws.t', {
    columns: [
      { name: 'id', type: 'long' },
      { name: 'x', type: 'string' },
    ],
    partitionBy: [{ column: 'id', transform: 'truncate[1000]' }],
  });
  const table = await loadTable(lake, 'aws.t');
  const add = await writeDataFiles(
    { lake, session },
    table,
    '(SELECT range AS id, sha256(range::VARCHAR) AS x FROM range(5000))',
  );
  await append(lake, 'aws.t', { add });
});
afterAll(async () => {
  for (const close of closers) await close();
  await rm(folder, { recursive: true });
});

describe('a lake on S3 and Glue', () => {
  it('is read through local copies, fetched once and bounded', async () => {
    const table = await loadTable(lake, 'aws.t');
    const files = await tableFiles(lake, table);
    expect(files).toHaveLength(5);
    const largest = Math.max(...files.map((file) => file.bytes));
    const cacheFolder = join(folder, 'bounded');
    const cache = await openFileCache({ store: lake.store, folder: cacheFolder, maxBytes: largest * 2.5 });
    const sumWhere = async (filter: Parameters<typeof planFiles>[2]): Promise<number> => {
      const plan = await planFiles(lake, table, filter);
      const held = await cache.hold(scanLocations(plan));
      try {
        const [row] = await allRows(
          session.connection,
          `SELECT sum(id)::DOUBLE AS s FROM ${scanSql(plan, held.localPath)}`,
        );
        return Number(row?.['s']);
      } finally {
        held.release();
      }
    };
    for (let part = 0; part < 5; part++) {
      const filter = [
        { column: 'id', op: '>=', value: part * 1000 },
        { column: 'id', op: '<', value: (part + 1) * 1000 },
      ] as const;
      expect(await sumWhere({ filter })).toBe(part * 1_000_000 + 499_500);
      expect((await readdir(cacheFolder)).length).toBeLessThanOrEqual(2);
    }
    await expect(sumWhere({})).rejects.toThrow('does not fit the local cache');
    expect(await sumWhere({ filter: [{ column: 'id', op: '<', value: 1000 }] })).toBe(499_500);
    const whole = await openFileCache({ store: lake.store, folder: cacheFolder, maxBytes: 1e9 });
    expect(await readdir(cacheFolder)).toEqual([]);
    const locations = files.map((file) => file.path);
    const [first, second] = await Promise.all([whole.hold(locations), whole.hold(locations)]);
    expect(await readdir(cacheFolder)).toHaveLength(5);
    first.release();
    second.release();
    await expect(whole.hold(['s3://elsewhere/x'])).rejects.toThrow('outside the lake');
    await expect(whole.hold([`${lake.store.url}/nothing`])).rejects.toThrow('no object');
  });
});
