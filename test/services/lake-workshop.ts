import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Catalog } from '../../src/lake/catalog/catalog.ts';
import { jdbcCatalog } from '../../src/lake/catalog/jdbc.ts';
import { type WriteOptions, writeDataFiles } from '../../src/lake/data-writer.ts';
import { allRows, type DuckSession, openDuckDb, type RowObject } from '../../src/lake/duckdb-session.ts';
import { openFileCache } from '../../src/lake/file-cache.ts';
import { tableAt } from '../../src/lake/refs.ts';
import { planFiles, type ScanOptions, scanLocations, scanSql } from '../../src/lake/scan.ts';
import {
  append,
  type CommitOptions,
  type Committed,
  type Lake,
  loadTable,
  openLake,
} from '../../src/lake/tables.ts';
import { openDirectoryStore } from '../../src/platform/store/directory.ts';
import type { Store } from '../../src/platform/store/store.ts';
import { type TestDatabase, testDatabase } from './postgres.ts';

export type LakeWorkshop = {
  readonly lake: Lake;
  readonly database: TestDatabase;
  readonly session: DuckSession;
  readonly folder: string;
  /** The same lake through a store or catalog that fails on purpose. */
  readonly with: (parts: { store?: Store; catalog?: Catalog }) => Lake;
  readonly write: (
    name: string,
    relation: string,
    options?: WriteOptions & CommitOptions,
  ) => Promise<Committed>;
  readonly rows: (name: string, scan?: ScanOptions, sql?: string) => Promise<RowObject[]>;
  readonly close: () => Promise<void>;
};

/** A lake in a temporary folder, its catalog in a database of its own. */
export const openLakeWorkshop = async (): Promise<LakeWorkshop> => {
  const database = await testDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'lastro-lake-'));
  const store = await openDirectoryStore(join(folder, 'store'));
  const session = await openDuckDb({ temporaryParent: join(folder, 'duckdb') });
  const catalog = jdbcCatalog({ db: database.pool });
  const lake = openLake({ store, catalog });
  const files = await openFileCache({ store, folder: join(folder, 'cache'), maxBytes: 1e9 });
  return {
    lake,
    database,
    session,
    folder,
    with: (parts) => openLake({ store: parts.store ?? store, catalog: parts.catalog ?? catalog }),
    write: async (name, relation, options = {}) => {
      const table = tableAt(await loadTable(lake, name, options.tx), options.branch);
      const add = await writeDataFiles({ lake, session }, table, relation, options);
      return append(lake, name, { add }, options);
    },
    rows: async (name, scan, sql = 'SELECT * FROM t ORDER BY ALL') => {
      const plan = await planFiles(lake, await loadTable(lake, name), scan);
      const held = await files.hold(scanLocations(plan));
      try {
        return await allRows(
          session.connection,
          `WITH t AS (SELECT * FROM ${scanSql(plan, held.localPath)}) ${sql}`,
        );
      } finally {
        held.release();
      }
    },
    close: async () => {
      await session.close();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
