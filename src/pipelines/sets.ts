import type { Window } from '../platform/ledger.ts';
import type { Db, Tx } from '../platform/postgres.ts';
import type { Slice } from './declaration.ts';
import { firstPage, type PageState } from './pagination.ts';
import type { CadenceName } from './windows.ts';

/** Which of the set's requests is next, and where in its pages. `plan` is the hash of the list of requests. */
export type Progress = PageState & { readonly request: number; readonly plan: string };

export const beginning = (plan: string): Progress => ({ ...firstPage, request: 0, plan });

/** One complete reading of a window, or one that is under way. */
export type CaptureSet = Window & {
  readonly setId: string;
  readonly source: CadenceName;
  readonly progress: Progress;
  readonly watermark: string | null;
  readonly openedAt: Date;
  readonly completedAt: Date | null;
};

type SetRow = {
  set_id: string;
  source: CadenceName;
  window_from: Date;
  window_to: Date;
  progress: Progress;
  watermark: string | null;
  opened_at: Date;
  completed_at: Date | null;
};

const toSet = (row: SetRow): CaptureSet => ({
  setId: row.set_id,
  source: row.source,
  from: row.window_from,
  to: row.window_to,
  progress: row.progress,
  watermark: row.watermark,
  openedAt: row.opened_at,
  completedAt: row.completed_at,
});

export type SetPlace = Window & { readonly pipeline: string; readonly source: CadenceName };

/** The reading of a window that is under way, or undefined. */
export const findOpenSet = async (db: Db, place: SetPlace): Promise<CaptureSet | undefined> => {
  const found = await db.query<SetRow>(
    `SELECT * FROM pipeline_sets WHERE pipeline = $1 AND source = $2 AND window_from = $3 AND window_to = $4 AND state = 'open'`,
    [place.pipeline, place.source, place.from, place.to],
  );
  return found.rows[0] && toSet(found.rows[0]);
};

export const openSet = async (
  tx: Tx,
  place: SetPlace,
  { setId, progress, at }: { setId: string; progress: Progress; at: Date },
): Promise<void> => {
  await tx.query(
    `INSERT INTO pipeline_sets (set_id, pipeline, source, window_from, window_to, state, progress, opened_at)
     VALUES ($1, $2, $3, $4, $5, 'open', $6, $7)`,
    [setId, place.pipeline, place.source, place.from, place.to, JSON.stringify(progress), at],
  );
};

/** Gives a reading up for a new one: its captures stay in bronze. */
export const leaveSet = async (tx: Tx, setId: string): Promise<void> => {
  await tx.query(
    `UPDATE pipeline_sets SET state = 'left' WHERE set_id = $1 AND state IN ('open', 'complete')`,
    [setId],
  );
};

/** Notes how far a set has come, in the transaction that commits its bronze. `completedAt`: it has all its pages. */
export const moveSet = async (
  tx: Tx,
  setId: string,
  {
    progress,
    watermark,
    completedAt,
  }: { progress: Progress; watermark: string | null; completedAt: Date | null },
): Promise<void> => {
  const moved = await tx.query(
    `UPDATE pipeline_sets SET progress = $2, watermark = coalesce($3, watermark), completed_at = $4,
       state = CASE WHEN $4::timestamptz IS NULL THEN 'open' ELSE 'complete' END
     WHERE set_id = $1 AND state = 'open'`,
    [setId, JSON.stringify(progress), watermark, completedAt],
  );
  if (moved.rowCount !== 1) throw new Error(`set ${setId}: expected it open, found it closed by another run`);
};

/** Sets that silver has yet to take, oldest first. */
export const waitingSets = async (db: Db, pipeline: string): Promise<CaptureSet[]> => {
  const found = await db.query<SetRow>(
    `SELECT * FROM pipeline_sets WHERE pipeline = $1 AND state = 'complete' ORDER BY completed_at, set_id`,
    [pipeline],
  );
  return found.rows.map(toSet);
};

/** Every set that belongs in silver: merged and waiting ones. */
export const allSets = async (db: Db, pipeline: string): Promise<CaptureSet[]> => {
  const found = await db.query<SetRow>(
    `SELECT * FROM pipeline_sets WHERE pipeline = $1 AND state IN ('complete', 'merged') ORDER BY completed_at, set_id`,
    [pipeline],
  );
  return found.rows.map(toSet);
};

export const mergeSets = async (tx: Tx, setIds: readonly string[], attemptId: string): Promise<void> => {
  await tx.query(
    `UPDATE pipeline_sets SET state = 'merged', merged_by = $2 WHERE set_id = ANY ($1) AND state = 'complete'`,
    [setIds, attemptId],
  );
};

/** A capture as the index knows it. */
export type IndexedCapture = {
  readonly captureId: string;
  readonly setId: string;
  readonly request: number;
  readonly page: number;
  readonly slice: Slice;
  readonly rangeFrom: Date;
  readonly rangeTo: Date;
  readonly fetchedAt: Date;
  readonly bodyHash: string;
  readonly bytes: number;
  readonly records: number;
  /** The capture whose bronze row has the body, and the file that it lies in. */
  readonly bodyOf: string;
  readonly file: string;
};

type CaptureRow = {
  capture_id: string;
  set_id: string;
  request: number;
  page: number;
  slice: Slice;
  range_from: Date;
  range_to: Date;
  fetched_at: Date;
  body_hash: string;
  bytes: string;
  records: number | null;
  body_of: string;
  body_file: string;
};

/** The answers of the sets that were taken, in the order in which they were fetched. */
export const capturesOf = async (db: Db, setIds: readonly string[]): Promise<IndexedCapture[]> => {
  const found = await db.query<CaptureRow>(
    `SELECT c.*, coalesce(c.same_as, c.capture_id) AS body_of, coalesce(c.file, b.file) AS body_file
     FROM pipeline_captures c LEFT JOIN LATERAL (
       SELECT file FROM pipeline_captures WHERE capture_id = c.same_as AND file IS NOT NULL LIMIT 1) b ON true
     WHERE c.set_id = ANY ($1) AND c.refused IS NULL
     ORDER BY c.fetched_at, c.capture_id`,
    [setIds],
  );
  return found.rows.map((row) => ({
    captureId: row.capture_id,
    setId: row.set_id,
    request: row.request,
    page: row.page,
    slice: row.slice,
    rangeFrom: row.range_from,
    rangeTo: row.range_to,
    fetchedAt: row.fetched_at,
    bodyHash: row.body_hash,
    bytes: Number(row.bytes),
    records: row.records ?? 0,
    bodyOf: row.body_of,
    file: row.body_file,
  }));
};
