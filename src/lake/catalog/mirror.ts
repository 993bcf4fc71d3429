import type { Catalog, TableName } from './catalog.ts';
import { formatTableName } from './catalog.ts';

export type CatalogMirror = {
  readonly publish: (tables: readonly TableName[]) => Promise<void>;
  /** Publishes every table, and removes entries of tables under `warehouse` that are no more. Answers what it did. */
  readonly publishAll: (warehouse: string) => Promise<{ published: string[]; removed: string[] }>;
};

/**
 * Keeps the pointers of `to` (Glue) as those of `from` (PostgreSQL), where commits happen. The commit stays one row of
 * PostgreSQL, so that it can join a transaction; `to` shows the same metadata files a moment later. Nothing is
 * recorded of what is owed: the two are compared, so that publishing twice, late or after a crash ends the same.
 * Others may read through `to`, and must not write: an entry that they changed is left as it is, with an error.
 */
export const mirrorCatalog = ({ from, to }: { from: Catalog; to: Catalog }): CatalogMirror => {
  return {
    publish: async (tables) => {
      for (const table of tables) await publish({ from, to }, table);
    },
    publishAll: async (warehouse) => {
      const tables = await from.list();
      const names = new Set(tables.map(formatTableName));
      const published: string[] = [];
      const removed: string[] = [];
      const failures: string[] = [];
      const attempt = async (table: TableName, done: string[]): Promise<void> => {
        try {
          if (await publish({ from, to }, table)) done.push(formatTableName(table));
        } catch (error) {
          failures.push(error instanceof Error ? error.message : String(error));
        }
      };
      for (const table of tables) await attempt(table, published);
      for (const table of await to.list()) {
        if (names.has(formatTableName(table))) continue;
        // Entries of others are none of our business.
        const entry = await to.load(table);
        if (entry?.published?.startsWith(`${warehouse}/`)) await attempt(table, removed);
      }
      if (failures.length > 0) throw new Error(failures.join('; '));
      return { published, removed };
    },
  };
};

const mostAttempts = 10;

/** Publishing over it would lose what another engine committed. */
const foreignCommit = (table: TableName): Error =>
  new Error(
    `${formatTableName(table)} in Glue shows a commit that is not PostgreSQL's: another engine wrote through Glue, ` +
      'which only mirrors the catalog. Nothing was changed. Take its rows over, then remove the entry in Glue',
  );

/**
 * Answers whether there was a difference. The entry of `to` is read before that of `from`, and swapped only as it was
 * read: of two that publish at once none can put an older pointer over a newer one.
 */
const publish = async ({ from, to }: { from: Catalog; to: Catalog }, table: TableName): Promise<boolean> => {
  for (let attempt = 1; attempt <= mostAttempts; attempt++) {
    const shown = await to.load(table);
    const current = await from.load(table);
    if ((shown?.metadataLocation ?? null) === (current?.metadataLocation ?? null)) return false;
    if (shown && shown.published !== shown.metadataLocation) throw foreignCommit(table);
    const answer = await to.swap(table, { from: shown, to: current?.metadataLocation ?? null });
    if (answer === 'done') return true;
  }
  throw new Error(`${formatTableName(table)} is published by others all the time; try again later`);
};
