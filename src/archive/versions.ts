import type { Db } from '../platform/postgres.ts';

export type ArchivedVersion = {
  readonly batchId: string;
  readonly position: number;
  readonly orderId: string;
  readonly hash: string;
  readonly areaId: string;
  readonly month: Date;
  readonly archivedAt: Date;
  readonly outcome: string;
  readonly outcomeAt: Date | null;
  /** Removed from DynamoDB, and not put back since. */
  readonly isAway: boolean;
};

/** The archived versions of an order, newest first; of proven batches only. */
export const versionsOf = async (db: Db, orderId: string): Promise<ArchivedVersion[]> => {
  const { rows } = await db.query<Omit<ArchivedVersion, 'month'> & { month: string }>(
    `SELECT r.batch_id AS "batchId", r.position, r.ordem_id AS "orderId", encode(r.version_hash, 'hex') AS hash, b.area_id AS "areaId",
       to_char(b.month, 'YYYY-MM-DD') AS month, b.archived_at AS "archivedAt", r.outcome, r.outcome_at AS "outcomeAt",
       r.outcome = 'removed' AND NOT EXISTS (
         SELECT FROM archive_restores s WHERE s.ordem_id = r.ordem_id AND s.put_at > r.outcome_at) AS "isAway"
     FROM archive_receipts r JOIN archive_batches b USING (batch_id)
     WHERE r.ordem_id = $1 AND b.state IN ('verified', 'finished')
     ORDER BY b.archived_at DESC, r.position DESC`,
    [orderId],
  );
  return rows.map((row) => ({ ...row, month: new Date(`${row.month}T00:00:00Z`) }));
};

/** For those who look for an order that is not in the live table: where it is, unless it was put back. */
export const archivedOrder = async (
  db: Db,
  orderId: string,
): Promise<{ areaId: string; archivedAt: Date } | undefined> => {
  const version = (await versionsOf(db, orderId)).find(({ isAway }) => isAway);
  return version && { areaId: version.areaId, archivedAt: version.archivedAt };
};
