import { join } from 'node:path';
import type { Pool } from 'pg';
import { openCurrentOrders } from '../archive/archive.ts';
import { jdbcCatalog } from '../lake/catalog/jdbc.ts';
import { openRemoteEngine } from '../lake/engines/open-engine.ts';
import { openFileCache } from '../lake/file-cache.ts';
import { openLake } from '../lake/tables.ts';
import { UserError } from '../platform/cli.ts';
import type { Config } from '../platform/config.ts';
import type { Store } from '../platform/store/store.ts';
import { workFolder } from '../platform/work-folder.ts';
import { authorize } from './access.ts';
import { reportKinds } from './kinds.ts';
import type { ReportLimits } from './limits.ts';
import type { ReportMaker } from './maker.ts';
import { produceReport } from './produce.ts';
import { parseReportRequest } from './request.ts';

/** Where clients reach the API, without a slash at the end. */
export const publicUrl = (config: Config): string =>
  config.PUBLIC_URL ?? `http://${config.LASTRO_HOST}:${config.LASTRO_PORT}`;

export const reportLimits = (config: Config): ReportLimits => ({
  runningPerClient: config.REPORT_RUNNING_PER_CLIENT,
  openPerClient: config.REPORT_OPEN_PER_CLIENT,
  dailyPerClient: config.REPORT_DAILY_PER_CLIENT,
  keepHours: config.REPORT_KEEP_HOURS,
  linkSeconds: config.REPORT_LINK_SECONDS,
  reuseSeconds: config.REPORT_REUSE_SECONDS,
  maxSeconds: config.REPORT_MAX_SECONDS,
});

const copiesBytes = 20 * 1024 ** 3;

/** @throws UserError where the engine of reports can't be the one that is set */
const checkEngine = ({ REPORT_ENGINE, TRINO_URL }: Config, store: Pick<Store, 'url'>): void => {
  if (REPORT_ENGINE === 'trino' && TRINO_URL === undefined)
    throw new UserError('REPORT_ENGINE=trino needs TRINO_URL, for example https://trino.example:8443');
  if (REPORT_ENGINE === 'athena' && !store.url.startsWith('s3://'))
    throw new UserError(
      `REPORT_ENGINE=athena needs a store on S3 (OBJECT_STORE=s3://…), which Athena can reach; found ${store.url}`,
    );
};

/**
 * Makes reports over the configured lake. Nothing of it is opened before the first one.
 * @throws UserError settings that do not go together
 */
export const openReportMaker = ({
  config,
  db,
  store,
}: {
  config: Config;
  db: Pool;
  store: Store;
}): ReportMaker => {
  checkEngine(config, store);
  const open = async () => {
    const folder = await workFolder(config.LASTRO_HOME);
    const engine =
      config.REPORT_ENGINE === 'duckdb' ? null : await openRemoteEngine(config.REPORT_ENGINE, config);
    const current = config.REPORT_CURRENT_ORDERS === 'dynamodb' ? await openCurrentOrders(config) : null;
    return {
      lake: openLake({ store, catalog: jdbcCatalog({ db }), clock: () => new Date() }),
      files: await openFileCache({ store, folder: join(folder, 'report-cache'), maxBytes: copiesBytes }),
      ...(engine ? { engine } : {}),
      ...(current ? { currentOrders: current.read } : {}),
      limits: {
        memoryLimit: config.SQL_MEMORY,
        maxTemporarySize: config.SQL_TEMPORARY,
        temporaryParent: folder,
      },
    };
  };
  let opened: ReturnType<typeof open> | undefined;
  return {
    kinds: reportKinds,
    parse: parseReportRequest,
    authorize,
    produce: async (input, options) => {
      opened ??= open().catch((error: unknown) => {
        opened = undefined;
        throw error;
      });
      return produceReport(await opened, input, options);
    },
  };
};
