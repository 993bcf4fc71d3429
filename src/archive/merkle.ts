import { hash } from 'node:crypto';

/**
 * Merkle trees as in RFC 6962 (section 2.1): a leaf is hashed behind a 0 byte and a node behind a 1 byte, so that no
 * node can be taken for a leaf; a list that is not a power of two is split at the largest one below its length.
 */

export const leafHash = (data: string): Buffer => hash('sha256', `\0${data}`, 'buffer');

const nodeMark = Buffer.from([1]);

const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer =>
  hash('sha256', Buffer.concat([nodeMark, left, right]), 'buffer');

const size = 32;

const at = (level: Buffer, index: number): Buffer => level.subarray(index * size, (index + 1) * size);

/**
 * The levels from the leaves to the root, each a block of hashes one behind the other: a last node without a partner
 * goes up as it is, which gives RFC 6962's tree.
 */
const levelsOf = (leaves: Buffer): Buffer[] => {
  if (leaves.length === 0 || leaves.length % size !== 0)
    throw new Error(`expected at least one leaf of ${size} bytes, found ${leaves.length} bytes`);
  const levels = [leaves];
  for (let level = leaves; level.length > size; ) {
    const up = Buffer.allocUnsafe(Math.ceil(level.length / (2 * size)) * size);
    const node = Buffer.alloc(1 + 2 * size, nodeMark);
    for (let from = 0, to = 0; from < level.length; from += 2 * size, to += size) {
      // Copied, one node into the same bytes as the next: 100,000 leaves would make as many small buffers.
      if (level.copy(node, 1, from, from + 2 * size) === 2 * size)
        hash('sha256', node, 'buffer').copy(up, to);
      else level.copy(up, to, from);
    }
    levels.push(up);
    level = up;
  }
  return levels;
};

/** Leaves one behind the other, 32 bytes each. @throws Error without leaves */
export const merkleRoot = (leaves: Buffer): Buffer => levelsOf(leaves).at(-1) as Buffer;

/** The hashes beside the way from a leaf to the root, from below. */
export const merkleProof = (leaves: Buffer, index: number): Buffer[] => {
  if (!(index >= 0 && index < leaves.length / size))
    throw new RangeError(`no leaf ${index} among ${leaves.length / size}`);
  const path: Buffer[] = [];
  let place = index;
  for (const level of levelsOf(leaves).slice(0, -1)) {
    const sibling = at(level, place ^ 1);
    if (sibling.length > 0) path.push(sibling);
    place >>= 1;
  }
  return path;
};

/** The root that a leaf and its proof lead to, or null where the proof has the wrong length for its place. */
export const rootFromProof = (
  leaf: Uint8Array,
  { index, size: leaves, path }: { index: number; size: number; path: readonly Uint8Array[] },
): Uint8Array | null => {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(leaves) || index < 0 || index >= leaves)
    return null;
  let root = leaf;
  let used = 0;
  let place = index;
  for (let width = leaves; width > 1; width = Math.ceil(width / 2)) {
    if ((place ^ 1) < width) {
      const sibling = path[used++];
      if (!sibling) return null;
      root = place % 2 === 1 ? nodeHash(sibling, root) : nodeHash(root, sibling);
    }
    place >>= 1;
  }
  return used === path.length ? root : null;
};
