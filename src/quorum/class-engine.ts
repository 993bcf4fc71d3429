import { fewestAbsences } from './absences.ts';
import { listFirst } from './class-list.ts';
import type { Classes, Counts } from './classes.ts';
import { newClasses, noCounts } from './classes.ts';
import type { InexactField } from './contract.ts';
import type { AlternativeFindings, Answer, Findings, Problem } from './findings.ts';
import { MOST_WAYS } from './findings.ts';
import { canFill, newNetwork, newScratch } from './network.ts';
import type { Alternative } from './rules.ts';
import type { Found } from './search.ts';
import { findAddition, findInAlternative, findSatisfying } from './search.ts';

/** Looks at an edge of a network that each part of a decision may take. */
export type StepLimits = Readonly<
  Record<'verdict' | 'coalitions' | 'ways' | 'indispensable' | 'absences', number>
>;

const STEPS: StepLimits = {
  verdict: 6_000_000,
  coalitions: 700_000,
  ways: 300_000,
  indispensable: 1_000_000,
  absences: 1_500_000,
};

type Context = {
  readonly problem: Problem;
  readonly classes: Classes;
  readonly apart: () => Classes;
  readonly limits: StepLimits;
  readonly ones: Uint8Array;
  readonly inexact: Set<InexactField>;
};

/**
 * Decides by classes of interchangeable people and bounded search: the way for many people. What was not
 * proven is named in `inexact`. Without pairs the verdict is a matter of flows, and always exact.
 */
export const decideByClasses = (problem: Problem, limits: StepLimits = STEPS): Findings => {
  const classes = newClasses(problem);
  const context: Context = {
    problem,
    classes,
    apart: once(() => newClasses(problem, true)),
    limits,
    ones: new Uint8Array(problem.people).fill(1),
    inexact: new Set(),
  };
  const byAlternative = satisfyAlternatives(classes, limits, classes.count(problem.eligible));
  const byEligible = answerOf(byAlternative);
  const witness = byAlternative.find((found) => typeof found !== 'string');
  const coalition = minimalWithin(classes, limits, witness);
  const usable = [...problem.eligible, ...problem.uncertain];
  return {
    byEligible,
    byEligibleAndUncertain: coalition
      ? 'yes'
      : answerOf(satisfyAlternatives(classes, limits, classes.count(usable))),
    alternatives: examineAll(problem, classes, byAlternative),
    ...(coalition ? explore(context, coalition) : repair(context, byEligible === 'no')),
    inexact: FIELDS.filter((field) => context.inexact.has(field)),
  };
};

const minimalWithin = (
  classes: Classes,
  limits: StepLimits,
  satisfying: Found | undefined,
): Counts | undefined => {
  if (satisfying === undefined || typeof satisfying === 'string') return undefined;
  const none = noCounts(satisfying.length);
  return findAddition(classes, none, satisfying, { left: limits.coalitions }) ?? satisfying;
};

const once = <T>(make: () => T): (() => T) => {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
};

const FIELDS: readonly InexactField[] = [
  'coalitions',
  'indispensable',
  'toleratedAbsences',
  'signed',
  'nearest',
];

const answerOf = (found: readonly Found[]): Answer => {
  if (found.some((one) => typeof one !== 'string')) return 'yes';
  return found.includes('unknown') ? 'unknown' : 'no';
};

/** Each alternative has steps of its own, so that one hard alternative does not hide that another is easy. */
const satisfyAlternatives = (classes: Classes, limits: StepLimits, counts: Counts): Found[] => {
  const share = Math.ceil(limits.verdict / Math.max(1, classes.alternatives.length));
  return classes.alternatives.map((alternative) =>
    findInAlternative(classes, alternative, counts, { left: share }),
  );
};

const examineAll = (
  problem: Problem,
  classes: Classes,
  byAlternative: readonly Found[],
): AlternativeFindings[] => {
  const satisfied = new Set<number>();
  classes.alternatives.forEach(({ index }, at) => {
    if (typeof byAlternative[at] !== 'string') satisfied.add(index);
  });
  const isEligible = noCounts(problem.people);
  for (const rank of problem.eligible) isEligible[rank] = 1;
  return problem.alternatives.map((alternative, index) => {
    if (satisfied.has(index)) return { satisfied: true, satisfiedButForPairs: true, filled: true };
    const { mandatory, excluded, possible } = alternative;
    const filled = isFilled(alternative, isEligible);
    const hasMandatory = mandatory.every((rank) => rank !== excluded && isEligible[rank] === 1);
    return { satisfied: false, satisfiedButForPairs: filled && possible && hasMandatory, filled };
  });
};

/** Whether eligible people could fill the requirements, pairs and mandatory people aside. */
const isFilled = ({ requires, excluded, distinct }: Alternative, isEligible: Counts): boolean => {
  const slots = requires.map(({ need, members }) => ({
    need,
    classes: members.filter((rank) => rank !== excluded),
  }));
  const people = isEligible.length;
  const network = newNetwork(people, slots, undefined, distinct, newScratch(people));
  return canFill(network, isEligible, { left: 0 });
};

type Explored = Pick<Findings, 'coalitions' | 'indispensable' | 'toleratedAbsences' | 'signed' | 'nearest'>;

/** What there is to say of coalitions when there is one. */
const explore = (context: Context, coalition: Counts): Explored => {
  const { problem, classes, ones, limits, inexact } = context;
  const { eligible, limit } = problem;
  const list = listFirst({
    classes,
    apart: context.apart,
    base: [],
    candidates: eligible,
    weights: ones,
    limit,
    steps: limits.coalitions,
    known: coalition,
  });
  if (!list.totalExact) inexact.add('coalitions');
  const absences = fewestAbsences(classes, classes.count(eligible), { left: limits.absences });
  if (!absences.proven) inexact.add('toleratedAbsences');
  return {
    coalitions: { total: list.total, totalExact: list.totalExact, minimal: list.sets },
    indispensable: findIndispensable(context, coalition),
    toleratedAbsences: absences.fewest - 1,
    signed: problem.signed && complete(context, problem.signed),
    nearest: [],
  };
};

/** Who is in every coalition is in this one, and without them there is none. */
const findIndispensable = ({ problem, classes, limits, inexact }: Context, coalition: Counts): number[] => {
  const counts = classes.count(problem.eligible);
  const steps = { left: limits.indispensable };
  const ranks: number[] = [];
  for (let own = 0; own < coalition.length; own++) {
    // One who can take another's place makes neither indispensable.
    if (coalition[own] !== counts[own] || coalition[own] === 0) continue;
    if (steps.left <= 0) inexact.add('indispensable');
    const less = counts.slice();
    less[own] = (less[own] ?? 0) - 1;
    const found = findSatisfying(classes, less, steps);
    if (found === 'unknown') inexact.add('indispensable');
    if (found === 'none') ranks.push(...(classes.members[own] ?? []));
  }
  return ranks.sort((a, b) => a - b);
};

const complete = (context: Context, signed: readonly number[]): Findings['signed'] => {
  const { problem, classes, ones, limits, inexact } = context;
  const isEligible = new Set(problem.eligible);
  const signers = signed.filter((rank) => isEligible.has(rank));
  const found = findSatisfying(classes, classes.count(signers), { left: limits.ways });
  if (typeof found !== 'string') return { sufficient: true, completions: [] };
  const hasSigned = new Set(signers);
  const list = listFirst({
    classes,
    apart: context.apart,
    base: signers,
    candidates: problem.eligible.filter((rank) => !hasSigned.has(rank)),
    weights: ones,
    limit: MOST_WAYS,
    steps: limits.ways,
  });
  if (found === 'unknown' || !list.orderExact) inexact.add('signed');
  return { sufficient: false, completions: list.sets };
};

/** What repairs would do when eligible people have no coalition; nothing is said when that is not proven. */
const repair = (context: Context, isProven: boolean): Explored => {
  const { problem, classes, limits, inexact } = context;
  const nothing: Explored = {
    coalitions: { total: 0, totalExact: isProven, minimal: [] },
    indispensable: [],
    toleratedAbsences: null,
    signed: problem.signed && { sufficient: false, completions: [] },
    nearest: [],
  };
  if (!isProven) {
    for (const field of FIELDS) if (field !== 'signed' || problem.signed) inexact.add(field);
    return nothing;
  }
  const { eligible } = problem;
  const isEligible = new Set(eligible);
  const others = Array.from({ length: problem.people }, (_, rank) => rank).filter(
    (rank) => !isEligible.has(rank),
  );
  const list = listFirst({
    classes,
    apart: context.apart,
    base: eligible,
    candidates: others,
    weights: problem.repairs,
    limit: MOST_WAYS,
    steps: limits.ways,
  });
  if (!list.orderExact) inexact.add('nearest');
  return {
    ...nothing,
    nearest: list.sets.map((people) => ({ people, coalition: firstWith(context, people) })),
  };
};

/** The first coalition once these people are repaired, each of whom is in all of them. */
const firstWith = (context: Context, people: readonly number[]): number[] => {
  const { problem, classes, ones, limits, inexact } = context;
  const candidates = [...problem.eligible, ...people].sort((a, b) => a - b);
  const list = listFirst({
    classes,
    apart: context.apart,
    base: [],
    candidates,
    weights: ones,
    limit: 1,
    steps: limits.ways,
  });
  if (!list.orderExact) inexact.add('nearest');
  return list.sets[0] ?? anyWith(context, candidates);
};

/** Some coalition of these people, where the list of them was cut before its first. */
const anyWith = ({ apart: getApart, limits }: Context, people: readonly number[]): number[] => {
  const apart = getApart();
  const none = noCounts(apart.members.length);
  const found = findAddition(apart, none, apart.count(people), { left: limits.ways }) ?? none;
  return apart.members.flatMap((ranks, own) => (found[own] === 1 ? [...ranks] : [])).sort((a, b) => a - b);
};
