import type { QuorumInput, QuorumOutput } from '../quorum/contract.ts';
import { decide, parseInput } from '../quorum/quorum.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import type { OrderFacts, PartyFacts } from './facts.ts';
import type {
  FailureReason,
  OrderDecision,
  OrderTerms,
  Participant,
  PartyDecision,
  WaitReason,
} from './model.ts';
import type { PersonIds } from './person-ids.ts';
import { companyInput, type PartyPowers, personInput } from './quorum-input.ts';
import type { OrderRequest } from './request.ts';
import type { BoundSettlement } from './settlement.ts';

type DecisionFacts = {
  orderKey: string;
  request: OrderRequest;
  terms: OrderTerms;
  facts: OrderFacts;
  settlements: readonly BoundSettlement[];
  at: Date;
  idOf: PersonIds;
};

/**
 * Decides an order from facts alone: no I/O, no clock. Every party must have quorum.
 * A party without quorum decides the order even where another is still open: waiting could change nothing.
 */
export const decideOrder = (facts: DecisionFacts): OrderDecision => {
  const order = { ...facts, idOf: remembering(facts.idOf) };
  const parties = order.facts.parties.map((party) => decideParty(order, party));
  const failed = parties.find((party) => party.verdict === 'no_quorum');
  if (failed) return { verdict: 'no_quorum', failureReason: failed.failureReason, parties, wait: null };
  const open = parties.find((party) => party.verdict === 'undetermined');
  if (open)
    return { verdict: 'undetermined', failureReason: null, parties, wait: waitOf(order.facts, parties) };
  return { verdict: 'quorum', failureReason: null, parties, wait: null };
};

/** A person is named many times in one decision, and each id is a keyed hash. */
const remembering = (idOf: PersonIds): PersonIds => {
  const known = new Map<string, string>();
  return (document) => {
    const id = known.get(document) ?? idOf(document);
    known.set(document, id);
    return id;
  };
};

/**
 * A missing answer comes first: once it is there, the person's doubt may be settled without anyone's review.
 */
const waitOf = (
  facts: OrderFacts,
  parties: readonly PartyDecision[],
): { reason: WaitReason; partner: OrderFacts['missing'][number] | null } => {
  const [partner] = facts.missing;
  if (partner) return { reason: 'waiting_partner', partner };
  const sourceAway = parties.some(({ reasons }) => reasons.includes('source_unavailable'));
  return sourceAway
    ? { reason: 'waiting_partner', partner: 'powers' }
    : { reason: 'needs_review', partner: null };
};

const decideParty = (order: DecisionFacts, { party, powers, operators }: PartyFacts): PartyDecision => {
  const facts = { ...order, party };
  if (powers === null) {
    const input = personInput(facts);
    return partyDecision(party, input, [participantOf(order, party.document, null)]);
  }
  // The engine is asked even where the partner gave nothing, so that "undetermined" has its reasons on record.
  const given = powers === 'unavailable' ? unknownPowers : powers;
  const asGiven = companyInput(facts, given, operators);
  // An answer that the engine's reader refuses is no answer: deciding by it could only be a guess.
  const decidable = parseInput(asGiven).ok;
  const known = decidable ? given : unknownPowers;
  const input = decidable ? asGiven : companyInput(facts, known, null);
  return partyDecision(
    party,
    input,
    known.representatives.map(({ document, name }) => participantOf(order, document, name)),
  );
};

const unknownPowers: PartyPowers = {
  representatives: [],
  groups: [],
  rules: [],
  unavailable: ['rules', 'groups'],
};

const participantOf = (
  { facts, request, idOf }: DecisionFacts,
  document: string,
  name: string | null,
): Pick<Participant, 'id' | 'document' | 'name' | 'email' | 'phone'> => {
  const contact = facts.contacts?.get(document);
  const declared = request.representatives?.find((representative) => representative.document === document);
  return {
    id: idOf(document),
    document,
    name: name ?? contact?.name ?? declared?.name ?? null,
    email: contact?.email ?? declared?.email ?? null,
    phone: contact?.phone ?? declared?.phone ?? null,
  };
};

const partyDecision = (
  party: PartyDecision['party'],
  input: QuorumInput,
  people: Pick<Participant, 'id' | 'document' | 'name' | 'email' | 'phone'>[],
): PartyDecision => {
  const output = decide(input);
  const status = new Map(output.people.map((person) => [person.id, person]));
  return {
    party,
    verdict: output.verdict,
    reasons: output.reasons,
    failureReason: output.verdict === 'no_quorum' ? failureReasonOf(output) : null,
    participants: people.map((person) => {
      const found = status.get(person.id);
      return {
        ...person,
        reserved: found !== undefined && isReserved(found),
        enabled: found?.status === 'eligible',
      };
    }),
    input: canonicalJson(input),
    output,
  };
};

type EnginePerson = QuorumOutput['people'][number];

const reservedBy = new Set(['value_limit', 'validity', 'suspended']);

/** Held back by a reservation that is understood. One of kind `other` leaves the person uncertain, not reserved. */
const isReserved = ({ reasons }: EnginePerson): boolean => reasons.some(({ code }) => reservedBy.has(code));

/**
 * Why there is no quorum, in the order of the flow: nobody there, nobody left after reservations, nobody left
 * in the channel, then what the rules say.
 */
export const failureReasonOf = ({ people, reasons }: QuorumOutput): FailureReason => {
  if (people.length === 0) return 'no_representatives';
  const unreserved = people.filter((person) => !isReserved(person));
  if (unreserved.length === 0) return 'all_reserved';
  if (unreserved.every(({ status }) => status === 'blocked')) return 'no_channel_access';
  if (reasons.includes('forbidden')) return 'forbidden';
  return reasons.includes('no_rule') ? 'no_rule' : 'no_grouping';
};
