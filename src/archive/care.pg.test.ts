import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eachArchiveRoom } from '../../test/archive/each-room.ts';
import type { MemoryOrders } from '../../test/archive/memory-orders.ts';
import { type ArchiveRoom, order } from '../../test/archive/room.ts';
import type { TestDatabase } from '../../test/services/postgres.ts';
import { loadTable, tableFiles } from '../lake/tables.ts';
import { transaction } from '../platform/postgres.ts';
import { publicJwks } from '../platform/signing-keys.ts';
import { archiveOrders } from './archive-run.ts';
import { archivedOrdersTable } from './archived-orders.ts';
import { compactArchive } from './compact.ts';
import { parseAge } from './due.ts';
import { type EraseRequest, erase } from './erase.ts';
import { canonicalItem, type Item, itemHash } from './item.ts';
import { planArchive } from './plan.ts';
import { type Receipt, verifyReceipt } from './receipt.ts';
import { makeReceipt } from './receipts.ts';
import { restoreOrders } from './restore.ts';
import { changeArea } from './retention.ts';
import { itemOf } from './row.ts';
import { archiveStatus } from './status.ts';
import { archivedOrder } from './versions.ts';

let database: TestDatabase;
let table: MemoryOrders;
let room: ArchiveRoom;

eachArchiveRoom((made) => {
  ({ database, table, room } = made);
});

const fill = (count: number, more: (at: number) => Parameters<typeof order>[1] = () => ({})): Item[] => {
  const items = Array.from({ length: count }, (_, at) => order(`o${at}`, more(at)));
  for (const item of items) table.set(item);
  return items;
};

const receiptOf = (orderId: string): Promise<Receipt> =>
  makeReceipt({ db: database.pool, lake: room.lake }, { orderId });
const check = async (receipt: Receipt, item?: Item): Promise<string> => {
  const verdict = await verifyReceipt(receipt, {
    jwks: publicJwks(room.deps.keys),
    ...(item ? { item } : {}),
  });
  return verdict.valid ? 'valid' : verdict.reason;
};
const careDeps = () => {
  const { pool, lake, stagingFolder, clock } = room.deps;
  return { pool, lake, stagingFolder, clock, table: 'ordens' };
};

it('a catalog that cannot join the transaction is refused before anything is done', async () => {
  fill(2);
  const lake = { ...room.lake, catalog: { ...room.lake.catalog, alone: true as const } };
  const expected = /the archive commits .* expected LAKE_CATALOG=jdbc or jdbc\+glue/;
  await expect(
    archiveOrders(
      { ...room.deps, lake },
      { table: 'ordens', olderThan: parseAge('6mo'), areaAges: new Map() },
    ),
  ).rejects.toThrow(expected);
  await expect(compactArchive({ ...careDeps(), lake })).rejects.toThrow(expected);
  expect((await database.pool.query('SELECT count(*)::int AS runs FROM archive_runs')).rows).toEqual([
    { runs: 0 },
  ]);
});

describe('a receipt', () => {
  it('is good offline for each order, and for nothing else', async () => {
    const items = fill(7);
    await room.run();
    for (const item of items)
      expect(await check(await receiptOf((item.ordem_id as { S: string }).S), item)).toBe('valid');
    const receipt = await receiptOf('o3');
    expect(await check(receipt, items[4])).toMatch(/another order/);
    expect(await check(receipt, order('o3', { versao: { N: '4' } }))).toMatch(/not the version/);
    const flip = (text: string): string => `${text[0] === '0' ? '1' : '0'}${text.slice(1)}`;
    const { order: facts, proof } = receipt;
    const forged: Receipt[] = [
      { ...receipt, order: { ...facts, orderId: 'o9' } },
      { ...receipt, order: { ...facts, versionHash: flip(facts.versionHash) } },
      { ...receipt, order: { ...facts, salt: flip(facts.salt) } },
      { ...receipt, proof: { ...proof, index: proof.index === 0 ? 1 : 0 } },
      { ...receipt, proof: { ...proof, path: proof.path.slice(1) } },
      { ...receipt, proof: { ...proof, path: [...proof.path, ...proof.path.slice(-1)] } },
      { ...receipt, proof: { ...proof, path: proof.path.map(flip) } },
    ];
    for (const each of forged) expect(await check(each)).toMatch(/does not lead to the signed root/);
    expect(await check({ ...receipt, proof: { ...proof, size: 8 } })).toMatch(/of 7 orders, the proof of 8/);
    expect(await check({ ...receipt, order: { ...facts, archivedAt: '2020-01-01T00:00:00.000Z' } })).toMatch(
      /another time/,
    );
    expect(await check({ ...receipt, statement: `${receipt.statement.slice(0, -4)}AAAA` })).toMatch(
      /cannot be trusted/,
    );
  });

  it('stays good when rows are compacted, and says where they lie now', async () => {
    fill(6);
    await room.run({ limits: { ...room.deps.limits, batchOrders: 2 } });
    const before = await receiptOf('o5');
    const compacted = await compactArchive(careDeps());
    expect(compacted).toMatchObject({ filesBefore: 3, filesAfter: 1 });
    const after = await receiptOf('o5');
    expect(after.locator).not.toEqual(before.locator);
    expect(after).toMatchObject({ order: before.order, proof: before.proof, statement: before.statement });
    expect(await check(after)).toBe('valid');
    expect(await check(before)).toBe('valid');
    expect((await tableFiles(room.lake, await loadTable(room.lake, archivedOrdersTable))).length).toBe(1);
  });
});

describe('a delay', () => {
  it('leaves proven orders in DynamoDB until it is over, also when files were compacted meanwhile', async () => {
    const items = fill(5);
    const limits = { ...room.deps.limits, batchOrders: 2 };
    expect((await room.run({ removeDelayMs: 3_600_000, limits })).counts).toMatchObject({
      archived: 5,
      removed: 0,
    });
    expect((await room.run({ removeDelayMs: 3_600_000 })).counts).toMatchObject({
      archived: 0,
      waiting: 5,
      removed: 0,
    });
    expect(table.items.size).toBe(5);
    const status = await archiveStatus({ db: database.pool, lake: room.lake }, 'ordens');
    expect(status).toMatchObject({
      waiting: { orders: 5 },
      orders: { pending: 5 },
      batches: { verified: { batches: 3, orders: 5 } },
    });
    await compactArchive(careDeps());
    await database.pool.query("UPDATE archive_batches SET remove_after = clock_timestamp() - interval '1 s'");
    expect((await room.run()).counts).toMatchObject({ archived: 0, removed: 5 });
    expect(await room.rows()).toHaveLength(items.length);
  });
});

describe('restoring', () => {
  const restore = async (
    request: Partial<Parameters<typeof restoreOrders>[1]>,
  ): Promise<Record<string, string>> => {
    const outcomes: Record<string, string> = {};
    for await (const { orderId, outcome } of restoreOrders(room.deps, {
      by: 'ana',
      keepDays: 30,
      ...request,
    }))
      outcomes[orderId] = outcome;
    return outcomes;
  };

  it('puts orders back as they were, marks them, and never writes over another version', async () => {
    const items = fill(4);
    await room.run();
    const newer = order('o1', { versao: { N: '9' } });
    table.set(newer);
    expect(await restore({ orderIds: ['o0', 'o1', 'o9'], dryRun: true })).toEqual({
      o0: 'would be restored',
      o1: 'newer',
      o9: 'not archived',
    });
    expect(table.items.size).toBe(1);
    expect(await restore({ orderIds: ['o0', 'o1', 'o9'] })).toEqual({
      o0: 'restored',
      o1: 'newer',
      o9: 'not archived',
    });
    expect(canonicalItem(table.items.get('o0') as Item)).toBe(canonicalItem(items[0] as Item));
    expect(table.items.get('o1')).toBe(newer);
    expect(await restore({ orderIds: ['o0'] })).toEqual({ o0: 'there already' });
    expect(await archivedOrder(database.pool, 'o0')).toBeUndefined();
    expect(await archivedOrder(database.pool, 'o2')).toMatchObject({ areaId: 'CRD01' });
    // Not archived again at once; later only removed again.
    expect((await room.run()).counts).toMatchObject({ restored: 1, archived: 1 });
    await database.pool.query("UPDATE archive_restores SET keep_until = clock_timestamp() - interval '1 s'");
    expect((await room.run()).counts).toMatchObject({ again: 1, archived: 0, removed: 1 });
    expect((await room.rows()).filter((row) => row.ordem_id === 'o0')).toHaveLength(1);
    expect(await archivedOrder(database.pool, 'o0')).toMatchObject({ areaId: 'CRD01' });
  });

  it('takes an area and a month', async () => {
    fill(6, (at) => ({
      area_id: { S: at % 2 ? 'B' : 'A' },
      data_criacao: { S: `2024-0${1 + (at % 3)}-05T00:00:00.000Z` },
    }));
    await room.run();
    expect(Object.keys(await restore({ areaId: 'A', month: new Date('2024-01-01') })).sort()).toEqual(['o0']);
    expect(Object.keys(await restore({ areaId: 'B' })).sort()).toEqual(['o1', 'o3', 'o5']);
  });

  it('that died after its put is not undone by the next run', async () => {
    fill(1);
    await room.run();
    const lost = {
      ...table,
      put: async (item: Item) => {
        await table.put(item);
        throw new Error('the answer was lost');
      },
    };
    const dying = async (): Promise<void> => {
      for await (const _ of restoreOrders(
        { ...room.deps, table: lost },
        { orderIds: ['o0'], by: 'ana', keepDays: 30 },
      ));
    };
    await expect(dying()).rejects.toThrow('lost');
    expect((await room.run()).counts).toMatchObject({ restored: 1, removed: 0 });
    expect(table.items.size).toBe(1);
  });
});

describe("areas' own rules", () => {
  it('change the age', async () => {
    fill(4, (at) => ({ area_id: { S: at % 2 ? 'B' : 'A' } }));
    const areaAges = new Map([['B', parseAge('20y')]]);
    expect((await room.run({}, { areaAges })).counts).toMatchObject({ archived: 2, young: 2 });
    expect((await room.run({}, { areaAges: new Map(), areaId: 'C' })).counts).toMatchObject({
      archived: 0,
      read: 0,
    });
    expect((await room.run()).counts).toMatchObject({ archived: 2 });
  });
});

describe('a plan', () => {
  it('is what a run then does, and changes nothing', async () => {
    fill(9, (at) => ({ area_id: { S: `A${at % 2}` } }));
    table.set(order('open', { status_ordem: { S: 'rascunho' } }));
    const request = { table: 'ordens', olderThan: parseAge('6mo'), areaAges: new Map() };
    const plan = await planArchive(room.deps, request, { pace: { readUnits: 10, writeUnits: 10 } });
    expect(plan).toMatchObject({
      total: { read: 10, due: 9, open: 1 },
      objects: 2,
      expected: { writeUnits: 9 },
    });
    expect(plan.windows.map(({ areaId, month, orders }) => `${areaId} ${month} ${orders}`)).toEqual([
      'A0 2024-05 5',
      'A1 2024-05 4',
    ]);
    expect(table.items.size).toBe(10);
    expect((await room.run()).counts).toMatchObject({ archived: 9, batches: 2 });
  });
});

describe('erasure', () => {
  const request = (more: Partial<EraseRequest>): EraseRequest => ({
    subject: { clientId: 'maria' },
    mode: 'erase',
    reference: 'LGPD-1',
    by: 'ana',
    ...more,
  });
  const deps = () => ({
    ...careDeps(),
    liveOrders: async (ids: readonly string[]) => ids.filter((id) => table.items.has(id)),
    issuedReports: async (orders: readonly { orderId: string }[]) =>
      orders.some(({ orderId }) => orderId === 'o0') ? ['rel_1'] : [],
  });
  const withMaria = (): void => {
    fill(6, (at) => ({
      cliente_requisitante_id: { S: at < 2 ? 'maria' : 'joana' },
      metadados: { M: { nota: { S: at < 3 ? 'fala de maria' : 'nada' } } },
      participantes: {
        L: [
          {
            M: {
              cliente_participante_id: { S: at === 2 ? 'maria' : 'p1' },
              papel: { S: 'avalista' },
              metadados: { M: { cpf: { S: at === 2 ? '12345678909' : '52998224725' } } },
              logs_eventos: { L: [{ S: at < 3 ? 'maria assinou' : 'assinou' }] },
            },
          },
        ],
      },
    }));
  };
  /** Every byte that the lake and the archive's tables hold. */
  const everything = async (): Promise<string> => {
    let text = '';
    for await (const { key } of room.lake.store.list(''))
      text += (await (await room.lake.store.get(key)).bytes()).toString('latin1');
    for (const row of await room.rows())
      text += JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    for (const name of ['archive_receipts', 'archive_batches', 'archive_erasures', 'trilha_auditoria']) {
      text += JSON.stringify((await database.pool.query(`SELECT * FROM ${name}`)).rows);
    }
    return text;
  };

  it('removes what the person requested, makes the rest anonymous, in every file there is, and leaves all other proofs good', async () => {
    withMaria();
    await room.run();
    const kept = await Promise.all(['o3', 'o4', 'o5'].map(receiptOf));
    const lost = await receiptOf('o0');
    const dry = await erase(deps(), request({ dryRun: true }));
    expect(dry).toMatchObject({ erasureId: null, erased: 0, reports: ['rel_1'], live: [] });
    expect(dry.found.map(({ orderId, role }) => `${orderId} ${role}`).sort()).toEqual([
      'o0 requester',
      'o1 requester',
      'o2 participant',
    ]);
    expect(await room.rows()).toHaveLength(6);
    const done = await erase(deps(), request({}));
    expect(done).toMatchObject({ erased: 2, anonymised: 1, files: 1, reports: ['rel_1'], retained: [] });
    expect(await everything()).not.toMatch(/maria/);
    const rows = await room.rows();
    expect(rows.map((row) => row.ordem_id).sort()).toEqual(['o2', 'o3', 'o4', 'o5']);
    expect(rows.find((row) => row.ordem_id === 'o2')?.cliente_participante_id).toEqual(['anonimizado']);
    expect(rows.every((row) => itemHash(itemOf(row)) === row.hash_versao)).toBe(true);
    for (const receipt of kept) expect(await check(receipt)).toBe('valid');
    for (const id of ['o3', 'o4', 'o5']) expect(await check(await receiptOf(id))).toBe('valid');
    await expect(receiptOf('o0')).rejects.toThrow(/not in the archive/);
    await expect(receiptOf('o2')).rejects.toThrow(/not in the archive/);
    // What was handed out before still proves that it was archived; nothing here can make it again.
    expect(await check(lost)).toBe('valid');
    const { rows: trail } = await database.pool.query(
      "SELECT acao, recurso, detalhe FROM trilha_auditoria WHERE acao LIKE 'archive.%' ORDER BY sequencia",
    );
    expect(trail.map((row) => [row.acao, JSON.parse(row.detalhe).reference])).toEqual([
      ['archive.erase', 'LGPD-1'],
      ['archive.erase', 'LGPD-1'],
    ]);
  });

  it('makes anonymous where rows must stay', async () => {
    withMaria();
    await room.run();
    expect(await erase(deps(), request({ mode: 'anonymise' }))).toMatchObject({ erased: 0, anonymised: 3 });
    expect(await everything()).not.toMatch(/maria/);
    expect(await room.rows()).toHaveLength(6);
  });

  it('is refused with the ground and the date where a retention or a legal hold stands', async () => {
    withMaria();
    await room.run();
    const change = (rules: Parameters<typeof changeArea>[2]): Promise<void> =>
      transaction(database.pool, (tx) =>
        changeArea(tx, 'CRD01', rules, { by: 'ana', now: new Date('2026-02-03') }),
      );
    await change({ retentionMonths: 240 });
    const kept = await erase(deps(), request({}));
    expect(kept).toMatchObject({ erasureId: null, erased: 0 });
    expect(kept.retained[0]).toMatchObject({
      until: '2044-05-07',
      ground: expect.stringMatching(/LGPD .*art\. 16, I.*240 months/),
    });
    await change({ retentionMonths: null, hold: { reason: 'processo 123' } });
    expect((await erase(deps(), request({}))).retained[0]).toMatchObject({
      until: null,
      ground: expect.stringMatching(/art\. 16, I.*since 2026-02-03: processo 123/),
    });
    expect(await room.rows()).toHaveLength(6);
    await change({ hold: null });
    expect((await erase(deps(), request({}))).erased).toBe(2);
  });

  it('waits for the proof of what a killed run has committed', async () => {
    withMaria();
    const dying = room.run({
      fault: (point) => {
        if (point === 'after-commit') throw new Error('killed');
      },
    });
    await expect(dying).rejects.toThrow('killed');
    await expect(erase(deps(), request({}))).rejects.toThrow(/committed and not proven yet/);
    await room.run();
    expect((await erase(deps(), request({}))).erased).toBe(2);
  });

  it('names orders that are in DynamoDB too', async () => {
    withMaria();
    await room.run({ removeDelayMs: 3_600_000 });
    expect((await erase(deps(), request({ subject: { orderIds: ['o4'] } }))).live).toEqual(['o4']);
  });

  it.each(['before-erase', 'after-erase'] as const)(
    'that died %s is ended by the same call',
    async (dieAt) => {
      withMaria();
      await room.run();
      const dying = erase(
        {
          ...deps(),
          fault: (point) => {
            if (point === dieAt) throw new Error('killed');
          },
        },
        request({}),
      );
      await expect(dying).rejects.toThrow('killed');
      await erase(deps(), request({}));
      expect((await room.rows()).map((row) => row.ordem_id).sort()).toEqual(['o2', 'o3', 'o4', 'o5']);
      const later = { ...room.lake, clock: () => new Date(Date.now() + 86_400_000) };
      const { removeOrphans } = await import('../lake/maintenance.ts');
      await removeOrphans(later, archivedOrdersTable, { guardMs: 3_600_000 });
      expect(await everything()).not.toMatch(/maria/);
      expect(
        (await database.pool.query('SELECT 1 FROM archive_erasures WHERE finished_at IS NULL')).rowCount,
      ).toBe(0);
    },
  );
});

describe('the files of a receipt', () => {
  it('are what the command line writes and reads', async () => {
    fill(3);
    await room.run();
    const path = join(room.folder, 'receipt.json');
    await writeFile(path, JSON.stringify(await receiptOf('o2')));
    const { receiptShape } = await import('./receipt.ts');
    const { readFile } = await import('node:fs/promises');
    expect(await check(receiptShape.parse(JSON.parse(await readFile(path, 'utf8'))))).toBe('valid');
  });
});
