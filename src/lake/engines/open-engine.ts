import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../platform/cli.ts';
import type { Config } from '../../platform/config.ts';
import { workFolder } from '../../platform/work-folder.ts';
import { openFileCache } from '../file-cache.ts';
import type { Lake } from '../tables.ts';
import type { LakeEngine } from './engine.ts';

/** Opens the engine that the settings name. Only that one's client is loaded; only DuckDB asks for the lake's parts. */
export const openEngine = async ({
  lake,
  config,
}: {
  lake: () => Promise<Lake>;
  config: Config;
}): Promise<LakeEngine> => {
  if (config.SQL_ENGINE === 'trino') {
    if (config.TRINO_URL === undefined)
      throw new UserError('SQL_ENGINE=trino needs TRINO_URL, for example https://trino.example:8443');
    const { openTrinoEngine } = await import('./trino.ts');
    return openTrinoEngine({
      url: config.TRINO_URL,
      user: config.TRINO_USER,
      catalog: config.TRINO_CATALOG,
      ...(config.TRINO_PASSWORD === undefined ? {} : { password: config.TRINO_PASSWORD }),
    });
  }
  if (config.SQL_ENGINE === 'athena') {
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
  }
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
