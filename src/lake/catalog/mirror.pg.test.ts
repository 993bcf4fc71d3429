import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type GlueStandIn, startGlue } from '../../../test/services/glue.ts';
import { type TestDatabase, testDatabase } from '../../../test/services/postgres.ts';
import { transaction } from '../../platform/postgres.ts';
import { openMemoryStore } from '../../platform/store/memory.ts';
import { createTable, dropTable, type Lake, openLake, setProperties } from '../tables.ts';
import { glueCatalog } from './glue.ts';
import { jdbcCatalog } from './jdbc.ts';
import { mirrorCatalog } from './mirror.ts';
import { noteChanges } from './noted.ts';

let database: TestDatabase;
let glue: GlueStandIn;

beforeAll(async () => {
  [database, glue] = await Promise.all([testDatabase(), startGlue()]);
});
afterEach(() => {
  glue.fault = () => undefined;
});
afterAll(async () => {
  await Promise.all([database.drop(), glue.close()]);
});

const { store } = openMemoryStore();

const open = () => {
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  const to = glueCatalog({ region: 'sa-east-1', endpoint: glue.endpoint, credentials, mirror: true });
  const jdbc = jdbcCatalog({ db: database.pool });
  const { catalog, changed } = noteChanges(jdbc);
  const mirror = mirrorCatalog({ from: jdbc, to });
  const publishChanged = () => mirror.publish(changed());
  return { lake: openLake({ store, catalog }), mirror, publishChanged, to };
};

const columns = [{ name: 'n', type: 'long' }] as const;
const change = (lake: Lake, name: string, value: string) => setProperties(lake, name, { value });

describe('a mirror of the catalog in Glue', () => {
  it('shows what was committed, also with a transaction, and nothing of what was rolled back', async () => {
    const { lake, publishChanged, to } = open();
    await transaction(
      database.pool,
      async (tx) => void (await createTable(lake, 'm.a', { columns }, { tx })),
    );
    const failing = transaction(database.pool, async (tx) => {
      await createTable(lake, 'm.undone', { columns }, { tx });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await publishChanged();
    const { metadataLocation } = await change(lake, 'm.a', '1');
    expect((await to.load({ namespace: 'm', name: 'a' }))?.metadataLocation).not.toBe(metadataLocation);
    await publishChanged();
    expect((await to.load({ namespace: 'm', name: 'a' }))?.metadataLocation).toBe(metadataLocation);
    expect(await to.list()).toEqual([{ namespace: 'm', name: 'a' }]);
  });

  it('comes right after Glue was away, after lost answers, and after a publisher that died', async () => {
    const { lake, publishChanged, to } = open();
    await createTable(lake, 'm.b', { columns });
    glue.fault = () => 'reset';
    await expect(publishChanged()).rejects.toThrow();
    glue.fault = (operation, count) => (operation === 'CreateTable' && count % 2 === 0 ? 'lost' : undefined);
    await publishChanged().catch(() => {});
    glue.fault = () => undefined;
    const { metadataLocation } = await change(lake, 'm.b', '2');
    // Another process, which knows nothing of what this one still owed.
    const other = open();
    expect((await other.mirror.publishAll(lake.warehouse)).published).toEqual(['m.b']);
    expect((await to.load({ namespace: 'm', name: 'b' }))?.metadataLocation).toBe(metadataLocation);
    expect(await other.mirror.publishAll(lake.warehouse)).toEqual({ published: [], removed: [] });
  }, 60_000);

  it('removes entries of its own tables that were dropped, and no others', async () => {
    const { lake, publishChanged, to } = open();
    await createTable(lake, 'm.dropped', { columns });
    await publishChanged();
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
    const others = glueCatalog({ region: 'sa-east-1', endpoint: glue.endpoint, credentials });
    await others.swap(
      { namespace: 'm', name: 'foreign' },
      { from: null, to: `${lake.warehouse}/x.metadata.json` },
    );
    await dropTable(lake, 'm.dropped');
    expect((await open().mirror.publishAll(lake.warehouse)).removed).toEqual(['m.dropped']);
    expect((await to.list()).map(({ name }) => name)).toContain('foreign');
  });

  it('leaves what another engine committed through Glue, and says so', async () => {
    const { lake, publishChanged, to } = open();
    const name = { namespace: 'm', name: 'written' };
    await createTable(lake, 'm.written', { columns });
    await publishChanged();
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
    const others = glueCatalog({ region: 'sa-east-1', endpoint: glue.endpoint, credentials });
    await others.swap(name, { from: await others.load(name), to: 's3://elsewhere/theirs.metadata.json' });
    await change(lake, 'm.written', '1');
    await createTable(lake, 'm.beside', { columns });
    await expect(open().mirror.publishAll(lake.warehouse)).rejects.toThrow(
      'm.written in Glue shows a commit',
    );
    expect((await to.load(name))?.metadataLocation).toBe('s3://elsewhere/theirs.metadata.json');
    expect(await to.load({ namespace: 'm', name: 'beside' })).not.toBeNull();
    await to.swap(name, { from: await to.load(name), to: null });
  });

  it('never goes back, however many publish at once', async () => {
    const { lake, to } = open();
    await createTable(lake, 'm.busy', { columns });
    const publishers = Array.from({ length: 4 }, open);
    for (let round = 0; round < 10; round++) {
      const committed = await change(lake, 'm.busy', String(round));
      await Promise.all(publishers.map(({ mirror }) => mirror.publishAll(lake.warehouse)));
      const shown = await to.load({ namespace: 'm', name: 'busy' });
      expect(shown?.metadataLocation).toBe(committed.metadataLocation);
    }
  });
});
