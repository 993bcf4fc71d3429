import { createHash } from 'node:crypto';
import { writeCanonicalJson } from '../shared/canonical-json.ts';
import { describeAlternative } from './alternatives.ts';
import { MASK_PEOPLE } from './bits.ts';
import { decideByClasses } from './class-engine.ts';
import type { QuorumInput, QuorumOutput, Verdict, VerdictReason } from './contract.ts';
import type { Findings, Problem } from './findings.ts';
import { decideByMasks, listCoalitions, namesOf } from './mask-engine.ts';
import type { PersonFacts } from './people.ts';
import { assessPeople, eligibleRanks, repairsOf } from './people.ts';
import type { Prepared } from './prepare.ts';
import { prepare } from './prepare.ts';
import type { RuleFacts } from './rules.ts';
import { assessRules } from './rules.ts';

/** Written into every decision; it changes when any input would get another output. */
export const ENGINE_VERSION = '1';

/** A decision without the hash of its input. */
export type Decision = Omit<QuorumOutput, 'inputHash'>;

/**
 * Decides whether the people of an input may, together, sign its act. Pure: the same input gives the same
 * output, byte for byte in canonical JSON. The input must have passed `parseInput`; a TypeError is thrown
 * where it names a person, a group or a date that could not be.
 */
export const decide = (input: QuorumInput): QuorumOutput => {
  const { engineVersion, ...decision } = decidePrepared(prepare(input));
  return { ...decision, inputHash: hashOf(input), engineVersion };
};

/** `sha256:` and the hash, in lower-case hex, of the canonical form of the input as received. */
export const hashOf = (input: QuorumInput): string => {
  const hash = createHash('sha256');
  writeCanonicalJson(input, (part) => hash.update(part));
  return `sha256:${hash.digest('hex')}`;
};

/**
 * Decides a prepared input. The same input may be prepared once and decided often, with the same answer.
 * `find` is the way to search, which changes no exact answer.
 */
export const decidePrepared = (prepared: Prepared, find = findByNumbers): Decision => {
  const people = assessPeople(prepared);
  const rules = assessRules(prepared);
  const problem = toProblem(prepared, people, rules);
  const findings = find(problem);
  const isEligible = newEligibility(problem);
  const { ids, input } = prepared;
  const named = (ranks: readonly number[]): string[] => idsOf(prepared, ranks);
  return {
    ...concludeVerdict(prepared, rules, findings),
    coalitions: { ...findings.coalitions, minimal: findings.coalitions.minimal.map(named) },
    indispensable: named(findings.indispensable),
    toleratedAbsences: findings.toleratedAbsences,
    ...(findings.signed && {
      signed: { ...findings.signed, completions: findings.signed.completions.map(named) },
    }),
    people: people.map(({ status, reasons }, index) => ({
      id: input.people[index]?.id ?? '',
      status,
      reasons,
    })),
    alternatives: rules.alternatives.map((alternative, index) =>
      describeAlternative(alternative, findings.alternatives[index] ?? UNSATISFIED, isEligible),
    ),
    nearest: findings.nearest.map((way) => ({
      repairs: way.people.flatMap((rank) => repairsFor(rank, ids, people)),
      coalition: named(way.coalition),
    })),
    stableUntil: prepared.stableUntil,
    inexact: [...findings.inexact],
    engineVersion: ENGINE_VERSION,
  };
};

export type Summary = Pick<Decision, 'verdict' | 'reasons' | 'coalitions'>;

/**
 * The verdict and the coalitions of a prepared input, the same as in its decision, at a fraction of the work:
 * for going through many cases.
 */
export const summarize = (prepared: Prepared): Summary => {
  const rules = assessRules(prepared);
  const { ids, limit } = prepared;
  const coalitions =
    ids.length <= MASK_PEOPLE
      ? listCoalitions(ids.length, rules.alternatives, eligibleRanks(prepared))
      : undefined;
  if (!coalitions || coalitions.length === 0) {
    const { verdict, reasons, coalitions: found } = decidePrepared(prepared);
    return { verdict, reasons, coalitions: found };
  }
  const minimal: string[][] = [];
  const shown = Math.min(limit, coalitions.length);
  for (let i = 0; i < shown; i++) minimal.push(namesOf(coalitions[i] ?? 0, ids));
  return {
    ...concludeVerdict(prepared, rules, { byEligible: 'yes', byEligibleAndUncertain: 'yes' }),
    coalitions: { total: coalitions.length, totalExact: true, minimal },
  };
};

const idsOf = ({ ids }: Prepared, ranks: readonly number[]): string[] => {
  const named: string[] = [];
  for (let i = 0; i < ranks.length; i++) named.push(ids[ranks[i] ?? 0] ?? '');
  return named;
};

const UNSATISFIED = { satisfied: false, satisfiedButForPairs: false, filled: false };

const toProblem = (prepared: Prepared, people: readonly PersonFacts[], rules: RuleFacts): Problem => {
  const repairs: number[] = new Array(people.length).fill(0);
  const eligible: number[] = [];
  const uncertain: number[] = [];
  for (const { rank, status, reasons } of people) {
    repairs[rank] = reasons.length;
    if (status === 'eligible') eligible.push(rank);
    else if (status === 'uncertain') uncertain.push(rank);
  }
  const { alternatives } = rules;
  const { signed, limit } = prepared;
  return { people: people.length, eligible, uncertain, alternatives, signed, repairs, limit };
};

/** Few people are masks, and every coalition is listed; the others, and what is too much to list, go by classes. */
const findByNumbers = (problem: Problem): Findings =>
  (problem.people <= MASK_PEOPLE ? decideByMasks(problem) : undefined) ?? decideByClasses(problem);

const newEligibility = ({ people, eligible }: Problem): ((rank: number) => boolean) => {
  const flags = new Uint8Array(people);
  for (const rank of eligible) flags[rank] = 1;
  return (rank) => flags[rank] === 1;
};

const repairsFor = (
  rank: number,
  ids: readonly string[],
  people: readonly PersonFacts[],
): ReturnType<typeof repairsOf> => {
  const facts = people.find((person) => person.rank === rank);
  return repairsOf(ids[rank] ?? '', facts?.reasons ?? []);
};

/** The verdict in the order of the contract's steps, and every reason whose own condition holds. */
const concludeVerdict = (
  prepared: Prepared,
  rules: RuleFacts,
  findings: Pick<Findings, 'byEligible' | 'byEligibleAndUncertain'>,
): { verdict: Verdict; reasons: VerdictReason[] } => {
  const reasons: VerdictReason[] = [];
  const isUnavailable = (prepared.input.unavailable ?? []).length > 0;
  if (rules.forbidden) reasons.push('forbidden');
  if (isUnavailable) reasons.push('source_unavailable');
  if (rules.unreadRestriction) reasons.push('unread_restriction');
  const isBarred = reasons.length > 0;
  const open = findings.byEligible === 'yes' ? [] : openReasons(rules, findings);
  reasons.push(...open);

  let verdict: Verdict = 'undetermined';
  if (rules.forbidden) verdict = 'no_quorum';
  else if (!isBarred && findings.byEligible === 'yes') verdict = 'quorum';
  else if (!isBarred && (open.includes('no_rule') || open.includes('not_enough_people')))
    verdict = 'no_quorum';
  return { verdict, reasons };
};

/** Why eligible people do not satisfy an alternative. */
const openReasons = (
  rules: RuleFacts,
  findings: Pick<Findings, 'byEligible' | 'byEligibleAndUncertain'>,
): VerdictReason[] => {
  // A search that hit its bound proves nothing: neither that they cannot, nor that others could.
  if (findings.byEligible === 'unknown') return ['too_complex'];
  const reasons: VerdictReason[] = [];
  if (findings.byEligibleAndUncertain === 'yes') reasons.push('uncertain_people');
  if (rules.unreadRule) reasons.push('unread_rule');
  if (rules.noRule) reasons.push('no_rule');
  if (findings.byEligibleAndUncertain === 'unknown') reasons.push('too_complex');
  return reasons.length > 0 ? reasons : ['not_enough_people'];
};
