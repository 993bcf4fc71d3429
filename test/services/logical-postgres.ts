import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';

export type LogicalPostgres = {
  readonly url: string;
  readonly run: (sql: string) => Promise<pg.QueryResult>;
  readonly close: () => Promise<void>;
};

const query = async (url: string, sql: string): Promise<pg.QueryResult> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
};

/** A PostgreSQL of the test's own with `wal_level = logical` (which needs a start of its own) and these settings. */
export const startLogicalPostgres = async (
  settings: Record<string, string> = {},
): Promise<LogicalPostgres> => {
  const home = await mkdtemp(join(tmpdir(), 'lastro-source-'));
  if (process.getuid?.() === 0) await chmod(home, 0o711);
  const first = await startEmbeddedPostgres({ home, durable: false });
  for (const [name, value] of Object.entries({ wal_level: 'logical', ...settings })) {
    await query(first.url, `ALTER SYSTEM SET ${name} = '${value}'`);
  }
  await first.stop();
  const server = await startEmbeddedPostgres({ home, durable: false });
  return {
    url: server.url,
    run: (sql) => query(server.url, sql),
    close: async () => {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
};
