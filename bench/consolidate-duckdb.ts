import { DuckDBInstance } from '@duckdb/node-api';

// What is compared: DuckDB alone, <how> over <folder> into <file>. Each tuned way is the best of those that were
// tried: one or two threads, formats auto, unstructured and newline_delimited, object sizes from 64 KB, with and
// without the file's name. None keeps the order, and none checks what it reads: one bad file ends it.
//   manual     the statement of its manual
//   columns    explicit columns, which drop what they do not name; better with one thread, as two wait for one another
//   documents  each document whole, as JSON text: what Lastro's rows hold
const [how = 'manual', folder = '', to = ''] = process.argv.slice(2);
// Beside its output, in the bench's own folder: killed, it leaves gigabytes.
const instance = await DuckDBInstance.create(':memory:', { temp_directory: `${to}.tmp` });
const connection = await instance.connect();
const glob = `${folder}/**/*.json`;
const written = `(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)`;
if (how === 'manual') {
  await connection.run(
    `COPY (SELECT * FROM read_json('${glob}')) TO '${to}' (FORMAT parquet, COMPRESSION zstd)`,
  );
} else {
  await connection.run('SET preserve_insertion_order = false');
  await connection.run(`SET threads = ${how === 'columns' ? 1 : 2}`);
  const relation =
    how === 'columns'
      ? `read_json('${glob}', format = 'unstructured', filename = true, hive_partitioning = false, maximum_object_size = 65536,
           columns = {id: 'VARCHAR', type: 'VARCHAR', "at": 'VARCHAR', customer: 'JSON', items: 'JSON', sequence: 'JSON',
                      extra: 'JSON', audit: 'JSON', details: 'VARCHAR'})`
      : `read_ndjson_objects('${glob}', filename = true, hive_partitioning = false, maximum_object_size = 65536)`;
  await connection.run(`COPY (SELECT * FROM ${relation}) TO '${to}' ${written}`);
}
