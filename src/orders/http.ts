import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { principalOf, type Routes } from '../platform/http.ts';
import { idempotencyHeader } from '../platform/idempotency.ts';
import { isMessageCursor, readMessages } from '../platform/outbox.ts';
import { Problem } from '../platform/problem.ts';
import type { Language } from '../quorum/quorum.ts';
import { areaStandards, findAreas } from './areas.ts';
import {
  type Caller,
  cancelOrder,
  findOrders,
  getOrder,
  isOrderKey,
  type OrdersDeps,
  placeOrder,
  reviewOrder,
  simulateOrder,
  visibleAreas,
} from './orders.ts';
import { areaKey, orderRequestSchema } from './request.ts';
import { reviewSchema } from './review.ts';
import {
  areasSchema,
  orderPageSchema,
  orderSchema,
  orderSummarySchema,
  simulationSchema,
  standardsSchema,
} from './view-schema.ts';

const callerOf = (request: FastifyRequest): Caller => ({
  principal: principalOf(request),
  requestId: request.id,
});

/** The language of explanations: Portuguese, unless English is wanted more (`Accept-Language`, RFC 9110). */
const languageOf = (request: FastifyRequest): Language => {
  const weights: Record<string, number> = { en: 0, pt: 0 };
  for (const wanted of (request.headers['accept-language'] ?? '').split(',')) {
    // Cut apart rather than matched with optional spaces: a header of nothing else would take a second.
    const [range = '', parameter = ''] = wanted.split(';', 2).map((part) => part.trim());
    const [, language = ''] = /^([a-z]+)(?:-[\w-]+)?$/i.exec(range) ?? [];
    const [, weight = '1'] = /^q=([\d.]+)$/i.exec(parameter) ?? [];
    const key = language.toLowerCase();
    weights[key] = Math.max(weights[key] ?? 0, Number(weight));
  }
  return (weights.en ?? 0) > (weights.pt ?? 0) ? 'en' : 'pt-BR';
};

const orderKeyParams = z.object({ orderKey: z.string().max(64) });

const instant = z.iso.datetime({ offset: true, error: 'expected an RFC 3339 instant' });

const listQuery = z.strictObject({
  areaId: areaKey.optional(),
  status: z.enum(['draft', 'processing', 'completed', 'failed']).optional(),
  waiting: z
    .enum(['waiting_partner', 'needs_review'])
    .optional()
    .describe('Only orders that wait, and for this.'),
  from: instant.optional().describe('Created at or after.'),
  to: instant.optional().describe('Created before.'),
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

const messagesQuery = z.strictObject({
  after: z
    .string()
    .max(64)
    .optional()
    .describe('The `next` of the page before; absent: from the first message.'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

const cursorKey = (cursor: string | undefined): string | undefined => {
  if (cursor === undefined || isOrderKey(cursor)) return cursor;
  throw new Problem('invalid-cursor', 'Pass the "next" of the page before, as it is.');
};

/** A body whose checks are the desk's own, because they report every violation at once; the schema documents it. */
const documentedBody = <S extends z.ZodType>(body: S) => ({
  schema: { body },
  validatorCompiler: () => (value: unknown) => ({ value }),
});

/** The routes of orders and their messages. */
export const orderRoutes =
  (deps: OrdersDeps): Routes =>
  (app) => {
    const order = documentedBody(orderRequestSchema);
    app.post(
      '/v1/orders',
      {
        config: { access: 'orders:write' },
        validatorCompiler: order.validatorCompiler,
        schema: {
          ...order.schema,
          response: { 201: orderSummarySchema },
          tags: ['orders'],
          summary: 'Creates an order',
          description:
            'Answers 201 with the draft; the decision follows by itself. With `Idempotency-Key`, the same body within 24 hours is answered again instead of done again.',
        },
      },
      async (request, reply) => {
        const placed = await placeOrder(
          deps,
          callerOf(request),
          request.body,
          idempotencyHeader(request.headers),
        );
        request.orderKey = placed.location.split('/').at(-1);
        if (placed.replayed) void reply.header('idempotent-replayed', 'true');
        return reply
          .code(placed.status as 201)
          .header('location', placed.location)
          .type('application/json')
          .serializer((text: string) => text)
          .send(placed.body as never);
      },
    );
    app.post(
      '/v1/orders/simulate',
      {
        config: { access: 'orders:write' },
        validatorCompiler: order.validatorCompiler,
        schema: {
          ...order.schema,
          response: { 200: simulationSchema },
          tags: ['orders'],
          summary: 'Decides an order without storing it',
        },
      },
      async (request) => simulateOrder(deps, callerOf(request), request.body, languageOf(request)),
    );
    app.get(
      '/v1/orders/:orderKey',
      {
        config: { access: 'orders:read' },
        schema: {
          params: orderKeyParams,
          response: { 200: orderSchema },
          tags: ['orders'],
          summary: 'Status, decision, reasons and timeline',
        },
      },
      async (request) => getOrder(deps, callerOf(request), request.params.orderKey, languageOf(request)),
    );
    app.get(
      '/v1/orders',
      {
        config: { access: 'orders:read' },
        schema: {
          querystring: listQuery,
          response: { 200: orderPageSchema },
          tags: ['orders'],
          summary: 'Lists orders, newest first',
        },
      },
      async (request) => {
        const { cursor, from, to, ...filter } = request.query;
        const page = await findOrders(deps, callerOf(request), {
          ...filter,
          from: from ? new Date(from) : undefined,
          to: to ? new Date(to) : undefined,
          after: cursorKey(cursor),
        });
        return { items: page.orders, next: page.next };
      },
    );
    app.post(
      '/v1/orders/:orderKey/cancel',
      {
        config: { access: 'orders:write' },
        schema: {
          params: orderKeyParams,
          response: { 200: orderSchema },
          tags: ['orders'],
          summary: 'Cancels an order that is not decided',
        },
      },
      async (request) => cancelOrder(deps, callerOf(request), request.params.orderKey, languageOf(request)),
    );
    app.post(
      '/v1/orders/:orderKey/review',
      {
        config: { access: 'orders:review' },
        schema: {
          params: orderKeyParams,
          body: reviewSchema,
          response: { 202: orderSchema },
          tags: ['orders'],
          summary: 'Settles what is uncertain; the order is decided again',
        },
      },
      async (request, reply) =>
        reply
          .code(202)
          .send(
            await reviewOrder(
              deps,
              callerOf(request),
              request.params.orderKey,
              request.body,
              languageOf(request),
            ),
          ),
    );
    addAreas(app, deps);
    app.get(
      '/v1/messages',
      {
        config: { access: 'orders:read' },
        schema: {
          querystring: messagesQuery,
          tags: ['messages'],
          summary: 'Result messages after a cursor',
          description:
            'At least once, in order for each order. De-duplicate by `id`; keep `next` for the next call.',
        },
      },
      async (request) => {
        const { after, limit } = request.query;
        if (after !== undefined && !isMessageCursor(after))
          throw new Problem('invalid-cursor', 'Pass the "next" of the page before, as it is.');
        return readMessages(deps.db, { areas: visibleAreas(principalOf(request)), after, limit });
      },
    );
  };

const addAreas = (app: Parameters<Routes>[0], deps: OrdersDeps): void => {
  const tags = ['areas'];
  app.get(
    '/v1/areas',
    {
      config: { access: 'orders:read' },
      schema: { response: { 200: areasSchema }, tags, summary: 'The areas that the token allows' },
    },
    async (request) => findAreas(deps, callerOf(request)),
  );
  app.get(
    '/v1/areas/:areaId/standards',
    {
      config: { access: 'orders:read' },
      schema: {
        params: z.object({ areaId: areaKey }),
        response: { 200: standardsSchema },
        tags,
        summary: 'What an order of the area may say: standards, limits, and the names of the keys',
      },
    },
    async (request) => areaStandards(deps, callerOf(request), request.params.areaId),
  );
};
