import { findTable, type Lake } from '../lake/tables.ts';
import type { Db } from '../platform/postgres.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { windowFiles } from './archived-rows.ts';
import { type Batch, findBatch } from './batches.ts';
import { merkleProof } from './merkle.ts';
import type { Receipt } from './receipt.ts';
import { receiptsOf, saltBytes } from './receipt-rows.ts';
import { versionsOf } from './versions.ts';

/** No proven version of the order is in the archive. */
export class NotArchivedError extends Error {
  constructor(orderId: string) {
    super(`order ${orderId} is not in the archive, or its batch is not proven yet`);
    this.name = 'NotArchivedError';
  }
}

/**
 * The receipt of an order's newest archived version (or of the one with `hash`): anyone can check it with the public
 * keys alone.
 * @throws NotArchivedError
 */
export const makeReceipt = async (
  { db, lake }: { db: Db; lake: Lake },
  { orderId, hash }: { orderId: string; hash?: string },
): Promise<Receipt> => {
  const version = (await versionsOf(db, orderId)).find((each) => hash === undefined || each.hash === hash);
  const batch = version && (await findBatch(db, version.batchId));
  if (!version || !batch?.statement) throw new NotArchivedError(orderId);
  const receipts = await receiptsOf(db, batch.batchId);
  const { position } = version;
  // Erased since it was looked up.
  if (receipts.ids[position] !== orderId) throw new NotArchivedError(orderId);
  const path = merkleProof(receipts.leaves, position);
  return {
    kind: 'lastro-archive-receipt',
    version: 1,
    order: {
      orderId,
      versionHash: version.hash,
      salt: receipts.salts.toString('hex', position * saltBytes, (position + 1) * saltBytes),
      archivedAt: batch.archivedAt.toISOString(),
    },
    proof: {
      index: position,
      size: receipts.count,
      path: path.map((each) => each.toString('hex')),
    },
    statement: batch.statement,
    locator: await locatorOf(lake, batch),
    removal: { outcome: version.outcome, at: version.outcomeAt?.toISOString() ?? null },
  };
};

/** Where the row lies now. Not signed: compaction moves it. */
const locatorOf = async (lake: Lake, batch: Batch): Promise<Record<string, unknown>> => {
  const table = await findTable(lake, archivedOrdersTable);
  const files = table ? await windowFiles(lake, table, batch) : [];
  const own = files.filter(({ path }) => batch.files.includes(path));
  return {
    table: archivedOrdersTable,
    areaId: batch.areaId,
    files: (own.length > 0 ? own : files).map(({ path }) => path),
    publishedRoot: `${lake.store.url}/${batch.publishedKey}`,
  };
};
