import { type AttributeValue, canonicalItem, type Item, textOf } from '../../src/archive/item.ts';
import type { Condition, OrdersTable, Page, PagePosition } from '../../src/archive/orders-table.ts';

export type MemoryOrders = OrdersTable & {
  readonly items: Map<string, Item>;
  readonly set: (item: Item) => void;
};

const same = (one: AttributeValue | undefined, other: AttributeValue | undefined): boolean =>
  one !== undefined && other !== undefined && canonicalItem({ v: one }) === canonicalItem({ v: other });

/** The conditions that `unchangedCondition` writes, as DynamoDB understands them. */
const holds = (item: Item | undefined, { expression, names, values }: Condition): boolean =>
  expression.split(' AND ').every((clause) => {
    const equal = /^(#\d+)=(:\d+)$/.exec(clause);
    if (equal) return same(item?.[names[equal[1] ?? ''] ?? ''], values[equal[2] ?? '']);
    const presence = /^attribute_(not_)?exists\(([^)]+)\)$/.exec(clause);
    if (!presence) throw new Error(`unknown clause ${clause}`);
    const name = names[presence[2] ?? ''] ?? presence[2] ?? '';
    return (item?.[name] !== undefined) === (presence[1] === undefined);
  });

/** DynamoDB in memory, as far as the archive uses it: for thousands of runs. `port.ts` holds it against the real ones. */
export const memoryOrders = (
  initial: readonly Item[] = [],
  options: { index?: boolean; pageSize?: number } = {},
): MemoryOrders => {
  const items = new Map<string, Item>();
  const set = (item: Item): void => void items.set(textOf(item.ordem_id) ?? '', item);
  for (const item of initial) set(item);
  const pageSize = options.pageSize ?? 100;
  const keyOf = (item: Item): string =>
    `${textOf(item.area_id)}\n${textOf(item.data_criacao)}\n${textOf(item.ordem_id)}`;
  const page = (found: Item[], position: (item: Item) => PagePosition): Page => {
    const part = found.slice(0, pageSize);
    const end = part.at(-1);
    return {
      items: part,
      units: part.length,
      ...(end && found.length > pageSize ? { next: position(end) } : {}),
    };
  };
  const indexPosition = (item: Item): PagePosition => ({
    area_id: { S: textOf(item.area_id) ?? '' },
    data_criacao: { S: textOf(item.data_criacao) ?? '' },
    ordem_id: { S: textOf(item.ordem_id) ?? '' },
  });
  const positionKey = (at: PagePosition): string =>
    `${at.area_id?.S}\n${at.data_criacao?.S}\n${at.ordem_id?.S}`;
  const segmentOf = (id: string, of: number): number =>
    [...id].reduce((sum, each) => sum + (each.codePointAt(0) ?? 0), 0) % of;
  return {
    items,
    set,
    describe: async () => ({
      name: 'ordens',
      items: items.size,
      bytes: items.size * 1_200,
      index: options.index ? { whole: true } : null,
    }),
    page: async (request) => {
      if (request.kind === 'scan') {
        const ids = [...items.keys()].filter((id) => segmentOf(id, request.of) === request.segment).sort();
        const after = request.from?.ordem_id?.S;
        const found = ids
          .filter((id) => after === undefined || id > after)
          .map((id) => items.get(id) as Item);
        return page(found, (item) => ({ ordem_id: { S: textOf(item.ordem_id) ?? '' } }));
      }
      const sorted = [...items.values()].sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
      if (request.kind === 'next area') {
        const found = sorted
          .filter((item) => !request.after || keyOf(item) > positionKey(request.after))
          .slice(0, 1);
        return { items: found, units: 0.5, ...(found[0] ? { next: indexPosition(found[0]) } : {}) };
      }
      const found = sorted.filter(
        (item) =>
          textOf(item.area_id) === request.areaId &&
          (textOf(item.data_criacao) ?? '') < request.createdBefore &&
          (!request.from || keyOf(item) > positionKey(request.from)),
      );
      return page(found, indexPosition);
    },
    get: async (ids) => {
      const found = ids.flatMap((id): Item[] => {
        const item = items.get(id);
        return item ? [item] : [];
      });
      return { items: found, units: found.length };
    },
    remove: async (id, condition) => {
      const item = items.get(id);
      if (!holds(item, condition))
        return item ? { outcome: 'changed', found: item, units: 1 } : { outcome: 'absent', units: 1 };
      items.delete(id);
      return { outcome: 'removed', old: item as Item, units: 1 };
    },
    put: async (item) => {
      const found = items.get(textOf(item.ordem_id) ?? '');
      if (found) return { outcome: 'taken', found, units: 1 };
      set(item);
      return { outcome: 'put', units: 1 };
    },
  };
};
