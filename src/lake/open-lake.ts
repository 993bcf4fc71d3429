import type { Pool } from 'pg';
import type { Config } from '../platform/config.ts';
import { openConfiguredStore } from '../platform/store/configured-store.ts';
import { jdbcCatalog } from './catalog/jdbc.ts';
import { mirrorCatalog } from './catalog/mirror.ts';
import { type Lake, openLake } from './tables.ts';

export type ConfiguredLake = {
  readonly lake: Lake;
  /** With `LAKE_CATALOG=jdbc+glue`: brings every table's entry in Glue up to date. */
  readonly publish?: () => Promise<{ published: string[]; removed: string[] }>;
  /** Publishes what was changed through this lake, where there is a mirror, and lets go. */
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
  if (config.LAKE_CATALOG === 'jdbc') return { lake: openLake({ store, catalog: jdbc, clock }), close };
  // The AWS SDK takes a quarter of a second to load: only who uses Glue pays for it.
  const [{ glueCatalog }, { glueColumns }] = await Promise.all([
    import('./catalog/glue.ts'),
    import('./catalog/glue-columns.ts'),
  ]);
  const glue = glueCatalog({
    region: config.AWS_REGION,
    ...(config.AWS_ENDPOINT_URL === undefined ? {} : { endpoint: config.AWS_ENDPOINT_URL }),
    describe: glueColumns(store),
    mirror: config.LAKE_CATALOG === 'jdbc+glue',
  });
  const closeAll = async (): Promise<void> => {
    glue.close();
    await close();
  };
  if (config.LAKE_CATALOG === 'glue') {
    return { lake: openLake({ store, catalog: glue, clock }), close: closeAll };
  }
  const mirror = mirrorCatalog({ from: jdbc, to: glue });
  const lake = openLake({ store, catalog: mirror.catalog, clock });
  return {
    lake,
    publish: () => mirror.publishAll(lake.warehouse),
    close: async () => {
      // The commits stand: that others don't see them in Glue yet is no failure of the work that made them.
      await mirror.publishChanged().catch((error: unknown) => {
        const words = error instanceof Error ? error.message : String(error);
        process.emitWarning(`Glue could not be told of the last commits; the worker tells it: ${words}`);
      });
      await closeAll();
    },
  };
};
