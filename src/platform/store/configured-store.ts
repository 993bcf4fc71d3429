import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Config } from '../config.ts';
import { openStore, type StoreDeps } from './open-store.ts';
import type { OpenedStore } from './store.ts';

type StoreSettings = Pick<Config, 'OBJECT_STORE' | 'LASTRO_HOME' | 'AWS_REGION' | 'AWS_ENDPOINT_URL'>;

/**
 * The object store that the settings name: `OBJECT_STORE`, else a folder in LASTRO_HOME. `links` is what signs links
 * to a directory's objects, for who gives them out.
 */
export const openConfiguredStore = (
  config: StoreSettings,
  { links }: Pick<StoreDeps, 'links'> = {},
): Promise<OpenedStore> =>
  openStore(config.OBJECT_STORE ?? pathToFileURL(join(config.LASTRO_HOME, 'store')).href, {
    ...(links ? { links } : {}),
    s3: {
      region: config.AWS_REGION,
      ...(config.AWS_ENDPOINT_URL === undefined ? {} : { endpoint: config.AWS_ENDPOINT_URL }),
    },
  });
