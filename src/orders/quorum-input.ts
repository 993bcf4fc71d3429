import type { CompanyPowers, RegistryOperator } from '../partners/partners.ts';
import { withPersonIds } from '../partners/partners.ts';
import type { Operator, Person, QuorumInput, Rule } from '../quorum/contract.ts';
import type { OrderParty, OrderTerms } from './model.ts';
import type { PersonIds } from './person-ids.ts';
import type { OrderRequest } from './request.ts';
import { applySettlements, type BoundSettlement } from './settlement.ts';

/** Who represents a company and how they may sign, wherever it was learnt. Persons are named by CPF. */
export type PartyPowers = Pick<CompanyPowers, 'representatives' | 'groups' | 'rules' | 'unavailable'>;

type InputFacts = {
  orderKey: string;
  request: OrderRequest;
  terms: OrderTerms;
  party: OrderParty;
  at: Date;
  settlements: readonly BoundSettlement[];
  idOf: PersonIds;
};

const partyName = (party: OrderParty): string =>
  party.role === 'requester' ? 'requester' : `guarantor-${party.index}`;

const common = ({ orderKey, request, terms, party, at, idOf }: InputFacts) => ({
  at: at.toISOString(),
  act: {
    power: request.power,
    amountCents: request.amountCents,
    channel: request.platform,
    ...(terms.product === null ? {} : { product: terms.product }),
  },
  context: { party: partyName(party), order: orderKey },
  ...(request.requestedBy === undefined ? {} : { requester: idOf(request.requestedBy) }),
});

/** A person signs alone: one rule, of the desk itself, that names the person. */
export const personInput = (facts: InputFacts): QuorumInput => {
  const id = facts.idOf(facts.party.document);
  return {
    ...common(facts),
    requiresChannelAccess: false,
    groups: [],
    rules: [
      {
        id: 'own-signature',
        version: 1,
        coverage: 'complete',
        power: facts.request.power,
        alternatives: [{ id: 'alone', mandatory: [id] }],
      },
    ],
    people: [{ id }],
  };
};

/**
 * What the engine is asked about a company. It gets every representative, with reservations and operator
 * facts, never a filtered list: `all` and `majority` count the registered members.
 * `operators` is null where the registry was needed and did not answer.
 */
export const companyInput = (
  facts: InputFacts,
  powers: PartyPowers,
  operators: readonly RegistryOperator[] | null,
): QuorumInput => {
  const { terms, request, party, settlements, idOf } = facts;
  const { groups, rules } = withPersonIds(powers, idOf);
  const byDocument = new Map(operators?.map((operator) => [operator.document, operator]));
  const own = settlements.filter((settlement) => settlement.party === party.index);
  const open: QuorumInput = {
    ...common(facts),
    requiresChannelAccess: terms.requiresRegistry,
    ...(powers.unavailable.length > 0 ? { unavailable: [...powers.unavailable] } : {}),
    groups,
    rules: request.requestedBy === undefined ? rules.flatMap(splitByRequester) : rules,
    people: powers.representatives.map(({ document, reservations }): Person => {
      const id = idOf(document);
      return {
        id,
        ...(terms.requiresRegistry
          ? { operator: operators === null ? null : operatorOf(byDocument.get(document)) }
          : {}),
        reservations,
      };
    }),
  };
  return applySettlements(open, own);
};

const operatorOf = (found: RegistryOperator | undefined): Operator => ({
  active: found?.active ?? false,
  accountAccess: found?.accountAccess ?? false,
});

/**
 * An alternative that excludes the requester can't be read where nobody says who asks. Taking it as it is
 * would let the requester sign, dropping it would read as "no quorum": so it becomes a rule that nobody
 * could read, and a person decides.
 */
const splitByRequester = (rule: Rule): Rule[] => {
  const alternatives = rule.alternatives ?? [];
  const open = alternatives.filter((alternative) => alternative.excludesRequester !== true);
  if (open.length === alternatives.length) return [rule];
  const { alternatives: _, ...rest } = rule;
  const unread: Rule = { ...rest, id: `${rule.id}#requester-unknown`, coverage: 'unknown' };
  return open.length === 0 ? [unread] : [{ ...rule, alternatives: open }, unread];
};
