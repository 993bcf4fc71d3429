import { countBits, maskOfKey, minimalMasks, orderKey, sortUnique } from './bits.ts';
import type { AlternativeFindings, Findings, Problem } from './findings.ts';
import { MOST_WAYS } from './findings.ts';
import { smallestHittingSet } from './hitting-set.ts';
import type { MaskAlternative } from './mask-alternative.ts';
import { fills, maskOf, minimalSets, toMasks } from './mask-alternative.ts';
import { minimalSetsByTable, smallestHittingSetByTable } from './mask-table.ts';
import type { Alternative } from './rules.ts';

/**
 * Decides by listing every minimal coalition as a mask: exact in every field, or undefined when there are too
 * many to list. Up to `TABLE_PEOPLE` people it never gives up, whatever the rules say.
 */
export const decideByMasks = (problem: Problem): Findings | undefined => {
  const { people } = problem;
  const listed = listByMasks(people, problem.alternatives, problem.eligible);
  if (!listed) return undefined;
  const { alternatives, eligible, within } = listed;
  const { coalitions } = within;
  const none = coalitions.length === 0;
  const hitting = none
    ? 0
    : (smallestHittingSet(coalitions, HITTING_STEPS) ??
      (people <= HITTING_PEOPLE ? smallestHittingSetByTable(coalitions, people) : undefined));
  if (hitting === undefined) return undefined;
  const repaired = none ? repair(problem, alternatives, eligible) : { byUncertain: true, nearest: [] };
  if (!repaired) return undefined;

  let everywhere = none ? 0 : -1;
  for (const coalition of coalitions) everywhere &= coalition;
  return {
    byEligible: none ? 'no' : 'yes',
    byEligibleAndUncertain: repaired.byUncertain ? 'yes' : 'no',
    alternatives: alternatives.map((alternative, index) =>
      examine(alternative, eligible, within.satisfied[index] ?? false),
    ),
    coalitions: showCoalitions(problem, coalitions),
    indispensable: ranksOf(everywhere, people),
    toleratedAbsences: none ? null : hitting - 1,
    signed: problem.signed && complete(coalitions, maskOf(people, problem.signed) & eligible, people),
    nearest: repaired.nearest,
    inexact: [],
  };
};

/** Every minimal coalition as a mask, for who needs no more; undefined where masks are not the way. */
export const listCoalitions = (
  people: number,
  alternatives: readonly Alternative[],
  eligible: readonly number[],
): readonly number[] | undefined => listByMasks(people, alternatives, eligible)?.within.coalitions;

/** The people of a mask, each under the name for the rank. */
export const namesOf = (mask: number, ids: readonly string[]): string[] => {
  const names: string[] = [];
  for (let rest = mask; rest !== 0; ) {
    const bit = 31 - Math.clz32(rest);
    names.push(ids[ids.length - 1 - bit] ?? '');
    rest &= ~(1 << bit);
  }
  return names;
};

type Listed = {
  readonly alternatives: readonly MaskAlternative[];
  readonly eligible: number;
  readonly within: Within;
};

const listByMasks = (
  people: number,
  alternatives: readonly Alternative[],
  eligible: readonly number[],
): Listed | undefined => {
  const masks = alternatives.map((alternative) => toMasks(people, alternative));
  const pool = maskOf(people, eligible);
  const within = coalitionsWithin(masks, pool, people);
  return within && { alternatives: masks, eligible: pool, within };
};

const showCoalitions = (
  { people, limit }: Problem,
  coalitions: readonly number[],
): Findings['coalitions'] => {
  const minimal: number[][] = [];
  const shown = Math.min(limit, coalitions.length);
  for (let i = 0; i < shown; i++) minimal.push(ranksOf(coalitions[i] ?? 0, people));
  return { total: coalitions.length, totalExact: true, minimal };
};

/** Subsets of this many people fit a table, so that no number of rules makes the engine give up. */
export const TABLE_PEOPLE = 12;

/** Ways to fill an alternative, and sets in all, beyond which more people than that go to the bounded search. */
const MOST_WAYS_TO_FILL = 4000;

/** A few people more have a table as well, with so many subsets of all alternatives together, and so many sets. */
const MOST_SUBSETS = 2 ** 20;
const MOST_SETS_BY_TABLE = 16_000;

/** Looks at a set that finding the fewest absences may take before that goes by a table too. */
const HITTING_STEPS = 2_000_000;

/** Most people whose fewest absences have a table. */
const HITTING_PEOPLE = 16;

type Within = { readonly coalitions: readonly number[]; readonly satisfied: readonly boolean[] };

/** Every minimal coalition inside `pool`, by size and then by ids, and which alternatives have one. */
const coalitionsWithin = (
  alternatives: readonly MaskAlternative[],
  pool: number,
  people: number,
): Within | undefined => {
  const satisfied: boolean[] = [];
  let keys: number[] = [];
  const hasTable = people <= TABLE_PEOPLE || alternatives.length * 2 ** people <= MOST_SUBSETS;
  const most = hasTable ? MOST_SETS_BY_TABLE : MOST_WAYS_TO_FILL;
  let enough = MOST_WAYS_TO_FILL;
  for (const alternative of alternatives) {
    const found =
      minimalSets(alternative, pool, MOST_WAYS_TO_FILL) ??
      (hasTable ? minimalSetsByTable(alternative, pool, people) : undefined);
    if (!found) return undefined;
    satisfied.push(found.length > 0);
    if (keys.length === 0) keys = found;
    else for (let i = 0; i < found.length; i++) keys.push(found[i] ?? 0);
    // Repeats are dropped on the way, so that many alternatives over few people stay few sets.
    if (keys.length > Math.min(enough, most)) {
      sortUnique(keys);
      enough = Math.max(MOST_WAYS_TO_FILL, 2 * keys.length);
    }
    if (people > TABLE_PEOPLE && keys.length > most) return undefined;
  }
  sortUnique(keys);
  return {
    coalitions:
      alternatives.length === 1
        ? keys.map((key) => maskOfKey(2 ** people, key))
        : minimalMasks(2 ** people, keys, keys.length),
    satisfied,
  };
};

const examine = (alternative: MaskAlternative, eligible: number, satisfied: boolean): AlternativeFindings => {
  const filled = satisfied || fills(alternative, eligible);
  const hasMandatory = (alternative.mandatory & ~eligible) === 0;
  return { satisfied, satisfiedButForPairs: filled && hasMandatory && alternative.possible, filled };
};

const ranksOf = (mask: number, people: number): number[] => {
  const ranks: number[] = [];
  // The highest bit is the smallest rank.
  for (let rest = mask; rest !== 0; ) {
    const bit = 31 - Math.clz32(rest);
    ranks.push(people - 1 - bit);
    rest &= ~(1 << bit);
  }
  return ranks;
};

/** Whether the signers hold a coalition, else the smallest sets of people that complete one. */
const complete = (
  coalitions: readonly number[],
  signers: number,
  people: number,
): { sufficient: boolean; completions: number[][] } => {
  if (coalitions.some((coalition) => (coalition & ~signers) === 0))
    return { sufficient: true, completions: [] };
  const span = 2 ** people;
  const keys = coalitions.map((coalition) => {
    const open = coalition & ~signers;
    return orderKey(span, countBits(open), open);
  });
  sortUnique(keys);
  return {
    sufficient: false,
    completions: minimalMasks(span, keys, MOST_WAYS).map((set) => ranksOf(set, people)),
  };
};

/** What repairs would do, when eligible people have no coalition: the coalitions of everyone, less who is eligible. */
const repair = (
  problem: Problem,
  alternatives: readonly MaskAlternative[],
  eligible: number,
): { byUncertain: boolean; nearest: Findings['nearest'] } | undefined => {
  const { people, repairs } = problem;
  const within = coalitionsWithin(alternatives, 2 ** people - 1, people);
  if (!within) return undefined;
  const usable = eligible | maskOf(people, problem.uncertain);
  const weigh = (set: number): number =>
    ranksOf(set, people).reduce((sum, rank) => sum + (repairs[rank] ?? 0), 0);
  const span = 2 ** people;
  const keys = within.coalitions.map((coalition) => {
    const open = coalition & ~eligible;
    return orderKey(span, weigh(open), open);
  });
  sortUnique(keys);
  return {
    byUncertain: within.coalitions.some((coalition) => (coalition & ~usable) === 0),
    nearest: minimalMasks(span, keys, MOST_WAYS).map((open) => ({
      people: ranksOf(open, people),
      // Coalitions go by size and ids, so the first that needs no other repair is the one to show.
      coalition: ranksOf(within.coalitions.find((set) => (set & ~(eligible | open)) === 0) ?? 0, people),
    })),
  };
};
