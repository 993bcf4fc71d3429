import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatTableName } from '../lake/catalog/catalog.ts';
import type { DataFile } from '../lake/data-file.ts';
import { copyOptions, importDataFile, projectToTable } from '../lake/data-writer.ts';
import { allRows, type DuckSession, quoteText } from '../lake/duckdb-session.ts';
import type { FileCache } from '../lake/file-cache.ts';
import { planFiles, scanLocations, scanSql } from '../lake/scan.ts';
import { type Lake, loadTable, type Table } from '../lake/tables.ts';
import { partitionOf } from './partition.ts';
import type { Batch } from './plan.ts';
import { type BatchReading, readingThreads } from './read.ts';
import { separator, stagedNewline, stagedReturn } from './staging.ts';
import type { TopicOffsets } from './taken.ts';

export type WriteDeps = { readonly lake: Lake; readonly session: DuckSession; readonly files: FileCache };

/** What is the same for every row of a batch. */
export type BatchFacts = {
  readonly sourceUrl: string;
  readonly runId: string;
  readonly ingestedAt: Date;
  readonly group: Batch['group'];
};

/**
 * A thread holds a few row groups while it writes, unpacked. 8 MB are about 5,000 order events and 1.7 MB in the file;
 * at 16 MB the file is as large and written as fast, for 60 to 90 MB more memory.
 */
const rowGroupSize = 20_480;
const rowGroupBytes = '8MB';
/** Lines above this are read by one thread, as each thread holds several of its buffers. */
const longLine = 2_000_000;

const eventFields = `{document: 'VARCHAR', flag: 'UTINYINT', object_key: 'VARCHAR', position: 'INTEGER',
  topic: 'VARCHAR', kafka_partition: 'INTEGER', kafka_offset: 'BIGINT'}`;

const quarantineFields = `{raw: 'VARCHAR', raw_cut: 'UTINYINT', raw_bytes: 'BIGINT', reason: 'VARCHAR', fault_at: 'BIGINT',
  content_hash: 'VARCHAR', flag: 'UTINYINT', object_key: 'VARCHAR', position: 'INTEGER',
  topic: 'VARCHAR', kafka_partition: 'INTEGER', kafka_offset: 'BIGINT'}`;

/** Reads staged lines (see staging.ts). Undefined: nothing was staged. */
const stagedRelation = (
  paths: readonly string[],
  fields: string,
  longestLine: number,
): string | undefined => {
  const present = paths.filter((path) => statSync(path).size > 0);
  if (present.length === 0) return undefined;
  const list = present.map(quoteText).join(', ');
  const line = longestLine + 1024;
  // The buffer must hold the longest line; larger ones only cost memory for each thread.
  const buffer = Math.max(2 * 1024 * 1024, line * 2);
  return `read_csv([${list}], columns = ${fields}, auto_detect = false, header = false, delim = '${separator}',
    quote = '', escape = '', comment = '', new_line = '\\n', strict_mode = false, max_line_size = ${line}, buffer_size = ${buffer})`;
};

const decodedKey = `if(flag & 2 = 2, url_decode(object_key), object_key) AS object_key`;

const constants = ({ sourceUrl, runId, ingestedAt }: BatchFacts, time: string): string =>
  `${quoteText(sourceUrl)} AS source, ${quoteText(runId)} AS run_id, TIMESTAMPTZ ${quoteText(ingestedAt.toISOString())} AS ${time}`;

const eventsQuery = (staged: string, facts: BatchFacts): string =>
  `SELECT ${constants(facts, 'ingested_at')}, ${decodedKey}, position, topic, kafka_partition, kafka_offset,
     if(flag & 1 = 1, translate(document, chr(${stagedNewline}) || chr(${stagedReturn}), chr(10) || chr(13)), document) AS document
   FROM ${staged}`;

const quarantineQuery = (staged: string, facts: BatchFacts): string =>
  `SELECT *, 'q_' || left(sha256(concat_ws(chr(10), source, object_key, content_hash, position)), 24) AS id
   FROM (SELECT ${constants(facts, 'quarantined_at')}, ${decodedKey}, position, topic, kafka_partition, kafka_offset,
           reason, fault_at, from_hex(coalesce(raw, '')) AS raw, raw_bytes, raw_cut = 1 AS raw_cut, content_hash
         FROM ${staged})`;

const copyToTable = async (
  { lake, session }: WriteDeps,
  table: Table,
  query: string,
  facts: BatchFacts,
): Promise<DataFile | undefined> => {
  const local = join(session.folder, `${table.name.name}.parquet`);
  const options = copyOptions(table, { rowGroupSize });
  // Level 1 writes JSON text nearly twice as fast as zstd's default, and no larger.
  const level = options.includes('COMPRESSION zstd') ? ', COMPRESSION_LEVEL 1' : '';
  await session.connection.run(
    `COPY (${projectToTable(table, `(${query})`)}) TO ${quoteText(local)}
     (${options}${level}, ROW_GROUP_SIZE_BYTES '${rowGroupBytes}')`,
  );
  const file = await importDataFile({ lake, session }, table, local, {
    partition: partitionOf(table, facts),
  });
  await rm(local);
  return file.records > 0 ? file : undefined;
};

/** Staged documents, as the readers leave them. */
export type StagedDocuments = Pick<BatchReading, 'events' | 'longestLine' | 'documents' | 'quarantined'>;

export type EventsWritten = {
  readonly file: DataFile | undefined;
  readonly rows: number;
  readonly duplicates: number;
  /** Documents of an offset that another document holds too. All are kept. */
  readonly conflicts: number;
};

/**
 * Writes the staged documents as one Parquet file of the table, by one COPY. `overlaps` are the offsets that
 * occurred before or occur twice: there, and only there, documents are compared, and equal ones written once.
 */
export const writeEvents = async (
  deps: WriteDeps,
  table: Table,
  reading: StagedDocuments,
  overlaps: readonly TopicOffsets[],
  facts: BatchFacts,
): Promise<EventsWritten> => {
  const staged = stagedRelation(reading.events, eventFields, reading.longestLine);
  const expected = reading.documents - reading.quarantined;
  if (!staged) return { file: undefined, rows: 0, duplicates: 0, conflicts: 0 };
  if (reading.longestLine > longLine) await session(deps).run('SET threads = 1');
  const events = eventsQuery(staged, facts);
  const suspects = overlaps.length > 0 ? await keepOneOfEach(deps, table, events, overlaps) : undefined;
  const query = suspects
    ? `${events} AS s WHERE NOT ${inOverlaps('s')} UNION ALL BY NAME SELECT * FROM kept_suspects`
    : events;
  const file = await copyToTable(deps, table, query, facts);
  if (suspects) await session(deps).run('DROP TABLE kept_suspects; DROP TABLE repeated_offsets');
  if (reading.longestLine > longLine) await session(deps).run(`SET threads = ${readingThreads()}`);
  const rows = file?.records ?? 0;
  const duplicates = suspects?.duplicates ?? 0;
  if (rows + duplicates !== expected) {
    throw new Error(
      `${expected} documents were staged, but ${rows} written and ${duplicates} found to be duplicates`,
    );
  }
  return { file, rows, duplicates, conflicts: suspects?.conflicts ?? 0 };
};

const session = ({ session: { connection } }: WriteDeps) => connection;

const inOverlaps = (row: string): string =>
  `EXISTS (SELECT 1 FROM repeated_offsets o WHERE o.topic = ${row}.topic AND o.kafka_partition = ${row}.kafka_partition
     AND ${row}.kafka_offset BETWEEN o.first_offset AND o.last_offset)`;

const samePlace = (a: string, b: string): string =>
  ['topic', 'kafka_partition', 'kafka_offset']
    .map((column) => `${a}.${column} = ${b}.${column}`)
    .join(' AND ');

/**
 * Gathers in `kept_suspects` the documents at overlapping offsets, one of each text, without those that the
 * table has already.
 */
const keepOneOfEach = async (
  deps: WriteDeps,
  table: Table,
  events: string,
  overlaps: readonly TopicOffsets[],
): Promise<{ duplicates: number; conflicts: number }> => {
  const connection = session(deps);
  await connection.run(
    'CREATE TEMP TABLE repeated_offsets (topic VARCHAR, kafka_partition INTEGER, first_offset BIGINT, last_offset BIGINT)',
  );
  const rows = overlaps.flatMap(({ topic, kafkaPartition, ranges }) =>
    ranges.map(({ first, last }) => `(${quoteText(topic)}, ${kafkaPartition}, ${first}, ${last})`),
  );
  for (let at = 0; at < rows.length; at += 5_000) {
    await connection.run(`INSERT INTO repeated_offsets VALUES ${rows.slice(at, at + 5_000).join(', ')}`);
  }
  const topics = [...new Set(overlaps.map(({ topic }) => topic))];
  // As it is now: the batches before this one, of the same run too, may hold what is repeated.
  const current = await loadTable(deps.lake, formatTableName(table.name));
  const scan = await planFiles(deps.lake, current, {
    filter: [{ column: 'topic', op: 'in', values: topics }],
  });
  const held = await deps.files.hold(scanLocations(scan));
  try {
    await connection.run(
      `CREATE TEMP TABLE taken_suspects AS SELECT topic, kafka_partition, kafka_offset, document
       FROM ${scanSql(scan, held.localPath)} t WHERE ${inOverlaps('t')}`,
    );
  } finally {
    held.release();
  }
  await connection.run(`CREATE TEMP TABLE suspects AS SELECT * FROM (${events}) s WHERE ${inOverlaps('s')}`);
  // Of equal documents the first by key stays, so that the same input always gives the same table.
  await connection.run(
    `CREATE TEMP TABLE kept_suspects AS SELECT s.* FROM suspects s
     WHERE NOT EXISTS (SELECT 1 FROM taken_suspects t WHERE ${samePlace('t', 's')} AND t.document = s.document)
     QUALIFY row_number() OVER (PARTITION BY topic, kafka_partition, kafka_offset, document ORDER BY object_key, position) = 1`,
  );
  const [counts] = await allRows(
    connection,
    `SELECT (SELECT count(*) FROM suspects) - (SELECT count(*) FROM kept_suspects) AS duplicates,
       (SELECT count(*) FROM (
          SELECT row_number() OVER (PARTITION BY topic, kafka_partition, kafka_offset) AS nth,
                 EXISTS (SELECT 1 FROM taken_suspects t WHERE ${samePlace('t', 'k')}) AS before
          FROM kept_suspects k) WHERE nth > 1 OR before) AS conflicts`,
  );
  await connection.run('DROP TABLE suspects; DROP TABLE taken_suspects');
  return { duplicates: Number(counts?.duplicates), conflicts: Number(counts?.conflicts) };
};

/** Writes the quarantined pieces as one Parquet file of the quarantine's table. */
export const writeQuarantine = async (
  deps: WriteDeps,
  table: Table,
  reading: BatchReading,
  facts: BatchFacts,
): Promise<DataFile | undefined> => {
  const staged = stagedRelation(reading.quarantine, quarantineFields, reading.longestRaw);
  if (!staged) return undefined;
  const file = await copyToTable(deps, table, quarantineQuery(staged, facts), facts);
  if ((file?.records ?? 0) !== reading.quarantined) {
    throw new Error(
      `${reading.quarantined} pieces are to be quarantined, but ${file?.records ?? 0} were written`,
    );
  }
  return file;
};
