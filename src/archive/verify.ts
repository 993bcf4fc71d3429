import { type Lake, loadTable } from '../lake/tables.ts';
import type { Db } from '../platform/postgres.ts';
import { type PublicJwks, publicJwks, type SigningKeys } from '../platform/signing-keys.ts';
import { ObjectExistsError, type Store } from '../platform/store/store.ts';
import type { ArchivedRow } from './archived-file.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { rowsOfFile, windowFiles } from './archived-rows.ts';
import type { Batch } from './batches.ts';
import { monthText } from './due.ts';
import { hashBytes, type Item, itemHash } from './item.ts';
import { merkleRoot } from './merkle.ts';
import type { RebuiltRows } from './rebuild.ts';
import type { Rebuilder } from './rebuild-threads.ts';
import { leafOf, readStatement, type Statement, signStatement } from './receipt.ts';
import { type Outcome, openOutcomes, type Receipts, receiptsOf, saltBytes } from './receipt-rows.ts';
import { itemOf } from './row.ts';

declare const proof: unique symbol;

/**
 * An order that was read back from the lake as the version archived, and whose receipt holds: what `remove.ts` takes.
 * Only this file makes one.
 */
export type VerifiedOrder = {
  readonly [proof]: true;
  readonly batchId: string;
  readonly position: number;
  readonly orderId: string;
  readonly hash: string;
  /** As rebuilt from the lake. */
  readonly item: Item;
  readonly outcome: Outcome;
};

export type Difference = { readonly orderId: string; readonly difference: string };

/** What was read back is not what was archived. */
export class VerificationError extends Error {
  readonly batchId: string;
  readonly differences: readonly Difference[];

  constructor(batchId: string, differences: readonly Difference[]) {
    const shown = differences.slice(0, 5).map(({ orderId, difference }) => `${orderId}: ${difference}`);
    super(
      `batch ${batchId} was read back with ${differences.length} differences (${shown.join('; ')}${differences.length > 5 ? '; …' : ''}); nothing of it was removed`,
    );
    this.name = 'VerificationError';
    this.batchId = batchId;
    this.differences = differences;
  }
}

export type VerifyDeps = { readonly lake: Lake; readonly db: Db };

/** The files that hold a batch: its own while they are live, else (compacted) all of its area and month. */
const batchFiles = async (lake: Lake, batch: Batch): Promise<Awaited<ReturnType<typeof windowFiles>>> => {
  const live = await windowFiles(lake, await loadTable(lake, archivedOrdersTable), batch);
  const own = live.filter(({ path }) => batch.files.includes(path));
  return own.length === batch.files.length ? own : live;
};

async function* batchRows(lake: Lake, batch: Batch): AsyncGenerator<ArchivedRow[]> {
  const archivedAt = batch.archivedAt.getTime();
  for (const file of await batchFiles(lake, batch)) {
    for await (const rows of rowsOfFile(lake.store, file)) {
      yield rows.filter((row) => row.arquivado_em.getTime() === archivedAt);
    }
  }
}

/** Holds rows that were read back against the receipts of their batch. */
const comparison = (batch: Batch, receipts: Receipts) => {
  const archivedAt = batch.archivedAt.getTime();
  const differences: Difference[] = [];
  const places = new Map<string, number>();
  for (const [place, orderId] of receipts.ids.entries()) if (orderId !== null) places.set(orderId, place);
  const differ = (orderId: string, difference: string): void =>
    void differences.push({ orderId, difference });
  return {
    take: (rows: RebuiltRows): void => {
      const faults = new Map(rows.faults.map(({ at, fault }) => [at, fault]));
      for (const [at, orderId] of rows.ids.entries()) {
        if (rows.archivedAt[at] !== archivedAt) continue;
        const place = places.get(orderId);
        if (place === undefined) {
          differ(orderId, 'there is no such order in the batch, or it is there twice');
          continue;
        }
        places.delete(orderId);
        const fault =
          faults.get(at) ?? (isSameHash(rows.hashes, at, receipts.hashes, place) ? null : anotherHash);
        if (fault !== null) differ(orderId, fault);
      }
    },
    end: (): readonly Difference[] => {
      for (const orderId of places.keys()) differ(orderId, 'it cannot be read back');
      if (receipts.count !== batch.orders)
        differ(batch.batchId, `${receipts.count} receipts for ${batch.orders} orders`);
      return differences;
    },
  };
};

const isSameHash = (one: Uint8Array, at: number, other: Buffer, place: number): boolean =>
  other.compare(
    ...([one, at * hashBytes, (at + 1) * hashBytes, place * hashBytes, (place + 1) * hashBytes] as const),
  ) === 0;

/**
 * Reads a committed batch back through the table's current metadata and another Parquet reader, rebuilds every item and
 * compares its hash with that of the item read from DynamoDB; and the count.
 * @throws VerificationError
 */
export const verifyBatch = async (
  { lake, db, rebuilder }: VerifyDeps & { rebuilder: Rebuilder },
  batch: Batch,
): Promise<{ orders: number; root: Buffer }> => {
  const files = await batchFiles(lake, batch);
  const receipts = await receiptsOf(db, batch.batchId);
  const compared = comparison(batch, receipts);
  for (const file of files) await rebuilder.rebuild(lake.store, file, compared.take);
  const differences = compared.end();
  if (differences.length > 0) throw new VerificationError(batch.batchId, differences);
  return { orders: receipts.count, root: merkleRoot(receipts.leaves) };
};

const anotherHash = 'the item rebuilt from its row has another hash than the one archived';

/** The item of a row, or why it is not the version that the receipt is about. */
const rebuilt = (row: ArchivedRow, receiptHash: string): Item | string => {
  try {
    const item = itemOf(row);
    const hash = itemHash(item);
    if (hash !== receiptHash) return anotherHash;
    if (row.hash_versao !== hash) return 'hash_versao is not the hash of its row';
    return item;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

export const statementOf = (batch: Batch, root: Buffer): Statement => ({
  batch: batch.batchId,
  source: batch.source,
  areaId: batch.areaId,
  month: monthText(batch.month),
  orders: batch.orders,
  root: root.toString('hex'),
  archivedAt: batch.archivedAt.toISOString(),
});

/**
 * Signs the root and puts it into the object store, once. Doing it again gives the same text.
 * @throws Error where another text is there already: then somebody else wrote under our name
 */
export const publishRoot = async (
  { store, keys }: { store: Store; keys: SigningKeys },
  statement: Statement,
): Promise<{ statement: string; publishedKey: string }> => {
  const signed = await signStatement(keys, statement);
  const publishedKey = `archive/roots/${statement.batch}.jws`;
  try {
    await store.put(publishedKey, signed, { ifNoneMatch: true });
    return { statement: signed, publishedKey };
  } catch (error) {
    if (!(error instanceof ObjectExistsError)) throw error;
    const found = (await (await store.get(publishedKey)).bytes()).toString();
    if (found === signed) return { statement: found, publishedKey };
    // The keys may have been rotated since a run that was killed here: what counts is what was said.
    const said = await readStatement(publicJwks(keys), found);
    if (typeof said !== 'string' && said.root === statement.root && said.orders === statement.orders) {
      return { statement: found, publishedKey };
    }
    throw new Error(
      `${publishedKey} holds another statement than that of its batch; nothing of it may be removed`,
    );
  }
};

/**
 * The published statement, and that the receipts lead to it: what all orders of a batch have in common.
 * @throws VerificationError
 */
const requireStatement = async (
  { lake, jwks }: { lake: Lake; jwks: PublicJwks },
  batch: Batch,
  receipts: Receipts,
): Promise<void> => {
  const fault = (difference: string): VerificationError =>
    new VerificationError(batch.batchId, [{ orderId: batch.batchId, difference }]);
  const published = (await (await lake.store.get(batch.publishedKey ?? 'absent')).bytes()).toString();
  if (published !== batch.statement) throw fault('the published statement is not the one in the database');
  const statement = await readStatement(jwks, published);
  if (typeof statement === 'string') throw fault(statement);
  const root = merkleRoot(receipts.leaves).toString('hex');
  if (statement.batch !== batch.batchId || statement.orders !== receipts.count || statement.root !== root)
    throw fault('the receipts do not lead to the signed root');
};

/**
 * The orders of a batch whose removal is open, each read back again now and held against its receipt: the published
 * statement's signature, the root over all leaves, its own leaf, its hash. In chunks of at most `chunk`.
 * @throws VerificationError
 */
export async function* verifiedOrders(
  deps: VerifyDeps & { jwks: PublicJwks },
  batch: Batch,
  { chunk = 500 }: { chunk?: number } = {},
): AsyncGenerator<VerifiedOrder[]> {
  const receipts = await receiptsOf(deps.db, batch.batchId);
  await requireStatement(deps, batch, receipts);
  const open = new Map<string, number>();
  for (const [position, orderId] of receipts.ids.entries()) {
    if (orderId !== null && openOutcomes.includes(receipts.outcomes[position] as Outcome))
      open.set(orderId, position);
  }
  if (open.size === 0) return;
  const fault = (difference: string): VerificationError =>
    new VerificationError(batch.batchId, [{ orderId: batch.batchId, difference }]);
  const archivedAt = batch.archivedAt.toISOString();
  const partOf = (block: Buffer, position: number, size: number): string =>
    block.toString('hex', position * size, (position + 1) * size);
  let found: VerifiedOrder[] = [];
  for await (const rows of batchRows(deps.lake, batch)) {
    for (const row of rows) {
      const { ordem_id: orderId } = row;
      const position = open.get(orderId);
      if (position === undefined) continue;
      const hash = partOf(receipts.hashes, position, hashBytes);
      if (hash !== row.hash_versao) continue;
      open.delete(orderId);
      const item = rebuilt(row, hash);
      if (typeof item === 'string') throw fault(`${orderId}: ${item}`);
      const salt = partOf(receipts.salts, position, saltBytes);
      const leaf = leafOf({ orderId, versionHash: hash, salt, archivedAt });
      if (leaf.compare(receipts.leaves, position * hashBytes, (position + 1) * hashBytes) !== 0)
        throw fault(`${orderId}: its leaf is not that of the order`);
      const outcome = receipts.outcomes[position];
      found.push({ batchId: batch.batchId, position, orderId, hash, item, outcome } as VerifiedOrder);
      if (found.length >= chunk) {
        yield found;
        found = [];
      }
    }
  }
  if (found.length > 0) yield found;
  const [missing] = open.keys();
  if (missing !== undefined) throw fault(`${open.size} orders cannot be read back, ${missing} among them`);
}
