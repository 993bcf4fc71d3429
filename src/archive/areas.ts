import type { Db } from '../platform/postgres.ts';
import { type Age, parseAge } from './due.ts';

/** An area's own rules for its orders in the archive. */
export type AreaRules = {
  readonly areaId: string;
  readonly olderThan: string | null;
  readonly retentionMonths: number | null;
  readonly hold: { readonly reason: string; readonly since: Date; readonly by: string } | null;
};

type AreaRow = {
  area_id: string;
  older_than: string | null;
  retention_months: number | null;
  hold_reason: string | null;
  hold_since: Date | null;
  hold_by: string | null;
};

const toRules = (row: AreaRow): AreaRules => ({
  areaId: row.area_id,
  olderThan: row.older_than,
  retentionMonths: row.retention_months,
  hold:
    row.hold_reason === null || row.hold_since === null
      ? null
      : { reason: row.hold_reason, since: row.hold_since, by: row.hold_by ?? '' },
});

/** Areas that have rules of their own, by id. */
export const listAreas = async (db: Db): Promise<AreaRules[]> => {
  const { rows } = await db.query<AreaRow>('SELECT * FROM archive_areas ORDER BY area_id');
  return rows.map(toRules);
};

export const areaAges = async (db: Db): Promise<Map<string, Age>> =>
  new Map(
    (await listAreas(db)).flatMap(({ areaId, olderThan }) =>
      olderThan === null ? [] : [[areaId, parseAge(olderThan)]],
    ),
  );
