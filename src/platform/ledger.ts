import { maskText } from '../shared/mask.ts';
import { assertFence, type Fence } from './leases.ts';
import { type IntervalRow, toInterval } from './ledger-row.ts';
import type { Db, Tx } from './postgres.ts';

/**
 * The interval ledger: what a pipeline has done of a source, window by window. An interval moves only so:
 *
 * ```
 *            start            markDone
 *  planned ─────────► running ─────────► done ──reopen──► planned, or hole (undone)
 *     │                 │ ▲ start again: its holder died
 *     │ skip            │ │ start (attempts left)
 *     ▼                 ▼ │
 *    hole ◄───────── failed        failed for the last time, or skipped ──► hole ──refill──► planned
 * ```
 *
 * Every move but the operator's (`plan`, `skip`, `refill`) needs the fencing token of a lease, checked in the
 * same transaction. Windows of one source never overlap (a constraint of the database); where they leave a gap,
 * `findHoles` (ledger-views.ts) shows it.
 */

export type IntervalState = 'planned' | 'running' | 'done' | 'failed' | 'hole';

export const intervalStates: readonly IntervalState[] = ['planned', 'running', 'done', 'failed', 'hole'];

/** `[from, to)` */
export type Window = { readonly from: Date; readonly to: Date };

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type Interval = Window & {
  readonly id: string;
  readonly pipeline: string;
  readonly source: string;
  readonly state: IntervalState;
  /** Runs begun since it was planned or refilled. */
  readonly attempts: number;
  readonly maxAttempts: number;
  /** The last run and the lease it ran under. */
  readonly runId: string | null;
  readonly fence: Fence | null;
  /** What the run read, so that a later one can tell whether the input has changed. */
  readonly inputHash: string | null;
  /** What was committed: snapshot id, counts. */
  readonly output: Json;
  /** The highest value of the source that the run has seen, in the source's own terms. */
  readonly watermark: string | null;
  readonly error: string | null;
  readonly plannedAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
};

/** A window that overlaps another one of the same source, or that is empty. */
export class WindowError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'WindowError';
  }
}

/** A move that the interval's present state does not allow: someone else moved it first, or the caller is wrong. */
export class TransitionError extends Error {
  readonly found: IntervalState | undefined;

  constructor(message: string, found: IntervalState | undefined) {
    super(message);
    this.name = 'TransitionError';
    this.found = found;
  }
}

const shown = ({ from, to }: Window): string => `[${from.toISOString()}, ${to.toISOString()})`;

export type Plan = { pipeline: string; source: string; windows: readonly Window[]; maxAttempts?: number };

/**
 * Plans windows. Idempotent: a window that is there already, in whatever state, is left as it is. Answers every
 * window's interval, in the order given, and how many are new. Nothing is planned when one is refused.
 * @throws WindowError a window is empty, or overlaps a different window of the same source
 */
export const plan = async (
  tx: Tx,
  { pipeline, source, windows, maxAttempts = 5 }: Plan,
): Promise<{ intervals: Interval[]; added: number }> => {
  const bounds = windows.map((window) => {
    if (window.from < window.to) return { from: window.from.toISOString(), to: window.to.toISOString() };
    throw new WindowError(
      `${pipeline} of ${source}: expected a window that ends after it begins, found ${shown(window)}`,
    );
  });
  const given = [
    pipeline,
    source,
    bounds.map((window) => window.from),
    bounds.map((window) => window.to),
  ] as const;
  // ON CONFLICT DO NOTHING covers the exclusion constraint too: an equal window is skipped, and so is an
  // overlapping one, which the second statement then misses and the third one names.
  const added = await tx.query<{ id: string }>(
    `WITH added AS (
       INSERT INTO intervals (pipeline, source, window_from, window_to, max_attempts)
       SELECT $1, $2, w.lo, w.hi, $5 FROM unnest($3::timestamptz[], $4::timestamptz[]) AS w (lo, hi)
       ON CONFLICT DO NOTHING
       RETURNING id, attempts
     )
     INSERT INTO interval_history (interval_id, to_state, attempts)
     SELECT id, 'planned', attempts FROM added RETURNING interval_id AS id`,
    [...given, maxAttempts],
  );
  const found = await tx.query<IntervalRow>(
    `SELECT i.* FROM unnest($3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY AS w (lo, hi, n)
     JOIN intervals i ON i.pipeline = $1 AND i.source = $2 AND i.window_from = w.lo AND i.window_to = w.hi
     ORDER BY w.n`,
    [...given],
  );
  if (found.rows.length !== windows.length) throw await overlapError(tx, given);
  return { intervals: found.rows.map(toInterval), added: added.rows.length };
};

const overlapError = async (
  tx: Tx,
  given: readonly [string, string, string[], string[]],
): Promise<WindowError> => {
  const clash = await tx.query<{ lo: Date; hi: Date } & IntervalRow>(
    `SELECT w.lo, w.hi, i.* FROM unnest($3::timestamptz[], $4::timestamptz[]) AS w (lo, hi)
     JOIN intervals i ON i.pipeline = $1 AND i.source = $2 AND tstzrange(i.window_from, i.window_to) && tstzrange(w.lo, w.hi)
     WHERE (i.window_from, i.window_to) <> (w.lo, w.hi) LIMIT 1`,
    [...given],
  );
  const row = clash.rows[0];
  if (!row) return new WindowError(`${given[0]} of ${given[1]}: the same window was changed by another plan`);
  return new WindowError(
    `${given[0]} of ${given[1]}: window ${shown({ from: row.lo, to: row.hi })} overlaps interval ${row.id} ` +
      `${shown({ from: row.window_from, to: row.window_to })} (${row.state}); windows of one source must not overlap: ` +
      'plan the part that is not covered',
  );
};

type Move = {
  id: string;
  /** The states that allow it. */
  from: readonly IntervalState[];
  to: IntervalState;
  /** Columns to set besides the state: SQL with parameters from $3 on. */
  set: string;
  values: unknown[];
  /** A further condition on the row. */
  where?: string;
  detail?: string;
};

/** One statement: the interval's row and its history. Zero rows is answered as undefined; nothing has changed then. */
const move = async (
  tx: Tx,
  { id, from, to, set, values, where = 'true', detail }: Move,
): Promise<IntervalRow | undefined> => {
  const moved = await tx.query<IntervalRow>(
    `WITH before AS (SELECT id, state FROM intervals WHERE id = $1 FOR UPDATE),
     moved AS (
       UPDATE intervals i SET state = '${to}', ${set} FROM before
       WHERE i.id = before.id AND before.state = ANY ($2) AND (${where})
       RETURNING i.*, before.state AS from_state
     ), kept AS (
       INSERT INTO interval_history (interval_id, from_state, to_state, run_id, fence, attempts, detail, output)
       SELECT id, from_state, state, run_id, fence, attempts, $${values.length + 3}, CASE WHEN state = 'done' THEN output END
       FROM moved
     )
     SELECT * FROM moved`,
    [id, from, ...values, detail ?? null],
  );
  return moved.rows[0];
};

const refused = async (
  tx: Tx,
  id: string,
  wanted: string,
  from: readonly IntervalState[],
): Promise<TransitionError> => {
  const row = await readInterval(tx, id);
  if (!row) return new TransitionError(`interval ${id}: expected one to ${wanted}, found none`, undefined);
  const run = row.runId === null ? '' : ` (run ${row.runId}, token ${row.fence?.token ?? 'none'})`;
  return new TransitionError(
    `interval ${id}, ${row.pipeline} of ${row.source} ${shown(row)}: can't ${wanted} it, ` +
      `expected ${from.join(' or ')}${wanted === 'start' ? ' with attempts left, or a run whose holder is gone' : ' by this run'}, found ${row.state}${run}, ` +
      `attempt ${row.attempts} of ${row.maxAttempts}`,
    row.state,
  );
};

export type Start = { fence: Fence; runId: string; inputHash?: string };

// A running interval is free again when the lease it ran under has gone to another token, was released, or has
// expired. If its holder still lives and only its heartbeat is late, its commit finds the row in another run's
// hands and is refused by `markDone`.
const holderGone = `NOT EXISTS (SELECT FROM leases l WHERE l.name = i.lease_name AND l.token = i.fence
  AND l.holder IS NOT NULL AND l.expires_at > clock_timestamp())`;
const startable = `(i.state IN ('planned', 'failed') OR ${holderGone}) AND i.attempts < i.max_attempts`;
const started = `attempts = i.attempts + 1, run_id = $3, lease_name = $4, fence = $5, input_hash = $6,
  started_at = clock_timestamp(), finished_at = NULL, error = NULL`;

/**
 * Begins a run of an interval that is planned, failed, or running under a holder that is gone. Counts an attempt.
 * @throws FenceLostError @throws TransitionError
 */
export const start = async (
  tx: Tx,
  { id, fence, runId, inputHash }: Start & { id: string },
): Promise<Interval> => {
  await assertFence(tx, fence);
  const from: IntervalState[] = ['planned', 'failed', 'running'];
  const values = [runId, fence.name, String(fence.token), inputHash ?? null];
  const row = await move(tx, { id, from, to: 'running', set: started, values, where: startable });
  if (!row) throw await refused(tx, id, 'start', from);
  return toInterval(row);
};

/**
 * Begins a run of the oldest interval that can be begun, or answers undefined. Workers that ask at the same time
 * get different ones. An interval whose holders died until no attempt was left becomes a hole on the way.
 * @throws FenceLostError
 */
export const startNext = async (
  tx: Tx,
  { pipeline, source, fence, runId, inputHash }: Start & { pipeline: string; source?: string },
): Promise<Interval | undefined> => {
  await assertFence(tx, fence);
  await abandonExhausted(tx, { pipeline, ...(source === undefined ? {} : { source }) });
  const next = await tx.query<{ id: string }>(
    `SELECT i.id FROM intervals i
     WHERE i.pipeline = $1 AND ($2::text IS NULL OR i.source = $2)
       AND i.state IN ('planned', 'failed', 'running') AND ${startable}
     ORDER BY i.window_from, i.source LIMIT 1 FOR UPDATE SKIP LOCKED`,
    [pipeline, source ?? null],
  );
  const id = next.rows[0]?.id;
  return id === undefined
    ? undefined
    : start(tx, { id, fence, runId, ...(inputHash === undefined ? {} : { inputHash }) });
};

/** A run that died (no report, no attempt left) would stay `running` for ever: it becomes a hole that is seen. */
export const abandonExhausted = async (
  tx: Tx,
  { pipeline, source }: { pipeline: string; source?: string },
): Promise<void> => {
  const dead = await tx.query<{ id: string }>(
    `SELECT i.id FROM intervals i
     WHERE i.pipeline = $1 AND ($2::text IS NULL OR i.source = $2) AND i.state = 'running'
       AND i.attempts >= i.max_attempts AND ${holderGone}
     FOR UPDATE SKIP LOCKED`,
    [pipeline, source ?? null],
  );
  for (const { id } of dead.rows) {
    const error = 'its holder died without a report and no attempt is left';
    const set = 'error = $3, finished_at = clock_timestamp()';
    await move(tx, { id, from: ['running'], to: 'hole', set, values: [error], detail: error });
  }
};

const byThisRun = 'i.lease_name = $3 AND i.fence = $4 AND i.run_id = $5';

export type Run = { id: string; fence: Fence; runId: string };

/**
 * Records that the window is done, in the transaction that commits its data: both are there or neither.
 * @throws FenceLostError @throws TransitionError the interval is not running in this run
 */
export const markDone = async (
  tx: Tx,
  { id, fence, runId, output, watermark }: Run & { output: Json; watermark?: string },
): Promise<Interval> => {
  await assertFence(tx, fence);
  const row = await move(tx, {
    id,
    from: ['running'],
    to: 'done',
    set: 'output = $6, watermark = $7, error = NULL, finished_at = clock_timestamp()',
    values: [fence.name, String(fence.token), runId, JSON.stringify(output), watermark ?? null],
    where: byThisRun,
  });
  if (!row) throw await refused(tx, id, 'finish', ['running']);
  return toInterval(row);
};

/**
 * Records a failed run: the interval is `failed` while attempts are left, then a hole. To be called in a
 * transaction of its own, after the one of the work has been rolled back.
 * @throws FenceLostError @throws TransitionError the interval is not running in this run
 */
export const markFailed = async (
  tx: Tx,
  { id, fence, runId, error: words }: Run & { error: string },
): Promise<Interval> => {
  await assertFence(tx, fence);
  // Kept, and shown to whoever is on call; an engine's error quotes the value that it could not take.
  const error = maskText(words);
  const values = [fence.name, String(fence.token), runId, error];
  const set = 'error = $6, finished_at = clock_timestamp()';
  const from: IntervalState[] = ['running'];
  const row =
    (await move(tx, {
      id,
      from,
      to: 'failed',
      set,
      values,
      detail: error,
      where: `${byThisRun} AND i.attempts < i.max_attempts`,
    })) ?? (await move(tx, { id, from, to: 'hole', set, values, detail: error, where: byThisRun }));
  if (!row) throw await refused(tx, id, 'fail', from);
  return toInterval(row);
};

/**
 * Takes a done interval back, in the transaction that changes its data: to `planned`, when its source has
 * changed since, or to `hole`, when its data was rolled back. Its output stays in the history.
 * @throws FenceLostError @throws TransitionError
 */
export const reopen = async (
  tx: Tx,
  { id, fence, to, reason }: { id: string; fence: Fence; to: 'planned' | 'hole'; reason: string },
): Promise<Interval> => {
  await assertFence(tx, fence);
  const set = `attempts = 0, output = NULL, watermark = NULL, input_hash = NULL, finished_at = NULL, error = $3`;
  const row = await move(tx, {
    id,
    from: ['done'],
    to,
    set,
    values: [to === 'hole' ? reason : null],
    detail: reason,
  });
  if (!row) throw await refused(tx, id, 'reopen', ['done']);
  return toInterval(row);
};

/**
 * An operator gives up on a window: planned or failed becomes a hole with the reason.
 * @throws TransitionError
 */
export const skip = async (tx: Tx, { id, reason }: { id: string; reason: string }): Promise<Interval> => {
  const from: IntervalState[] = ['planned', 'failed'];
  const row = await move(tx, { id, from, to: 'hole', set: 'error = $3', values: [reason], detail: reason });
  if (!row) throw await refused(tx, id, 'skip', from);
  return toInterval(row);
};

/**
 * Plans a hole again, with all its attempts.
 * @throws TransitionError
 */
export const refill = async (tx: Tx, { id, reason }: { id: string; reason?: string }): Promise<Interval> => {
  const detail = reason ?? 'refilled';
  const row = await move(tx, {
    id,
    from: ['hole'],
    to: 'planned',
    set: 'attempts = 0, error = $3',
    values: [null],
    detail,
  });
  if (!row) throw await refused(tx, id, 'refill', ['hole']);
  return toInterval(row);
};

/** One interval, or undefined. */
export const readInterval = async (db: Db, id: string): Promise<Interval | undefined> => {
  const found = await db.query<IntervalRow>('SELECT * FROM intervals WHERE id = $1', [id]);
  return found.rows[0] && toInterval(found.rows[0]);
};
