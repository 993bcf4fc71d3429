import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import {
  type ArchiveDeps,
  type Archived,
  type ArchiveRequest,
  archiveOrders,
  defaultLimits,
} from '../../src/archive/archive-run.ts';
import type { ArchivedRow } from '../../src/archive/archived-file.ts';
import { archivedOrdersTable } from '../../src/archive/archived-orders.ts';
import { rowsOfFile } from '../../src/archive/archived-rows.ts';
import { parseAge } from '../../src/archive/due.ts';
import type { AttributeValue, Item } from '../../src/archive/item.ts';
import type { OrdersTable } from '../../src/archive/orders-table.ts';
import { jdbcCatalog } from '../../src/lake/catalog/jdbc.ts';
import { findTable, type Lake, openLake, tableFiles } from '../../src/lake/tables.ts';
import { loadSigningKeys } from '../../src/platform/signing-keys.ts';
import { openDirectoryStore } from '../../src/platform/store/directory.ts';
import type { Store } from '../../src/platform/store/store.ts';

export type ArchiveRoom = {
  readonly deps: ArchiveDeps;
  readonly lake: Lake;
  readonly folder: string;
  readonly run: (changed?: Partial<ArchiveDeps>, request?: Partial<ArchiveRequest>) => Promise<Archived>;
  /** Every row of the lake's table, read by hyparquet. */
  readonly rows: () => Promise<ArchivedRow[]>;
  readonly close: () => Promise<void>;
};

/** A lake, keys and what an archive run needs, in a temporary folder, over a table of orders. */
export const archiveRoom = async (pool: Pool, table: OrdersTable, given?: Store): Promise<ArchiveRoom> => {
  const folder = await mkdtemp(join(tmpdir(), 'lastro-archive-'));
  const store = given ?? (await openDirectoryStore(join(folder, 'store')));
  const lake = openLake({ store, catalog: jdbcCatalog({ db: pool }) });
  const deps: ArchiveDeps = {
    pool,
    lake,
    table,
    keys: await loadSigningKeys({ path: join(folder, 'keys.json') }),
    clock: () => new Date(),
    stagingFolder: join(folder, 'staging'),
    limits: defaultLimits,
    removeDelayMs: 0,
    concurrency: 8,
    segments: 4,
    overlap: true,
    timed: (_, work) => work(),
  };
  return {
    deps,
    lake,
    folder,
    run: (changed = {}, request = {}) =>
      archiveOrders(
        { ...deps, ...changed },
        { table: 'ordens', olderThan: parseAge('6mo'), areaAges: new Map(), ...request },
      ),
    rows: () => archivedRows(lake),
    close: () => rm(folder, { recursive: true, force: true }),
  };
};

export const archivedRows = async (lake: Lake): Promise<ArchivedRow[]> => {
  const table = await findTable(lake, archivedOrdersTable);
  const rows: ArchivedRow[] = [];
  for (const file of table ? await tableFiles(lake, table) : []) {
    for await (const group of rowsOfFile(lake.store, file)) rows.push(...group);
  }
  return rows;
};

/** An order that is due, unless told otherwise. */
export const order = (id: string, more: Record<string, AttributeValue> = {}): Item => ({
  ordem_id: { S: id },
  area_id: { S: 'CRD01' },
  cliente_requisitante_id: { S: `cliente-${id.length}` },
  participantes: {
    L: [
      {
        M: {
          cliente_participante_id: { S: 'p1' },
          papel: { S: 'avalista' },
          metadados: { M: {} },
          logs_eventos: { L: [] },
        },
      },
    ],
  },
  data_criacao: { S: '2024-05-06T07:08:09.010Z' },
  data_atualizacao: { S: '2024-05-07T00:00:00.000Z' },
  status_ordem: { S: 'concluida' },
  versao: { N: '3' },
  metadados: { M: { canal: { S: 'web' } } },
  ...more,
});
