import { hash } from 'node:crypto';

/**
 * Merkle trees as in RFC 6962 (section 2.1): a leaf is hashed behind a 0 byte and a node behind a 1 byte, so that no
 * node can be taken for a leaf; a list that is not a power of two is split at the largest one below its length.
 */

export const leafHash = (data: string): Buffer => hash('sha256', `\0${data}`, 'buffer');

const nodeMark = Buffer.from([1]);

const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer =>
  hash('sha256', Buffer.concat([nodeMark, left, right]), 'buffer');

/** The levels from the leaves to the root: a last node without a partner goes up as it is, which gives RFC 6962's tree. */
const levelsOf = (leaves: readonly Uint8Array[]): Uint8Array[][] => {
  if (leaves.length === 0) throw new Error('expected at least one leaf');
  const levels: Uint8Array[][] = [[...leaves]];
  for (let level = levels[0] as Uint8Array[]; level.length > 1; ) {
    const up: Uint8Array[] = [];
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = [level[at] as Uint8Array, level[at + 1]];
      up.push(right ? nodeHash(left, right) : left);
    }
    levels.push(up);
    level = up;
  }
  return levels;
};

/** @throws Error without leaves */
export const merkleRoot = (leaves: readonly Uint8Array[]): Uint8Array =>
  levelsOf(leaves).at(-1)?.[0] as Uint8Array;

/** The hashes beside the way from a leaf to the root, from below. */
export const merkleProof = (leaves: readonly Uint8Array[], index: number): Uint8Array[] => {
  if (!(index >= 0 && index < leaves.length)) throw new RangeError(`no leaf ${index} among ${leaves.length}`);
  const path: Uint8Array[] = [];
  let at = index;
  for (const level of levelsOf(leaves).slice(0, -1)) {
    const sibling = level[at ^ 1];
    if (sibling) path.push(sibling);
    at >>= 1;
  }
  return path;
};

/** The root that a leaf and its proof lead to, or null where the proof has the wrong length for its place. */
export const rootFromProof = (
  leaf: Uint8Array,
  { index, size, path }: { index: number; size: number; path: readonly Uint8Array[] },
): Uint8Array | null => {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return null;
  let hash = leaf;
  let used = 0;
  let at = index;
  for (let width = size; width > 1; width = Math.ceil(width / 2)) {
    if ((at ^ 1) < width) {
      const sibling = path[used++];
      if (!sibling) return null;
      hash = at % 2 === 1 ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
    }
    at >>= 1;
  }
  return used === path.length ? hash : null;
};
