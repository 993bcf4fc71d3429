import type { Interval, IntervalState, Json, Window } from './ledger.ts';
import { type IntervalRow, toInterval } from './ledger-row.ts';
import type { Db } from './postgres.ts';

export type IntervalFilter = {
  pipeline?: string;
  source?: string;
  states?: readonly IntervalState[];
  /** Intervals that touch `[from, to)`. */
  from?: Date;
  to?: Date;
  limit?: number;
  /** The last id of the page before. */
  after?: string;
};

/** Intervals by pipeline, source and window: at most `limit` (default 1,000), from `after` on. */
export const listIntervals = async (db: Db, filter: IntervalFilter = {}): Promise<Interval[]> => {
  const found = await db.query<IntervalRow>(
    `SELECT i.* FROM intervals i
     WHERE ($1::text IS NULL OR i.pipeline = $1) AND ($2::text IS NULL OR i.source = $2)
       AND ($3::text[] IS NULL OR i.state = ANY ($3))
       AND ($4::timestamptz IS NULL OR i.window_to > $4) AND ($5::timestamptz IS NULL OR i.window_from < $5)
       AND ($6::bigint IS NULL OR (i.pipeline, i.source, i.window_from) >
            (SELECT pipeline, source, window_from FROM intervals WHERE id = $6))
     ORDER BY i.pipeline, i.source, i.window_from LIMIT $7`,
    [
      filter.pipeline ?? null,
      filter.source ?? null,
      filter.states ?? null,
      filter.from?.toISOString() ?? null,
      filter.to?.toISOString() ?? null,
      filter.after ?? null,
      filter.limit ?? 1_000,
    ],
  );
  return found.rows.map(toInterval);
};

/** A missing window: given up (`interval` is its row), or never planned (`interval` is undefined). */
export type Hole = Window & { pipeline: string; source: string; interval?: Interval };

/**
 * Everything that is missing of the sources: intervals in the state `hole`, and the gaps that no interval covers,
 * between the first and the last window of each source or, where given, from `from` to `to`.
 */
export const findHoles = async (
  db: Db,
  { pipeline, source, from, to }: { pipeline?: string; source?: string; from?: Date; to?: Date } = {},
): Promise<Hole[]> => {
  const gaps = await db.query<{ pipeline: string; source: string; lo: Date; hi: Date }>(
    `SELECT s.pipeline, s.source, lower(gap) AS lo, upper(gap) AS hi
     FROM (SELECT pipeline, source, range_agg(tstzrange(window_from, window_to)) AS covered,
                  tstzrange(min(window_from), max(window_to)) AS span
           FROM intervals WHERE ($1::text IS NULL OR pipeline = $1) AND ($2::text IS NULL OR source = $2)
           GROUP BY pipeline, source) s,
     unnest(tstzmultirange(tstzrange(coalesce($3, lower(s.span)), greatest(coalesce($3, lower(s.span)), coalesce($4, upper(s.span))))) - s.covered) AS gap`,
    [pipeline ?? null, source ?? null, from?.toISOString() ?? null, to?.toISOString() ?? null],
  );
  const holes: Hole[] = gaps.rows.map((row) => ({
    pipeline: row.pipeline,
    source: row.source,
    from: row.lo,
    to: row.hi,
  }));
  for await (const interval of allIntervals(db, {
    states: ['hole'],
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(source === undefined ? {} : { source }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  })) {
    holes.push({
      pipeline: interval.pipeline,
      source: interval.source,
      from: interval.from,
      to: interval.to,
      interval,
    });
  }
  return holes.sort(
    (a, b) =>
      compare(a.pipeline, b.pipeline) || compare(a.source, b.source) || a.from.getTime() - b.from.getTime(),
  );
};

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Every interval of the filter, page by page. */
export async function* allIntervals(db: Db, filter: IntervalFilter): AsyncGenerator<Interval> {
  let after = filter.after;
  for (;;) {
    const page = await listIntervals(db, { ...filter, ...(after === undefined ? {} : { after }) });
    yield* page;
    after = page.at(-1)?.id;
    if (after === undefined || page.length < (filter.limit ?? 1_000)) return;
  }
}

/**
 * How far a source is done without a break: the end of the last done window before the first one that is not
 * done or not planned, with that window's watermark. Undefined when the first window is not done.
 */
export const frontier = async (
  db: Db,
  { pipeline, source }: { pipeline: string; source: string },
): Promise<{ to: Date; watermark: string | null } | undefined> => {
  const found = await db.query<{ window_to: Date; watermark: string | null }>(
    `SELECT window_to, watermark FROM (
       SELECT window_to, watermark, window_from,
              bool_and(state = 'done' AND window_from = coalesce(previous, window_from)) OVER (ORDER BY window_from) AS whole
       FROM (SELECT *, lag(window_to) OVER (ORDER BY window_from) AS previous
             FROM intervals WHERE pipeline = $1 AND source = $2) s
     ) t WHERE whole ORDER BY window_from DESC LIMIT 1`,
    [pipeline, source],
  );
  const row = found.rows[0];
  return row && { to: row.window_to, watermark: row.watermark };
};

/** What happened to an interval, oldest first. */
export const readHistory = async (
  db: Db,
  id: string,
): Promise<
  {
    at: Date;
    from: IntervalState | null;
    to: IntervalState;
    runId: string | null;
    attempts: number;
    detail: string | null;
    output: Json;
  }[]
> => {
  const found = await db.query<{
    at: Date;
    from_state: IntervalState | null;
    to_state: IntervalState;
    run_id: string | null;
    attempts: number;
    detail: string | null;
    output: Json;
  }>('SELECT * FROM interval_history WHERE interval_id = $1 ORDER BY at', [id]);
  return found.rows.map((row) => ({
    at: row.at,
    from: row.from_state,
    to: row.to_state,
    runId: row.run_id,
    attempts: row.attempts,
    detail: row.detail,
    output: row.output,
  }));
};
