import type { Pool } from 'pg';
import type { Config } from '../platform/config.ts';
import { openConfiguredStore } from '../platform/store/configured-store.ts';
import { jdbcCatalog } from './catalog/jdbc.ts';
import { type Lake, openLake } from './tables.ts';

/**
 * The lake that the settings name: its object store (`OBJECT_STORE`, else a folder in LASTRO_HOME) and its catalog,
 * the Iceberg JDBC tables in this database.
 */
export const openConfiguredLake = async ({
  config,
  pool,
  clock = () => new Date(),
}: {
  config: Config;
  pool: Pool;
  clock?: () => Date;
}): Promise<{ lake: Lake; close: () => Promise<void> }> => {
  const { store, close } = await openConfiguredStore(config);
  return { lake: openLake({ store, catalog: jdbcCatalog({ db: pool }), clock }), close };
};
