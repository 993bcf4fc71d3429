import { assertFence, type Fence } from '../platform/leases.ts';
import type { Db, Tx } from '../platform/postgres.ts';
import { insertReceipts, moveReceipts, type NewReceipts, type Outcome } from './receipt-rows.ts';

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

export type NewBatch = Omit<Batch, 'state' | 'root' | 'statement' | 'publishedKey' | 'removeAfter'> & {
  readonly snapshotId: string;
};

/**
 * Records a batch with its receipts, in the transaction of its commit in the lake.
 * @throws FenceLostError; a unique violation where a version is archived already
 */
export const insertBatch = async (
  tx: Tx,
  fence: Fence,
  batch: NewBatch,
  receipts: NewReceipts,
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
  await insertReceipts(tx, batch.batchId, receipts);
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
  await moveReceipts(
    tx,
    batchId,
    positions.map((position) => ({ position, outcome: 'removing' })),
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

/** What was decided of an order that exists still. */
const closedOutcomes: readonly Outcome[] = ['removed', 'gone', 'changed', 'unprovable'];

/** The same version is in the live table again (restored, or made again as it was): to be removed again. */
export const reopenRemoval = async (
  tx: Tx,
  fence: Fence,
  batchId: string,
  positions: readonly number[],
): Promise<void> => {
  await assertFence(tx, fence);
  await moveReceipts(
    tx,
    batchId,
    positions.map((position) => ({ position, outcome: 'pending' })),
    closedOutcomes,
  );
  await tx.query(
    `UPDATE archive_batches SET state = 'verified', finished_at = NULL WHERE batch_id = $1 AND state = 'finished'`,
    [batchId],
  );
};
