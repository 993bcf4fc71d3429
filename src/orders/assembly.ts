import type { Pool } from 'pg';
import type { PartnerName, Partners } from '../partners/partners.ts';
import { GiveUp, type JobContext, type Jobs, type Queue } from '../platform/jobs.ts';
import type { Log } from '../platform/log.ts';
import { planDeliveries } from '../platform/outbox.ts';
import { transaction } from '../platform/postgres.ts';
import type { SigningKeys } from '../platform/signing-keys.ts';
import type { QuorumInput } from '../quorum/contract.ts';
import { signCertificate } from '../quorum/quorum.ts';
import { newId } from '../shared/ids.ts';
import { decideOrder } from './decision.ts';
import { type EvidenceBook, type EvidenceItem, gatherFacts, type OrderFacts } from './facts.ts';
import { messageOfDecision, messageOfEnd } from './messages.ts';
import { decidingParty, type OpenOrder, type OrderDecision } from './model.ts';
import { notifyLater, notifyNow } from './notification.ts';
import { deleteParties, type Outcome, writeOutcome, writeOutcomeInBatch } from './outcome.ts';
import type { PersonIds } from './person-ids.ts';
import { insertEvidence, loadOrder } from './store.ts';

export type AssemblyJob = { orderKey: string; requestId: string; attempt: number };

/**
 * One order's assembly. `attempt` is the order's count of attempts when the job was made: a job whose count is
 * past does nothing, so that a partner that comes and goes does not multiply the jobs of the orders that wait.
 */
export const assemblyQueue: Queue<AssemblyJob> = {
  name: 'assembly',
  retryLimit: 8,
  retryDelaySeconds: 1,
  retryDelayMaxSeconds: 60,
  expireInSeconds: 120,
  urgent: true,
};

/** The places where crash tests cut the job off, in the order in which it passes them. */
export const assemblyPoints = [
  'job-started',
  'powers-answered',
  'powers-kept',
  'registry-answered',
  'evidence-kept',
  'decided',
  'outcome-written',
  'committed',
] as const;

export type AssemblyDeps = {
  db: Pool;
  jobs: Pick<Jobs, 'enqueue' | 'enqueueAll'>;
  partners: Pick<Partners, 'powers' | 'people' | 'registry' | 'notify'>;
  clock: () => Date;
  idOf: PersonIds;
  keys: SigningKeys;
  log: Log;
  sqsUrl?: string | undefined;
  /** Called at each of `assemblyPoints`. */
  reached?: (point: string) => void | Promise<void>;
};

/** The name under which the desk itself writes to timeline and audit trail. */
const author = 'lastro';

/**
 * How old an answer may be that a retried job uses again, in seconds: enough for a job that another worker
 * takes over, too little for an order that waited. An area may allow more (`evidenceMaxAgeSeconds`).
 */
const attemptSeconds = 120;

/**
 * A partner that comes back wakes its orders (`resumeWaiting`); the waits are for what no breaker notices: a
 * failure of one company's answer, or a breaker in another process. What stays wrong is asked less often.
 */
const longestWaitSeconds = (attempts: number): number => (attempts < 20 ? 15 : 120);

/**
 * Assembles one order: asks the partners, decides, commits decision, people, timeline, message and follow-up
 * jobs in one transaction, and tells the participants. It can be cut off at any point and run again, by anyone, at the same time:
 * answers are found as evidence, and only the first outcome of an open order is written.
 */
export const assemble = async (
  deps: AssemblyDeps,
  { orderKey, requestId, attempt }: AssemblyJob,
  { signal }: Pick<JobContext, 'signal'>,
): Promise<void> => {
  const reached = deps.reached ?? (() => {});
  await reached('job-started');
  const now = deps.clock();
  const loaded = await loadOrder(deps.db, { orderKey, now, freshSeconds: attemptSeconds });
  if (!loaded) throw new GiveUp(`there is no order ${orderKey}`);
  const { order, settlements } = loaded;
  // A job that was cut off after its commit may owe notifications still.
  if (order.status === 'completed') return notifyLater(deps, { orderKey, requestId });
  if (order.status === 'failed' || order.attempts > attempt) return;

  const facts = await gatherFacts(
    { partners: deps.partners, book: bookOf(deps, order, loaded.evidence), reached },
    order,
    { requestId, signal },
  );
  const at = deps.clock();
  const decision = decideOrder({ ...order, facts, settlements, at, idOf: deps.idOf });
  await reached('decided');
  if (decision.verdict === 'undetermined' && at < order.decideBy)
    return waitForMore(deps, { order, decision, at, requestId });
  await settle(deps, { order, decision, facts, at, requestId, signal, reached });
};

const bookOf = ({ db }: AssemblyDeps, order: OpenOrder, evidence: readonly EvidenceItem[]): EvidenceBook => {
  // The newest of each question: `loadOrder` gives them in order of time.
  const known = new Map(evidence.map((item) => [`${item.partner} ${item.query}`, item]));
  let draft = order.status === 'draft';
  return {
    find: (partner, query) => known.get(`${partner} ${query}`),
    keep: async (items) => {
      await insertEvidence(db, { orderKey: order.orderKey, items, markProcessing: draft });
      draft = false;
    },
  };
};

type Decided = { order: OpenOrder; decision: OrderDecision; at: Date; requestId: string };

/** Not a failure: the order stays in processing with its reason, and comes back by itself or by a review. */
const waitForMore = async (
  deps: AssemblyDeps,
  { order, decision, at, requestId }: Decided,
): Promise<void> => {
  const wait = decision.wait;
  if (!wait) throw new Error(`order ${order.orderKey} is undetermined without a reason to wait`);
  await transaction(deps.db, async (tx) => {
    await deleteParties(tx, order.orderKey);
    const open = await writeOutcome(tx, {
      ...outcomeOf(order, decision, at),
      status: 'processing',
      wait,
      event:
        order.wait === wait.reason
          ? null
          : { type: 'waiting', detail: { reason: wait.reason, partner: wait.partner } },
      action: 'order.wait',
    });
    if (!open || wait.reason !== 'waiting_partner') return;
    const untilLimit = Math.max(1, Math.ceil((order.decideBy.getTime() - at.getTime()) / 1_000));
    const afterSeconds = Math.min(
      longestWaitSeconds(order.attempts),
      2 ** Math.min(order.attempts, 10),
      untilLimit,
    );
    const next = { orderKey: order.orderKey, requestId, attempt: order.attempts + 1 };
    await deps.jobs.enqueue(tx, assemblyQueue, next, { afterSeconds });
  });
  deps.log.info({ orderKey: order.orderKey, requestId, wait }, 'order waits');
};

/** Writes the end of an order: with quorum, without, or undetermined past the area's time limit. */
const settle = async (
  deps: AssemblyDeps,
  {
    order,
    decision,
    facts,
    at,
    requestId,
    signal,
    reached,
  }: Decided & {
    facts: OrderFacts;
    signal: AbortSignal;
    reached: (point: string) => void | Promise<void>;
  },
): Promise<void> => {
  const { orderKey, areaId } = order;
  const certificates = await certify(deps, order, decision, facts);
  const completed = decision.verdict === 'quorum';
  const failureReason = decision.verdict === 'undetermined' ? 'undetermined' : decision.failureReason;
  const certificate = certificates[decidingParty(decision.parties.map(({ verdict }) => verdict))] ?? null;
  const id = newId('msg', at);
  const message =
    failureReason === 'undetermined'
      ? messageOfEnd({ id, order, reason: failureReason, at })
      : messageOfDecision({ id, orderKey, areaId, decision, failureReason, certificates, certificate, at });

  const outcome: Outcome = {
    ...outcomeOf(order, decision, at),
    status: completed ? 'completed' : 'failed',
    failureReason,
    certificates,
    event: {
      type: 'decided',
      detail: { verdict: decision.verdict, ...(failureReason ? { failureReason } : {}) },
    },
    message,
    action: 'order.decide',
  };
  const callbackUrl = order.request.callbackUrl ?? null;
  const follows = order.attempts > 0 || callbackUrl !== null || deps.sqsUrl !== undefined;
  const written = follows
    ? await transaction(deps.db, async (tx) => {
        if (order.attempts > 0) await deleteParties(tx, orderKey);
        if (!(await writeOutcome(tx, outcome))) return false;
        await planDeliveries(deps, tx, { messageId: id, orderKey, callbackUrl });
        await reached('outcome-written');
        return true;
      })
    : await writeOutcomeInBatch(deps.db, outcome);
  await reached('committed');
  if (!written) return;
  deps.log.info({ orderKey, requestId, verdict: decision.verdict, failureReason }, 'order decided');
  // Still in this job, which stays the durable record of what is owed: a job of its own for each order cost a
  // sixth of the database's time. Who can't be told now is told by the notification queue, with its long pauses.
  if (!completed || !order.terms.notifyParticipants) return;
  const people = decision.parties.flatMap(({ participants }) => participants);
  const all = await notifyNow(deps, { orderKey, areaId, people }, { requestId, signal });
  if (!all) await notifyLater(deps, { orderKey, requestId });
};

const outcomeOf = (order: OpenOrder, decision: OrderDecision, at: Date): Outcome => ({
  orderKey: order.orderKey,
  areaId: order.areaId,
  author,
  at,
  status: 'processing',
  failureReason: null,
  wait: null,
  parties: decision.parties,
  certificates: [],
  event: null,
  message: null,
  action: 'order.decide',
});

const certify = (
  { keys }: AssemblyDeps,
  order: OpenOrder,
  decision: OrderDecision,
  facts: OrderFacts,
): Promise<string[]> => {
  const evidence = facts.evidence.map(({ partner, sha256 }) => ({
    source: partner satisfies PartnerName,
    hash: `sha256:${sha256}`,
  }));
  return Promise.all(
    decision.parties.map(({ party, input, output }) =>
      signCertificate(
        { keys },
        {
          orderKey: order.orderKey,
          party: party.role === 'requester' ? 'requester' : `guarantor-${party.index}`,
          input: JSON.parse(input) as QuorumInput,
          output,
          evidence,
        },
      ),
    ),
  );
};

/** Brings back the orders that wait for a partner that answers again. */
export const resumeWaiting = async (
  { db, jobs, clock, log }: Pick<AssemblyDeps, 'db' | 'jobs' | 'clock' | 'log'>,
  partner: PartnerName,
): Promise<number> => {
  let resumed = 0;
  let after = '';
  for (;;) {
    const page = await transaction(db, async (tx) => {
      const { rows } = await tx.query<{ envelope_id: string; tentativas: number }>(
        `SELECT envelope_id, tentativas FROM envelopes
         WHERE motivo_espera IS NOT NULL AND parceiro_esperado = $1 AND envelope_id > $2
         ORDER BY envelope_id LIMIT 200`,
        [partner, after],
      );
      await jobs.enqueueAll(
        tx,
        assemblyQueue,
        rows.map(({ envelope_id: orderKey, tentativas: attempt }) => ({
          orderKey,
          requestId: newId('req', clock()),
          attempt,
        })),
      );
      return rows;
    });
    resumed += page.length;
    const last = page.at(-1);
    if (!last) break;
    after = last.envelope_id;
  }
  if (resumed > 0) log.info({ partner, resumed }, 'partner is back, waiting orders go on');
  return resumed;
};
