import type { Rule } from './contract.ts';
import { covers } from './people.ts';
import type { Prepared, PreparedAlternative, PreparedRule } from './prepare.ts';
import { isInside, NOBODY } from './prepare.ts';

/** An alternative of a permitting, complete rule that applies, with its numbers worked out. People are ranks. */
export type Alternative = {
  readonly rule: Rule;
  readonly id: string;
  readonly requires: readonly Requirement[];
  readonly distinct: boolean;
  readonly mandatory: readonly number[];
  /** Pairs one after the other. */
  readonly notTogether: ArrayLike<number>;
  /** The requester, where the alternative excludes one who is among the people. */
  readonly excluded: number;
  /** False when a group is empty or smaller than its minimum: nobody can satisfy it, whoever is eligible. */
  readonly possible: boolean;
};

/** `need` people out of the current `members` of a group, who count whether they are eligible or not. */
export type Requirement = {
  readonly group: string;
  readonly members: readonly number[];
  readonly need: number;
  /** The rule asks for a number, not for "all" or "majority". */
  readonly isNumber: boolean;
};

export type RuleFacts = {
  /** A complete rule that forbids applies. */
  readonly forbidden: boolean;
  /** A rule that forbids applies, whose text could not be read. */
  readonly unreadRestriction: boolean;
  /** A permitting rule applies, whose text could not be read. */
  readonly unreadRule: boolean;
  /** No permitting rule applies, read or not. */
  readonly noRule: boolean;
  readonly alternatives: readonly Alternative[];
};

/** Which rules apply to the act, and what the alternatives of the permitting ones ask for, in input order. */
export const assessRules = (prepared: Prepared): RuleFacts => {
  const membersOf = newMembership(prepared);
  const facts = { forbidden: false, unreadRestriction: false, unreadRule: false, noRule: true };
  const alternatives: Alternative[] = [];
  for (const candidate of prepared.rules) {
    if (!applies(prepared, candidate)) continue;
    const { effect, coverage } = candidate.rule;
    if (effect === 'forbid') {
      if (coverage === 'complete') facts.forbidden = true;
      else facts.unreadRestriction = true;
      continue;
    }
    facts.noRule = false;
    if (coverage === 'unknown') facts.unreadRule = true;
    for (const alternative of candidate.alternatives) {
      alternatives.push(resolve(prepared, candidate.rule, alternative, membersOf));
    }
  }
  return { ...facts, alternatives };
};

const applies = (prepared: Prepared, { rule, span }: PreparedRule): boolean => {
  const { act } = prepared.input;
  return (
    rule.power === act.power &&
    covers(rule.channels, act.channel) &&
    covers(rule.products, act.product) &&
    isInside(span, prepared.at) &&
    isInBand(rule.band, act.amountCents)
  );
};

const isInBand = (band: Rule['band'], amountCents: number | null): boolean => {
  if (band === undefined) return true;
  if (amountCents === null) return false;
  return amountCents >= (band.minCents ?? 0) && amountCents < (band.maxCents ?? Number.POSITIVE_INFINITY);
};

type MembersOf = (group: number) => { id: string; ranks: readonly number[] };

/** The current members of each group, worked out when a rule that applies first asks for them. */
const newMembership = (prepared: Prepared): MembersOf => {
  const known: ({ id: string; ranks: readonly number[] } | undefined)[] = [];
  return (index) => {
    const seen = known[index];
    if (seen) return seen;
    const group = prepared.groups[index];
    const ranks: number[] = [];
    // Memberships of one person in one group never overlap, so that nobody is counted twice here.
    for (const { rank, span } of group?.members ?? []) if (isInside(span, prepared.at)) ranks.push(rank);
    const current = { id: group?.id ?? '', ranks };
    known[index] = current;
    return current;
  };
};

const resolve = (
  prepared: Prepared,
  rule: Rule,
  alternative: PreparedAlternative,
  membersOf: MembersOf,
): Alternative => {
  let possible = true;
  const requires = alternative.requires.map(({ group, min }): Requirement => {
    const { id, ranks } = membersOf(group);
    const size = ranks.length;
    // An empty group satisfies nothing: "all" of nobody must not read as fulfilled.
    const need = typeof min === 'number' ? min : Math.max(1, min === 'all' ? size : Math.floor(size / 2) + 1);
    if (need > size) possible = false;
    return { group: id, members: ranks, need, isNumber: typeof min === 'number' };
  });
  const { id, distinct, mandatory, notTogether, excludesRequester } = alternative;
  const excluded = excludesRequester ? prepared.requester : NOBODY;
  return { rule, id, requires, distinct, mandatory, notTogether, excluded, possible };
};
