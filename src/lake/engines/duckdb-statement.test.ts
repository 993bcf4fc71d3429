import { DuckDBInstance } from '@duckdb/node-api';
import { describe, expect, it } from 'vitest';
import { parseStatement, type TableMention, toSql } from './duckdb-statement.ts';
import { QueryError } from './engine.ts';

const connection = await (await DuckDBInstance.create(':memory:')).connect();
const tables = async (sql: string): Promise<readonly TableMention[]> =>
  (await parseStatement(connection, sql)).tables;
const names = async (sql: string): Promise<string[]> =>
  (await tables(sql)).map(({ namespace, table }) => `${namespace}.${table}`);

describe('a statement', () => {
  it.each([
    ['SELECT 1', []],
    ['SELECT * FROM kconnect.events -- the end', ['kconnect.events']],
    ['FROM n.a;', ['n.a']],
    ["VALUES (1), ('x')", []],
    ['WITH c AS (FROM n.a) SELECT * FROM c, n.b, range(3) WHERE EXISTS (FROM n.d)', ['n.a', 'n.b', 'n.d']],
    ['WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r WHERE x < 5) SELECT * FROM r', []],
    ['DESCRIBE n.a', ['n.a']],
    ['SUMMARIZE n.a', ['n.a']],
    ['SELECT * FROM (PIVOT n.a ON x IN (1) USING sum(y))', ['n.a']],
    ['SELECT * FROM "a.b"."Ordens"', ['a.b.Ordens']],
    // Alone: whether there is one table of that name is the catalog's to say, and files are in no catalog.
    ['SELECT * FROM ordens JOIN t AT (VERSION => 1) ON true', ['.ordens', '.t']],
    ["SELECT * FROM '/etc/passwd'", ['./etc/passwd']],
    ['WITH c AS (FROM ordens) SELECT * FROM C', ['.ordens']],
  ])('%s is let in, with its tables', async (sql, expected) => {
    expect((await names(sql)).toSorted()).toEqual(expected);
  });

  it.each([
    // other statements
    "COPY n.t TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "ATTACH '/tmp/x.db'",
    'INSTALL httpfs',
    'LOAD httpfs',
    "SET memory_limit = '100GB'",
    'RESET memory_limit',
    "PRAGMA memory_limit = '100GB'",
    'PRAGMA database_list',
    'CALL pragma_version()',
    'CREATE TABLE n.x AS SELECT 1',
    'INSERT INTO n.t VALUES (1)',
    'DELETE FROM n.t',
    'DROP VIEW n.t',
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    'BEGIN',
    'CHECKPOINT',
    'PREPARE p AS SELECT 1',
    'EXECUTE p',
    'EXPLAIN ANALYZE SELECT 1',
    'USE memory',
    'VACUUM',
    'SELECT 1; SELECT 2',
    "SELECT 1; COPY (SELECT 1) TO '/tmp/x.csv'",
    "SELECT 1) TO '/tmp/x.csv'; --",
    "/* SELECT */ COPY (SELECT 1) TO '/tmp/x.csv'",
    'WITH x AS (INSERT INTO n.t VALUES (1) RETURNING *) SELECT * FROM x',
    '',
    '-- nothing',
    'SELEC 1',
    'SELECT 1 \0 COPY',
    // the machine's files, in every place where a function can stand
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM READ_CSV_AUTO('/etc/passwd')",
    'SELECT * FROM "read_text"(\'/etc/passwd\')',
    "SELECT * FROM system.main.read_blob('/etc/passwd')",
    "SELECT * FROM read_parquet('/data/other.parquet')",
    "SELECT * FROM parquet_scan('/data/other.parquet')",
    "SELECT * FROM parquet_metadata('/data/other.parquet')",
    "SELECT * FROM read_json('/etc/x.json')",
    "SELECT * FROM read_duckdb('/tmp/x.db')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "WITH a AS (FROM read_text('/etc/passwd')) SELECT * FROM a",
    'SELECT * FROM n.t, LATERAL (SELECT * FROM read_text(t.name))',
    "SELECT * FROM n.t WHERE EXISTS (FROM glob('/etc/*'))",
    "SELECT 1 ORDER BY (SELECT count(*) FROM glob('/etc/*'))",
    "SELECT 1 UNION ALL SELECT count(*) FROM glob('/etc/*')",
    "SELECT 1 LIMIT (SELECT count(*) FROM glob('/etc/*'))",
    "DESCRIBE SELECT * FROM read_csv('/etc/passwd')",
    "SUMMARIZE SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    "SELECT * FROM query_table('n.t')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT * FROM sqlite_scan('x', 'y')",
    'SELECT * FROM "/etc/passwd" WHERE EXISTS (WITH "/etc/passwd" AS (SELECT 1) SELECT 1)',
    'SELECT * FROM "x.csv" WHERE EXISTS (WITH "x.csv" AS (SELECT 1) SELECT 1)',
    // the engine itself
    'SELECT sql FROM duckdb_views WHERE EXISTS (WITH DuckDB_Views AS (SELECT 1) SELECT 1)',
    'WITH sqlite_master AS (SELECT 1) FROM sqlite_master',
    'SELECT * FROM duckdb_settings()',
    "CALL enable_logging(storage = 'file', storage_path = '/tmp/x')",
    "SELECT * FROM enable_logging(storage = 'file', storage_path = '/tmp/x')",
    'SELECT * FROM duckdb_logs()',
    "SELECT write_log('x')",
    'SELECT * FROM duckdb_secrets()',
    'SELECT * FROM pragma_database_list()',
    "SELECT current_setting('temp_directory')",
    "SELECT * FROM n.t WHERE getvariable('x') = 1",
    'SELECT * FROM memory.n.t',
    'SHOW TABLES',
    'SHOW ALL TABLES',
    'SELECT $1',
    'SELECT ? FROM n.t',
  ])('%s is refused', async (sql) => {
    await expect(parseStatement(connection, sql)).rejects.toThrow(QueryError);
  });

  it('says where its text is wrong', async () => {
    await expect(parseStatement(connection, "SELECT 'ção'\nFROM n.t WHER x")).rejects.toThrow(
      /at or near "x" \(line 2, column \d+\)/,
    );
  });
});

describe('time travel', () => {
  it('takes a snapshot or a time, with digits beyond 2^53', async () => {
    const found = await tables(
      "SELECT * FROM n.a AT (VERSION => 9007199254740993) JOIN n.b x AT (VERSION => '12') ON true JOIN n.c AT (TIMESTAMP => TIMESTAMP '2026-01-31 10:00:00') ON true JOIN n.d AT (TIMESTAMP => '2026-01-31T10:00:00-03:00') ON true",
    );
    expect(found.map(({ at }) => at)).toEqual([
      { snapshotId: '9007199254740993' },
      { snapshotId: '12' },
      { time: new Date('2026-01-31T10:00:00Z') },
      { time: new Date('2026-01-31T13:00:00Z') },
    ]);
    expect((await tables("SELECT * FROM n.a AT (VERSION => 'scratch_1')"))[0]?.at).toEqual({
      ref: 'scratch_1',
    });
    await expect(tables("SELECT * FROM n.a AT (VERSION => '')")).rejects.toThrow(/name of a branch/);
    await expect(tables('SELECT * FROM n.a AT (TIMESTAMP => now())')).rejects.toThrow(/constants/);
  });

  it('is written back as the same query, down to its last digit', async () => {
    const sql =
      "WITH c AS (SELECT 123456789012345678901234567890::HUGEINT h, 1.10 d, 'it''s' s) SELECT list_transform([1, 2], lambda x: x + 1), h, d, s FROM c JOIN n.t AT (VERSION => 3) ON true WHERE s LIKE 'i%' ORDER BY 1 LIMIT 3";
    const { tree, tables: found } = await parseStatement(connection, sql);
    const node = found[0]?.node ?? {};
    Object.assign(node, { at_clause: null, table_name: 't@3', alias: 't' });
    const text = await toSql(connection, tree);
    expect(text).toContain('n."t@3" AS t');
    expect(text).toContain('123456789012345678901234567890');
    expect(text).toContain('1.10');
  });
});
