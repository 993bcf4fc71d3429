import type { AreaParameters, PartnerName } from '../partners/partners.ts';
import type { QuorumOutput, Verdict, VerdictReason } from '../quorum/contract.ts';
import type { OrderRequest, Party } from './request.ts';

export type OrderStatus = 'draft' | 'processing' | 'completed' | 'failed';

/** Why an order waits: a partner gave no answer, or a person must settle what the data leave open. */
export type WaitReason = 'waiting_partner' | 'needs_review';

/**
 * Why an order failed. The first six follow from the engine's output (`failureReasonOf`);
 * `undetermined` is the area's time limit, `abandoned` the retention of drafts, `cancelada` the client.
 */
export type FailureReason =
  | 'no_representatives'
  | 'all_reserved'
  | 'no_channel_access'
  | 'no_grouping'
  | 'forbidden'
  | 'no_rule'
  | 'undetermined'
  | 'abandoned'
  | 'cancelada';

export type PartyRole = 'requester' | 'guarantor';

/** The requester is party 0, the guarantors follow in the request's order. */
export type OrderParty = Party & { index: number; role: PartyRole };

export const partiesOf = (request: Pick<OrderRequest, 'requester' | 'guarantors'>): OrderParty[] =>
  [request.requester, ...request.guarantors].map((party, index) => ({
    ...party,
    index,
    role: index === 0 ? 'requester' : 'guarantor',
  }));

/** What an order keeps of the area's parameters: those in force when it was taken. */
export type OrderTerms = Pick<
  AreaParameters,
  'product' | 'evidenceMaxAgeSeconds' | 'evidenceRetentionDays' | 'draftRetentionDays' | 'notifyParticipants'
> & {
  consultsPowers: boolean;
  requiresRegistry: boolean;
};

/** A representative with what was found of it. `id` is opaque; contacts are null until the partner tells them. */
export type Participant = {
  id: string;
  document: string;
  name: string | null;
  email: string | null;
  phone: string | null;
  /** Held back by a reservation for this act: stays a representative, is not enabled. */
  reserved: boolean;
  /** May sign this order. */
  enabled: boolean;
};

export type PartyDecision = {
  party: OrderParty;
  verdict: Verdict;
  reasons: VerdictReason[];
  failureReason: FailureReason | null;
  participants: Participant[];
  /** Canonical JSON of the engine's input and output. */
  input: string;
  output: QuorumOutput;
};

export type OrderDecision = {
  verdict: Verdict;
  failureReason: FailureReason | null;
  parties: PartyDecision[];
  /** Only where the verdict is undetermined. */
  wait: { reason: WaitReason; partner: PartnerName | null } | null;
};

/** An order as the job works on it. */
export type OpenOrder = {
  orderKey: string;
  areaId: string;
  status: OrderStatus;
  request: OrderRequest;
  terms: OrderTerms;
  createdAt: Date;
  decideBy: Date;
  attempts: number;
  wait: WaitReason | null;
};

/** How the tables name the kinds and the roles of parties. */
export const personType = { company: 'pessoa_juridica', person: 'pessoa_fisica' } as const;
export const partyRole = { requester: 'requisitante', guarantor: 'garantidor' } as const;

const statusInTable = {
  draft: 'rascunho',
  processing: 'em_processamento',
  completed: 'concluido',
  failed: 'falha',
} as const satisfies Record<OrderStatus, string>;

/** The status as the tables carry it, in the domain's words. */
export const toStatusEnvelope = (status: OrderStatus): string => statusInTable[status];

export const fromStatusEnvelope = (text: string): OrderStatus => {
  const found = Object.entries(statusInTable).find(([, inTable]) => inTable === text)?.[0];
  if (!found) throw new Error(`expected a status of envelopes, found ${text}`);
  return found as OrderStatus;
};

/** The party whose decision is the order's: the first without quorum, else the first that is open, else the requester. */
export const decidingParty = (verdicts: readonly Verdict[]): number => {
  const failed = verdicts.indexOf('no_quorum');
  return failed >= 0 ? failed : Math.max(0, verdicts.indexOf('undetermined'));
};
