import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../platform/cli.ts';
import type { Config } from '../../platform/config.ts';
import { workFolder } from '../../platform/work-folder.ts';
import { openFileCache } from '../file-cache.ts';
import type { Lake } from '../tables.ts';
import type { LakeEngine } from './engine.ts';

/**
 * Opens Trino or Athena by the settings; only that one's client is loaded. No connection is made before the first query.
 * @throws UserError a setting that it needs is not there
 */
export const openRemoteEngine = async (engine: 'trino' | 'athena', config: Config): Promise<LakeEngine> => {
  if (engine === 'trino') {
    if (config.TRINO_URL === undefined)
      throw new UserError('Trino needs TRINO_URL, for example https://trino.example:8443');
    const { openTrinoEngine } = await import('./trino.ts');
    return openTrinoEngine({
      url: config.TRINO_URL,
      user: config.TRINO_USER,
      catalog: config.TRINO_CATALOG,
      ...(config.TRINO_PASSWORD === undefined ? {} : { password: config.TRINO_PASSWORD }),
    });
  }
  const { openAthenaEngine } = await import('./athena.ts');
  return openAthenaEngine({
    client: {
      region: config.AWS_REGION,
      ...(config.AWS_ENDPOINT_URL === undefined ? {} : { endpoint: config.AWS_ENDPOINT_URL }),
    },
    workGroup: config.ATHENA_WORKGROUP,
    catalog: config.ATHENA_CATALOG,
    ...(config.ATHENA_OUTPUT === undefined ? {} : { outputLocation: config.ATHENA_OUTPUT }),
  });
};

/** Opens the engine that SQL_ENGINE names. Only DuckDB asks for the lake's parts. */
export const openEngine = async ({
  lake,
  config,
}: {
  lake: () => Promise<Lake>;
  config: Config;
}): Promise<LakeEngine> => {
  if (config.SQL_ENGINE !== 'duckdb') return openRemoteEngine(config.SQL_ENGINE, config);
  // While the database starts, the code is read.
  const [opened, { openDuckDbEngine }] = await Promise.all([lake(), import('./duckdb.ts')]);
  const temporary = await workFolder(config.LASTRO_HOME);
  // A cache of this process alone: another one would throw out what it does not know.
  const folder = await mkdtemp(join(temporary, 'sql-cache-'));
  const cache = await openFileCache({ store: opened.store, folder, maxBytes: 20 * 1024 ** 3 });
  const engine = openDuckDbEngine({
    lake: opened,
    cache,
    limits: {
      memoryLimit: config.SQL_MEMORY,
      maxTemporarySize: config.SQL_TEMPORARY,
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
