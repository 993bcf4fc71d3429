import { join } from 'node:path';
import { openConfiguredLake } from '../lake/open-lake.ts';
import type { CliContext } from '../platform/cli.ts';
import type { Config } from '../platform/config.ts';
import { loadSigningKeys, signingKeysFile } from '../platform/signing-keys.ts';
import { type ArchiveDeps, type ArchiveRequest, defaultLimits } from './archive-run.ts';
import { areaAges } from './areas.ts';
import { parseAge } from './due.ts';
import { openDynamoDb } from './dynamodb.ts';
import type { OrdersTable } from './orders-table.ts';
import { patient } from './patience.ts';

export type CommandRoom = Omit<ArchiveDeps, 'report' | 'fault'> & {
  readonly config: Config;
  readonly request: Omit<ArchiveRequest, 'signal' | 'areaId'>;
  readonly close: () => Promise<void>;
};

/** The table of orders that the settings name, called at the pace that they allow. */
export const openConfiguredOrders = (
  config: Config,
  { signal, notice }: { signal?: AbortSignal; notice?: (message: string) => void } = {},
): { table: OrdersTable; close: () => void } => {
  const endpoint = config.AWS_ENDPOINT_URL_DYNAMODB ?? config.AWS_ENDPOINT_URL;
  const { table, close } = openDynamoDb({
    table: config.LASTRO_ORDERS_TABLE,
    region: config.AWS_REGION,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(endpoint !== undefined && isLoopback(endpoint) ? { credentials: standInCredentials } : {}),
  });
  const pace = { readUnits: config.ARCHIVE_READ_UNITS, writeUnits: config.ARCHIVE_WRITE_UNITS };
  return {
    table: patient(table, pace, { ...(signal ? { signal } : {}), ...(notice ? { notice } : {}) }),
    close,
  };
};

const isLoopback = (endpoint: string): boolean =>
  ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(endpoint).hostname);

/** A stand-in on this machine checks none, and the SDK sends nothing without. */
const standInCredentials = { accessKeyId: 'local', secretAccessKey: 'local' };

/** What the archive works with, from the settings. */
export const openArchive = async ({
  config,
  pool,
  signal,
  notice,
}: {
  config: Config;
  pool: ArchiveDeps['pool'];
  signal?: AbortSignal;
  notice?: (message: string) => void;
}): Promise<CommandRoom> => {
  const { lake, close: closeLake } = await openConfiguredLake({ config, pool });
  const orders = openConfiguredOrders(config, {
    ...(signal ? { signal } : {}),
    ...(notice ? { notice } : {}),
  });
  return {
    config,
    pool,
    lake,
    table: orders.table,
    keys: await loadSigningKeys(signingKeysFile(config)),
    clock: () => new Date(),
    stagingFolder: join(config.LASTRO_HOME, 'staging'),
    limits: defaultLimits,
    removeDelayMs: config.ARCHIVE_REMOVE_DELAY_HOURS * 3_600_000,
    concurrency: 16,
    segments: 4,
    overlap: true,
    timed: (_, work) => work(),
    request: {
      table: config.LASTRO_ORDERS_TABLE,
      olderThan: parseAge(config.ARCHIVE_OLDER_THAN),
      areaAges: await areaAges(pool),
    },
    close: async () => {
      orders.close();
      await closeLake();
    },
  };
};

export const openCommandRoom = async (context: CliContext): Promise<CommandRoom> =>
  openArchive({
    config: context.config(),
    pool: await context.postgres(),
    signal: context.signal,
    notice: (message) => void context.stderr.write(`${message}\n`),
  });
