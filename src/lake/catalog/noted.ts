import { type Catalog, formatTableName, type TableName } from './catalog.ts';

/** The catalog, and the tables that were changed through it, whatever became of their transactions. */
export const noteChanges = (catalog: Catalog): { catalog: Catalog; changed: () => TableName[] } => {
  const changed = new Map<string, TableName>();
  return {
    catalog: {
      ...catalog,
      swap: (table, swap, tx) => {
        changed.set(formatTableName(table), table);
        return catalog.swap(table, swap, tx);
      },
    },
    changed: () => [...changed.values()],
  };
};
