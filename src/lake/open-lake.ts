import type { Pool } from 'pg';
import type { Config } from '../platform/config.ts';
import { openConfiguredStore } from '../platform/store/configured-store.ts';
import type { Store } from '../platform/store/store.ts';
import { jdbcCatalog } from './catalog/jdbc.ts';
import { mirrorCatalog } from './catalog/mirror.ts';
import { noteChanges } from './catalog/noted.ts';
import { openHivePublisher } from './hive-manifests.ts';
import { type Lake, openLake } from './tables.ts';

export type ConfiguredLake = {
  readonly lake: Lake;
  /**
   * Brings up to date what others read every table by, whoever changed it: the entries in Glue (with
   * `LAKE_CATALOG=jdbc+glue`; answers which), the Hive manifests.
   */
  readonly publish: () => Promise<{ published: string[]; removed: string[] }>;
  /** The same of the tables that were changed through this lake. What can't be told is a warning: the commits stand. */
  readonly publishChanged: () => Promise<void>;
  /** Publishes what was changed, and lets go. */
  readonly close: () => Promise<void>;
};

/**
 * The lake that the settings name: its object store (`OBJECT_STORE`, else a folder in LASTRO_HOME) and its catalog
 * (`LAKE_CATALOG`).
 *
 * - `jdbc`: the Iceberg JDBC tables in this database.
 * - `jdbc+glue`: the same, and each table's pointer is published in AWS Glue after its commit.
 * - `glue`: Glue alone. A commit cannot join a transaction of PostgreSQL then, so what needs that refuses to begin
 *   (`requireTransactions`); reading and maintenance work.
 */
export const openConfiguredLake = async ({
  config,
  pool,
  clock = () => new Date(),
}: {
  config: Config;
  pool: Pool;
  clock?: () => Date;
}): Promise<ConfiguredLake> => {
  const { store, close } = await openConfiguredStore(config);
  const jdbc = jdbcCatalog({ db: pool });
  const name = config.LAKE_CATALOG;
  const glue = name === 'jdbc' ? undefined : await openGlue(config, store);
  const { catalog, changed } = noteChanges(glue && name === 'glue' ? glue : jdbc);
  const lake = openLake({ store, catalog, clock });
  const mirror = glue && name === 'jdbc+glue' ? mirrorCatalog({ from: jdbc, to: glue }) : undefined;
  const hive = openHivePublisher(lake);
  const publishChanged = async (): Promise<void> => {
    await mirror
      ?.publish(changed())
      .catch(warn('Glue could not be told of the last commits; the worker tells it'));
    await hive
      .publish(changed())
      .catch(
        warn(
          'the Hive manifests are behind the last commits; the worker writes them, or `lastro table hive NAME`',
        ),
      );
  };
  return {
    lake,
    publish: async () => {
      // Neither keeps the other from what it can do.
      const [told, kept] = await Promise.allSettled([
        mirror?.publishAll(lake.warehouse),
        catalog.list().then(hive.publish),
      ]);
      for (const each of [told, kept]) if (each.status === 'rejected') throw each.reason;
      return (told.status === 'fulfilled' ? told.value : undefined) ?? { published: [], removed: [] };
    },
    publishChanged,
    close: async () => {
      await publishChanged();
      glue?.close();
      await close();
    },
  };
};

const warn =
  (what: string) =>
  (error: unknown): void =>
    process.emitWarning(`${what}: ${error instanceof Error ? error.message : String(error)}`);

/** The AWS SDK takes a quarter of a second to load: only who uses Glue pays for it. */
const openGlue = async (config: Config, store: Store) => {
  const [{ glueCatalog }, { glueColumns }] = await Promise.all([
    import('./catalog/glue.ts'),
    import('./catalog/glue-columns.ts'),
  ]);
  return glueCatalog({
    region: config.AWS_REGION,
    ...(config.AWS_ENDPOINT_URL === undefined ? {} : { endpoint: config.AWS_ENDPOINT_URL }),
    describe: glueColumns(store),
    mirror: config.LAKE_CATALOG === 'jdbc+glue',
  });
};
