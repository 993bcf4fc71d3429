import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { DataFile } from '../lake/data-file.ts';
import type { DuckSession } from '../lake/duckdb-session.ts';
import { append, loadTable, requireTransactions } from '../lake/tables.ts';
import { UserError } from '../platform/cli.ts';
import { assertFence, type Fence, holderName, withLease } from '../platform/leases.ts';
import { transaction } from '../platform/postgres.ts';
import { newId } from '../shared/ids.ts';
import { noteDomainChange } from './batch.ts';
import { createDocumentCutter } from './documents.ts';
import type { Domain } from './domain-models.ts';
import { refreshDomains } from './domains.ts';
import { batchMessage, queueFeedback } from './feedback-queue.ts';
import type { Limits } from './limits.ts';
import { parseObjectName } from './object-name.ts';
import { partitionColumns } from './partition.ts';
import {
  inSession,
  type Kept,
  type QuarantineDeps,
  type QuarantineFilter,
  readQuarantine,
} from './quarantine.ts';
import {
  batchCommitId,
  failRun,
  finishRun,
  leaseName,
  leaseTtlMs,
  type NewRun,
  type Summary,
  startRun,
} from './runs.ts';
import { openStage } from './staging.ts';
import { type StagedDocuments, writeEvents } from './write.ts';

export type ReplayDeps = QuarantineDeps & {
  readonly clock: () => Date;
  readonly stagingFolder: string;
  readonly limits: Limits;
  readonly domains?: readonly Domain[];
  readonly feedbackTopic?: string;
};

export type ReplayRequest = {
  readonly table: string;
  readonly filter: QuarantineFilter;
  /** In place of the bytes that are kept: for one piece, mended by hand. */
  readonly mended?: Buffer;
  readonly signal?: AbortSignal;
};

export type Replayed = {
  readonly runId: string | null;
  readonly pieces: number;
  readonly rows: number;
  /** Still no documents: they stay in the quarantine. */
  readonly stillBad: readonly { readonly id: string; readonly reason: string }[];
  readonly snapshotId: string | null;
};

type Piece = {
  readonly row: Kept;
  readonly bytes: Buffer;
  readonly documents: readonly { from: number; to: number }[];
};

/**
 * Reads the pieces again (after a fix of the reader, with other limits, or with mended bytes) and appends what
 * are documents now to the events. The piece's id is recorded in the same transaction, and the database holds it
 * once: replayed twice, or by two people at a time, it is one row.
 * @throws LeaseHeldError a run holds the table
 */
export const replayQuarantine = async (deps: ReplayDeps, request: ReplayRequest): Promise<Replayed> => {
  requireTransactions(deps.lake, 'a replay');
  const { pool } = deps;
  const lease = { pool, name: leaseName(request.table), holder: holderName('replay'), ttlMs: leaseTtlMs };
  return withLease({ ...lease, ...(request.signal ? { signal: request.signal } : {}) }, ({ fence }) =>
    inSession((session) => replayUnderLease(deps, session, request, fence)),
  );
};

const replayUnderLease = async (
  deps: ReplayDeps,
  session: DuckSession,
  { table, filter, mended }: ReplayRequest,
  fence: Fence,
): Promise<Replayed> => {
  const rows = await readQuarantine(deps, session, table, filter, { raw: true });
  if (mended && rows.length !== 1) {
    throw new UserError(
      `expected one quarantined piece to mend, found ${rows.length}: name one by its id that was not replayed yet`,
    );
  }
  const read = rows.map((row) => readPiece(deps.limits, row, mended));
  const stillBad = read.filter((each) => 'reason' in each);
  const pieces = read.filter((each) => 'documents' in each);
  const nothing = { runId: null, pieces: 0, rows: 0, stillBad, snapshotId: null };
  if (pieces.length === 0) return nothing;
  const at = deps.clock();
  const run: NewRun = {
    runId: newId('run', at),
    table,
    kind: 'replay',
    source: `quarantine:${table}`,
    fence,
    at,
  };
  const interval = await transaction(deps.pool, (tx) => startRun(tx, run));
  try {
    const { count, snapshotId } = await commitPieces(deps, session, run, interval, pieces);
    await refreshDomains({ ...deps, session }, { run, domains: deps.domains ?? [] });
    return { runId: run.runId, pieces: pieces.length, rows: count, stillBad, snapshotId };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    await transaction(deps.pool, (tx) => failRun(tx, run, interval, message)).catch(() => {});
    throw error;
  }
};

const readPiece = (
  limits: Limits,
  row: Kept,
  mended: Buffer | undefined,
): Piece | { id: string; reason: string } => {
  if (row.rawCut && !mended) {
    return {
      id: row.id,
      reason: `${row.reason}: only a part of its bytes is kept, give the whole with --file`,
    };
  }
  let bytes = mended ?? row.raw ?? Buffer.alloc(0);
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
      bytes = gunzipSync(bytes, { maxOutputLength: limits.read.maxFileBytes });
    }
  } catch {
    return { id: row.id, reason: 'bad_gzip' };
  }
  const padded = Buffer.concat([bytes, Buffer.alloc(1)]);
  const format = parseObjectName(row.objectKey.slice(row.objectKey.lastIndexOf('/') + 1))?.format ?? 'json';
  const cut = createDocumentCutter(limits.read)(padded, bytes.length, format);
  const fault = cut.find((piece) => piece.fault)?.fault;
  return fault ? { id: row.id, reason: fault.reason } : { row, bytes: padded, documents: cut };
};

/** Pieces of one source and one partition become one file. */
const groupPieces = (pieces: readonly Piece[], columns: readonly string[]): Piece[][] => {
  const groups = Map.groupBy(pieces, ({ row }) =>
    JSON.stringify([
      row.source,
      columns.includes('topic') ? row.topic : null,
      columns.includes('kafka_partition') ? row.kafkaPartition : null,
    ]),
  );
  return [...groups.values()];
};

const commitPieces = async (
  deps: ReplayDeps,
  session: DuckSession,
  run: NewRun,
  interval: string,
  pieces: readonly Piece[],
): Promise<{ count: number; snapshotId: string }> => {
  const started = performance.now();
  const { lake, files, pool, domains = [], feedbackTopic } = deps;
  const table = await loadTable(lake, run.table);
  const written: DataFile[] = [];
  for (const group of groupPieces(pieces, partitionColumns(table))) {
    const first = group[0]?.row;
    if (!first) continue;
    const staged = stagePieces(join(session.folder, 'replay'), group);
    const columns = partitionColumns(table);
    const facts = {
      sourceUrl: first.source,
      runId: run.runId,
      ingestedAt: run.at,
      group: {
        topic: columns.includes('topic') ? first.topic : null,
        kafkaPartition: columns.includes('kafka_partition') ? first.kafkaPartition : null,
      },
    };
    const { file } = await writeEvents({ lake, session, files }, table, staged, [], facts);
    await rm(join(session.folder, 'replay'));
    if (file) written.push(file);
  }
  const count = written.reduce((sum, { records }) => sum + records, 0);
  const commitId = batchCommitId(run.runId, 0);
  return transaction(pool, async (tx) => {
    await assertFence(tx, run.fence);
    await tx.query(
      'INSERT INTO consolidate_replays (quarantine_id, table_name, run_id) SELECT unnest($1::text[]), $2, $3',
      [pieces.map(({ row }) => row.id), run.table, run.runId],
    );
    const summary = { 'lastro.run': run.runId };
    const { snapshotId } = await append(lake, run.table, { add: written }, { tx, commitId, summary });
    await tx.query(
      `INSERT INTO consolidate_batches (run_id, batch, commit_id, documents, rows, quarantined, duplicates, snapshot_id, counts)
       VALUES ($1, 0, $2, $3, $3, 0, 0, $4, '{}')`,
      [run.runId, commitId, count, snapshotId],
    );
    await noteDomainChange(
      tx,
      run,
      domains.map(({ name }) => name),
    );
    const bytesOut = written.reduce((sum, { bytes }) => sum + bytes, 0);
    const bytesIn = pieces.reduce((sum, { bytes }) => sum + bytes.length - 1, 0);
    if (feedbackTopic !== undefined) {
      const none = { quarantined: 0, duplicates: 0, conflicts: 0, reasons: {}, quarantineSnapshotId: null };
      const told = { ...none, documents: count, rows: count, bytesIn, bytesOut, snapshotId };
      await queueFeedback(tx, batchMessage(feedbackTopic, run, 0, told));
    }
    const result: Summary = {
      files: pieces.length,
      skipped: 0,
      documents: count,
      rows: count,
      quarantined: 0,
      duplicates: 0,
      gaps: 0,
      bytesIn,
      bytesOut,
      dataFiles: written.length,
      seconds: Math.round(performance.now() - started) / 1000,
      snapshotId,
    };
    await finishRun(tx, run, interval, result);
    return { count, snapshotId };
  });
};

/** Stages the pieces' documents as the readers would have: same key, position and offset. */
const stagePieces = (path: string, pieces: readonly Piece[]): StagedDocuments => {
  const stage = openStage(path);
  let documents = 0;
  for (const { row, bytes, documents: cut } of pieces) {
    const { topic, kafkaPartition: partition, kafkaOffset } = row;
    const known = topic !== null && partition !== null && kafkaOffset !== null;
    // The offset of the object's name, from which the stage counts on by position.
    const kafka = known ? { topic, partition, offset: kafkaOffset - row.position } : undefined;
    const object = { key: row.objectKey, kafka, hash: row.contentHash };
    for (const [nth, { from, to }] of cut.entries()) {
      stage.document(object, row.position + nth, bytes, from, to);
      documents++;
    }
  }
  stage.close();
  return { events: [path], longestLine: stage.longestLine(), documents, quarantined: 0 };
};
