import type { Db, Tx } from '../platform/postgres.ts';
import { hashBytes } from './item.ts';
import type { StagedOrders } from './staging.ts';

export type Outcome = 'pending' | 'removing' | 'removed' | 'gone' | 'changed' | 'unprovable' | 'erased';

/** Orders whose removal has no outcome yet. */
export const openOutcomes: readonly Outcome[] = ['pending', 'removing'];

export const saltBytes = 16;

/**
 * The receipts of a batch as PostgreSQL has them, by position: in blocks of bytes, since a batch has up to 100,000. Of
 * an order that was erased the id is null, and its hash and salt are zeros.
 */
export type Receipts = {
  readonly count: number;
  readonly ids: readonly (string | null)[];
  /** 32 bytes each. */
  readonly leaves: Buffer;
  readonly hashes: Buffer;
  /** 16 bytes each. */
  readonly salts: Buffer;
  readonly outcomes: readonly Outcome[];
};

/** All receipts of a batch. @throws Error where positions are missing: then somebody else deleted rows */
export const receiptsOf = async (db: Db, batchId: string): Promise<Receipts> => {
  const { rows } = await db.query<Receipts & { last: number }>(
    `SELECT count(*)::int AS count, coalesce(max(position), -1) AS last,
       coalesce(json_agg(ordem_id ORDER BY position), '[]') AS ids,
       coalesce(string_agg(leaf, ''::bytea ORDER BY position), '') AS leaves,
       coalesce(string_agg(coalesce(version_hash, decode(repeat('00', ${hashBytes}), 'hex')), ''::bytea ORDER BY position), '') AS hashes,
       coalesce(string_agg(coalesce(salt, decode(repeat('00', ${saltBytes}), 'hex')), ''::bytea ORDER BY position), '') AS salts,
       coalesce(json_agg(outcome ORDER BY position), '[]') AS outcomes
     FROM archive_receipts WHERE batch_id = $1`,
    [batchId],
  );
  const { last, ...receipts } = rows[0] as Receipts & { last: number };
  if (receipts.count !== last + 1)
    throw new Error(
      `batch ${batchId} has ${receipts.count} receipts and the last is ${last}: some are missing`,
    );
  return receipts;
};

export type NewReceipts = {
  readonly orders: StagedOrders;
  readonly salts: Buffer;
  readonly leaves: Buffer;
};

/** Some tens of thousands in a statement: its parameters are copied a few times. */
const rowsAtOnce = 20_000;

/**
 * Records a batch's receipts. The hashes go in one parameter that PostgreSQL cuts up: as arrays of bytes each would be
 * written as text by itself.
 * @throws a unique violation where a version is archived already
 */
export const insertReceipts = async (
  tx: Tx,
  batchId: string,
  { orders, salts, leaves }: NewReceipts,
): Promise<void> => {
  for (let at = 0; at < orders.ids.length; at += rowsAtOnce) {
    const to = Math.min(at + rowsAtOnce, orders.ids.length);
    const part = (block: Buffer, size: number): Buffer => block.subarray(at * size, to * size);
    await tx.query(
      `INSERT INTO archive_receipts (batch_id, position, leaf, ordem_id, version_hash, salt, versao)
       SELECT $1, $2 + n - 1, substring($3::bytea FROM ((n - 1) * ${hashBytes} + 1)::int FOR ${hashBytes}), id,
         substring($4::bytea FROM ((n - 1) * ${hashBytes} + 1)::int FOR ${hashBytes}),
         substring($5::bytea FROM ((n - 1) * ${saltBytes} + 1)::int FOR ${saltBytes}), versao
       FROM unnest($6::text[], $7::bigint[]) WITH ORDINALITY AS r (id, versao, n)`,
      [
        ...[batchId, at, part(leaves, hashBytes), part(orders.hashes, hashBytes), part(salts, saltBytes)],
        ...[orders.ids.slice(at, to), orders.versions.slice(at, to).map((each) => each?.toString() ?? null)],
      ],
    );
  }
};

export type Move = { readonly position: number; readonly outcome: Outcome };

/** Moves receipts of a batch to new outcomes: those that are at one of `from`; the others stay as they are. */
export const moveReceipts = async (
  db: Db,
  batchId: string,
  moves: readonly Move[],
  from: readonly Outcome[] = openOutcomes,
): Promise<void> => {
  await db.query(
    `UPDATE archive_receipts r SET outcome = o.outcome, outcome_at = clock_timestamp()
     FROM unnest($2::int[], $3::text[]) AS o (position, outcome)
     WHERE r.batch_id = $1 AND r.position = o.position AND r.outcome = ANY ($4)`,
    [batchId, moves.map(({ position }) => position), moves.map(({ outcome }) => outcome), from],
  );
};

export type KnownVersion = {
  readonly batchId: string;
  readonly position: number;
  readonly hash: string;
  readonly outcome: Outcome;
};

const listed = 'ARRAY(SELECT json_array_elements_text($1::json))';

/** Versions of these orders that are archived, and until when an order that was put back stays. */
export const knownVersions = async (
  db: Db,
  orderIds: readonly string[],
): Promise<{ versions: Map<string, KnownVersion[]>; keptUntil: Map<string, Date> }> => {
  const versions = new Map<string, KnownVersion[]>();
  // One text of JSON: a list would be quoted id by id.
  const ids = [JSON.stringify(orderIds)];
  const asked = db.query<{ ordem_id: string; keep_until: Date }>(
    `SELECT ordem_id, keep_until FROM archive_restores WHERE ordem_id = ANY (${listed})`,
    ids,
  );
  asked.catch(() => {});
  const found = await db.query<KnownVersion & { orderId: string }>(
    `SELECT ordem_id AS "orderId", batch_id AS "batchId", position, encode(version_hash, 'hex') AS hash, outcome
     FROM archive_receipts WHERE ordem_id = ANY (${listed})`,
    ids,
  );
  for (const { orderId, ...version } of found.rows) {
    versions.set(orderId, [...(versions.get(orderId) ?? []), version]);
  }
  const kept = await asked;
  return { versions, keptUntil: new Map(kept.rows.map((row) => [row.ordem_id, row.keep_until])) };
};
