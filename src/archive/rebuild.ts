import type { ArchivedRow } from './archived-rows.ts';
import { itemHash } from './item.ts';
import { itemOf } from './row.ts';

/** What a row that was read back is, once its item is rebuilt. */
export type RebuiltRow = {
  readonly orderId: string;
  /** Of the rebuilt item. */
  readonly hash: string;
  readonly archivedAt: number;
  /** Why the row cannot be what was archived, whatever its receipt says. */
  readonly fault?: string;
};

export const rebuildRow = (row: ArchivedRow): RebuiltRow => {
  const { ordem_id: orderId } = row;
  const archivedAt = row.arquivado_em.getTime();
  try {
    const hash = itemHash(itemOf(row));
    return row.hash_versao === hash
      ? { orderId, hash, archivedAt }
      : { orderId, hash, archivedAt, fault: 'hash_versao is not the hash of its row' };
  } catch (error) {
    return { orderId, hash: '', archivedAt, fault: error instanceof Error ? error.message : String(error) };
  }
};
