import { recordAudit } from '../platform/audit.ts';
import type { Db, Tx } from '../platform/postgres.ts';
import { type AreaRules, listAreas } from './areas.ts';

/** The article by which personal data are kept although their subject asks for erasure. */
export const retentionGround =
  'LGPD (Lei 13.709/2018), art. 16, I: kept to comply with a legal or regulatory obligation of the controller';

/** Why an order may not be erased now. `until`: the first day on which it may; null: while the hold stands. */
export type Retained = {
  readonly orderId: string;
  readonly areaId: string;
  readonly ground: string;
  readonly until: string | null;
};

/** Counted from the order's last update, as its age is. */
export const retentionEnd = (updatedAt: Date, months: number): Date => {
  const end = new Date(updatedAt);
  const day = end.getUTCDate();
  end.setUTCDate(1);
  end.setUTCMonth(end.getUTCMonth() + months);
  const last = new Date(Date.UTC(end.getUTCFullYear(), end.getUTCMonth() + 1, 0)).getUTCDate();
  end.setUTCDate(Math.min(day, last));
  return end;
};

/** Null where nothing keeps the order. A legal hold comes before a retention that ends. */
export const retainedBy = (
  rules: AreaRules | undefined,
  order: { readonly orderId: string; readonly areaId: string; readonly updatedAt: Date },
  now: Date,
): Retained | null => {
  const { orderId, areaId } = order;
  if (rules?.hold) {
    const since = rules.hold.since.toISOString().slice(0, 10);
    return {
      orderId,
      areaId,
      ground: `${retentionGround}; legal hold on the area since ${since}: ${rules.hold.reason}`,
      until: null,
    };
  }
  if (rules?.retentionMonths == null) return null;
  const end = retentionEnd(order.updatedAt, rules.retentionMonths);
  if (end <= now) return null;
  const until = end.toISOString().slice(0, 10);
  return {
    orderId,
    areaId,
    ground: `${retentionGround}; the area keeps its orders for ${rules.retentionMonths} months`,
    until,
  };
};

export const rulesByArea = async (db: Db): Promise<ReadonlyMap<string, AreaRules>> =>
  new Map((await listAreas(db)).map((rules) => [rules.areaId, rules]));

export type AreaChange = {
  /** Null takes the area's own value away. */
  readonly olderThan?: string | null;
  readonly retentionMonths?: number | null;
  readonly hold?: { readonly reason: string } | null;
};

/** Changes an area's rules, and says so in the audit trail. */
export const changeArea = async (
  tx: Tx,
  areaId: string,
  change: AreaChange,
  { by, now }: { by: string; now: Date },
): Promise<void> => {
  await tx.query('INSERT INTO archive_areas (area_id) VALUES ($1) ON CONFLICT DO NOTHING', [areaId]);
  if (change.olderThan !== undefined) {
    await tx.query('UPDATE archive_areas SET older_than = $2, updated_at = $3 WHERE area_id = $1', [
      areaId,
      change.olderThan,
      now,
    ]);
  }
  if (change.retentionMonths !== undefined) {
    await tx.query('UPDATE archive_areas SET retention_months = $2, updated_at = $3 WHERE area_id = $1', [
      areaId,
      change.retentionMonths,
      now,
    ]);
  }
  if (change.hold !== undefined) {
    const [reason, since, who] = change.hold ? [change.hold.reason, now, by] : [null, null, null];
    await tx.query(
      'UPDATE archive_areas SET hold_reason = $2, hold_since = $3, hold_by = $4, updated_at = $5 WHERE area_id = $1',
      [areaId, reason, since, who, now],
    );
  }
  await recordAudit(tx, {
    at: now,
    by,
    action: 'archive.area',
    resource: areaId,
    areaId,
    detail: { ...change },
  });
};
