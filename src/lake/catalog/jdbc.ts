import type { Db } from '../../platform/postgres.ts';
import type { Catalog, CatalogEntry, Swap, TableName } from './catalog.ts';

export type JdbcCatalogOptions = {
  readonly db: Db;
  /** Name of the catalog in the rows; other engines are configured with the same one. */
  readonly name?: string;
};

type Row = { table_namespace: string; table_name: string; metadata_location: string };

/**
 * The Iceberg JDBC catalog in Postgres, in the rows of Java's `JdbcCatalog`, schema version 1. The commit is one
 * UPDATE that compares the old metadata location: locations carry a random part and are never used twice, so a
 * statement that arrives late or twice changes nothing.
 */
export const jdbcCatalog = ({ db, name = 'lastro' }: JdbcCatalogOptions): Catalog => ({
  list: async (namespace) => {
    const { rows } = await db.query<Row>(
      `SELECT table_namespace, table_name, metadata_location FROM iceberg_tables
        WHERE catalog_name = $1 AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)
          AND ($2::text IS NULL OR table_namespace = $2)
        ORDER BY table_namespace, table_name`,
      [name, namespace ?? null],
    );
    return rows.map((row) => ({ namespace: row.table_namespace, name: row.table_name }));
  },

  load: async (table, tx): Promise<CatalogEntry | null> => {
    const { rows } = await (tx ?? db).query<Row>(
      `SELECT metadata_location FROM iceberg_tables
        WHERE catalog_name = $1 AND table_namespace = $2 AND table_name = $3
          AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)`,
      [name, table.namespace, table.name],
    );
    return rows[0] ? { metadataLocation: rows[0].metadata_location } : null;
  },

  swap: async (table, swap, tx) => swapRow(tx ?? db, name, table, swap),
});

const swapRow = async (
  db: Db,
  catalog: string,
  table: TableName,
  { from, to }: Swap,
): Promise<'done' | 'conflict'> => {
  const key = [catalog, table.namespace, table.name];
  if (from === null) {
    if (to === null) return 'done';
    // One statement, so that it is atomic without a transaction of our own. Java keeps namespaces as properties.
    const { rowCount } = await db.query(
      `WITH namespace AS (
         INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
         VALUES ($1, $2, 'exists', 'true') ON CONFLICT DO NOTHING)
       INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, iceberg_type)
       VALUES ($1, $2, $3, $4, 'TABLE') ON CONFLICT DO NOTHING`,
      [...key, to],
    );
    return rowCount === 1 ? 'done' : 'conflict';
  }
  const match = 'catalog_name = $1 AND table_namespace = $2 AND table_name = $3 AND metadata_location = $4';
  const { rowCount } =
    to === null
      ? await db.query(`DELETE FROM iceberg_tables WHERE ${match}`, [...key, from.metadataLocation])
      : await db.query(
          `UPDATE iceberg_tables SET metadata_location = $5, previous_metadata_location = $4 WHERE ${match}`,
          [...key, from.metadataLocation, to],
        );
  return rowCount === 1 ? 'done' : 'conflict';
};
