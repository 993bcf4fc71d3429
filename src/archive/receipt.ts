import { hash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type PublicJwks, type SigningKeys, signJws, verifyJws } from '../platform/signing-keys.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { hashBytes, type Item, itemHash, textOf } from './item.ts';
import { leafHash, rootFromProof } from './merkle.ts';
import { saltBytes } from './receipt-rows.ts';

/** What a leaf says: the order, its version's hash under a salt, when it was archived. */
export type LeafFacts = {
  readonly orderId: string;
  /** SHA-256 of the salt and the version's hash, both as hexadecimal text, in hexadecimal. */
  readonly saltedHash: string;
  readonly archivedAt: string;
};

// Both parts have a fixed length: nothing can be moved from one into the other, so it needs no HMAC.
const saltedHash = (versionHash: string, salt: string): string =>
  hash('sha256', `${salt}${versionHash}`, 'hex');

/** What a leaf is made of: the hash and the salt as hexadecimal text. */
export type LeafParts = {
  readonly orderId: string;
  readonly versionHash: string;
  readonly salt: string;
  readonly archivedAt: string;
};

/** The salt is inside the leaf too, through `saltedHash` alone: destroyed, the leaf fits every order equally. */
export const leafOf = ({ orderId, versionHash, salt, archivedAt }: LeafParts): Buffer => {
  const facts: LeafFacts = { orderId, saltedHash: saltedHash(versionHash, salt), archivedAt };
  return leafHash(canonicalJson(facts));
};

/**
 * Salts and leaves of orders that are archived together. A salt is 16 bytes by chance: without them nobody can try out
 * which order a leaf speaks of.
 */
export const makeLeaves = (
  { ids, hashes }: { readonly ids: readonly string[]; readonly hashes: Buffer },
  archivedAt: string,
): { salts: Buffer; leaves: Buffer } => {
  const salts = randomBytes(saltBytes * ids.length);
  const leaves = Buffer.allocUnsafe(hashBytes * ids.length);
  for (const [at, orderId] of ids.entries()) {
    const versionHash = hashes.toString('hex', at * hashBytes, (at + 1) * hashBytes);
    const salt = salts.toString('hex', at * saltBytes, (at + 1) * saltBytes);
    leafOf({ orderId, versionHash, salt, archivedAt }).copy(leaves, at * hashBytes);
  }
  return { salts, leaves };
};

const statementType = 'vnd.lastro.archive-root+jws';

/** What is signed of a batch. Nothing in it changes when rows are compacted or others are erased. */
export type Statement = {
  readonly batch: string;
  readonly source: string;
  readonly areaId: string;
  /** `2025-03` */
  readonly month: string;
  readonly orders: number;
  /** Root of the tree of leaves (RFC 6962, SHA-256), in hexadecimal. */
  readonly root: string;
  readonly archivedAt: string;
};

const statementShape = z.object({
  batch: z.string(),
  source: z.string(),
  areaId: z.string(),
  month: z.string(),
  orders: z.int().positive(),
  root: z.string().regex(/^[0-9a-f]{64}$/),
  archivedAt: z.iso.datetime(),
});

/** The same statement gives the same text: signatures with Ed25519 are deterministic. */
export const signStatement = (keys: SigningKeys, statement: Statement): Promise<string> =>
  signJws({ keys, type: statementType }, canonicalJson(statement));

/** @returns the statement, or why it cannot be trusted */
export const readStatement = async (jwks: PublicJwks, jws: string): Promise<Statement | string> => {
  const verified = await verifyJws({ jwks, type: statementType }, jws);
  if (!verified.valid) return verified.message;
  const parsed = statementShape.safeParse(JSON.parse(verified.payload));
  return parsed.success ? parsed.data : 'the signed text is not a statement of an archived batch';
};

const hex = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`), `expected ${bytes} bytes in hexadecimal`);

/** The file that `lastro archive receipt` writes. `locator` and `removal` are for people and are not signed. */
export const receiptShape = z.object({
  kind: z.literal('lastro-archive-receipt'),
  version: z.literal(1),
  order: z.object({ orderId: z.string(), versionHash: hex(32), salt: hex(16), archivedAt: z.iso.datetime() }),
  proof: z.object({ index: z.int().nonnegative(), size: z.int().positive(), path: z.array(hex(32)).max(64) }),
  statement: z.string(),
  locator: z.record(z.string(), z.unknown()).optional(),
  removal: z.object({ outcome: z.string(), at: z.string().nullable() }).optional(),
});

export type Receipt = z.output<typeof receiptShape>;

export type ReceiptVerdict =
  | { readonly valid: true; readonly statement: Statement }
  | { readonly valid: false; readonly reason: string };

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'hex');

/**
 * Checks a receipt with nothing but public keys: that its leaf leads to the root of a signed statement, and, where the
 * item is given, that it is the version archived.
 */
export const verifyReceipt = async (
  receipt: Receipt,
  { jwks, item }: { jwks: PublicJwks; item?: Item },
): Promise<ReceiptVerdict> => {
  const { order, proof } = receipt;
  const no = (reason: string): ReceiptVerdict => ({ valid: false, reason });
  if (item !== undefined && textOf(item.ordem_id) !== order.orderId) return no('the item is another order');
  if (item !== undefined && itemHash(item) !== order.versionHash)
    return no('the item is not the version that was archived');
  const statement = await readStatement(jwks, receipt.statement);
  if (typeof statement === 'string') return no(`the statement cannot be trusted: ${statement}`);
  if (statement.orders !== proof.size)
    return no(`the statement is of ${statement.orders} orders, the proof of ${proof.size}`);
  if (statement.archivedAt !== order.archivedAt) return no('the statement has another time of archiving');
  const leaf = leafOf(order);
  const root = rootFromProof(leaf, { ...proof, path: proof.path.map(bytesOf) });
  if (!root || Buffer.from(root).toString('hex') !== statement.root) {
    return no(
      'the proof does not lead to the signed root: the order, its hash, its salt or the path was changed',
    );
  }
  return { valid: true, statement };
};
