import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GlueStandIn, startGlue } from '../../../test/services/glue.ts';
import { type TestDatabase, testDatabase } from '../../../test/services/postgres.ts';
import type { Tx } from '../../platform/postgres.ts';
import { openMemoryStore } from '../../platform/store/memory.ts';
import { append, createTable, dropTable, listTables, loadTable, openLake } from '../tables.ts';
import { type Catalog, parseTableName } from './catalog.ts';
import { glueCatalog } from './glue.ts';
import { glueColumns } from './glue-columns.ts';
import { jdbcCatalog } from './jdbc.ts';

let database: TestDatabase;
let glue: GlueStandIn;
const closers: (() => void)[] = [];
beforeAll(async () => {
  [database, glue] = await Promise.all([testDatabase(), startGlue()]);
});
afterAll(async () => {
  for (const close of closers) close();
  await Promise.all([database.drop(), glue.close()]);
});

const openGlue = (): Catalog => {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const catalog = glueCatalog({ region: 'sa-east-1', endpoint: glue.endpoint, credentials });
  closers.push(catalog.close);
  return catalog;
};

const catalogs: { name: string; open: () => Catalog }[] = [
  { name: 'JDBC in Postgres', open: () => jdbcCatalog({ db: database.pool }) },
  { name: 'Glue', open: openGlue },
];

for (const { name, open } of catalogs) {
  describe(`catalog: ${name}`, () => {
    it('moves a pointer only from where it is', async () => {
      const catalog = open();
      const table = parseTableName('a.b_c');
      expect(await catalog.load(table)).toBeNull();
      expect(await catalog.swap(table, { from: null, to: 's3://x/1' })).toBe('done');
      expect(await catalog.swap(table, { from: null, to: 's3://x/1' })).toBe('conflict');
      const first = await catalog.load(table);
      if (!first) throw new Error('the entry is not there');
      expect(first.metadataLocation).toBe('s3://x/1');
      expect(await catalog.swap(table, { from: first, to: 's3://x/2' })).toBe('done');
      expect(await catalog.swap(table, { from: first, to: 's3://x/3' })).toBe('conflict');
      expect((await catalog.load(table))?.metadataLocation).toBe('s3://x/2');
      expect(await catalog.swap(table, { from: first, to: null })).toBe('conflict');
      expect(await catalog.list()).toContainEqual(table);
      expect(await catalog.list('a')).toEqual([table]);
      expect(await catalog.list('nobody')).toEqual([]);
      const now = await catalog.load(table);
      expect(await catalog.swap(table, { from: now, to: null })).toBe('done');
      expect(await catalog.load(table)).toBeNull();
    });

    it('lets one of many swaps win', async () => {
      const catalog = open();
      const table = parseTableName('race.t');
      await catalog.swap(table, { from: null, to: 's3://x/0' });
      const from = await catalog.load(table);
      const swaps = Array.from({ length: 8 }, (_, at) => catalog.swap(table, { from, to: `s3://x/r${at}` }));
      expect((await Promise.all(swaps)).filter((result) => result === 'done')).toHaveLength(1);
    });

    it('carries whole tables, also with many writers', async () => {
      const lake = openLake({ store: openMemoryStore().store, catalog: open() });
      await createTable(lake, 'whole.t', { columns: [{ name: 'id', type: 'long' }] });
      await Promise.all(
        Array.from({ length: 4 }, async () => {
          for (let turn = 0; turn < 3; turn++) await append(lake, 'whole.t', { add: [] });
        }),
      );
      expect((await loadTable(lake, 'whole.t')).metadata.snapshots).toHaveLength(12);
      expect(await listTables(lake, 'whole')).toHaveLength(1);
      await dropTable(lake, 'whole.t');
    });
  });
}

describe('JDBC catalog', () => {
  it('has the rows of Java’s JdbcCatalog', async () => {
    const catalog = jdbcCatalog({ db: database.pool, name: 'rows' });
    const table = parseTableName('um.dois.tres');
    await catalog.swap(table, { from: null, to: 's3://x/1' });
    await catalog.swap(table, { from: { metadataLocation: 's3://x/1' }, to: 's3://x/2' });
    const { rows } = await database.pool.query(`SELECT * FROM iceberg_tables WHERE catalog_name = 'rows'`);
    expect(rows).toEqual([
      {
        catalog_name: 'rows',
        table_namespace: 'um.dois',
        table_name: 'tres',
        metadata_location: 's3://x/2',
        previous_metadata_location: 's3://x/1',
        iceberg_type: 'TABLE',
      },
    ]);
    const spaces = await database.pool.query(
      `SELECT namespace, property_key, property_value FROM iceberg_namespace_properties WHERE catalog_name = 'rows'`,
    );
    expect(spaces.rows).toEqual([{ namespace: 'um.dois', property_key: 'exists', property_value: 'true' }]);
  });
});

describe('Glue catalog', () => {
  it('writes the parameters that Iceberg engines look for, and keeps what others put on the entry', async () => {
    const catalog = openGlue();
    const table = parseTableName('params.t');
    await catalog.swap(table, { from: null, to: 's3://x/1' });
    const from = await catalog.load(table);
    await catalog.swap(table, { from, to: 's3://x/2' });
    const answer = await fetch(glue.endpoint, {
      method: 'POST',
      headers: { 'x-amz-target': 'AWSGlue.GetTable' },
      body: JSON.stringify({ DatabaseName: 'params', Name: 't' }),
    });
    expect(await answer.json()).toMatchObject({
      Table: {
        TableType: 'EXTERNAL_TABLE',
        Parameters: {
          table_type: 'ICEBERG',
          metadata_location: 's3://x/2',
          previous_metadata_location: 's3://x/1',
        },
      },
    });
  });

  it('shows the columns on the entry', async () => {
    const { store } = openMemoryStore();
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    const catalog = glueCatalog({
      region: 'sa-east-1',
      endpoint: glue.endpoint,
      credentials,
      describe: glueColumns(store),
    });
    closers.push(catalog.close);
    const table = await createTable(openLake({ store, catalog }), 'shown.t', {
      columns: [
        { name: 'id', type: 'long', doc: 'the order' },
        { name: 'valor', type: 'decimal(12, 2)' },
        { name: 'partes', type: { list: { struct: [{ name: 'x', type: 'timestamptz' }] } } },
      ],
    });
    const answer = await fetch(glue.endpoint, {
      method: 'POST',
      headers: { 'x-amz-target': 'AWSGlue.GetTable' },
      body: JSON.stringify({ DatabaseName: 'shown', Name: 't' }),
    });
    expect(await answer.json()).toMatchObject({
      Table: {
        StorageDescriptor: {
          Location: table.metadata.location,
          Columns: [
            { Name: 'id', Type: 'bigint', Comment: 'the order' },
            { Name: 'valor', Type: 'decimal(12,2)' },
            { Name: 'partes', Type: 'array<struct<x:timestamp>>' },
          ],
        },
      },
    });
  });

  it('cannot join a Postgres transaction, and says so', async () => {
    const catalog = openGlue();
    const tx = { inTransaction: true } as Tx;
    await expect(catalog.swap(parseTableName('a.b'), { from: null, to: 'x' }, tx)).rejects.toThrow(
      'cannot join',
    );
  });

  it('finds a commit whose answer was lost, also where the client repeated it', async () => {
    const lake = openLake({ store: openMemoryStore().store, catalog: openGlue() });
    await createTable(lake, 'lost.t', { columns: [{ name: 'id', type: 'long' }] });
    let updates = 0;
    glue.fault = (operation) => (operation === 'UpdateTable' && ++updates === 1 ? 'lost' : undefined);
    await append(lake, 'lost.t', { add: [] }, { commitId: 'once' });
    glue.fault = () => undefined;
    expect(updates).toBeGreaterThanOrEqual(1);
    const { metadata } = await loadTable(lake, 'lost.t');
    expect(metadata.snapshots.filter((each) => each.summary['lastro.commit-id'] === 'once')).toHaveLength(1);
    expect(metadata.snapshots).toHaveLength(1);
  });
});
