import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Pool } from 'pg';
import type { Config } from '../platform/config.ts';
import { openStore } from '../platform/store/open-store.ts';
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
  const url = config.OBJECT_STORE ?? pathToFileURL(join(config.LASTRO_HOME, 'store')).href;
  const { store, close } = await openStore(url, {
    s3: {
      region: config.AWS_REGION,
      ...(config.AWS_ENDPOINT_URL === undefined ? {} : { endpoint: config.AWS_ENDPOINT_URL }),
    },
  });
  return { lake: openLake({ store, catalog: jdbcCatalog({ db: pool }), clock }), close };
};
