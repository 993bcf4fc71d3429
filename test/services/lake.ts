import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jdbcCatalog } from '../../src/lake/catalog/jdbc.ts';
import { writeDataFiles } from '../../src/lake/data-writer.ts';
import { openDuckDb } from '../../src/lake/duckdb-session.ts';
import {
  append,
  type Committed,
  createTable,
  type Lake,
  loadTable,
  openLake,
  type Table,
  type TableDefinition,
} from '../../src/lake/tables.ts';
import type { Db } from '../../src/platform/postgres.ts';
import { openDirectoryStore } from '../../src/platform/store/directory.ts';

export type TestLake = {
  readonly lake: Lake;
  readonly folder: string;
  readonly create: (name: string, definition: TableDefinition) => Promise<Table>;
  /** Writes the rows of a relation and appends them in one commit. */
  readonly add: (name: string, relation: string) => Promise<Committed>;
  readonly close: () => Promise<void>;
};

/** A lake in a temporary folder, its catalog in the given database. */
export const testLake = async (db: Db): Promise<TestLake> => {
  const folder = await mkdtemp(join(tmpdir(), 'lastro-lake-'));
  const store = await openDirectoryStore(join(folder, 'store'));
  const session = await openDuckDb({ temporaryParent: join(folder, 'duckdb') });
  const lake = openLake({ store, catalog: jdbcCatalog({ db }) });
  return {
    lake,
    folder,
    create: (name, definition) => createTable(lake, name, definition),
    add: async (name, relation) => {
      const add = await writeDataFiles({ lake, session }, await loadTable(lake, name), relation);
      return append(lake, name, { add });
    },
    close: async () => {
      await session.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
};
