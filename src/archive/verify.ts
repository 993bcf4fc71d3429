import { type Lake, loadTable } from '../lake/tables.ts';
import type { Db } from '../platform/postgres.ts';
import { type PublicJwks, publicJwks, type SigningKeys } from '../platform/signing-keys.ts';
import { ObjectExistsError, type Store } from '../platform/store/store.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { type ArchivedRow, rowsOfFile, windowFiles } from './archived-rows.ts';
import { type Batch, type Outcome, type ReceiptRow, receiptsOf } from './batches.ts';
import { monthText } from './due.ts';
import { type Item, itemHash } from './item.ts';
import { merkleRoot } from './merkle.ts';
import type { Rebuilder } from './rebuild-threads.ts';
import { leafOf, readStatement, type Statement, saltedHash, signStatement } from './receipt.ts';
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

/** The item of a row, or why it is not the version that the receipt is about. */
const rebuilt = (row: ArchivedRow, receipt: ReceiptRow): Item | string => {
  try {
    const item = itemOf(row);
    const hash = itemHash(item);
    if (hash !== receipt.hash) return anotherHash;
    if (row.hash_versao !== hash) return 'hash_versao is not the hash of its row';
    return item;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

/**
 * Reads a committed batch back through the table's current metadata and another Parquet reader, rebuilds every item and
 * compares its hash with that of the item read from DynamoDB; and the count.
 * @throws VerificationError
 */
export const verifyBatch = async (
  { lake, db, rebuilder }: VerifyDeps & { rebuilder: Rebuilder },
  batch: Batch,
): Promise<{ orders: number; root: Uint8Array }> => {
  const files = await batchFiles(lake, batch);
  // Asked for now and awaited with the first rows: they come while threads rebuild.
  const asked = receiptsOf(db, batch.batchId);
  const filled = asked.then((receipts) => {
    const hashes = new Map<string, string | null>();
    for (const { orderId, hash } of receipts) if (orderId !== null) hashes.set(orderId, hash);
    return hashes;
  });
  filled.catch(() => {});
  const differences: Difference[] = [];
  for (const file of files) {
    for await (const rows of rebuilder.rebuild(lake.store, file)) {
      const waiting = await filled;
      for (const { orderId, hash, archivedAt, fault } of rows) {
        if (archivedAt !== batch.archivedAt.getTime()) continue;
        const expected = waiting.get(orderId);
        if (expected === undefined) {
          differences.push({
            orderId,
            difference: 'there is no such order in the batch, or it is there twice',
          });
          continue;
        }
        waiting.delete(orderId);
        if (fault !== undefined) differences.push({ orderId, difference: fault });
        else if (hash !== expected) differences.push({ orderId, difference: anotherHash });
      }
    }
  }
  const [waiting, receipts] = await Promise.all([filled, asked]);
  for (const orderId of waiting.keys()) differences.push({ orderId, difference: 'it cannot be read back' });
  if (receipts.length !== batch.orders) {
    differences.push({
      orderId: batch.batchId,
      difference: `${receipts.length} receipts for ${batch.orders} orders`,
    });
  }
  if (differences.length > 0) throw new VerificationError(batch.batchId, differences);
  return { orders: receipts.length, root: merkleRoot(receipts.map(({ leaf }) => leaf)) };
};

const anotherHash = 'the item rebuilt from its row has another hash than the one archived';

export const statementOf = (batch: Batch, root: Uint8Array): Statement => ({
  batch: batch.batchId,
  source: batch.source,
  areaId: batch.areaId,
  month: monthText(batch.month),
  orders: batch.orders,
  root: Buffer.from(root).toString('hex'),
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
 * The orders of a batch whose removal is open, each read back again now and held against its receipt: the published
 * statement's signature, the root over all leaves, its own leaf, its hash. In chunks of at most `chunk`.
 * @throws VerificationError
 */
export async function* verifiedOrders(
  { lake, db, jwks }: VerifyDeps & { jwks: PublicJwks },
  batch: Batch,
  { chunk = 200 }: { chunk?: number } = {},
): AsyncGenerator<VerifiedOrder[]> {
  const receipts = await receiptsOf(db, batch.batchId);
  const fault = (difference: string): VerificationError =>
    new VerificationError(batch.batchId, [{ orderId: batch.batchId, difference }]);
  const published = (await (await lake.store.get(batch.publishedKey ?? 'absent')).bytes()).toString();
  if (published !== batch.statement) throw fault('the published statement is not the one in the database');
  const statement = await readStatement(jwks, published);
  if (typeof statement === 'string') throw fault(statement);
  const root = Buffer.from(merkleRoot(receipts.map(({ leaf }) => leaf))).toString('hex');
  if (statement.batch !== batch.batchId || statement.orders !== receipts.length || statement.root !== root) {
    throw fault('the receipts do not lead to the signed root');
  }
  const open = new Map(
    receipts.flatMap((each) =>
      each.orderId !== null && ['pending', 'removing'].includes(each.outcome) ? [[each.orderId, each]] : [],
    ),
  );
  const archivedAt = batch.archivedAt.toISOString();
  let found: VerifiedOrder[] = [];
  if (open.size === 0) return;
  for await (const rows of batchRows(lake, batch)) {
    for (const row of rows) {
      const receipt = open.get(row.ordem_id);
      if (!receipt || receipt.hash !== row.hash_versao) continue;
      open.delete(row.ordem_id);
      const item = rebuilt(row, receipt);
      if (typeof item === 'string') throw fault(`${row.ordem_id}: ${item}`);
      const { hash, salt, position, outcome } = receipt;
      const leaf = leafOf({
        orderId: row.ordem_id,
        saltedHash: saltedHash(hash as string, salt as Buffer),
        archivedAt,
      });
      if (!receipt.leaf.equals(leaf)) throw fault(`${row.ordem_id}: its leaf is not that of the order`);
      const order = {
        batchId: batch.batchId,
        position,
        orderId: row.ordem_id,
        hash: hash as string,
        item,
        outcome,
      };
      found.push(order as VerifiedOrder);
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
