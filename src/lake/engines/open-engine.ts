import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../platform/config.ts';
import type { EngineSettings } from '../engine-settings.ts';
import { openFileCache } from '../file-cache.ts';
import type { Lake } from '../tables.ts';
import type { LakeEngine } from './engine.ts';

/** Opens the engine that the settings name. Only that one's client is loaded; only DuckDB asks for the lake's parts. */
export const openEngine = async ({
  lake,
  config,
  settings,
}: {
  lake: () => Promise<Lake>;
  config: Config;
  settings: EngineSettings;
}): Promise<LakeEngine> => {
  if (settings.SQL_ENGINE === 'trino') {
    const { openTrinoEngine } = await import('./trino.ts');
    return openTrinoEngine({
      url: settings.TRINO_URL ?? '',
      user: settings.TRINO_USER,
      catalog: settings.TRINO_CATALOG,
      ...(settings.TRINO_PASSWORD === undefined ? {} : { password: settings.TRINO_PASSWORD }),
    });
  }
  if (settings.SQL_ENGINE === 'athena') {
    const { openAthenaEngine } = await import('./athena.ts');
    return openAthenaEngine({
      client: {
        region: config.AWS_REGION,
        ...(config.AWS_ENDPOINT_URL === undefined ? {} : { endpoint: config.AWS_ENDPOINT_URL }),
      },
      workGroup: settings.ATHENA_WORKGROUP,
      catalog: settings.ATHENA_CATALOG,
      ...(settings.ATHENA_OUTPUT === undefined ? {} : { outputLocation: settings.ATHENA_OUTPUT }),
    });
  }
  const opened = await lake();
  const { openDuckDbEngine } = await import('./duckdb.ts');
  const temporary = join(config.LASTRO_HOME, 'tmp');
  await mkdir(temporary, { recursive: true });
  // A cache of this process alone: another one would throw out what it does not know.
  const folder = await mkdtemp(join(temporary, 'sql-cache-'));
  const cache = await openFileCache({ store: opened.store, folder, maxBytes: 20 * 1024 ** 3 });
  const engine = openDuckDbEngine({
    lake: opened,
    cache,
    limits: {
      memoryLimit: settings.SQL_MEMORY,
      maxTemporarySize: settings.SQL_TEMPORARY,
      temporaryParent: temporary,
    },
  });
  return {
    ...engine,
    close: async () => {
      await engine.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
