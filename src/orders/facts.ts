import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Answer,
  type Call,
  type PartnerName,
  type Partners,
  PartnerUnavailable,
  type PersonContact,
  type RecordedAnswer,
  type RegistryOperator,
} from '../partners/partners.ts';
import { type OrderParty, type OrderTerms, partiesOf } from './model.ts';
import type { PartyPowers } from './quorum-input.ts';
import type { OrderRequest } from './request.ts';

/** An answer as evidence: which question (`query`) it answers, and the body as received. */
export type EvidenceItem = RecordedAnswer & { partner: PartnerName; query: string };

/** Where answers are kept before they are used, and found again by a job that was cut off. */
export type EvidenceBook = {
  find: (partner: PartnerName, query: string) => RecordedAnswer | undefined;
  keep: (items: readonly EvidenceItem[]) => Promise<void>;
};

/** For decisions that store nothing (`simulate`). */
export const noEvidence: EvidenceBook = { find: () => undefined, keep: async () => {} };

export type PartyFacts = {
  party: OrderParty;
  /** null for a person; `'unavailable'` where the partner gave no answer. */
  powers: PartyPowers | null | 'unavailable';
  /** null where the registry was not needed or gave no answer. */
  operators: RegistryOperator[] | null;
};

export type OrderFacts = {
  parties: PartyFacts[];
  /** By CPF. null: the partner had not answered when the decision was due; only notifications need it. */
  contacts: Map<string, PersonContact> | null;
  /** Partners that gave no answer to what the decision needs, as they failed. Contacts are not needed for it. */
  missing: PartnerName[];
  /** Hashes of the answers used, for the certificate. */
  evidence: EvidenceItem[];
};

type GatherDeps = {
  partners: Pick<Partners, 'powers' | 'people' | 'registry'>;
  book: EvidenceBook;
  /** Named points that crash tests stop at. */
  reached: (point: string) => void | Promise<void>;
};

type Order = { request: OrderRequest; terms: OrderTerms };

/** Contacts are asked beside the registry; a decision that is ready waits for them no longer than this. */
const contactGraceMs = 50;

/**
 * Asks the partners what a decision needs. Every answer is kept as evidence before it is used.
 * A partner that gives no answer is a fact (`missing`), not an error: the engine decides what can be decided.
 */
export const gatherFacts = async (deps: GatherDeps, order: Order, call: Call): Promise<OrderFacts> => {
  const ask = asking(deps.book, call);
  const parties = partiesOf(order.request);

  const powers = await Promise.all(parties.map((party) => powersOf(deps, ask, order, party)));
  await deps.reached('powers-answered');
  await ask.keepNew();
  await deps.reached('powers-kept');

  const documents = documentsToReach(parties, powers, order.terms);
  const contacts = contactsOf(deps, ask, documents);
  // Whoever throws below leaves without waiting for the contacts; their failure must not end the process.
  contacts.catch(() => {});
  const operators = await Promise.all(
    parties.map((party, index) => operatorsOf(deps, ask, order, party, powers[index] ?? null)),
  );
  const told = await Promise.race([contacts, delay(contactGraceMs, null, { ref: false })]);
  await deps.reached('registry-answered');
  // Contacts may still arrive: from here on they are in none of what this decision says that it used.
  const evidence = [...ask.used];
  const missing = ask.missing.filter((partner) => partner !== 'people');
  await ask.keepNew();
  await deps.reached('evidence-kept');

  return {
    parties: parties.map((party, index) => ({
      party,
      powers: powers[index] ?? null,
      operators: operators[index] ?? null,
    })),
    contacts: told,
    missing,
    evidence,
  };
};

type Asking = ReturnType<typeof asking>;

/** One decision's questions: answered from evidence where it is there, else by the partner. */
const asking = (book: EvidenceBook, call: Call) => {
  const used: EvidenceItem[] = [];
  const fresh: EvidenceItem[] = [];
  const missing: PartnerName[] = [];
  return {
    used,
    missing,
    /** null: the partner gave no answer that may be used. */
    ask: async <T>(
      partner: PartnerName,
      query: string,
      question: (call: Call) => Promise<Answer<T>>,
    ): Promise<T | null> => {
      const recorded = book.find(partner, query);
      try {
        const answer = await question(recorded ? { ...call, recorded } : call);
        const item: EvidenceItem = {
          partner,
          query,
          raw: answer.raw,
          sha256: answer.sha256,
          receivedAt: answer.receivedAt,
        };
        used.push(item);
        if (!recorded) fresh.push(item);
        return answer.value;
      } catch (error) {
        if (!(error instanceof PartnerUnavailable)) throw error;
        if (!missing.includes(partner)) missing.push(partner);
        return null;
      }
    },
    keepNew: async (): Promise<void> => {
      const items = fresh.splice(0);
      if (items.length > 0) await book.keep(items);
    },
  };
};

const powersOf = async (
  { partners }: GatherDeps,
  { ask }: Asking,
  { request, terms }: Order,
  party: OrderParty,
): Promise<PartyPowers | null | 'unavailable'> => {
  if (party.type === 'person') return null;
  if (!terms.consultsPowers) return declaredPowers(request, party);
  const question = { company: party.document, power: request.power };
  const answer = await ask('powers', `${question.company} ${question.power}`, (call) =>
    partners.powers(question, call),
  );
  return answer ?? 'unavailable';
};

/** What the request says of a company, in the form of the partner's answer. */
const declaredPowers = (request: OrderRequest, party: OrderParty): PartyPowers => {
  const ofParty = ({ party: company = request.requester.document }: { party?: string | undefined }) =>
    company === party.document;
  const signing = request.signing?.find(ofParty);
  return {
    representatives: (request.representatives ?? [])
      .filter(ofParty)
      .map(({ document, name }) => ({ document, name, reservations: [] })),
    // Their form was checked by the engine's own reader when the order was taken (`checkDeclaredSigning`).
    groups: (signing?.groups ?? []) as PartyPowers['groups'],
    rules: (signing?.rules ?? []) as PartyPowers['rules'],
    unavailable: [],
  };
};

/** Everyone whom a notification could have to reach: all representatives, the reserved ones included. */
const documentsToReach = (
  parties: readonly OrderParty[],
  powers: readonly (PartyPowers | null | 'unavailable')[],
  terms: OrderTerms,
): string[] => {
  const documents = parties.flatMap((party, index) => {
    if (party.type === 'person') return [party.document];
    const found = powers[index];
    // Declared representatives come with their contacts.
    if (!terms.consultsPowers || found === null || found === undefined || found === 'unavailable') return [];
    return found.representatives.map((representative) => representative.document);
  });
  return [...new Set(documents)].sort();
};

const digest = (documents: readonly string[]): string =>
  createHash('sha256').update(documents.join(' ')).digest('hex').slice(0, 32);

const contactsOf = async (
  { partners }: GatherDeps,
  { ask }: Asking,
  documents: readonly string[],
): Promise<Map<string, PersonContact> | null> => {
  if (documents.length === 0) return new Map();
  const answer = await ask('people', digest(documents), (call) => partners.people(documents, call));
  return answer && new Map(answer.map((contact) => [contact.document, contact]));
};

const operatorsOf = async (
  { partners }: GatherDeps,
  { ask }: Asking,
  { terms }: Order,
  party: OrderParty,
  powers: PartyPowers | null | 'unavailable',
): Promise<RegistryOperator[] | null> => {
  if (!terms.requiresRegistry || powers === null || powers === 'unavailable') return null;
  const documents = powers.representatives.map((representative) => representative.document).sort();
  if (documents.length === 0) return [];
  const question = { company: party.document, documents };
  return ask('registry', `${party.document} ${digest(documents)}`, (call) =>
    partners.registry(question, call),
  );
};
