import { DuckDBInstance } from '@duckdb/node-api';

// What is compared: DuckDB alone, <how> over <folder> into <file>.
//   manual  the statement of its manual
//   tuned   explicit columns, no kept order, no guessing of partitions: its best, found by trying
//   tuned-1 the same with one thread, which is better where its threads wait for one another
const [how = 'manual', folder = '', to = ''] = process.argv.slice(2);
const connection = await (await DuckDBInstance.create(':memory:')).connect();
const glob = `${folder}/**/*.json`;
if (how === 'manual') {
  await connection.run(
    `COPY (SELECT * FROM read_json('${glob}')) TO '${to}' (FORMAT parquet, COMPRESSION zstd)`,
  );
} else {
  await connection.run('SET preserve_insertion_order = false');
  if (how === 'tuned-1') await connection.run('SET threads = 1');
  await connection.run(
    `COPY (SELECT * FROM read_json('${glob}', format = 'unstructured', filename = true, hive_partitioning = false,
       maximum_object_size = 65536,
       columns = {id: 'VARCHAR', type: 'VARCHAR', "at": 'VARCHAR', customer: 'JSON', items: 'JSON', sequence: 'JSON',
                  extra: 'JSON', audit: 'JSON', details: 'VARCHAR'}))
     TO '${to}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)`,
  );
}
