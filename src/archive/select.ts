import { type Item, textOf } from './item.ts';
import type { OrdersTable, PagePosition, TableFacts } from './orders-table.ts';

/** Where each part of a scan has come; null: at its end. */
export type ScanPosition = readonly (PagePosition | null | undefined)[];

export type Selected = {
  /** As they are now: read consistently. */
  readonly items: readonly Item[];
  /** Of a scan: where to go on when everything up to here is archived. */
  readonly position?: ScanPosition;
};

export type SelectRequest = {
  readonly facts: TableFacts;
  /** Orders made after this cannot be old enough. */
  readonly createdBefore: Date;
  /** Parts of a scan, read side by side. */
  readonly segments: number;
  /** Where an earlier scan stopped. */
  readonly from?: ScanPosition | undefined;
  /** Only this area. */
  readonly areaId?: string | undefined;
  /** Whether an order as the index shows it may be due; the index may be a moment behind. */
  readonly mayBeDue: (item: Item) => boolean;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Every order that may be due, read consistently: by the index `por_area_data` where the table has it (area by area, in
 * order of creation), else by a scan of the whole table in parallel parts.
 */
export const selectOrders = (table: OrdersTable, request: SelectRequest): AsyncGenerator<Selected> =>
  request.facts.index ? fromIndex(table, request) : fromScan(table, request);

async function* fromScan(table: OrdersTable, request: SelectRequest): AsyncGenerator<Selected> {
  const of = request.from?.length ?? request.segments;
  const positions: (PagePosition | null | undefined)[] = [...(request.from ?? new Array(of).fill(undefined))];
  while (positions.some((position) => position !== null)) {
    request.signal?.throwIfAborted();
    const pages = await Promise.all(
      positions.map((from, segment) =>
        from === null ? null : table.page({ kind: 'scan', segment, of, ...(from ? { from } : {}) }),
      ),
    );
    const items: Item[] = [];
    for (const [segment, page] of pages.entries()) {
      if (!page) continue;
      items.push(...page.items);
      positions[segment] = page.next ?? null;
    }
    const { areaId } = request;
    yield {
      items: areaId === undefined ? items : items.filter((item) => textOf(item.area_id) === areaId),
      position: [...positions],
    };
  }
}

const getAtOnce = 100;

async function* fromIndex(table: OrdersTable, request: SelectRequest): AsyncGenerator<Selected> {
  const areas = request.areaId === undefined ? areasOf(table) : [request.areaId];
  for await (const areaId of areas) {
    let waiting: string[] = [];
    let from: PagePosition | undefined;
    do {
      request.signal?.throwIfAborted();
      const createdBefore = request.createdBefore.toISOString();
      const page = await table.page({ kind: 'area', areaId, createdBefore, ...(from ? { from } : {}) });
      from = page.next;
      for (const item of page.items) {
        const id = textOf(item.ordem_id);
        if (id !== undefined && (!request.facts.index?.whole || request.mayBeDue(item))) waiting.push(id);
      }
      for (
        ;
        waiting.length >= getAtOnce || (!from && waiting.length > 0);
        waiting = waiting.slice(getAtOnce)
      ) {
        yield { items: (await table.get(waiting.slice(0, getAtOnce))).items };
      }
    } while (from);
  }
}

/** After every instant and id that there can be. */
const last = '\u{10ffff}';

/** The areas of the index, each found by one read: the first order behind the last possible one of the area before. */
export async function* areasOf(table: OrdersTable): AsyncGenerator<string> {
  const seen = new Set<string>();
  let after: PagePosition | undefined;
  for (;;) {
    const page = await table.page({ kind: 'next area', ...(after ? { after } : {}) });
    const areaId = textOf(page.items[0]?.area_id);
    if (areaId === undefined) return;
    // Seen: the stand-in or the service does not jump; then every order is looked at, and areas still come once.
    if (!seen.has(areaId)) {
      seen.add(areaId);
      yield areaId;
      after = { area_id: { S: areaId }, data_criacao: { S: last }, ordem_id: { S: last } };
    } else if (page.next) after = page.next;
    else return;
  }
}
