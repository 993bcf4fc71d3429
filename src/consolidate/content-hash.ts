import { hash as digest } from 'node:crypto';

/** 144 bits of SHA-256: short enough to keep for every object, too long to meet twice. */
export const hashBytes = 18;

export const contentHash = (content: Uint8Array): Buffer =>
  digest('sha256', content, 'buffer').subarray(0, hashBytes);

/** The text of one of many hashes that lie in a row, which take a third of the memory of their texts. */
export const hashText = (hashes: Uint8Array, index: number): string =>
  Buffer.from(hashes.buffer, hashes.byteOffset + index * hashBytes, hashBytes).toString('base64url');
