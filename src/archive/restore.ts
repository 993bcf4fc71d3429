import type { Pool } from 'pg';
import type { Lake } from '../lake/tables.ts';
import { recordAudit } from '../platform/audit.ts';
import { transaction } from '../platform/postgres.ts';
import { readVersions } from './archived-lookup.ts';
import { itemHash } from './item.ts';
import type { OrdersTable } from './orders-table.ts';
import { type ArchivedVersion, versionsOf } from './versions.ts';

export type RestoreDeps = {
  readonly pool: Pool;
  readonly lake: Lake;
  readonly table: OrdersTable;
  readonly clock: () => Date;
};

export type RestoreRequest = {
  readonly orderIds?: readonly string[];
  readonly areaId?: string;
  /** Month of creation. */
  readonly month?: Date;
  readonly by: string;
  /** How long a restored order is not archived again. */
  readonly keepDays: number;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
};

export type Restored = {
  readonly orderId: string;
  /** `restored` as it was; `there already` in the very version; `newer`: another version is there and stays. */
  readonly outcome: 'restored' | 'there already' | 'newer' | 'not archived' | 'would be restored';
};

/**
 * Puts archived orders back into DynamoDB, byte for byte as they were, only where no order of the id is. What is put
 * back is marked before, so that no archive run takes it again before `keepDays` are over, also when this dies after
 * the put. The archive keeps its row and receipt: archived again unchanged, the order is only removed again.
 */
export async function* restoreOrders(deps: RestoreDeps, request: RestoreRequest): AsyncGenerator<Restored> {
  const wanted = await wantedVersions(deps, request);
  for (const orderId of wanted.missing) yield { orderId, outcome: 'not archived' };
  for await (const { version, item } of readVersions({ lake: deps.lake, db: deps.pool }, wanted.versions)) {
    request.signal?.throwIfAborted();
    const { orderId } = version;
    const [live] = (await deps.table.get([orderId])).items;
    if (live || request.dryRun) {
      const isSame = live !== undefined && itemHash(live) === version.hash;
      yield { orderId, outcome: live ? (isSame ? 'there already' : 'newer') : 'would be restored' };
      continue;
    }
    await mark(deps, version, request);
    const put = await deps.table.put(item);
    // Taken: somebody made it meanwhile, or an earlier try of ours did, whose answer was lost.
    const isOurs = put.outcome === 'put' || (put.found !== undefined && itemHash(put.found) === version.hash);
    if (isOurs) await markPut(deps, version);
    yield { orderId, outcome: isOurs ? 'restored' : 'newer' };
  }
}

/** The newest archived version of each order asked for. */
const wantedVersions = async (
  { pool }: RestoreDeps,
  { orderIds, areaId, month }: RestoreRequest,
): Promise<{ versions: ArchivedVersion[]; missing: string[] }> => {
  const ids =
    orderIds ??
    (
      await pool.query<{ id: string }>(
        `SELECT DISTINCT r.ordem_id AS id FROM archive_receipts r JOIN archive_batches b USING (batch_id)
         WHERE r.ordem_id IS NOT NULL AND r.outcome = 'removed' AND ($1::text IS NULL OR b.area_id = $1) AND ($2::date IS NULL OR b.month = $2)
         ORDER BY 1`,
        [areaId ?? null, month?.toISOString().slice(0, 10) ?? null],
      )
    ).rows.map(({ id }) => id);
  const versions: ArchivedVersion[] = [];
  const missing: string[] = [];
  for (const id of ids) {
    const [newest] = await versionsOf(pool, id);
    if (newest) versions.push(newest);
    else missing.push(id);
  }
  return { versions, missing };
};

const markPut = async ({ pool, clock }: RestoreDeps, { orderId }: ArchivedVersion): Promise<void> => {
  await pool.query('UPDATE archive_restores SET put_at = $2 WHERE ordem_id = $1', [orderId, clock()]);
};

const mark = (
  { pool, clock }: RestoreDeps,
  version: ArchivedVersion,
  { by, keepDays }: RestoreRequest,
): Promise<void> =>
  transaction(pool, async (tx) => {
    const now = clock();
    await tx.query(
      `INSERT INTO archive_restores (ordem_id, batch_id, restored_at, restored_by, keep_until) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (ordem_id) DO UPDATE SET batch_id = $2, restored_at = $3, restored_by = $4, keep_until = $5, put_at = NULL`,
      [version.orderId, version.batchId, now, by, new Date(now.getTime() + keepDays * 86_400_000)],
    );
    await recordAudit(tx, {
      at: now,
      by,
      action: 'archive.restore',
      resource: version.orderId,
      areaId: version.areaId,
      detail: { batch: version.batchId, keepDays },
    });
  });
