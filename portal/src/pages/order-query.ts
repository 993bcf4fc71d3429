import type { Query } from '../api/client.ts';
import type { OrderSummary } from '../api/openapi.ts';
import { startOfDay } from '../format.ts';
import { orderStatus } from '../words/words.ts';

const pageSize = 25;

/** The question to the API that the address of the page stands for. */
export const orderQuery = (query: URLSearchParams): Query<'GET /v1/orders'> => {
  const text = (name: string): string | undefined => query.get(name) || undefined;
  const from = startOfDay(query.get('de') ?? '');
  const to = startOfDay(query.get('ate') ?? '', 1);
  const status = Object.keys(orderStatus).find((one) => one === query.get('situacao'));
  return {
    limit: pageSize,
    ...(text('area') ? { areaId: text('area') as string } : {}),
    ...(status ? { status: status as OrderSummary['status'] } : {}),
    ...(from ? { from } : {}),
    ...(to ? { to } : {}),
    ...(text('cursor') ? { cursor: text('cursor') as string } : {}),
  };
};
