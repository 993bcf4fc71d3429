import type { DataFile } from '../lake/data-file.ts';
import type { DuckSession } from '../lake/duckdb-session.ts';
import type { FileCache } from '../lake/file-cache.ts';
import { append, type Lake, type Table } from '../lake/tables.ts';
import { assertFence } from '../platform/leases.ts';
import type { Db, Tx } from '../platform/postgres.ts';
import { batchMessage, queueFeedback } from './feedback-queue.ts';
import { findOverlaps, mergeRanges } from './offsets.ts';
import { type Batch, enumerate } from './plan.ts';
import type { BatchReading } from './read.ts';
import { fileStates } from './read-messages.ts';
import { batchCommitId, type NewRun } from './runs.ts';
import { quarantineTable } from './tables.ts';
import { batchOffsets, loadOffsets, storeOffsets, storeTaken, type TopicOffsets } from './taken.ts';
import { type BatchFacts, type EventsWritten, writeEvents, writeQuarantine } from './write.ts';

/** A batch's files are written and lie in the store; no table shows them yet. */
export type WrittenBatch = {
  readonly batch: Batch;
  readonly reading: BatchReading;
  readonly offsets: readonly TopicOffsets[];
  readonly events: EventsWritten;
  readonly quarantine: DataFile | undefined;
};

export type WriteBatchDeps = {
  readonly db: Db;
  readonly lake: Lake;
  readonly session: DuckSession;
  readonly files: FileCache;
};

/** Writes what was read as Parquet files of the two tables. */
export const writeBatch = async (
  deps: WriteBatchDeps,
  tables: { name: string; events: Table; quarantine: Table },
  facts: BatchFacts,
  batch: Batch,
  reading: BatchReading,
): Promise<WrittenBatch> => {
  const offsets = batchOffsets(batch, reading);
  const known = await loadOffsets(deps.db, tables.name, offsets);
  const overlaps = offsets.flatMap(({ topic, kafkaPartition, ranges, repeated }) => {
    const before = known.find((each) => each.topic === topic && each.kafkaPartition === kafkaPartition);
    const found = mergeRanges([...repeated, ...findOverlaps(ranges, before?.ranges)]);
    return found.length > 0 ? [{ topic, kafkaPartition, ranges: found }] : [];
  });
  const events = await writeEvents(deps, tables.events, reading, overlaps, facts);
  const quarantine = await writeQuarantine(deps, tables.quarantine, reading, facts);
  return { batch, reading, offsets, events, quarantine };
};

/** The books of one batch: what the feedback tells and the run adds up. */
export type BatchCounts = {
  readonly files: number;
  /** Written again since they were taken, with the same content. */
  readonly unchanged: number;
  /** Written again with other content: taken too. */
  readonly rewritten: number;
  /** Could not be read now: left for a later run. */
  readonly unread: number;
  readonly documents: number;
  readonly rows: number;
  readonly quarantined: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly reasons: Readonly<Record<string, number>>;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly dataFiles: number;
};

export const countBatch = ({ batch, reading, events, quarantine }: WrittenBatch): BatchCounts => {
  const { states } = reading;
  const inState = (state: number): number =>
    states.reduce((count, each) => count + (each === state ? 1 : 0), 0);
  let rewritten = 0;
  let bytesIn = 0;
  for (const [index, { size, knownHashes }] of enumerate(batch.files)) {
    if (states[index] !== fileStates.taken) continue;
    bytesIn += size;
    if (knownHashes.length > 0) rewritten++;
  }
  const added = [events.file, quarantine].filter((file) => file !== undefined);
  return {
    files: batch.files.length,
    unchanged: inState(fileStates.unchanged),
    rewritten,
    unread: inState(fileStates.unread),
    documents: reading.documents,
    rows: events.rows,
    quarantined: quarantine?.records ?? 0,
    duplicates: events.duplicates,
    conflicts: events.conflicts,
    reasons: reading.reasons,
    bytesIn,
    bytesOut: added.reduce((sum, { bytes }) => sum + bytes, 0),
    dataFiles: added.length,
  };
};

export type CommitBatch = {
  readonly run: NewRun;
  readonly index: number;
  readonly written: WrittenBatch;
  /** Names of the domains that the batch's day is news for. */
  readonly domains: readonly string[];
  readonly feedbackTopic?: string | undefined;
};

/**
 * The commit point of a batch: rows, quarantine, the index of taken objects, offsets, books, what the domains
 * have to process and the feedback owed become visible with the caller's transaction, or none of them does.
 * Answers the snapshot of the events' table, or null where no row was added.
 * @throws FenceLostError
 */
export const commitBatch = async (
  lake: Lake,
  tx: Tx,
  { run, index, written, domains, feedbackTopic }: CommitBatch,
): Promise<{ counts: BatchCounts; snapshotId: string | null }> => {
  await assertFence(tx, run.fence);
  const counts = countBatch(written);
  if (counts.documents !== counts.rows + counts.quarantined + counts.duplicates) {
    throw new Error(
      `batch ${index} does not add up: ${counts.documents} documents, but ${counts.rows} rows, ` +
        `${counts.quarantined} quarantined and ${counts.duplicates} duplicates; nothing was committed`,
    );
  }
  const commitId = batchCommitId(run.runId, index);
  const options = { tx, commitId, summary: { 'lastro.run': run.runId } };
  const { file } = written.events;
  const events = file && (await append(lake, run.table, { add: [file] }, options));
  const quarantine =
    written.quarantine &&
    (await append(lake, quarantineTable(run.table), { add: [written.quarantine] }, options));
  const snapshotId = events?.snapshotId ?? null;
  const place = { table: run.table, sourceUrl: run.source, runId: run.runId, batch: index };
  await storeTaken(tx, place, written.batch, written.reading);
  await storeOffsets(tx, place, written.offsets);
  await tx.query(
    `INSERT INTO consolidate_batches (run_id, batch, commit_id, documents, rows, quarantined, duplicates, snapshot_id, counts)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      run.runId,
      index,
      commitId,
      counts.documents,
      counts.rows,
      counts.quarantined,
      counts.duplicates,
      snapshotId,
      JSON.stringify(counts),
    ],
  );
  if (counts.rows > 0 && domains.length > 0) await noteDomainChange(tx, run, domains);
  if (feedbackTopic !== undefined && counts.documents > 0) {
    const quarantineSnapshotId = quarantine?.snapshotId ?? null;
    const told = { ...counts, snapshotId, quarantineSnapshotId };
    await queueFeedback(tx, batchMessage(feedbackTopic, run, index, told));
  }
  return { counts, snapshotId };
};

export const noteDomainChange = async (tx: Tx, run: NewRun, domains: readonly string[]): Promise<void> => {
  await tx.query(
    `INSERT INTO consolidate_domain_changes (table_name, domain, day, run_id)
     SELECT $1, domain, ($2::timestamptz AT TIME ZONE 'UTC')::date, $3 FROM unnest($4::text[]) AS d (domain)
     ON CONFLICT DO NOTHING`,
    [run.table, run.at.toISOString(), run.runId, domains],
  );
};
