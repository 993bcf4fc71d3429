import type { Operator, PersonReason, PersonStatus, QuorumInput, Repair } from './contract.ts';
import type { Prepared, PreparedPerson, PreparedReservation } from './prepare.ts';
import { isInside } from './prepare.ts';

export type PersonFacts = {
  readonly rank: number;
  readonly status: PersonStatus;
  readonly reasons: PersonReason[];
};

/** The state of each person for the act, in the order of the input, with all reasons. */
export const assessPeople = (prepared: Prepared): PersonFacts[] => {
  const needsAccess = prepared.input.requiresChannelAccess;
  return prepared.people.map((person) => assess(prepared, person, needsAccess));
};

/** The ranks of eligible people, without the reasons of the others. */
export const eligibleRanks = (prepared: Prepared): number[] => {
  const needsAccess = prepared.input.requiresChannelAccess;
  const ranks: number[] = [];
  for (const { rank, person, reservations } of prepared.people) {
    const { operator } = person;
    if (needsAccess && !(operator?.active && operator.accountAccess)) continue;
    let isHeld = false;
    for (let i = 0; i < reservations.length && !isHeld; i++) {
      const reservation = reservations[i];
      isHeld = reservation !== undefined && isInForce(prepared, reservation);
    }
    if (!isHeld) ranks.push(rank);
  }
  return ranks;
};

/**
 * What makes a person eligible who is not: one repair for each reason, in the order of the reasons. A
 * reservation that matches but does not block, such as a high enough limit, needs no repair.
 */
export const repairsOf = (person: string, reasons: readonly PersonReason[]): Repair[] =>
  reasons.map((reason): Repair => {
    switch (reason.code) {
      case 'operator_unknown':
        return { person, action: 'confirm_operator' };
      case 'operator_inactive':
        return { person, action: 'activate_operator' };
      case 'no_account_access':
        return { person, action: 'grant_account_access' };
      default:
        return { person, action: 'lift_reservation', reservation: reason.reservation };
    }
  });

/** Whether a list of a rule or reservation covers the act's value; an act without a product has none to match. */
export const covers = (list: readonly string[] | undefined, value: string | undefined): boolean =>
  list === undefined || list.length === 0 || (value !== undefined && list.includes(value));

const assess = (prepared: Prepared, prepPerson: PreparedPerson, needsAccess: boolean): PersonFacts => {
  const reasons: PersonReason[] = [];
  let status: PersonStatus = 'eligible';
  const { reservations, person, rank } = prepPerson;
  for (let index = 0; index < reservations.length; index++) {
    const reservation = reservations[index];
    if (!reservation || !isInForce(prepared, reservation)) continue;
    const { kind } = reservation.reservation;
    reasons.push({ code: kind, reservation: index });
    if (kind !== 'other') status = 'blocked';
    else if (status === 'eligible') status = 'uncertain';
  }
  if (needsAccess) status = assessOperator(person.operator, reasons, status);
  return { rank, status, reasons };
};

const assessOperator = (
  operator: Operator | null | undefined,
  reasons: PersonReason[],
  status: PersonStatus,
): PersonStatus => {
  if (!operator) {
    reasons.push({ code: 'operator_unknown' });
    return status === 'blocked' ? 'blocked' : 'uncertain';
  }
  if (!operator.active) reasons.push({ code: 'operator_inactive' });
  if (!operator.accountAccess) reasons.push({ code: 'no_account_access' });
  return operator.active && operator.accountAccess ? status : 'blocked';
};

/** Whether a reservation matches the act and either blocks it or cannot be understood. */
const isInForce = (prepared: Prepared, { reservation, span }: PreparedReservation): boolean => {
  const { act } = prepared.input;
  if (!matches(reservation, act)) return false;
  switch (reservation.kind) {
    case 'value_limit':
      return act.amountCents !== null && act.amountCents > reservation.maxCents;
    case 'validity':
      return !isInside(span, prepared.at);
    default:
      return true;
  }
};

const matches = (
  scope: { powers?: string[]; channels?: string[]; products?: string[] },
  act: QuorumInput['act'],
): boolean =>
  covers(scope.powers, act.power) &&
  covers(scope.channels, act.channel) &&
  covers(scope.products, act.product);
