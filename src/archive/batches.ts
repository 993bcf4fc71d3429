import { assertFence, type Fence } from '../platform/leases.ts';
import type { Db, Tx } from '../platform/postgres.ts';
import type { StagedOrder } from './staging.ts';

export type BatchState = 'committed' | 'verified' | 'finished' | 'rejected';

/** One commit of the archive; see migrations/0005_archive.sql. */
export type Batch = {
  readonly batchId: string;
  readonly runId: string;
  readonly intervalId: string;
  readonly source: string;
  readonly areaId: string;
  readonly month: Date;
  readonly state: BatchState;
  readonly orders: number;
  readonly bytes: number;
  readonly files: readonly string[];
  readonly archivedAt: Date;
  readonly root: Buffer | null;
  readonly statement: string | null;
  readonly publishedKey: string | null;
  readonly removeAfter: Date | null;
};

type BatchRow = {
  batch_id: string;
  run_id: string;
  interval_id: string;
  source: string;
  area_id: string;
  month: string;
  state: BatchState;
  orders: number;
  bytes: string;
  files: string[];
  archived_at: Date;
  root: Buffer | null;
  statement: string | null;
  published_key: string | null;
  remove_after: Date | null;
};

const columns = `batch_id, run_id, interval_id, source, area_id, to_char(month, 'YYYY-MM-DD') AS month, state, orders, bytes,
  files, archived_at, root, statement, published_key, remove_after`;

const toBatch = (row: BatchRow): Batch => ({
  batchId: row.batch_id,
  runId: row.run_id,
  intervalId: row.interval_id,
  source: row.source,
  areaId: row.area_id,
  month: new Date(`${row.month}T00:00:00Z`),
  state: row.state,
  orders: row.orders,
  bytes: Number(row.bytes),
  files: row.files,
  archivedAt: row.archived_at,
  root: row.root,
  statement: row.statement,
  publishedKey: row.published_key,
  removeAfter: row.remove_after,
});

/** Batches on which something is left to do, oldest first. */
export const openBatches = async (db: Db, source: string): Promise<Batch[]> => {
  const { rows } = await db.query<BatchRow>(
    `SELECT ${columns} FROM archive_batches WHERE source = $1 AND state IN ('committed', 'verified') ORDER BY archived_at, batch_id`,
    [source],
  );
  return rows.map(toBatch);
};

export const findBatch = async (db: Db, batchId: string): Promise<Batch | undefined> => {
  const { rows } = await db.query<BatchRow>(`SELECT ${columns} FROM archive_batches WHERE batch_id = $1`, [
    batchId,
  ]);
  return rows[0] && toBatch(rows[0]);
};

export type Outcome = 'pending' | 'removing' | 'removed' | 'gone' | 'changed' | 'unprovable' | 'erased';

/** A receipt as Postgres has it; the three that an erasure empties are null then. */
export type ReceiptRow = {
  readonly position: number;
  readonly leaf: Buffer;
  readonly orderId: string | null;
  readonly hash: string | null;
  readonly salt: Buffer | null;
  readonly outcome: Outcome;
};

/** All receipts of a batch, by position. */
export const receiptsOf = async (db: Db, batchId: string): Promise<ReceiptRow[]> => {
  const { rows } = await db.query<ReceiptRow>(
    `SELECT position, leaf, ordem_id AS "orderId", encode(version_hash, 'hex') AS hash, salt, outcome
     FROM archive_receipts WHERE batch_id = $1 ORDER BY position`,
    [batchId],
  );
  return rows;
};

export type NewBatch = Omit<Batch, 'state' | 'root' | 'statement' | 'publishedKey' | 'removeAfter'> & {
  readonly snapshotId: string;
};

export type NewReceipt = StagedOrder & { readonly salt: Uint8Array; readonly leaf: Uint8Array };

/**
 * Records a batch with its receipts, in the transaction of its commit in the lake.
 * @throws FenceLostError; a unique violation where a version is archived already
 */
export const insertBatch = async (
  tx: Tx,
  fence: Fence,
  batch: NewBatch,
  receipts: readonly NewReceipt[],
): Promise<void> => {
  await assertFence(tx, fence);
  await tx.query(
    `INSERT INTO archive_batches (batch_id, run_id, interval_id, source, area_id, month, state, orders, bytes, files, snapshot_id, archived_at)
     VALUES ($1, $2, $3, $4, $5, $6, 'committed', $7, $8, $9, $10, $11)`,
    [
      ...[
        batch.batchId,
        batch.runId,
        batch.intervalId,
        batch.source,
        batch.areaId,
        batch.month.toISOString().slice(0, 10),
      ],
      ...[batch.orders, batch.bytes, batch.files, batch.snapshotId, batch.archivedAt],
    ],
  );
  const chunk = 20_000;
  for (let at = 0; at < receipts.length; at += chunk) {
    const part = receipts.slice(at, at + chunk);
    await tx.query(
      `INSERT INTO archive_receipts (batch_id, position, leaf, ordem_id, version_hash, salt, versao)
       SELECT $1, $2 + n - 1, leaf, id, hash, salt, versao
       FROM unnest($3::bytea[], $4::text[], $5::bytea[], $6::bytea[], $7::bigint[]) WITH ORDINALITY AS r (leaf, id, hash, salt, versao, n)`,
      [
        ...[batch.batchId, at, part.map(({ leaf }) => leaf), part.map(({ orderId }) => orderId)],
        ...[part.map(({ hash }) => Buffer.from(hash, 'hex')), part.map(({ salt }) => salt)],
        part.map(({ versao }) => (versao === null ? null : String(versao))),
      ],
    );
  }
};

export type Proven = {
  root: Uint8Array;
  statement: string;
  publishedKey: string;
  verifiedAt: Date;
  removeAfter: Date;
};

/** From here on the batch's orders may be removed. */
export const markVerified = async (tx: Tx, fence: Fence, batchId: string, proven: Proven): Promise<void> => {
  await assertFence(tx, fence);
  await tx.query(
    `UPDATE archive_batches SET state = 'verified', root = $2, statement = $3, published_key = $4, verified_at = $5, remove_after = $6
     WHERE batch_id = $1 AND state = 'committed'`,
    [batchId, proven.root, proven.statement, proven.publishedKey, proven.verifiedAt, proven.removeAfter],
  );
};

/** The batch's rows have left the table; its receipts go, so that the orders can be archived again. */
export const rejectBatch = async (tx: Tx, fence: Fence, batchId: string, detail: unknown): Promise<void> => {
  await assertFence(tx, fence);
  await tx.query('DELETE FROM archive_receipts WHERE batch_id = $1', [batchId]);
  await tx.query(
    `UPDATE archive_batches SET state = 'rejected', finished_at = clock_timestamp(), detail = $2 WHERE batch_id = $1 AND state = 'committed'`,
    [batchId, JSON.stringify(detail)],
  );
};

/** Notes, before they are removed, which orders are about to be: an order that is then gone was removed by us. */
export const markRemoving = async (
  tx: Tx,
  fence: Fence,
  batchId: string,
  positions: readonly number[],
): Promise<void> => {
  await assertFence(tx, fence);
  await tx.query(
    `UPDATE archive_receipts SET outcome = 'removing', outcome_at = clock_timestamp()
     WHERE batch_id = $1 AND position = ANY ($2) AND outcome IN ('pending', 'removing')`,
    [batchId, positions],
  );
};

export const markOutcomes = async (
  db: Db,
  batchId: string,
  outcomes: readonly { position: number; outcome: Outcome }[],
): Promise<void> => {
  await db.query(
    `UPDATE archive_receipts r SET outcome = o.outcome, outcome_at = clock_timestamp()
     FROM unnest($2::int[], $3::text[]) AS o (position, outcome)
     WHERE r.batch_id = $1 AND r.position = o.position AND r.outcome IN ('pending', 'removing')`,
    [batchId, outcomes.map(({ position }) => position), outcomes.map(({ outcome }) => outcome)],
  );
};

export const finishBatch = async (tx: Tx, fence: Fence, batchId: string): Promise<void> => {
  await assertFence(tx, fence);
  await tx.query(
    `UPDATE archive_batches b SET state = 'finished', finished_at = clock_timestamp()
     WHERE batch_id = $1 AND state = 'verified'
       AND NOT EXISTS (SELECT FROM archive_receipts r WHERE r.batch_id = b.batch_id AND r.outcome IN ('pending', 'removing'))`,
    [batchId],
  );
};

export type KnownVersion = {
  readonly batchId: string;
  readonly position: number;
  readonly hash: string;
  readonly outcome: Outcome;
};

/** Versions of these orders that are archived, and until when an order that was put back stays. */
export const knownVersions = async (
  db: Db,
  orderIds: readonly string[],
): Promise<{ versions: Map<string, KnownVersion[]>; keptUntil: Map<string, Date> }> => {
  const versions = new Map<string, KnownVersion[]>();
  const asked = db.query<{ ordem_id: string; keep_until: Date }>(
    'SELECT ordem_id, keep_until FROM archive_restores WHERE ordem_id = ANY ($1)',
    [orderIds],
  );
  asked.catch(() => {});
  const found = await db.query<KnownVersion & { orderId: string }>(
    `SELECT ordem_id AS "orderId", batch_id AS "batchId", position, encode(version_hash, 'hex') AS hash, outcome
     FROM archive_receipts WHERE ordem_id = ANY ($1)`,
    [orderIds],
  );
  for (const { orderId, ...version } of found.rows) {
    versions.set(orderId, [...(versions.get(orderId) ?? []), version]);
  }
  const kept = await asked;
  return { versions, keptUntil: new Map(kept.rows.map((row) => [row.ordem_id, row.keep_until])) };
};

/** The same version is in the live table again (restored, or made again as it was): to be removed again. */
export const reopenRemoval = async (
  tx: Tx,
  fence: Fence,
  batchId: string,
  positions: readonly number[],
): Promise<void> => {
  await assertFence(tx, fence);
  await tx.query(
    `UPDATE archive_receipts SET outcome = 'pending', outcome_at = clock_timestamp()
     WHERE batch_id = $1 AND position = ANY ($2) AND outcome NOT IN ('pending', 'removing', 'erased')`,
    [batchId, positions],
  );
  await tx.query(
    `UPDATE archive_batches SET state = 'verified', finished_at = NULL WHERE batch_id = $1 AND state = 'finished'`,
    [batchId],
  );
};
