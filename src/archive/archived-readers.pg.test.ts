import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { icebergRead } from 'icebird';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sandboxOrder } from '../../sandbox/orders.ts';
import { memoryOrders } from '../../test/archive/memory-orders.ts';
import { everyType } from '../../test/archive/port.ts';
import { type ArchiveRoom, archiveRoom } from '../../test/archive/room.ts';
import { type TestDatabase, testDatabase } from '../../test/services/postgres.ts';
import { openDuckDbEngine } from '../lake/engines/duckdb.ts';
import { openFileCache } from '../lake/file-cache.ts';
import { loadTable } from '../lake/tables.ts';
import { archivedOrdersDefinition, archivedOrdersTable } from './archived-orders.ts';
import { duenessOf } from './due.ts';
import { type Item, itemHash, textOf } from './item.ts';
import { itemOf, type OrderRow } from './row.ts';

let database: TestDatabase;
let room: ArchiveRoom;
let archived: string[];

beforeAll(async () => {
  database = await testDatabase();
  const until = new Date('2025-01-01T00:00:00.000Z');
  // Every order of the sandbox with its oddities, in few windows.
  const items = Array.from({ length: 600 }, (_, at): Item => {
    const order = sandboxOrder(at, { count: 600, until }) as unknown as Item;
    const created = textOf(order.data_criacao)?.replace(/^\d{4}-\d\d-\d\d/, `2024-0${1 + (at % 2)}-10`);
    return { ...order, area_id: { S: 'CRD01' }, data_criacao: { S: created ?? '' } };
  });
  items.push(everyType('todos-os-tipos'));
  const table = memoryOrders(items);
  room = await archiveRoom(database.pool, table);
  await room.run();
  archived = items
    .filter((item) => duenessOf(item, new Date()) === 'due')
    .map(itemHash)
    .sort();
});
afterAll(async () => {
  vi.unstubAllGlobals();
  await room.close();
  await database.drop();
});

/** Rows of any reader as the columns that an item is rebuilt from. */
const hashes = (rows: readonly Record<string, unknown>[]): string[] =>
  rows
    .map((row) => {
      const versao = row.versao === null || row.versao === undefined ? null : BigInt(row.versao as bigint);
      const plain = Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value ?? null]));
      return itemHash(
        itemOf({
          ...plain,
          versao,
          data_criacao: new Date(
            String(row.data_criacao instanceof Date ? row.data_criacao.toISOString() : row.data_criacao),
          ),
        } as unknown as OrderRow),
      );
    })
    .sort();

describe('what was archived', () => {
  it('is read by `lastro sql`, equal to the source item by item', async () => {
    const cache = await openFileCache({
      store: room.lake.store,
      folder: `${room.folder}/cache`,
      maxBytes: 1e9,
    });
    const engine = openDuckDbEngine({
      lake: room.lake,
      cache,
      limits: { temporaryParent: `${room.folder}/sql` },
    });
    try {
      const names = archivedOrdersDefinition.columns.map(({ name }) => name);
      const rows: Record<string, unknown>[] = [];
      for await (const batch of engine.query(`SELECT ${names.join(', ')} FROM ${archivedOrdersTable}`)) {
        for (const row of batch.rows) rows.push(Object.fromEntries(names.map((name, at) => [name, row[at]])));
      }
      expect(hashes(rows)).toEqual(archived);
      const found: unknown[] = [];
      const sql = `SELECT metadados_ordem::JSON ->> '$.canal' AS canal, count(*) AS n FROM ${archivedOrdersTable} GROUP BY 1 ORDER BY 1`;
      for await (const batch of engine.query(sql)) found.push(...batch.rows.map(([canal]) => canal));
      expect(found).toEqual(expect.arrayContaining(['app', 'bankline']));
    } finally {
      await engine.close();
    }
  });

  it('is read by icebird from the table’s metadata on, equal to the source item by item', async () => {
    const { metadata, metadataLocation } = await loadTable(room.lake, archivedOrdersTable);
    // icebird reads over fetch, and Node's has no `file:`.
    vi.stubGlobal('fetch', async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
      const path = fileURLToPath(input instanceof Request ? input.url : String(input));
      const { size } = await stat(path);
      const range = /bytes=(\d+)-(\d*)/.exec(new Headers(init?.headers).get('range') ?? '');
      if (init?.method === 'HEAD') return new Response(null, { headers: { 'content-length': String(size) } });
      const limits = range ? { start: Number(range[1]), end: range[2] ? Number(range[2]) : size - 1 } : {};
      const body = Readable.toWeb(createReadStream(path, limits)) as unknown as ReadableStream;
      return new Response(body, { status: range ? 206 : 200 });
    });
    const raw = JSON.parse(await readFile(fileURLToPath(metadataLocation), 'utf8'));
    expect(hashes(await icebergRead({ tableUrl: metadata.location, metadata: raw }))).toEqual(archived);
  });
});
