import { createHash } from 'node:crypto';
import type { FieldViolation } from '../platform/problem.ts';
import type { Person, QuorumInput, Reservation, Rule } from '../quorum/contract.ts';
import { parseInput } from '../quorum/quorum.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import type { Review, Settlement } from './review.ts';
import type { OrderView } from './view.ts';

/**
 * A settlement with the hash of what the reviewer looked at. The partner is asked again before the order is
 * decided: what is no longer the same thing was not settled by anyone.
 */
export type BoundSettlement = Settlement & { about: string };

const hashOf = (subject: Reservation | Rule): string =>
  createHash('sha256').update(canonicalJson(subject)).digest('hex');

/** An input in which what a reviewer settled is no longer open. Settlements of other parties must not be given. */
export const applySettlements = (input: QuorumInput, settlements: readonly BoundSettlement[]): QuorumInput =>
  settlements.length === 0
    ? input
    : {
        ...input,
        rules: input.rules.flatMap((rule) => settledRule(rule, settlements)),
        people: input.people.map((person) => settledPerson(person, settlements)),
      };

const settledPerson = (person: Person, settlements: readonly BoundSettlement[]): Person =>
  person.reservations === undefined
    ? person
    : {
        ...person,
        reservations: person.reservations.map((reservation, index): Reservation => {
          if (reservation.kind !== 'other') return reservation;
          const settled = settlements.find(
            (settlement) =>
              settlement.kind === 'reservation' &&
              settlement.person === person.id &&
              settlement.reservation === index &&
              settlement.about === hashOf(reservation),
          );
          return settled ? settledReservation(reservation, settled.outcome) : reservation;
        }),
      };

/** It holds the person back, or does not exist for this act. */
const settledReservation = (
  { text: _, kind: __, ...scope }: Extract<Reservation, { kind: 'other' }>,
  outcome: Settlement['outcome'],
): Reservation =>
  // The index of later reservations must stay what the partner's answer says, so nothing is dropped: a
  // reservation that does not apply becomes a limit that no act passes.
  outcome === 'applies'
    ? { ...scope, kind: 'suspended' }
    : { ...scope, kind: 'value_limit', maxCents: Number.MAX_SAFE_INTEGER };

/** A rule that could not be read and that a reviewer read. */
const settledRule = (rule: Rule, settlements: readonly BoundSettlement[]): Rule[] => {
  if (rule.coverage !== 'unknown') return [rule];
  const settled = settlements.find(
    (settlement) =>
      settlement.kind === 'rule' && settlement.rule === rule.id && settlement.about === hashOf(rule),
  );
  if (settled?.kind !== 'rule') return [rule];
  if (settled.outcome === 'does_not_apply') return [];
  if (rule.effect === 'forbid') return [{ ...rule, coverage: 'complete' }];
  return [{ ...rule, coverage: 'complete', alternatives: settled.alternatives ?? [] }];
};

export type CheckedSettlements =
  | { violations: FieldViolation[] }
  | { violations: []; bound: BoundSettlement[] };

/**
 * Holds a review against the last decision: each settlement must name something that it left open, once, and
 * what the reviewer read must be a rule that the engine can decide by. `inputs` are the parties' inputs.
 */
export const checkSettlements = (
  order: OrderView,
  inputs: readonly QuorumInput[],
  { settlements }: Review,
): CheckedSettlements => {
  const violations: FieldViolation[] = [];
  const bound = settlements.flatMap((settlement, index): BoundSettlement[] => {
    const pointer = `/settlements/${index}`;
    const found = subjectOf(order, inputs, settlement, pointer);
    if ('message' in found) {
      violations.push(found);
      return [];
    }
    return [{ ...settlement, about: hashOf(found) }];
  });
  violations.push(...repeated(settlements));
  if (violations.length > 0) return { violations };
  const undecidable = inputs.flatMap((input, party) => unreadable(input, party, bound));
  return undecidable.length > 0 ? { violations: undecidable } : { violations: [], bound };
};

/** What a settlement is about, or what is wrong with it. */
const subjectOf = (
  order: OrderView,
  inputs: readonly QuorumInput[],
  settlement: Settlement,
  pointer: string,
): Reservation | Rule | FieldViolation => {
  const party = order.parties[settlement.party];
  const input = inputs[settlement.party];
  if (!party || !input)
    return { pointer: `${pointer}/party`, message: `expected 0 to ${order.parties.length - 1}` };
  return settlement.kind === 'rule'
    ? ruleOf(input, settlement, pointer)
    : reservationOf(party, input, settlement, pointer);
};

const reservationOf = (
  party: OrderView['parties'][number],
  input: QuorumInput,
  { person, reservation }: Extract<Settlement, { kind: 'reservation' }>,
  pointer: string,
): Reservation | FieldViolation => {
  const isOpen = party.people
    .find(({ id }) => id === person)
    ?.reasons.some((reason) => reason.code === 'other' && reason.reservation === reservation);
  const found = input.people.find(({ id }) => id === person)?.reservations?.[reservation];
  return isOpen && found
    ? found
    : { pointer, message: 'expected a person and a reservation that are uncertain' };
};

const ruleOf = (
  input: QuorumInput,
  { rule: id, outcome, alternatives }: Extract<Settlement, { kind: 'rule' }>,
  pointer: string,
): Rule | FieldViolation => {
  const rule = input.rules.find((candidate) => candidate.id === id);
  if (rule?.coverage !== 'unknown')
    return { pointer: `${pointer}/rule`, message: 'expected a rule that could not be read' };
  const wanted = outcome === 'applies' && rule.effect !== 'forbid';
  if (wanted === (alternatives !== undefined)) return rule;
  return {
    pointer: `${pointer}/alternatives`,
    message: wanted
      ? 'expected what the text of the rule says, since it applies'
      : 'expected none: only a permitting rule that applies has alternatives',
  };
};

const repeated = (settlements: readonly Settlement[]): FieldViolation[] => {
  const seen = new Set<string>();
  return settlements.flatMap((settlement, index) => {
    const subject = canonicalJson(
      settlement.kind === 'rule'
        ? [settlement.party, settlement.rule]
        : [settlement.party, settlement.person, settlement.reservation],
    );
    const again = seen.has(subject);
    seen.add(subject);
    return again
      ? [{ pointer: `/settlements/${index}`, message: 'expected each doubt to be settled once' }]
      : [];
  });
};

/** What the engine's own reader finds wrong with the alternatives that a reviewer read. */
const unreadable = (
  input: QuorumInput,
  party: number,
  bound: readonly BoundSettlement[],
): FieldViolation[] => {
  const settled = applySettlements(
    input,
    bound.filter((settlement) => settlement.party === party),
  );
  const parsed = parseInput(settled);
  if (parsed.ok) return [];
  return parsed.violations.map(({ pointer, message }) => {
    const [, place, rest = ''] = /^\/rules\/(\d+)(\/.*)?$/.exec(pointer) ?? [];
    const rule = place === undefined ? undefined : settled.rules[Number(place)];
    const index = bound.findIndex(
      (settlement) =>
        settlement.kind === 'rule' && settlement.party === party && settlement.rule === rule?.id,
    );
    return { pointer: index < 0 ? '/settlements' : `/settlements/${index}${rest}`, message };
  });
};
