import type { Pool } from 'pg';

/**
 * Ids of reports whose file can still be downloaded and may hold one of these orders: made over the order's area and
 * a period that has its creation, and not about another order alone. Which rows a file has is not kept, so a report of
 * another client of the same area is named too: better one too many than one that stays.
 */
export const reportsThatMayHold = async (
  db: Pool,
  orders: readonly { readonly orderId: string; readonly areaId: string; readonly createdAt: Date }[],
): Promise<string[]> => {
  const { rows } = await db.query<{ id: string }>(
    `SELECT relatorio_id AS id FROM relatorios
     WHERE status_relatorio = 'concluido' AND EXISTS (
       SELECT FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS o (id, area, criada_em)
       WHERE coalesce(pedido->'parameters'->>'orderId', o.id) = o.id
         AND coalesce(pedido->'parameters'->>'areaId', o.area) = o.area
         AND (visao->'areas' = '"all"' OR visao->'areas' ? o.area)
         AND o.criada_em >= coalesce((pedido->>'from')::timestamptz, '-infinity')
         AND o.criada_em < coalesce((pedido->>'to')::timestamptz, 'infinity'))
     ORDER BY relatorio_id`,
    [
      orders.map(({ orderId }) => orderId),
      orders.map(({ areaId }) => areaId),
      orders.map(({ createdAt }) => createdAt),
    ],
  );
  return rows.map(({ id }) => id);
};
