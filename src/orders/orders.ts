import type { Pool } from 'pg';
import { type AreaParameters, type Partners, PartnerUnavailable } from '../partners/partners.ts';
import type { Principal } from '../platform/auth.ts';
import { mayUseArea } from '../platform/auth.ts';
import { batched } from '../platform/batches.ts';
import {
  answeredBefore,
  answerToKeep,
  type IdempotencyKey,
  type KeptAnswer,
  keyOfBody,
  requestInProgress,
} from '../platform/idempotency.ts';
import type { Jobs } from '../platform/jobs.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import { Problem } from '../platform/problem.ts';
import type { Language } from '../quorum/quorum.ts';
import { newId } from '../shared/ids.ts';
import { isStorableText } from '../shared/storable-text.ts';
import { assemblyQueue } from './assembly.ts';
import { cancelOrder as writeCancellation } from './cancellation.ts';
import { decideOrder } from './decision.ts';
import { checkDeclaredSigning } from './declared-signing.ts';
import { rememberDimensions } from './dimensions.ts';
import { gatherFacts, noEvidence } from './facts.ts';
import { type OrderTerms, partiesOf } from './model.ts';
import type { PersonIds } from './person-ids.ts';
import { type OrderRequest, parseOrderRequest } from './request.ts';
import type { Review } from './review.ts';
import { checkSettlements } from './settlement.ts';
import { checkStandards } from './standards.ts';
import { insertOrders, insertReview, loadInputs, type NewOrder } from './store.ts';
import {
  decisionView,
  listOrders,
  type OrderFilter,
  type OrderView,
  type PartyView,
  readOrder,
} from './view.ts';

export { resumeWaiting } from './assembly.ts';
export { personIds } from './person-ids.ts';

export type OrdersDeps = {
  db: Pool;
  jobs: Pick<Jobs, 'enqueue' | 'enqueueAll'>;
  partners: Partners;
  clock: () => Date;
  idOf: PersonIds;
  /** Queue that gets every message; absent: none. */
  sqsUrl?: string | undefined;
  /** Whether an order that is not here (any more) is in the archive; absent: there is no archive. */
  archivedOrder?: (orderKey: string) => Promise<ArchivedOrder | undefined>;
  /** What is wrong with a callback address that no webhook could go to; absent: only delivery finds out. */
  callbackProblem?: (url: string) => string | undefined;
};

/** An order of the archive, as far as the API speaks of it. */
export type ArchivedOrder = { readonly areaId: string; readonly archivedAt: Date };

/** Who asks, under which request id. */
export type Caller = { principal: Principal; requestId: string };

export type PlacedOrder = KeptAnswer & { replayed: boolean };

/** The areas whose orders a principal may see; null: all. */
export const visibleAreas = ({ areas }: Principal): string[] | null => (areas.has('*') ? null : [...areas]);

/**
 * Takes an order: checked against the area's standards, then the draft, its event, its audit row, its
 * idempotent answer and its job commit in one transaction.
 * @throws Problem `validation-failed` with every violation; `forbidden` for an area of others;
 * `idempotency-key-reused`, `request-in-progress`; `partner-unavailable` where the standards can't be read.
 */
export const placeOrder = async (
  deps: OrdersDeps,
  caller: Caller,
  body: unknown,
  idempotencyKey: string | undefined,
): Promise<PlacedOrder> => {
  const key = keyOfBody(caller.principal, idempotencyKey, 'order', body);
  try {
    const accepted = await acceptOrder(deps, caller, body);
    const { order, answer } = newOrder(deps, caller, accepted, key);
    if (!(await storeOrder(deps, order))) throw requestInProgress();
    return { ...answer, replayed: false };
  } catch (error) {
    // Who may not have the order (any more) may not have the answer either.
    if (error instanceof Problem && error.type === 'forbidden') throw error;
    // Looked up only here, to spare every new order the question: a repetition fails on its key, or, while
    // partners are away or the standards have changed, before it.
    const answered = key && (await answeredBefore(deps.db, key, deps.clock()));
    if (answered) return { ...answered, replayed: true };
    throw error;
  }
};

/** Orders that come at the same time share a transaction; false: the order's Idempotency-Key is taken. */
const storeOrder = batched(
  ({ db, jobs }: Pick<OrdersDeps, 'db' | 'jobs'>, orders: readonly NewOrder[]): Promise<boolean[]> =>
    transaction(db, async (tx) => {
      const stored = await insertOrders(tx, orders);
      const taken = orders.filter((_, index) => stored[index]);
      await jobs.enqueueAll(
        tx,
        assemblyQueue,
        taken.map(({ orderKey, requestId }) => ({ orderKey, requestId, attempt: 0 })),
      );
      return stored;
    }),
);

const newOrder = (
  { clock }: OrdersDeps,
  { principal, requestId }: Caller,
  { request, terms, limitSeconds }: AcceptedOrder,
  key: IdempotencyKey | undefined,
): { order: NewOrder; answer: KeptAnswer } => {
  const now = clock();
  const orderKey = newId('ord', now);
  const decideBy = new Date(now.getTime() + limitSeconds * 1_000);
  const answer = {
    status: 201,
    location: `/v1/orders/${orderKey}`,
    body: JSON.stringify(createdView(orderKey, request, now, decideBy)),
  };
  const order = {
    orderKey,
    request,
    terms,
    participants: partiesOf(request).length,
    createdAt: now,
    decideBy,
    author: principal.subject,
    requestId,
    answer: key ? answerToKeep(key, answer, now) : null,
  };
  return { order, answer };
};

const createdView = (
  orderKey: string,
  request: OrderRequest,
  createdAt: Date,
  decideBy: Date,
): Partial<OrderView> => ({
  orderKey,
  areaId: request.areaId,
  contractId: request.contractId ?? null,
  status: 'draft',
  verdict: null,
  failureReason: null,
  waiting: null,
  platform: request.platform,
  signatureMethod: request.signatureMethod,
  power: request.power,
  amountCents: request.amountCents,
  requester: request.requester,
  guarantors: request.guarantors,
  createdAt: createdAt.toISOString(),
  decideBy: decideBy.toISOString(),
  decidedAt: null,
});

type AcceptedOrder = { request: OrderRequest; terms: OrderTerms; limitSeconds: number };

/** Reads a body and holds it against the area's standards; every violation is reported at once. */
const acceptOrder = async (
  { db, partners, callbackProblem }: OrdersDeps,
  { principal, requestId }: Caller,
  body: unknown,
): Promise<AcceptedOrder> => {
  const { request, violations } = parseOrderRequest(body);
  if (request.areaId === undefined) throw refused(violations);
  if (!mayUseArea(principal, request.areaId))
    throw new Problem('forbidden', `The token does not allow orders of the area ${request.areaId}.`);
  const call = { requestId };
  const [parameters, domains] = await Promise.all([
    partners.parameters(request.areaId, call),
    partners.domains(call),
  ]).catch((error: unknown) => {
    throw partnerProblem(error);
  });
  violations.push(...checkStandards(request, parameters.value, domains.value));
  violations.push(...checkDeclaredSigning(request));
  const unreachable = request.callbackUrl && callbackProblem?.(request.callbackUrl);
  if (unreachable) violations.push({ pointer: '/callbackUrl', message: unreachable });
  if (violations.length > 0 || parameters.value === null) throw refused(violations);
  if (!parameters.fromCache || !domains.fromCache)
    await rememberDimensions(db, parameters.value, domains.value);
  const accepted = request as OrderRequest;
  return {
    request: accepted,
    terms: termsOf(accepted, parameters.value, domains.value.platforms),
    limitSeconds: parameters.value.undeterminedLimitSeconds,
  };
};

const termsOf = (
  request: OrderRequest,
  parameters: AreaParameters,
  platforms: readonly { key: string; requiresRegistry: boolean }[],
): OrderTerms => ({
  product: parameters.product,
  evidenceMaxAgeSeconds: parameters.evidenceMaxAgeSeconds,
  evidenceRetentionDays: parameters.evidenceRetentionDays,
  draftRetentionDays: parameters.draftRetentionDays,
  notifyParticipants: parameters.notifyParticipants,
  consultsPowers: parameters.powers.some(
    ({ power, consultsPowers }) => power === request.power && consultsPowers,
  ),
  requiresRegistry: platforms.some(
    ({ key, requiresRegistry }) => key === request.platform && requiresRegistry,
  ),
});

const refused = (violations: { pointer: string; message: string }[]): Problem =>
  new Problem('validation-failed', `The order breaks ${violations.length} rule(s); see violations.`, {
    violations,
  });

/** What a client is told where a partner gives no answer; other errors stay themselves. */
export const partnerProblem = (error: unknown): unknown =>
  error instanceof PartnerUnavailable
    ? new Problem(
        'partner-unavailable',
        `The ${error.partner} system does not answer. Nothing was stored; try again.`,
        {
          headers: { 'retry-after': String(Math.max(1, Math.ceil((error.retryAfterMs ?? 2_000) / 1_000))) },
        },
      )
    : error;

export type Simulation = Pick<OrderView, 'verdict' | 'failureReason' | 'waiting'> & { parties: PartyView[] };

/**
 * The whole decision of an order that is not stored. The access itself is in the audit trail, before any
 * partner is asked about anyone.
 */
export const simulateOrder = async (
  deps: OrdersDeps,
  caller: Caller,
  body: unknown,
  language: Language,
): Promise<Simulation> => {
  const { request, terms } = await acceptOrder(deps, caller, body);
  const at = deps.clock();
  const orderKey = newId('sim', at);
  await deps.db.query(
    `INSERT INTO trilha_auditoria (quando, quem, acao, recurso, area_id, requisicao)
     VALUES ($1, $2, 'order.simulate', $3, $4, $5)`,
    [at, caller.principal.subject, orderKey, request.areaId, caller.requestId],
  );
  const facts = await gatherFacts(
    { partners: deps.partners, book: noEvidence, reached: () => {} },
    { request, terms },
    { requestId: caller.requestId },
  );
  const decision = decideOrder({ orderKey, request, terms, facts, settlements: [], at, idOf: deps.idOf });
  return {
    verdict: decision.verdict,
    failureReason: decision.failureReason,
    waiting: decision.wait,
    parties: decisionView(decision, language),
  };
};

const notFound = (orderKey: string): Problem => new Problem('not-found', `There is no order ${orderKey}.`);

/** The form of an order's key: what has another is not looked for. */
export const isOrderKey = (text: string): boolean => /^ord_[0-9A-Z]{26}$/.test(text);

/** @throws Problem `not-found`, also for an order of another area: its existence is no one else's business. */
export const getOrder = async (
  { db, archivedOrder }: Pick<OrdersDeps, 'db' | 'archivedOrder'>,
  { principal }: Pick<Caller, 'principal'>,
  orderKey: string,
  language: Language,
): Promise<OrderView> => {
  const order = isOrderKey(orderKey)
    ? await readOrder(db, orderKey, visibleAreas(principal), language)
    : null;
  if (order) return order;
  const archived = isStorableText(orderKey) ? await archivedOrder?.(orderKey) : undefined;
  // Whose area it is not learns nothing, here as elsewhere.
  if (!archived || !mayUseArea(principal, archived.areaId)) throw notFound(orderKey);
  const since = archived.archivedAt.toISOString().slice(0, 10);
  throw new Problem(
    'order-archived',
    `Order ${orderKey} was archived on ${since}. Orders older than six months are available by report only: ask for one with POST /v1/reports, naming the order.`,
    { headers: { link: '</v1/reports>; rel="related"' } },
  );
};

/** @throws Problem `forbidden` where an area is named that the token does not have. */
export const findOrders = async (
  { db }: Pick<OrdersDeps, 'db'>,
  { principal }: Pick<Caller, 'principal'>,
  filter: Omit<OrderFilter, 'areas'> & { areaId?: string | undefined },
) => {
  if (filter.areaId !== undefined && !mayUseArea(principal, filter.areaId))
    throw new Problem('forbidden', `The token does not allow orders of the area ${filter.areaId}.`);
  const areas = filter.areaId === undefined ? visibleAreas(principal) : [filter.areaId];
  return listOrders(db, { ...filter, areas });
};

/**
 * Cancels an order that is not decided yet: `failed` with `cancelada`, in one transaction with its message.
 * Cancelling a cancelled order again changes nothing.
 * @throws Problem `not-found`; `conflict` where the order is decided.
 */
export const cancelOrder = async (
  deps: OrdersDeps,
  caller: Caller,
  orderKey: string,
  language: Language,
): Promise<OrderView> => {
  const before = await getOrder(deps, caller, orderKey, language);
  if (before.failureReason === 'cancelada') return before;
  const cancelled = await transaction(deps.db, (tx) =>
    writeCancellation(deps, tx, {
      order: before,
      author: caller.principal.subject,
      requestId: caller.requestId,
    }),
  );
  const after = await getOrder(deps, caller, orderKey, language);
  if (!cancelled && after.failureReason !== 'cancelada')
    throw new Problem('conflict', `The order is ${after.status} and can't be cancelled.`);
  return after;
};

const waitsForNoReview = ({ status }: OrderView): Problem =>
  new Problem('conflict', `The order is ${status} and waits for no review.`);

/**
 * A second person settles what the data leave open; the order is then decided again by its job.
 * @throws Problem `not-found`; `conflict` where the order waits for no review; `second-person-required` for
 * the one who created it; `validation-failed` where a settlement names nothing that is uncertain.
 */
export const reviewOrder = async (
  deps: OrdersDeps,
  caller: Caller,
  orderKey: string,
  review: Review,
  language: Language,
): Promise<OrderView> => {
  const order = await getOrder(deps, caller, orderKey, language);
  if (order.status !== 'processing' || !order.waiting) throw waitsForNoReview(order);
  const author = caller.principal.subject;
  if (order.timeline.some(({ type, by }) => type === 'order_created' && by === author))
    throw new Problem('second-person-required', 'Who created an order can not review it.');
  const checked = checkSettlements(order, await loadInputs(deps.db, orderKey), review);
  if (!('bound' in checked)) throw refused(checked.violations);
  await transaction(deps.db, async (tx: Tx) => {
    const at = deps.clock();
    const attempt = await insertReview(tx, {
      ...review,
      settlements: checked.bound,
      id: newId('rev', at),
      orderKey,
      areaId: order.areaId,
      author,
      at,
      requestId: caller.requestId,
    });
    if (attempt === null) throw waitsForNoReview(await getOrder(deps, caller, orderKey, language));
    await deps.jobs.enqueue(tx, assemblyQueue, { orderKey, requestId: caller.requestId, attempt });
  });
  return getOrder(deps, caller, orderKey, language);
};
