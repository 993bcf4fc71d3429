import { type Lake, loadTable } from '../lake/tables.ts';
import type { Db } from '../platform/postgres.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { rowsOfFile, windowFiles } from './archived-rows.ts';
import { type Item, itemHash } from './item.ts';
import { itemOf } from './row.ts';
import type { ArchivedVersion } from './versions.ts';

/**
 * Reads archived versions back and rebuilds their items, window by window, a file's row group at a time. Each is held
 * against its hash.
 * @throws Error for a version that cannot be read back as it was archived
 */
export async function* readVersions(
  { lake }: { lake: Lake; db: Db },
  versions: readonly ArchivedVersion[],
): AsyncGenerator<{ version: ArchivedVersion; item: Item }> {
  const table = await loadTable(lake, archivedOrdersTable);
  const windows = Map.groupBy(versions, ({ areaId, month }) => `${areaId}\n${month.toISOString()}`);
  for (const [first, ...more] of windows.values()) {
    if (!first) continue;
    const wanted = new Map([first, ...more].map((each) => [`${each.orderId}\n${each.hash}`, each]));
    for (const file of await windowFiles(lake, table, first)) {
      if (wanted.size === 0) break;
      for await (const rows of rowsOfFile(lake.store, file)) {
        for (const row of rows) {
          const key = `${row.ordem_id}\n${row.hash_versao}`;
          const version = wanted.get(key);
          if (!version) continue;
          const item = itemOf(row);
          if (itemHash(item) !== version.hash)
            throw new Error(`order ${version.orderId} was read back from ${file.path} as another version`);
          wanted.delete(key);
          yield { version, item };
        }
      }
    }
    const [missing] = wanted.values();
    if (missing) throw new Error(`order ${missing.orderId} cannot be read back from ${archivedOrdersTable}`);
  }
}
