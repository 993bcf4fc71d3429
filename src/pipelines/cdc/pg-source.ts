import pg from 'pg';
import type { Db } from '../../platform/postgres.ts';
import { valueSettings } from './pg-value.ts';

/** How the database of a source is reached: the name of the variable that has its address. */
export type SourceDatabase = { readonly urlFrom: string };

/** @throws Error naming the variable */
export const sourceUrl = ({ urlFrom }: SourceDatabase, env: NodeJS.ProcessEnv): string => {
  const url = env[urlFrom];
  if (url === undefined || url === '' || !URL.canParse(url))
    throw new Error(`expected the address of the source's database in ${urlFrom} (postgres://…), found none`);
  return url;
};

/** Runs `work` on a connection of its own, under the settings that make every value's text the same everywhere. */
export const withClient = async <T>(
  url: string,
  work: (db: Db) => Promise<T>,
  { timeoutMs }: { timeoutMs?: number } = {},
): Promise<T> => {
  const client = new pg.Client({
    connectionString: url,
    ...(timeoutMs === undefined ? {} : { connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs }),
    options: valueSettings,
    application_name: 'lastro pipelines',
  });
  // A lost connection fails the statement that is under way; the event by itself would end the process.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
};
