import type { AsyncBuffer } from 'hyparquet';
import type { ArchivedRow } from './archived-file.ts';
import { hashBytes, itemHash } from './item.ts';
import { itemOf } from './row.ts';

/** What rows that were read back are once their items are rebuilt: lists and a block, which threads hand over cheaply. */
export type RebuiltRows = {
  readonly ids: readonly string[];
  /** Of the rebuilt items, 32 bytes each; zeros where the item could not be rebuilt. */
  readonly hashes: Uint8Array<ArrayBuffer>;
  /** Milliseconds since 1970. */
  readonly archivedAt: Float64Array<ArrayBuffer>;
  /** Why a row (by its place here) cannot be what was archived, whatever its receipt says. */
  readonly faults: readonly { readonly at: number; readonly fault: string }[];
};

export const rebuildRows = (rows: readonly ArchivedRow[]): RebuiltRows => {
  const hashes = Buffer.from(new ArrayBuffer(rows.length * hashBytes));
  const archivedAt = new Float64Array(rows.length);
  const faults: { at: number; fault: string }[] = [];
  for (const [at, row] of rows.entries()) {
    archivedAt[at] = row.arquivado_em.getTime();
    try {
      const hash = itemHash(itemOf(row));
      hashes.write(hash, at * hashBytes, 'hex');
      if (row.hash_versao !== hash) faults.push({ at, fault: 'hash_versao is not the hash of its row' });
    } catch (error) {
      faults.push({ at, fault: error instanceof Error ? error.message : String(error) });
    }
  }
  return { ids: rows.map(({ ordem_id }) => ordem_id), hashes, archivedAt, faults };
};

/** A file that several threads read, without a copy of the whole: each slice is. */
export const sharedFile = (bytes: SharedArrayBuffer): AsyncBuffer => ({
  byteLength: bytes.byteLength,
  slice: (start: number, end = bytes.byteLength): ArrayBuffer => {
    const from = start < 0 ? bytes.byteLength + start : start;
    const copy = new ArrayBuffer(end - from);
    new Uint8Array(copy).set(new Uint8Array(bytes, from, end - from));
    return copy;
  },
});
