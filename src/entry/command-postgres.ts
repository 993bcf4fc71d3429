import type { Writable } from 'node:stream';
import type { Pool } from 'pg';
import { UserError } from '../platform/cli.ts';
import type { Config } from '../platform/config.ts';
import { startEmbeddedPostgres } from '../platform/embedded-postgres.ts';
import { migrate } from '../platform/migrations.ts';
import { openPool } from '../platform/postgres.ts';

export type CommandPostgres = {
  readonly pool: Pool;
  readonly url: string;
  /** true where the embedded server ran already. */
  readonly reused: boolean;
  /** Ends the pool, and stops the embedded server where no other lastro process uses it. */
  readonly close: () => Promise<void>;
};

/**
 * The database of this process, migrated: `DATABASE_URL`, or the embedded PostgreSQL of LASTRO_HOME, which is
 * started when no other process did.
 * @throws UserError where it can't be reached, started or brought to this version.
 */
export const openCommandPostgres = async (config: Config, stderr: Writable): Promise<CommandPostgres> => {
  const server = config.DATABASE_URL
    ? { url: config.DATABASE_URL, reused: true, stop: async () => {} }
    : await startEmbeddedPostgres({
        home: config.LASTRO_HOME,
        log: (line) => stderr.write(`lastro: ${line}\n`),
      });
  const pool = openPool({ url: server.url, max: config.DATABASE_POOL });
  const close = async (): Promise<void> => {
    if (!pool.ended) await pool.end();
    await server.stop();
  };
  try {
    await migrate(pool);
  } catch (error) {
    await close();
    throw config.DATABASE_URL ? unreachable(error, config.DATABASE_URL) : error;
  }
  return { pool, url: server.url, reused: server.reused, close };
};

/** Connection failures have no SQLSTATE; a refused role, password or database has 28… or 3D…. */
const unreachable = (error: unknown, databaseUrl: string): unknown => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const connection = /^(ECONN|ENOTFOUND|ETIMEDOUT|EHOST|EAI_|28|3D)/.test(code);
  if (!connection) return error;
  const { host, pathname } = new URL(databaseUrl);
  // A refused connection to several addresses is an AggregateError without words of its own.
  const words = (error instanceof Error && error.message) || code;
  return new UserError(`the database of DATABASE_URL (${host}${pathname}) can't be used: ${words}`, 1);
};
