import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TestDatabase } from '../../test/services/postgres.ts';
import { testDatabase } from '../../test/services/postgres.ts';
import type { Migration } from './migrations.ts';
import { migrate, readMigrations } from './migrations.ts';
import { openPool } from './postgres.ts';

const migration = (number: number, sql: string): Migration => ({
  number,
  name: `${String(number).padStart(4, '0')}_made_up.sql`,
  sql,
  checksum: createHash('sha256').update(sql).digest('hex'),
});

const first = migration(9001, 'CREATE TABLE uma (n integer)');
const second = migration(9003, 'INSERT INTO uma VALUES (1); CREATE TABLE duas (n integer)');

describe('migrate', () => {
  let database: TestDatabase;
  let shipped: Migration[];
  beforeAll(async () => {
    shipped = await readMigrations();
  });
  beforeEach(async () => {
    database = await testDatabase();
    return database.drop;
  });

  it('has nothing to do on a database of this version', async () => {
    expect(await migrate(database.pool, shipped)).toEqual([]);
  });

  it('applies what is missing in order, once', async () => {
    expect(await migrate(database.pool, [...shipped, first, second])).toEqual([first.name, second.name]);
    expect(await migrate(database.pool, [...shipped, first, second])).toEqual([]);
    const { rows } = await database.pool.query('SELECT n FROM uma');
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('fills a hole that another branch left', async () => {
    await migrate(database.pool, [...shipped, first, second]);
    const between = migration(9002, 'CREATE TABLE entre (n integer)');
    expect(await migrate(database.pool, [...shipped, first, between, second])).toEqual([between.name]);
  });

  it('lets many processes start at once', async () => {
    const pools = Array.from({ length: 8 }, () => openPool({ url: database.url, max: 1 }));
    const applied = await Promise.all(pools.map((pool) => migrate(pool, [...shipped, first, second])));
    await Promise.all(pools.map((pool) => pool.end()));
    expect(applied.flat().sort()).toEqual([first.name, second.name]);
  });

  it('rolls back one that fails, keeps those before it and names file and line', async () => {
    const broken = migration(9004, 'CREATE TABLE tres (n integer);\nCREATE TABLE uma (n integer);\nSELEKT 1');
    await expect(migrate(database.pool, [...shipped, first, broken])).rejects.toThrow(
      /9004_made_up\.sql failed at line 3: syntax error/,
    );
    const { rows } = await database.pool.query(
      "SELECT to_regclass('uma') IS NOT NULL AS uma, to_regclass('tres') IS NOT NULL AS tres",
    );
    expect(rows).toEqual([{ uma: true, tres: false }]);
  });

  it('refuses a database of a newer version', async () => {
    await migrate(database.pool, [...shipped, first]);
    await expect(migrate(database.pool, shipped)).rejects.toThrow(/newer lastro: it has .*9001_made_up\.sql/);
  });

  it('refuses a file that was altered after it was applied', async () => {
    await migrate(database.pool, [...shipped, first]);
    const altered = migration(9001, 'CREATE TABLE outra (n integer)');
    await expect(migrate(database.pool, [...shipped, altered])).rejects.toThrow(
      /another text of the migration 9001_made_up\.sql.*LASTRO_HOME or DATABASE_URL/,
    );
  });
});

describe('readMigrations', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lastro-migrations-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('sorts by number and gives the same checksum for other line ends', async () => {
    await writeFile(join(folder, '0002_b.sql'), 'SELECT 1;\r\nSELECT 2;\r\n');
    await writeFile(join(folder, '0001_a.sql'), 'SELECT 1;\nSELECT 2;\n');
    const [a, b] = await readMigrations(folder);
    expect([a?.number, b?.number]).toEqual([1, 2]);
    expect(a?.checksum).toBe(b?.checksum);
  });

  it('refuses a number used twice and a name of another form', async () => {
    await writeFile(join(folder, '0002_c.sql'), '');
    await expect(readMigrations(folder)).rejects.toThrow(/0002_b\.sql and 0002_c\.sql have the same number/);
    await rm(join(folder, '0002_c.sql'));
    await writeFile(join(folder, 'later.sql'), '');
    await expect(readMigrations(folder)).rejects.toThrow(/later\.sql: expected a name like/);
  });
});
