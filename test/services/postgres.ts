import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import type { Migration } from '../../src/platform/migrations.ts';
import { migrate } from '../../src/platform/migrations.ts';
import { openPool } from '../../src/platform/postgres.ts';

export type TestDatabase = { pool: pg.Pool; url: string; drop: () => Promise<void> };

const template = 'lastro_template';

/** Serialises the making of the template among the run's workers. */
const templateKey = 5_278_000_003;

let server: Promise<string> | undefined;

/**
 * The run's PostgreSQL, started where this is the run's first use, with the template made. The process keeps
 * its hold on the server until it ends; the run's teardown stops it.
 */
const serverUrl = (): Promise<string> => {
  server ??= startEmbeddedPostgres({ home: inject('postgresHome'), durable: false }).then(async ({ url }) => {
    await makeTemplate(url);
    return url;
  });
  return server;
};

const withDatabase = (url: string, database: string): string => {
  const address = new URL(url);
  address.pathname = `/${database}`;
  return address.href;
};

const onServer = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

const makeTemplate = (url: string): Promise<void> =>
  onServer(url, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [templateKey]);
    const { rowCount } = await client.query(
      'SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate',
      [template],
    );
    if (rowCount) return;
    await client.query(`DROP DATABASE IF EXISTS ${template}`);
    await client.query(`CREATE DATABASE ${template}`);
    const pool = openPool({ url: withDatabase(url, template), max: 1 });
    try {
      await migrate(pool, JSON.parse(inject('postgresMigrations')) as Migration[]);
    } finally {
      await pool.end();
    }
    // Marked last: a template whose making failed is made again. Copying needs it free of sessions.
    await client.query(`ALTER DATABASE ${template} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true`);
  });

/**
 * A fresh, migrated database of the test's own on the run's PostgreSQL, copied from a template (about 50 ms).
 * Call `drop` when done (`afterAll`); it ends the pool, and sessions that others opened on `url`.
 */
export const testDatabase = async (options: { max?: number } = {}): Promise<TestDatabase> => {
  const root = await serverUrl();
  const name = `test_${randomBytes(6).toString('hex')}`;
  await onServer(root, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));
  const url = withDatabase(root, name);
  const pool = openPool({ url, max: options.max ?? 10 });
  const drop = async (): Promise<void> => {
    if (!pool.ended) await pool.end();
    await onServer(root, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  };
  return { pool, url, drop };
};
