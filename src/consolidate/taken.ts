import type { Db, Tx } from '../platform/postgres.ts';
import { hashText } from './content-hash.ts';
import { type OffsetRange, openRanges } from './offsets.ts';
import { type Batch, enumerate, type TakenObject, type TakenObjects } from './plan.ts';
import { portions } from './portions.ts';
import type { BatchReading } from './read.ts';
import { fileStates } from './read-messages.ts';

/** The name of a folder across sources: one place has one name, whichever folder a run was given. */
export const folderUrl = (sourceUrl: string, path: string): string => `${sourceUrl}/${path}`;

/**
 * Lists as one text each: the driver's reader of arrays takes fifty times as long, and the server's reader of JSON
 * three times. A name holds no `/`, a version no line feed (an ETag is a header's value), a hash no comma.
 */
type FolderLists = { folder: string; names: string; versions: string; hashes: string };

/** What earlier runs took of these folders, by folder. */
export const loadTaken = async (
  db: Db,
  table: string,
  sourceUrl: string,
  paths: readonly string[],
): Promise<ReadonlyMap<string, TakenObjects>> => {
  const found = await db.query<FolderLists>(
    `SELECT folder, array_to_string(names, '/') AS names, array_to_string(versions, chr(10)) AS versions,
            array_to_string(hashes, ',') AS hashes
     FROM consolidate_objects WHERE table_name = $1 AND folder = ANY ($2)`,
    [table, paths.map((path) => folderUrl(sourceUrl, path))],
  );
  const taken = new Map<string, Map<string, TakenObject>>();
  for (const { folder, ...lists } of found.rows) {
    const names = lists.names.split('/');
    const versions = lists.versions.split('\n');
    const hashes = lists.hashes.split(',');
    const path = folder.slice(sourceUrl.length + 1);
    const known = taken.get(path) ?? new Map<string, TakenObject>();
    taken.set(path, known);
    names.forEach((name, index) => {
      const before = known.get(name) ?? { versions: [], hashes: [] };
      known.set(name, {
        versions: [...before.versions, versions[index] as string],
        hashes: [...before.hashes, hashes[index] as string],
      });
    });
  }
  return taken;
};

type BatchId = {
  readonly table: string;
  readonly sourceUrl: string;
  readonly runId: string;
  readonly batch: number;
};

/** Names in one statement, about: what the driver and the server hold of it stays small. */
const namesAtOnce = 20_000;

/** Records a batch's objects as taken. An unchanged one gets its new version, so that it is not read again. */
export const storeTaken = async (
  tx: Tx,
  { table, sourceUrl, runId, batch }: BatchId,
  { files }: Batch,
  { states, hashes }: Pick<BatchReading, 'states' | 'hashes'>,
): Promise<void> => {
  const indexesOf = new Map<string, number[]>();
  for (const [index, { folder }] of enumerate(files)) {
    if (states[index] === fileStates.unread) continue;
    const indexes = indexesOf.get(folder);
    if (indexes) indexes.push(index);
    else indexesOf.set(folder, [index]);
  }
  const store = (folders: readonly [string, number[]][]) =>
    tx.query(
      `INSERT INTO consolidate_objects (table_name, folder, run_id, batch, names, versions, hashes)
       SELECT $1, folder, $2, $3, string_to_array(names, '/'), string_to_array(versions, chr(10)),
              string_to_array(hashes, ',')
       FROM unnest($4::text[], $5::text[], $6::text[], $7::text[]) AS e (folder, names, versions, hashes)`,
      [
        table,
        runId,
        batch,
        folders.map(([path]) => folderUrl(sourceUrl, path)),
        folders.map(([, indexes]) => indexes.map((index) => files.at(index).name).join('/')),
        folders.map(([, indexes]) => indexes.map((index) => files.at(index).version).join('\n')),
        folders.map(([, indexes]) => indexes.map((index) => hashText(hashes, index)).join(',')),
      ],
    );
  for (const portion of portions([...indexesOf], ([, indexes]) => indexes.length, namesAtOnce)) {
    await store(portion);
  }
};

/** Offsets of one topic and partition. */
export type TopicOffsets = {
  readonly topic: string;
  readonly kafkaPartition: number;
  readonly ranges: readonly OffsetRange[];
};

/** The offsets that a batch's files held, merged, and those that they held twice. */
export type BatchOffsets = TopicOffsets & { readonly repeated: readonly OffsetRange[] };

/** By topic and partition, in whose order the batch's files are. */
export const batchOffsets = (
  { files }: Batch,
  { states, documentsOf }: Pick<BatchReading, 'states' | 'documentsOf'>,
): BatchOffsets[] => {
  const found = new Map<
    string,
    { topic: string; kafkaPartition: number; ranges: ReturnType<typeof openRanges> }
  >();
  for (const [index, { kafka }] of enumerate(files)) {
    const documents = documentsOf[index] as number;
    if (!kafka || states[index] !== fileStates.taken || documents === 0) continue;
    const name = `${kafka.topic}/${kafka.partition}`;
    let entry = found.get(name);
    if (!entry) {
      entry = { topic: kafka.topic, kafkaPartition: kafka.partition, ranges: openRanges() };
      found.set(name, entry);
    }
    entry.ranges.add(kafka.offset, kafka.offset + documents - 1);
  }
  return [...found.values()].map(({ ranges, ...place }) => ({
    ...place,
    ranges: ranges.merged(),
    repeated: ranges.repeated(),
  }));
};

/** Offsets taken by all runs that stand, merged by the database. */
export const loadOffsets = async (
  db: Db,
  table: string,
  places: readonly { topic: string; kafkaPartition: number }[],
): Promise<TopicOffsets[]> => {
  if (places.length === 0) return [];
  const found = await db.query<{ topic: string; kafka_partition: number; first: string; next: string }>(
    `SELECT topic, kafka_partition, lower(taken) AS first, upper(taken) AS next
     FROM (SELECT topic, kafka_partition, range_agg(offsets) AS merged FROM consolidate_offsets
           WHERE table_name = $1 AND (topic, kafka_partition) IN (SELECT * FROM unnest($2::text[], $3::int[]))
           GROUP BY topic, kafka_partition) AS m, unnest(merged) AS taken
     ORDER BY topic, kafka_partition, first`,
    [table, places.map(({ topic }) => topic), places.map(({ kafkaPartition }) => kafkaPartition)],
  );
  const offsets = new Map<string, { topic: string; kafkaPartition: number; ranges: OffsetRange[] }>();
  for (const { topic, kafka_partition: kafkaPartition, first, next } of found.rows) {
    const name = `${topic}/${kafkaPartition}`;
    const entry = offsets.get(name) ?? { topic, kafkaPartition, ranges: [] };
    entry.ranges.push({ first: Number(first), last: Number(next) - 1 });
    offsets.set(name, entry);
  }
  return [...offsets.values()];
};

export const storeOffsets = async (
  tx: Tx,
  { table, runId, batch }: BatchId,
  offsets: readonly TopicOffsets[],
): Promise<void> => {
  if (offsets.length === 0) return;
  const entries = offsets.flatMap(({ topic, kafkaPartition, ranges }) =>
    ranges.map(({ first, last }) => ({ topic, partition: kafkaPartition, first, last })),
  );
  await tx.query(
    `INSERT INTO consolidate_offsets (table_name, topic, kafka_partition, run_id, batch, offsets)
     SELECT $1, topic, partition, $2, $3, range_agg(int8range(first, last, '[]'))
     FROM json_to_recordset($4) AS e (topic text, partition int, first int8, last int8)
     GROUP BY topic, partition`,
    [table, runId, batch, JSON.stringify(entries)],
  );
};
