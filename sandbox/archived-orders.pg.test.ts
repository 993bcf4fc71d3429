import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archivedOrdersTable, findOrderFiles, type LookupDeps } from '../src/archive/archive.ts';
import { allRows, quoteText } from '../src/lake/duckdb-session.ts';
import { openFileCache } from '../src/lake/file-cache.ts';
import { loadTable, tableFiles } from '../src/lake/tables.ts';
import { directoryPath } from '../src/platform/store/directory.ts';
import { type LakeWorkshop, openLakeWorkshop } from '../test/services/lake-workshop.ts';
import { makeArchivedOrders } from './archived-orders.ts';

type Room = { workshop: LakeWorkshop; deps: LookupDeps };

const openRoom = async (): Promise<Room> => {
  const workshop = await openLakeWorkshop();
  const { lake, session } = workshop;
  const files = await openFileCache({ store: lake.store, folder: '', maxBytes: 0 });
  return { workshop, deps: { lake, session, files } };
};

let first: Room;
let second: Room;
const options = { count: 3_000, months: 3, areas: 4, hostileEvery: 101 };

beforeAll(async () => {
  [first, second] = [await openRoom(), await openRoom()];
  await makeArchivedOrders(first.deps, options);
}, 60_000);
afterAll(async () => {
  await first.workshop.close();
  await second.workshop.close();
});

const orders = ({ workshop }: Room, sql: string) => workshop.rows(archivedOrdersTable, {}, sql);

const liveFiles = async ({ workshop }: Room) =>
  tableFiles(workshop.lake, await loadTable(workshop.lake, archivedOrdersTable));

describe('made-up archived orders', () => {
  it('are the same for the same options', async () => {
    const content = 'SELECT count(*)::INT AS rows, bit_xor(hash(COLUMNS(*)::VARCHAR))::VARCHAR FROM t';
    expect(await makeArchivedOrders(second.deps, options)).toEqual({ orders: 3_000 });
    expect(await orders(second, content)).toEqual(await orders(first, content));
    expect(await orders(first, 'SELECT count(DISTINCT ordem_id)::INT AS ids FROM t')).toEqual([
      { ids: 3_000 },
    ]);
  });

  it('are added once, in one commit', async () => {
    const { metadata } = await loadTable(first.workshop.lake, archivedOrdersTable);
    expect(metadata.snapshots).toHaveLength(1);
    expect(await makeArchivedOrders(first.deps, options)).toEqual({ orders: 0 });
    expect(await makeArchivedOrders(second.deps, { ...options, seed: 2, count: 30 })).toEqual({ orders: 30 });
    expect(await orders(second, 'SELECT count(*)::INT AS rows FROM t')).toEqual([{ rows: 3_030 }]);
  });

  it('lie in one file for each month and area, sorted for one client’s orders, and all in the lookup', async () => {
    const files = await liveFiles(first);
    expect(files).toHaveLength(12);
    expect(files.reduce((sum, { records }) => sum + records, 0)).toBe(3_000);
    const mayHold = await findOrderFiles(first.deps, [[]]);
    const { lake, session } = first.workshop;
    for (const { path } of files) {
      expect(mayHold?.(path)).toBe(false);
      const local = directoryPath(lake.store.url, path.slice(lake.store.url.length + 1));
      const [places] = await allRows(
        session.connection,
        `SELECT count(DISTINCT (area_id, date_trunc('month', data_criacao)))::INT AS places, count(*) FILTER (later < earlier)::INT AS unsorted
           FROM (SELECT *, (cliente_requisitante_id, data_criacao) AS later,
                   lag((cliente_requisitante_id, data_criacao)) OVER (ORDER BY file_row_number) AS earlier
                 FROM read_parquet(${quoteText(local)}, file_row_number = true, hive_partitioning = false))`,
      );
      expect(places).toEqual({ places: 1, unsorted: 0 });
    }
  });

  it('have values that break careless writers, one order in so many', async () => {
    const [found] = await orders(
      first,
      `SELECT count(*) FILTER (contrato_id LIKE '=cmd%')::INT AS formulas, count(*) FILTER (contrato_id LIKE E'%\\r\\n%')::INT AS lines,
         count(*) FILTER (regras_ordem LIKE '%9876543210.1234567890123456789012345678%')::INT AS numbers,
         count(*) FILTER (NOT coalesce(json_valid(regras_ordem) AND json_valid(metadados_ordem) AND json_valid(notificacoes_ordem)
           AND json_valid(logs_eventos_ordem), regras_ordem IS NULL))::INT AS broken,
         count(*) FILTER (NOT starts_with(contrato_id, 'CT'))::INT AS hostile,
         count(*) FILTER (len(cliente_participante_id) <> json_array_length(metadados_participante))::INT AS uneven
       FROM t`,
    );
    expect(found).toMatchObject({ hostile: 30, broken: 0, uneven: 0 });
    for (const name of ['formulas', 'lines', 'numbers']) expect(Number(found?.[name])).toBeGreaterThan(0);
  });
});
