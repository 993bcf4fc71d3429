import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { UserError } from './cli.ts';
import { diskFull } from './disk-full.ts';

export type Migration = { number: number; name: string; sql: string; checksum: string };

export const migrationsFolder = fileURLToPath(new URL('../../migrations', import.meta.url));

const fileName = /^(\d{4})_[a-z0-9_]+\.sql$/;

/** Any process may migrate at its start; this advisory lock lets them do it one after the other. */
const migrationKey = 5_278_000_002;

/**
 * Reads the numbered files of a folder, in order. Numbers may have holes.
 * @throws Error for a name of another form or a number used twice.
 */
export const readMigrations = async (folder: string = migrationsFolder): Promise<Migration[]> => {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  const migrations: Migration[] = [];
  for (const name of names) {
    const number = Number(fileName.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(number))
      throw new Error(`migration ${name}: expected a name like 0007_what_it_adds.sql`);
    const twin = migrations.find((other) => other.number === number);
    if (twin) throw new Error(`migrations ${twin.name} and ${name} have the same number`);
    const sql = await readFile(join(folder, name), 'utf8');
    // A checkout with other line ends is the same migration.
    const checksum = createHash('sha256').update(sql.replaceAll('\r\n', '\n')).digest('hex');
    migrations.push({ number, name, sql, checksum });
  }
  return migrations;
};

type Applied = { number: number; name: string; checksum: string };

/**
 * Brings a database to the given migrations: each missing one in a transaction of its own, in order of
 * number, one process at a time. Answers the names of those it applied.
 * @throws UserError where the database knows a migration that this version does not (a newer lastro made it),
 * where an applied file was altered, or where one fails (it is rolled back, those before it stay).
 */
export const migrate = async (pool: pg.Pool, migrations?: Migration[]): Promise<string[]> => {
  const wanted = migrations ?? (await readMigrations());
  const client = await pool.connect();
  try {
    if (missing(wanted, await readApplied(client)).length === 0) return [];
    await client.query('SELECT pg_advisory_lock($1)', [migrationKey]);
    try {
      return await applyMissing(client, wanted);
    } finally {
      await client.query('SELECT pg_advisory_unlock($1)', [migrationKey]);
    }
  } finally {
    client.release();
  }
};

/**
 * The names of the migrations that a database lacks. Changes nothing.
 * @throws UserError as `migrate` does, for a database of another version.
 */
export const pendingMigrations = async (pool: pg.Pool): Promise<string[]> => {
  const client = await pool.connect();
  try {
    return missing(await readMigrations(), await readApplied(client)).map(({ name }) => name);
  } finally {
    client.release();
  }
};

const applyMissing = async (client: pg.PoolClient, wanted: Migration[]): Promise<string[]> => {
  await client.query(
    `CREATE TABLE IF NOT EXISTS lastro_migrations (
       number integer PRIMARY KEY,
       name text NOT NULL,
       checksum text NOT NULL,
       applied_at timestamptz NOT NULL DEFAULT now())`,
  );
  const names: string[] = [];
  for (const migration of missing(wanted, await readApplied(client))) {
    await apply(client, migration);
    names.push(migration.name);
  }
  return names;
};

const readApplied = async (client: pg.PoolClient): Promise<Applied[]> => {
  const { rows: tables } = await client.query("SELECT to_regclass('lastro_migrations') IS NOT NULL AS there");
  if (tables[0]?.there !== true) return [];
  const { rows } = await client.query<Applied>('SELECT number, name, checksum FROM lastro_migrations');
  return rows;
};

/** The migrations still to apply. Refuses a database that this version's files did not make. */
const missing = (wanted: Migration[], applied: Applied[]): Migration[] => {
  for (const { number, name, checksum } of applied) {
    const own = wanted.find((migration) => migration.number === number);
    if (own === undefined) {
      throw new UserError(
        `the database was made by a newer lastro: it has the migration ${name}, this version knows ` +
          `${wanted.at(-1)?.name ?? 'none'} as its last. Use the newer version, or another database ` +
          '(LASTRO_HOME or DATABASE_URL). Nothing was changed.',
        1,
      );
    }
    if (own.checksum !== checksum) {
      throw new UserError(
        `the database was made with another text of the migration ${own.name}: by a development state of ` +
          `lastro, or the file was altered since (expected SHA-256 ${checksum.slice(0, 12)}…, found ` +
          `${own.checksum.slice(0, 12)}…). Nothing was changed. To keep the data, start the lastro that made it. ` +
          'To begin anew, use another database (LASTRO_HOME or DATABASE_URL), or stop lastro and remove the ' +
          'folder of this one. Who altered the file: put it back, and write the change as a new migration.',
        1,
      );
    }
  }
  const done = new Set(applied.map(({ number }) => number));
  return wanted.filter(({ number }) => !done.has(number));
};

const apply = async (client: pg.PoolClient, { number, name, sql, checksum }: Migration): Promise<void> => {
  await client.query('BEGIN');
  try {
    await client.query(sql);
    await client.query('INSERT INTO lastro_migrations (number, name, checksum) VALUES ($1, $2, $3)', [
      number,
      name,
      checksum,
    ]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    const full = diskFull(error);
    if (full) throw full;
    const position = error instanceof Error && 'position' in error ? Number(error.position) : Number.NaN;
    const line = Number.isNaN(position) ? '' : ` at line ${sql.slice(0, position).split('\n').length}`;
    const words = error instanceof Error ? error.message : String(error);
    throw new UserError(`migration ${name} failed${line}: ${words}. It was rolled back.`, 1);
  }
};
