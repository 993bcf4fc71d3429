import { sandboxOrder } from '../sandbox/orders.ts';
import type { AttributeValue, Item } from '../src/archive/item.ts';
import { itemBytes } from '../src/archive/item-size.ts';
import type { OrdersTable } from '../src/archive/orders-table.ts';

const until = new Date('2026-01-01T00:00:00.000Z');

/** Ways to say how large an order is: as DynamoDB counts an item, or its JSON, which is half as long again and more. */
export const sizes = {
  dynamodb: itemBytes,
  json: (item: Item): number => Buffer.byteLength(JSON.stringify(item)),
} satisfies Record<string, (item: Item) => number>;

type SizeOf = (item: Item) => number;

/** Orders of about 1.2 KB, every one due. */
const basisOf = (sizeOf: SizeOf): Item[] => {
  const items: Item[] = [];
  for (let index = 0; items.length < 2_000; index++) {
    const item = sandboxOrder(index, { count: 20_000, until }) as unknown as Item;
    const bytes = sizeOf(item);
    if (bytes < 1_050 || bytes > 1_350) continue;
    items.push({
      ...item,
      status_ordem: { S: 'concluida' },
      data_atualizacao: { S: '2025-01-01T00:00:00.000Z' },
    });
  }
  return items;
};

/** A list whose first map says another instant: no two orders have the same text in any JSON column but their rules. */
const shifted = (value: AttributeValue | undefined, name: string, at: string): AttributeValue => {
  const [first, ...others] = value !== undefined && 'L' in value ? value.L : [];
  if (!first || !('M' in first)) return value ?? { L: [] };
  return { L: [{ M: { ...first.M, [name]: { S: at } } }, ...others] };
};

const nthOrder = (basis: readonly Item[], at: number, prefix: string): Item => {
  const item = basis[at % basis.length] as Item;
  const time = new Date(1_704_067_200_000 + at * 1_237).toISOString();
  const parties = item.participantes !== undefined && 'L' in item.participantes ? item.participantes.L : [];
  return {
    ...item,
    ordem_id: { S: `${prefix}${at}` },
    area_id: { S: `A${at % 2}` },
    data_criacao: { S: `2024-0${1 + ((at >> 1) % 4)}-10T01:02:03.004Z` },
    metadados: { M: { canal: { S: 'app' }, valor_centavos: { N: String(at) }, protocolo: { S: time } } },
    notificacoes: shifted(item.notificacoes, 'quando', time),
    logs_eventos: shifted(item.logs_eventos, 'quando', time),
    participantes: {
      L: parties.map((each, party) =>
        'M' in each
          ? {
              M: {
                ...each.M,
                metadados: { M: { poder: { S: 'assina_contrato' }, ordem: { N: String(at * 4 + party) } } },
                logs_eventos: shifted(each.M.logs_eventos, 'quando', time),
              },
            }
          : each,
      ),
    },
  };
};

/** A table in memory that costs next to nothing, so that what is measured is the archive alone: eight windows. */
const costlessTable = (basis: readonly Item[], count: number, prefix: string): OrdersTable => ({
  describe: async () => ({ name: 'ordens', items: count, bytes: count * 1_200, index: null }),
  page: async (request) => {
    const from = request.kind === 'scan' ? Number(request.from?.ordem_id?.S ?? 0) : 0;
    // As many as a page of 1 MB holds.
    const to = Math.min(count, from + 800);
    const items = Array.from({ length: to - from }, (_, at) => nthOrder(basis, from + at, prefix));
    return { items, units: 0, ...(to < count ? { next: { ordem_id: { S: String(to) } } } : {}) };
  },
  get: async () => ({ items: [], units: 0 }),
  remove: async () => ({ outcome: 'absent', units: 0, repeated: true }),
  put: async () => ({ outcome: 'put', units: 0 }),
});

/** Orders of about 1.2 KB by `sizeOf`: how large they are on the average, and tables of them. */
export const costlessOrders = (
  sizeOf: SizeOf,
): { averageBytes: number; table: (count: number, prefix: string) => OrdersTable } => {
  const basis = basisOf(sizeOf);
  const bytes = basis.reduce((sum, item) => sum + sizeOf(item), 0);
  return {
    averageBytes: Math.round(bytes / basis.length),
    table: (count, prefix) => costlessTable(basis, count, prefix),
  };
};
