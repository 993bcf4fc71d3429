import { expect, it } from 'vitest';
import { canonicalItem, type Item } from '../../src/archive/item.ts';
import { type OrdersTable, type PagePosition, unchangedCondition } from '../../src/archive/orders-table.ts';
import { areasOf, selectOrders } from '../../src/archive/select.ts';
import { order } from './room.ts';

export type PortRoom = {
  readonly table: OrdersTable;
  /** Puts an order, whatever is there. */
  readonly set: (item: Item) => Promise<void>;
};

/** An order with every type of DynamoDB, nested. */
export const everyType = (id: string): Item =>
  order(id, {
    texto_vazio: { S: '' },
    emoji: { S: '👩‍⚖️ \u2028 ação' },
    exato: { N: '12345678901234567890123456789012345678' },
    pequeno: { N: '-0.00000000000000000000000000000000000001' },
    bytes: { B: Buffer.from([0, 1, 254, 255]) },
    verdade: { BOOL: false },
    nulo: { NULL: true },
    textos: { SS: ['b', 'a', 'ç'] },
    numeros: { NS: ['3', '1', '2.5'] },
    binarios: { BS: [Buffer.from([2]), Buffer.from([1, 0])] },
    fundo: {
      L: [{ L: [] }, { M: {} }, { NULL: true }, { L: [{ M: { x: { NULL: true }, $binary: { S: 'no' } } }] }],
    },
  });

const without = (item: Item, name: string): Item =>
  Object.fromEntries(Object.entries(item).filter(([key]) => key !== name));

const allOf = async (
  room: PortRoom,
  request: Partial<Parameters<typeof selectOrders>[1]>,
): Promise<Item[]> => {
  const facts = await room.table.describe();
  const found: Item[] = [];
  const whole = { createdBefore: new Date('2026-01-01'), segments: 3, mayBeDue: () => true, facts };
  for await (const { items } of selectOrders(room.table, { ...whole, ...request })) found.push(...items);
  return found;
};

const texts = (items: readonly Item[]): string[] => items.map(canonicalItem).sort();

/** What the archive relies on, asked of a table of orders, whatever stands behind it. */
export const portSuite = (open: () => PortRoom): void => {
  it('gives back every type as it was put', async () => {
    const { table, set } = open();
    await set(everyType('tipos'));
    expect(texts((await table.get(['tipos', 'absent'])).items)).toEqual(texts([everyType('tipos')]));
  });

  it('removes an order only while every attribute is as it was', async () => {
    const { table, set } = open();
    const item = everyType('condicao');
    const changes: Item[] = [
      ...Object.keys(item)
        .filter((name) => name !== 'ordem_id')
        .map((name): Item => ({ ...item, [name]: { S: 'changed' } })),
      ...Object.keys(item)
        .filter((name) => name !== 'ordem_id' && name !== 'area_id' && name !== 'data_criacao')
        .map((name): Item => without(item, name)),
      { ...item, metadados: { M: { canal: { S: 'web' }, mais: { BOOL: true } } } },
      { ...item, textos: { SS: ['a', 'b', 'd'] } },
      { ...item, numeros: { NS: ['1', '2.5'] } },
      { ...item, binarios: { BS: [Buffer.from([2]), Buffer.from([1, 1])] } },
      {
        ...item,
        fundo: {
          L: [
            { L: [] },
            { M: {} },
            { NULL: true },
            { L: [{ M: { x: { NULL: true }, $binary: { S: 'yes' } } }] },
          ],
        },
      },
      { ...item, nome_conhecido: { BOOL: true } },
    ];
    const condition = unchangedCondition(item, ['nome_conhecido']);
    for (const changed of changes) {
      await set(changed);
      const removal = await table.remove('condicao', condition as NonNullable<typeof condition>);
      expect(removal.outcome).toBe('changed');
      expect(removal.outcome === 'changed' && canonicalItem(removal.found)).toBe(canonicalItem(changed));
    }
    await set({ ...item, textos: { SS: ['ç', 'a', 'b'] }, numeros: { NS: ['1', '2.5', '3'] } });
    const removal = await table.remove('condicao', condition as NonNullable<typeof condition>);
    expect(removal.outcome === 'removed' && canonicalItem(removal.old)).toBe(canonicalItem(item));
    expect(await table.remove('condicao', condition as NonNullable<typeof condition>)).toMatchObject({
      outcome: 'absent',
    });
  });

  it('removes an order without a version by its content, and an order of 400 KB', async () => {
    const { table, set } = open();
    for (const item of [
      without(everyType('velha'), 'versao'),
      order('grande', { texto: { S: 'x'.repeat(390_000) } }),
    ]) {
      await set(item);
      const id = item.ordem_id && 'S' in item.ordem_id ? item.ordem_id.S : '';
      await set({ ...item, versao: { N: '9' } });
      expect((await table.remove(id, unchangedCondition(item) as never)).outcome).toBe('changed');
      await set(item);
      expect((await table.remove(id, unchangedCondition(item) as never)).outcome).toBe('removed');
    }
  });

  it('puts an order only where none of its id is', async () => {
    const { table } = open();
    expect(await table.put(everyType('posta'))).toMatchObject({ outcome: 'put' });
    const taken = await table.put(order('posta'));
    expect(taken.outcome).toBe('taken');
    expect(canonicalItem(taken.found as Item)).toBe(canonicalItem(everyType('posta')));
    expect((await table.remove('posta', unchangedCondition(everyType('posta')) as never)).outcome).toBe(
      'removed',
    );
  });

  it('selects every order once, by the index and by a parallel scan, in pages', async () => {
    const { table, set } = open();
    const orders = Array.from({ length: 60 }, (_, at) =>
      order(`sel${at}`, {
        area_id: { S: `SEL${at % 7}` },
        data_criacao: { S: `2024-0${1 + (at % 9)}-01T00:00:00.000Z` },
        metadados: { M: { texto: { S: 'y'.repeat(40_000) } } },
      }),
    );
    for (const item of orders) await set(item);
    const own = (items: readonly Item[]): Item[] =>
      items.filter(
        (item) => 'S' in (item.area_id ?? {}) && (item.area_id as { S: string }).S.startsWith('SEL'),
      );
    const facts = await table.describe();
    expect(facts.index).toEqual({ whole: true });
    const areas: string[] = [];
    for await (const area of areasOf(table)) areas.push(area);
    expect(areas.filter((area) => area.startsWith('SEL')).sort()).toEqual(
      Array.from({ length: 7 }, (_, at) => `SEL${at}`),
    );
    expect(new Set(areas).size).toBe(areas.length);
    expect(texts(own(await allOf({ table, set }, {})))).toEqual(texts(orders));
    expect(texts(own(await allOf({ table, set }, { facts: { ...facts, index: null } })))).toEqual(
      texts(orders),
    );
    expect(texts(await allOf({ table, set }, { areaId: 'SEL3' }))).toEqual(
      texts(orders.filter((_, at) => at % 7 === 3)),
    );
  });

  it('goes on with a scan where another stopped', async () => {
    const { table } = open();
    const ids = new Set<string>();
    let from: PagePosition | undefined;
    let pages = 0;
    do {
      const page = await table.page({
        kind: 'scan',
        segment: 0,
        of: 1,
        ...(from ? { from: JSON.parse(JSON.stringify(from)) as PagePosition } : {}),
      });
      for (const item of page.items) {
        const id = (item.ordem_id as { S: string }).S;
        expect(ids.has(id)).toBe(false);
        ids.add(id);
      }
      from = page.next;
      pages++;
    } while (from);
    expect(ids.size).toBeGreaterThanOrEqual(60);
    expect(pages).toBeGreaterThan(1);
  });
};
