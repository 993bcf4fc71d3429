import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DuckSession, openDuckDb } from '../duckdb-session.ts';
import { confineToFiles } from './duckdb-confinement.ts';

// The second wall alone: these statements go straight to the confined DuckDB, as if the parser's check were not there.

let folder: string;
let session: DuckSession;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-confined-'));
  await writeFile(join(folder, 'secret.csv'), 'senha\n1234\n');
  await writeFile(join(folder, 'secret.json'), '{"senha": 1234}');
  session = await openDuckDb({ temporaryParent: folder });
  await session.connection.run(`COPY (SELECT 1 AS ordem_id) TO '${folder}/mine.parquet'`);
  await session.connection.run(`COPY (SELECT 2 AS ordem_id) TO '${folder}/other.parquet'`);
  await symlink(join(folder, 'secret.csv'), join(folder, 'link.csv'));
  await confineToFiles(session.connection, [join(folder, 'mine.parquet')]);
});
afterAll(async () => {
  await session.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a confined DuckDB', () => {
  it('reads its own files', async () => {
    const reader = await session.connection.runAndReadAll(
      `SELECT * FROM read_parquet('${folder}/mine.parquet')`,
    );
    expect(reader.getRows()).toEqual([[1]]);
  });

  it.each([
    "SELECT * FROM read_csv('FOLDER/secret.csv')",
    "SELECT * FROM read_text('FOLDER/secret.csv')",
    "SELECT * FROM read_blob('FOLDER/secret.csv')",
    "SELECT * FROM read_json('FOLDER/secret.json')",
    "SELECT * FROM 'FOLDER/secret.csv'",
    "SELECT * FROM 'FOLDER/other.parquet'",
    "SELECT * FROM read_parquet('FOLDER/other.parquet')",
    "SELECT * FROM read_parquet('FOLDER/*.parquet')",
    "SELECT * FROM read_parquet(['FOLDER/mine.parquet', 'FOLDER/other.parquet'])",
    "SELECT * FROM parquet_metadata('FOLDER/other.parquet')",
    "SELECT * FROM parquet_schema('FOLDER/other.parquet')",
    "SELECT * FROM read_text('FOLDER/mine.parquet/../secret.csv')",
    "SELECT * FROM read_text('FOLDER/./secret.csv')",
    "SELECT * FROM read_text('file://FOLDER/secret.csv')",
    "SELECT * FROM read_text('file:FOLDER/secret.csv')",
    "SELECT * FROM read_text('FOLDER/link.csv')",
    "SELECT * FROM sniff_csv('FOLDER/secret.csv')",
    "SELECT * FROM glob('FOLDER/*')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM read_text('/dev/stdin')",
    "SELECT * FROM read_csv('https://127.0.0.1:9/x.csv')",
    "SELECT * FROM query('FROM read_text(''/etc/passwd'')')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('FROM read_text(''/etc/passwd'')'))",
    "COPY (SELECT 1) TO 'FOLDER/made.csv'",
    "COPY (SELECT 1) TO 'FOLDER/made' (FORMAT parquet, PER_THREAD_OUTPUT)",
    "COPY (SELECT 1 AS a) TO 'FOLDER/made' (FORMAT parquet, PARTITION_BY (a), WRITE_PARTITION_COLUMNS)",
    "CREATE TABLE t AS SELECT 1; COPY t FROM 'FOLDER/secret.csv'",
    "EXPORT DATABASE 'FOLDER/made'",
    "IMPORT DATABASE 'FOLDER'",
    "ATTACH 'FOLDER/made.db'",
    "ATTACH 'FOLDER/made.db' AS x (READ_ONLY)",
    'CREATE SECRET s (TYPE s3)',
    'INSTALL httpfs',
    "INSTALL 'FOLDER/x.duckdb_extension'",
    'LOAD httpfs',
    "LOAD 'FOLDER/x.duckdb_extension'",
    "SET memory_limit = '100GB'",
    'RESET memory_limit',
    'SET GLOBAL threads = 64',
    "SET temp_directory = 'FOLDER/made'",
    'SET enable_external_access = true',
    "SET allowed_paths = ['/etc/passwd']",
    "SET allowed_directories = ['/etc/']",
    'SET lock_configuration = false',
    "PRAGMA memory_limit = '100GB'",
    "SET log_query_path = 'FOLDER/made.log'",
    "PRAGMA profiling_output = 'FOLDER/made.json'",
    "PRAGMA enable_profiling = 'json'",
  ])('refuses: %s', async (sql) => {
    await expect(session.connection.run(sql.replaceAll('FOLDER', folder))).rejects.toThrow();
    expect((await readdir(folder)).filter((name) => name.startsWith('made'))).toEqual([]);
  });
});
