import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Pool } from 'pg';
import type { Db, Tx } from './postgres.ts';

/** What a holder shows at every commit: the lease and the token it was given. */
export type Fence = { readonly name: string; readonly token: bigint };

/** Who holds a lease. Instants are the database's clock. */
export type LeaseHolder = {
  readonly name: string;
  readonly token: bigint;
  readonly holder: string;
  readonly since: Date;
  readonly renewedAt: Date;
  readonly until: Date;
};

export type Acquired = { acquired: true; lease: LeaseHolder } | { acquired: false; heldBy: LeaseHolder };

/** Someone else holds the lease: who, since when and until when. */
export class LeaseHeldError extends Error {
  readonly heldBy: LeaseHolder;

  constructor(heldBy: LeaseHolder) {
    super(
      `lease "${heldBy.name}" is held by ${heldBy.holder} since ${heldBy.since.toISOString()} ` +
        `until ${heldBy.until.toISOString()} (token ${heldBy.token}); wait for it to end or to expire`,
    );
    this.name = 'LeaseHeldError';
    this.heldBy = heldBy;
  }
}

/** The fencing token is no longer the lease's: its holder was replaced or let go. Nothing may be committed under it. */
export class FenceLostError extends Error {
  readonly fence: Fence;

  constructor(fence: Fence, found: string) {
    super(
      `lease "${fence.name}": token ${fence.token} is not valid any more, found ${found}; ` +
        'the work of this run is refused, start it again under a new lease',
    );
    this.name = 'FenceLostError';
    this.fence = fence;
  }
}

type LeaseRow = {
  name: string;
  token: string;
  holder: string;
  acquired_at: Date;
  renewed_at: Date;
  expires_at: Date;
};

const toHolder = (row: LeaseRow): LeaseHolder => ({
  name: row.name,
  token: BigInt(row.token),
  holder: row.holder,
  since: row.acquired_at,
  renewedAt: row.renewed_at,
  until: row.expires_at,
});

/** A holder's name that no other run has and that tells the people on call where it runs. */
export const holderName = (role: string): string =>
  `${role}@${hostname()}:${process.pid}:${randomBytes(3).toString('hex')}`;

/**
 * Takes the lease when it is free, released or expired (by the database's clock); its token rises by one.
 * Refused: answers who holds it. A holder that calls again without letting go is refused like anyone else.
 */
export const acquireLease = async (
  db: Db,
  { name, holder, ttlMs }: { name: string; holder: string; ttlMs: number },
): Promise<Acquired> => {
  for (;;) {
    // clock_timestamp(), not now(): the statement may have waited for a holder's commit, and the time that
    // counts is the one after the wait. The conflicting row is locked before its condition is checked.
    const taken = await db.query<LeaseRow>(
      `INSERT INTO leases AS l (name, token, holder, acquired_at, renewed_at, expires_at)
       VALUES ($1, 1, $2, clock_timestamp(), clock_timestamp(), clock_timestamp() + $3 * interval '1 ms')
       ON CONFLICT (name) DO UPDATE
         SET token = l.token + 1, holder = $2, acquired_at = clock_timestamp(),
             renewed_at = clock_timestamp(), expires_at = clock_timestamp() + $3 * interval '1 ms'
         WHERE l.holder IS NULL OR l.expires_at <= clock_timestamp()
       RETURNING *`,
      [name, holder, ttlMs],
    );
    const lease = taken.rows[0];
    if (lease) return { acquired: true, lease: toHolder(lease) };
    const heldBy = await readLease(db, name);
    if (heldBy) return { acquired: false, heldBy };
    // Released between the two statements: try again.
  }
};

/** The present holder (perhaps expired), or undefined when the lease was never taken or was released. */
export const readLease = async (db: Db, name: string): Promise<LeaseHolder | undefined> => {
  const found = await db.query<LeaseRow>('SELECT * FROM leases WHERE name = $1 AND holder IS NOT NULL', [
    name,
  ]);
  return found.rows[0] && toHolder(found.rows[0]);
};

/** Every lease that somebody holds, by name; `expired` ones wait to be replaced. */
export const listLeases = async (db: Db): Promise<(LeaseHolder & { expired: boolean })[]> => {
  const found = await db.query<LeaseRow & { expired: boolean }>(
    `SELECT *, expires_at <= clock_timestamp() AS expired FROM leases WHERE holder IS NOT NULL ORDER BY name`,
  );
  return found.rows.map((row) => ({ ...toHolder(row), expired: row.expired }));
};

/**
 * Heartbeat. `busy`: a transaction holds the row at this moment (mostly this holder's own commit, which keeps
 * everyone else out); ask again soon. `lost`: someone else took it, or it was released.
 * An expired lease that nobody took is renewed: no other holder can have existed in between.
 */
export const renewLease = async (
  db: Db,
  { name, token }: Fence,
  ttlMs: number,
): Promise<'renewed' | 'busy' | 'lost'> => {
  // SKIP LOCKED: a heartbeat that waits for a long commit of its own run would look like a dead database.
  const answer = await db.query<{ mine: boolean; renewed: boolean }>(
    `WITH free AS (
       SELECT name FROM leases WHERE name = $1 AND token = $2 AND holder IS NOT NULL FOR NO KEY UPDATE SKIP LOCKED
     ), renewed AS (
       UPDATE leases SET renewed_at = clock_timestamp(), expires_at = clock_timestamp() + $3 * interval '1 ms'
       FROM free WHERE leases.name = free.name RETURNING 1
     )
     SELECT EXISTS (SELECT FROM leases WHERE name = $1 AND token = $2 AND holder IS NOT NULL) AS mine,
            EXISTS (SELECT FROM renewed) AS renewed`,
    [name, String(token), ttlMs],
  );
  const row = answer.rows[0];
  if (row?.renewed) return 'renewed';
  return row?.mine ? 'busy' : 'lost';
};

/** Lets go, so that the next one need not wait for the expiry. False: it was not this token's any more. */
export const releaseLease = async (db: Db, { name, token }: Fence): Promise<boolean> => {
  const released = await db.query(
    'UPDATE leases SET holder = NULL, expires_at = clock_timestamp() WHERE name = $1 AND token = $2 AND holder IS NOT NULL',
    [name, String(token)],
  );
  return released.rowCount === 1;
};

/**
 * To be called in the transaction of the commit: refuses it unless `token` is still the lease's. The row stays
 * locked until that transaction ends, so nobody can take the lease between the check and the commit. Several
 * commits of one holder may run side by side.
 *
 * Expiry alone does not refuse: while the token is the same nobody else has held the lease.
 * @throws FenceLostError
 */
export const assertFence = async (tx: Tx, fence: Fence): Promise<void> => {
  const found = await tx.query<{ token: string; holder: string | null }>(
    'SELECT token, holder FROM leases WHERE name = $1 FOR SHARE',
    [fence.name],
  );
  const row = found.rows[0];
  if (row?.holder != null && BigInt(row.token) === fence.token) return;
  if (!row) throw new FenceLostError(fence, 'no such lease');
  throw new FenceLostError(
    fence,
    `token ${row.token} ${row.holder === null ? '(released)' : `of ${row.holder}`}`,
  );
};

export type WithLease = {
  pool: Pool;
  name: string;
  holder: string;
  /** How long a dead holder keeps others out; a heartbeat goes out every third of it. */
  ttlMs: number;
  /** Ends the work from outside; the lease is released all the same. */
  signal?: AbortSignal;
};

/**
 * Runs `work` under the lease, renews it in the background and lets go at the end. `signal` aborts with a
 * `FenceLostError` when the lease is lost, or when the database has not answered a heartbeat for `ttlMs`:
 * work that looks at it stops early. Safety does not depend on that: commits call `assertFence`.
 * @throws LeaseHeldError when someone else holds it
 */
export const withLease = async <T>(
  { pool, name, holder, ttlMs, signal: outer }: WithLease,
  work: (lease: { fence: Fence; signal: AbortSignal }) => Promise<T>,
): Promise<T> => {
  outer?.throwIfAborted();
  const attempt = await acquireLease(pool, { name, holder, ttlMs });
  if (!attempt.acquired) throw new LeaseHeldError(attempt.heldBy);
  const fence: Fence = { name, token: attempt.lease.token };
  const lost = new AbortController();
  const heartbeat = keepRenewing(pool, fence, ttlMs, lost);
  try {
    return await work({ fence, signal: outer ? AbortSignal.any([outer, lost.signal]) : lost.signal });
  } finally {
    heartbeat.stop();
    // A lease that cannot be released (database away) expires by itself: the work's own outcome counts more.
    await releaseLease(pool, fence).catch(() => false);
  }
};

/** Silence is measured on the process's monotonic clock, never compared with the database's. */
const keepRenewing = (
  pool: Pool,
  fence: Fence,
  ttlMs: number,
  lost: AbortController,
): { stop: () => void } => {
  let lastAnswer = performance.now();
  let asking = false;
  const beat = async (): Promise<void> => {
    if (performance.now() - lastAnswer > ttlMs) {
      lost.abort(new FenceLostError(fence, `no answer from the database for ${ttlMs} ms`));
    }
    if (asking) return;
    asking = true;
    const askedAt = performance.now();
    try {
      const answer = await renewLease(pool, fence, ttlMs);
      if (answer === 'lost') lost.abort(new FenceLostError(fence, 'another holder, or a release'));
      else lastAnswer = askedAt;
    } catch {
      // Unreachable for now: the next beat asks again, and silence beyond the lease's time aborts.
    } finally {
      asking = false;
    }
  };
  const timer = setInterval(() => void beat(), Math.max(10, ttlMs / 3));
  return { stop: () => clearInterval(timer) };
};
