import type { Pool } from 'pg';
import { type DuckSession, openDuckDb, quoteText } from '../lake/duckdb-session.ts';
import type { FileCache } from '../lake/file-cache.ts';
import type { Predicate } from '../lake/predicate.ts';
import { planFiles, scanLocations, scanSql } from '../lake/scan.ts';
import { findTable, type Lake } from '../lake/tables.ts';
import type { Db } from '../platform/postgres.ts';
import { quarantineTable } from './tables.ts';

/** A piece of an object that was no document. */
export type Quarantined = {
  readonly id: string;
  readonly source: string;
  readonly objectKey: string;
  readonly position: number;
  readonly topic: string | null;
  readonly kafkaPartition: number | null;
  readonly kafkaOffset: number | null;
  readonly reason: string;
  readonly faultAt: number;
  readonly rawBytes: number;
  /** Only the first 8 MiB of the bytes are kept here. */
  readonly rawCut: boolean;
  readonly contentHash: string;
  readonly quarantinedAt: string;
  readonly runId: string;
};

export type QuarantineFilter = {
  readonly id?: string;
  readonly reason?: string;
  readonly key?: string;
  readonly run?: string;
};

export type QuarantineDeps = {
  readonly pool: Pool;
  readonly lake: Lake;
  readonly files: FileCache;
};

const withRaw = `hex(raw) AS raw`;
const fields = `id, source, object_key, position, topic, kafka_partition, kafka_offset, reason, fault_at, raw_bytes,
  raw_cut, content_hash, quarantined_at::VARCHAR AS quarantined_at, run_id`;

export type Kept = Quarantined & { readonly raw?: Buffer };

const toKept = (row: Record<string, unknown>): Kept => {
  const number = (name: string): number | null => (row[name] === null ? null : Number(row[name]));
  const text = (name: string): string => String(row[name]);
  return {
    id: text('id'),
    source: text('source'),
    objectKey: text('object_key'),
    position: Number(row.position),
    topic: row.topic === null ? null : text('topic'),
    kafkaPartition: number('kafka_partition'),
    kafkaOffset: number('kafka_offset'),
    reason: text('reason'),
    faultAt: Number(row.fault_at),
    rawBytes: Number(row.raw_bytes),
    rawCut: row.raw_cut === true,
    contentHash: text('content_hash'),
    quarantinedAt: text('quarantined_at'),
    runId: text('run_id'),
    ...(typeof row.raw === 'string' ? { raw: Buffer.from(row.raw, 'hex') } : {}),
  };
};

const conditions = (filter: QuarantineFilter): { sql: string; predicate: Predicate } => {
  const columns = { id: filter.id, reason: filter.reason, object_key: filter.key, run_id: filter.run };
  const given = Object.entries(columns).flatMap(([column, value]) =>
    value === undefined ? [] : [{ column, value }],
  );
  return {
    sql: given.map(({ column, value }) => `${column} = ${quoteText(value)}`).join(' AND ') || 'true',
    predicate: given.map(({ column, value }) => ({ column, op: '=', value })),
  };
};

/** What was replayed is out of the quarantine, though its row stays as evidence. */
const replayedIds = async (db: Db, table: string): Promise<Set<string>> => {
  const found = await db.query<{ quarantine_id: string }>(
    'SELECT quarantine_id FROM consolidate_replays WHERE table_name = $1',
    [table],
  );
  return new Set(found.rows.map(({ quarantine_id }) => quarantine_id));
};

/** Pieces that are in the quarantine still, oldest first; with their bytes where `raw` asks. */
export const readQuarantine = async (
  { pool, lake, files }: QuarantineDeps,
  session: DuckSession,
  table: string,
  filter: QuarantineFilter,
  { raw, limit }: { raw: boolean; limit?: number },
): Promise<Kept[]> => {
  const found = await findTable(lake, quarantineTable(table));
  if (!found) return [];
  const { sql, predicate } = conditions(filter);
  const plan = await planFiles(lake, found, { filter: predicate });
  const held = await files.hold(scanLocations(plan));
  try {
    const rows = await session.connection.runAndReadAll(
      `SELECT ${fields}${raw ? `, ${withRaw}` : ''} FROM ${scanSql(plan, held.localPath)}
       WHERE ${sql} ORDER BY quarantined_at, source, object_key, position`,
    );
    const replayed = await replayedIds(pool, table);
    return rows
      .getRowObjectsJson()
      .map(toKept)
      .filter(({ id }) => !replayed.has(id))
      .slice(0, limit);
  } finally {
    held.release();
  }
};

/** Runs `work` with a DuckDB of its own. */
export const inSession = async <T>(work: (session: DuckSession) => Promise<T>): Promise<T> => {
  const session = await openDuckDb({ memoryLimit: '400MB' });
  try {
    return await work(session);
  } finally {
    await session.close();
  }
};

/** What is in the quarantine of a table, oldest first. */
export const listQuarantine = (
  deps: QuarantineDeps,
  table: string,
  filter: QuarantineFilter = {},
  limit?: number,
): Promise<Quarantined[]> =>
  inSession((session) =>
    readQuarantine(deps, session, table, filter, { raw: false, ...(limit === undefined ? {} : { limit }) }),
  );

/** One piece with its bytes, or undefined. */
export const showQuarantined = (
  deps: QuarantineDeps,
  table: string,
  id: string,
): Promise<(Quarantined & { raw: Buffer }) | undefined> =>
  inSession(async (session) => {
    const [found] = await readQuarantine(deps, session, table, { id }, { raw: true });
    return found?.raw ? { ...found, raw: found.raw } : undefined;
  });
