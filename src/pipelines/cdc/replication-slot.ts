import { setTimeout as sleep } from 'node:timers/promises';
import type { Db } from '../../platform/postgres.ts';
import { formatLsn, parseLsn } from './lsn.ts';
import { parseTable } from './pg-table.ts';

/** Where a slot is, for people and alerts. */
export type SlotStatus = {
  readonly slot: string;
  /** A connection reads from it now. */
  readonly active: boolean;
  /** `reserved`, `extended`, `unreserved` (about to be lost) or `lost`. */
  readonly walStatus: string;
  /** Up to where the source may forget. */
  readonly confirmed: bigint;
  /** Bytes of the log that the source wrote since then. */
  readonly lagBytes: number;
  /** Bytes of the log that the source keeps because of this slot. */
  readonly keptBytes: number;
  /** Seconds since the last connection to it ended; null: one is there, or the source does not say (before PostgreSQL 17). */
  readonly unreadSeconds: number | null;
};

/**
 * What the slot was to keep is gone, so changes are missing for good. Going on would hide that: the table has to be
 * read anew.
 */
export class SlotLostError extends Error {
  constructor(slot: string, found: string) {
    super(
      `replication slot ${slot}: ${found}. Changes since the last run are lost. Read the table anew: drop the slot ` +
        `where it is still there (SELECT pg_drop_replication_slot('${slot}')), roll the pipeline back to before its ` +
        'first window, and run it',
    );
    this.name = 'SlotLostError';
  }
}

/** How far a reading came, and in which database: after a restore, positions of the old one mean nothing. */
export type LogPosition = { readonly system: string; readonly lsn: bigint };

export const formatPosition = ({ system, lsn }: LogPosition): string => `${system} ${formatLsn(lsn)}`;

/** @throws Error for a watermark that is none of ours */
export const parsePosition = (text: string): LogPosition => {
  const [system = '', lsn = ''] = text.split(' ');
  if (!/^\d+$/.test(system))
    throw new Error(
      `expected a watermark such as "7301234567890123456 0/16B3748", found ${JSON.stringify(text)}`,
    );
  return { system, lsn: parseLsn(lsn) };
};

const walPage = 8192n;
const longestPageHeader = 40n;

/**
 * The database's own number, and the end of its log: everything that was committed lies before it, also what is not
 * flushed yet (`synchronous_commit = off`); the stream sends that when it is. At the start of a page the end is given
 * behind the page's header, where no record can end, so the stream would never come that far.
 */
export const currentPosition = async (db: Db): Promise<LogPosition> => {
  const { rows } = await db.query<{ system: string; lsn: string }>(
    'SELECT system_identifier::text AS system, pg_current_wal_insert_lsn()::text AS lsn FROM pg_control_system()',
  );
  const row = rows[0];
  if (!row) throw new Error('the source did not tell its position');
  const lsn = parseLsn(row.lsn);
  const inPage = lsn % walPage;
  return { system: row.system, lsn: inPage <= longestPageHeader ? lsn - inPage : lsn };
};

type SlotRow = {
  plugin: string | null;
  database: string | null;
  here: string;
  active: boolean;
  wal_status: string | null;
  invalidation_reason: string | null;
  confirmed: string | null;
  lag: string | null;
  kept: string | null;
  unread: string | null;
};

const readSlot = async (db: Db, slot: string): Promise<SlotRow | undefined> => {
  // The columns invalidation_reason and inactive_since came with PostgreSQL 17; to_jsonb asks for them where they are.
  const { rows } = await db.query<SlotRow>(
    `SELECT plugin, database, current_database() AS here, active, wal_status, to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason,
            confirmed_flush_lsn::text AS confirmed,
            pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::text AS lag,
            pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text AS kept,
            extract(epoch FROM clock_timestamp() - (to_jsonb(s) ->> 'inactive_since')::timestamptz)::text AS unread
     FROM pg_replication_slots s WHERE slot_name = $1`,
    [slot],
  );
  return rows[0];
};

/** null: there is no such slot. */
export const slotStatus = async (db: Db, slot: string): Promise<SlotStatus | null> => {
  const row = await readSlot(db, slot);
  if (!row) return null;
  return {
    slot,
    active: row.active,
    walStatus: row.wal_status ?? 'unknown',
    confirmed: parseLsn(row.confirmed ?? '0/0'),
    lagBytes: Number(row.lag ?? 0),
    keptBytes: Number(row.kept ?? 0),
    unreadSeconds: row.active || row.unread === null ? null : Math.max(0, Number(row.unread)),
  };
};

/**
 * The position to read from: that of the last commit here, or, the first time, that of the slot, which is made where
 * it is missing.
 * @throws SlotLostError where changes in between are gone
 */
export const openSlot = async (db: Db, slot: string, watermark: LogPosition | null): Promise<LogPosition> => {
  const { system } = await currentPosition(db);
  if (watermark && watermark.system !== system) {
    throw new SlotLostError(
      slot,
      `the source is another database now (system ${system}, not ${watermark.system}), perhaps a restored one`,
    );
  }
  const row = await readSlot(db, slot);
  if (!row) {
    if (watermark) throw new SlotLostError(slot, 'it is gone');
    const { rows } = await db.query<{ lsn: string }>(
      `SELECT lsn::text FROM pg_create_logical_replication_slot($1, 'pgoutput')`,
      [slot],
    );
    return { system, lsn: parseLsn(rows[0]?.lsn ?? '') };
  }
  if (row.plugin !== 'pgoutput' || row.database !== row.here) {
    throw new Error(
      `replication slot ${slot}: expected one with pgoutput in the database ${row.here}, found ${row.plugin} in ${row.database}; choose another name`,
    );
  }
  if (row.wal_status === 'lost' || row.invalidation_reason !== null) {
    throw new SlotLostError(
      slot,
      `the source has given it up (${row.invalidation_reason ?? 'its log was removed'}; see max_slot_wal_keep_size there)`,
    );
  }
  const confirmed = parseLsn(row.confirmed ?? '0/0');
  if (watermark && confirmed > watermark.lsn) {
    throw new SlotLostError(
      slot,
      `it was moved on to ${formatLsn(confirmed)} by someone else, past ${formatLsn(watermark.lsn)} of the last run`,
    );
  }
  return watermark ?? { system, lsn: confirmed };
};

const inUse = '55006';
const inUseMs = 10_000;

/**
 * Tries again while the slot is in use: the source takes a moment to notice that the connection before has ended.
 * @throws what `work` throws, also when the slot stays in use
 */
export const whileInUse = async <T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
  for (let waited = 0; ; waited += 50) {
    try {
      return await work();
    } catch (error) {
      const isInUse = error instanceof Error && 'code' in error && error.code === inUse;
      if (!isInUse || waited >= inUseMs) throw error;
      await sleep(50, undefined, signal ? { signal } : {});
    }
  }
};

/**
 * Lets the source forget what lies before a position that is committed here. Once more, or with an older position, it
 * changes nothing.
 */
export const confirmSlot = async (db: Db, slot: string, { system, lsn }: LogPosition): Promise<void> => {
  if ((await currentPosition(db)).system !== system) return;
  await whileInUse(() =>
    db.query(
      `SELECT pg_replication_slot_advance(slot_name, $2::pg_lsn) FROM pg_replication_slots
       WHERE slot_name = $1 AND confirmed_flush_lsn < $2::pg_lsn`,
      [slot, formatLsn(lsn)],
    ),
  );
};

/**
 * Checks that a publication has the table with all of its changes.
 * @throws Error with the statement that mends it
 */
export const checkPublication = async (db: Db, publication: string, name: string): Promise<void> => {
  const { schema, table } = parseTable(name);
  const { rows } = await db.query<{ all_changes: boolean; has_table: boolean }>(
    `SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate AS all_changes,
            EXISTS (SELECT FROM pg_publication_tables t WHERE t.pubname = p.pubname AND t.schemaname = $2 AND t.tablename = $3) AS has_table
     FROM pg_publication p WHERE pubname = $1`,
    [publication, schema, table],
  );
  const found = rows[0];
  const full = `"${schema}"."${table}"`;
  if (!found)
    throw new Error(
      `expected the publication ${publication} in the source, found none: CREATE PUBLICATION "${publication}" FOR TABLE ${full}`,
    );
  if (!found.has_table)
    throw new Error(
      `publication ${publication} lacks the table: ALTER PUBLICATION "${publication}" ADD TABLE ${full}`,
    );
  if (!found.all_changes)
    throw new Error(
      `publication ${publication} leaves changes out: ALTER PUBLICATION "${publication}" SET (publish = 'insert, update, delete, truncate')`,
    );
};
