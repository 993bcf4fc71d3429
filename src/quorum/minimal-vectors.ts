import type { ClassAlternative, Classes, Counts } from './classes.ts';
import { noCounts } from './classes.ts';
import type { Steps } from './network.ts';
import { canFill, countFilled, mostMissing } from './network.ts';
import { findInAlternative } from './search.ts';

/** Classes and how many of each, in turn: [class, count, class, count, …]. */
export type Vector = readonly number[];

export type VectorSearch = {
  readonly classes: Classes;
  /** People who are there in any case, and who cost nothing. */
  readonly base: Counts;
  /** People to choose from; none is in `base`. */
  readonly candidates: Counts;
  readonly steps: Steps;
  /** Most vectors to find for one alternative. */
  readonly most: number;
};

export type VectorsFound = {
  readonly vectors: readonly Vector[];
  /** All of them were found. */
  readonly complete: boolean;
  /**
   * With everyone in a class of their own: the first `most` in order of size and ids are among those found,
   * even where there are more.
   */
  readonly hasFirst: boolean;
};

/**
 * The inclusion-minimal additions to `base`, out of `candidates`, with which some alternative is satisfied; as
 * vectors of classes, each of which stands for all the sets with so many people of each class. With an empty
 * base they are the minimal coalitions.
 *
 * Alternatives that take fewer people come first, and each has its share of the steps: the sets of a larger one
 * mostly contain a smaller one's, and looking for others among them can take all there are.
 */
export const findMinimalVectors = (search: VectorSearch): VectorsFound => {
  const found = new Map<string, Vector>();
  const sizes: number[] = [];
  // Only what their order takes is kept of each: the states of thousands of alternatives would not fit.
  const starts = search.classes.alternatives
    .flatMap((alternative) => {
      const state = openState(search, alternative, found, sizes, search.steps);
      return state ? { alternative, least: state.least } : [];
    })
    .sort((a, b) => a.least - b.least || a.alternative.index - b.alternative.index);
  let complete = true;
  let hasFirst = true;
  starts.forEach(({ alternative, least }, at) => {
    // What is left has only sets larger than the first ones, which have all been found.
    if (sizes.filter((size) => size < least).length >= search.most) {
      complete = false;
      return;
    }
    const state = openState(search, alternative, found, sizes, { left: 0 });
    if (!state) return;
    const share = Math.ceil(search.steps.left / (starts.length - at));
    state.steps.left = share;
    choose(state, 0, 0);
    search.steps.left -= share - state.steps.left;
    if (state.cut !== undefined) complete = false;
    if (state.cut === 'steps' || (state.cut === 'most' && !state.hasOneSize)) hasFirst = false;
  });
  return { vectors: [...found.values()], complete, hasFirst };
};

/** The vector of counts. */
export const toVector = (counts: Counts): Vector => {
  const vector: number[] = [];
  for (let own = 0; own < counts.length; own++) {
    const count = counts[own] ?? 0;
    if (count > 0) vector.push(own, count);
  }
  return vector;
};

type State = {
  readonly search: VectorSearch;
  readonly alternative: ClassAlternative;
  /**
   * What is chosen is a coalition (or its missing part) by itself, so that whoever adds nothing makes it not
   * minimal. Not so with pairs over a base: a choice may make people of the base unusable.
   */
  readonly isPlain: boolean;
  /** Classes to choose from, in order. */
  readonly order: readonly number[];
  readonly chosen: Counts;
  /** Base and choice, less the people of the base whom the choice excludes. */
  readonly present: Counts;
  /** The same and everyone who may still be chosen. */
  readonly reachable: Counts;
  /** Places that base and mandatory people fill, for a plain distinct alternative. */
  readonly filledAtStart: number;
  /** No addition for this alternative is smaller. */
  readonly least: number;
  /**
   * All additions for it have that size, and come up in the order of their ids: those of distinct alternatives,
   * which are the bases of a matroid.
   */
  readonly hasOneSize: boolean;
  readonly steps: Steps;
  readonly found: Map<string, Vector>;
  readonly sizes: number[];
  count: number;
  cut: 'steps' | 'most' | undefined;
};

/** Where the search of one alternative begins; undefined when nothing can be added that would satisfy it. */
const openState = (
  search: VectorSearch,
  alternative: ClassAlternative,
  found: Map<string, Vector>,
  sizes: number[],
  steps: Steps,
): State | undefined => {
  const { classes, base, candidates } = search;
  const { mandatory, conflicts, network, distinct } = alternative;
  const chosen = noCounts(base.length);
  const present = base.slice();
  let least = 0;
  for (const own of mandatory) {
    const size = classes.everyone[own] ?? 0;
    const missing = size - (base[own] ?? 0);
    if (missing > (candidates[own] ?? 0)) return undefined;
    chosen[own] = missing;
    present[own] = size;
    least += missing;
  }
  const reachable = present.slice();
  for (const own of network.classes) {
    if (!mandatory.includes(own)) reachable[own] = (base[own] ?? 0) + (candidates[own] ?? 0);
  }
  for (const own of mandatory) {
    for (const other of conflicts?.[own] ?? []) {
      present[other] = 0;
      reachable[other] = 0;
    }
  }
  if (!canFill(network, reachable, steps)) return undefined;
  const isPlain = conflicts === undefined || base.every((count) => count === 0);
  const hasOneSize = isPlain && distinct;
  const filledAtStart = hasOneSize ? countFilled(network, present, steps) : 0;
  if (hasOneSize) least += network.total - filledAtStart;
  else if (isPlain) least += mostMissing(network, present);
  return {
    search,
    alternative,
    isPlain,
    order: network.classes.filter((own) => !mandatory.includes(own) && (candidates[own] ?? 0) > 0),
    chosen,
    present,
    reachable,
    filledAtStart,
    least,
    hasOneSize,
    steps: { left: 0 },
    found,
    sizes,
    count: 0,
    cut: undefined,
  };
};

/** Chooses how many of the class at `index`, most first, and goes on with the next; `added` have been so far. */
const choose = (state: State, index: number, added: number): void => {
  const { search, alternative, order, chosen, present, reachable, steps } = state;
  steps.left -= CHOICE;
  if (steps.left <= 0) state.cut = 'steps';
  else if (state.count >= search.most) state.cut ??= 'most';
  if (state.cut !== undefined) return;
  if (isComplete(state, added)) {
    emit(state);
    return;
  }
  if (state.cut !== undefined) return;
  const own = order[index];
  if (own === undefined) return;
  const base = present[own] ?? 0;
  const most = (reachable[own] ?? 0) - base;
  for (let take = most; take >= 0 && state.cut === undefined; take--) {
    chosen[own] = take;
    present[own] = base + take;
    reachable[own] = base + take;
    const excluded = take > 0 ? exclude(state, own) : [];
    const isUseful = take === 0 || (isNeeded(state, own, added + take) && !holdsOther(state));
    // With everyone taken and nobody excluded, all that was reachable before still is.
    const isReachable =
      isUseful &&
      ((take === most && excluded.length === 0) || canFill(alternative.network, reachable, steps));
    if (isReachable) choose(state, index + 1, added + take);
    restore(state, excluded);
    // Fewer of this class leave even less to fill the slots with, unless that brings back whom it excludes.
    if (isUseful && !isReachable && excluded.length === 0) break;
  }
  chosen[own] = 0;
  present[own] = base;
  reachable[own] = base + most;
};

/** What a choice costs before its first flow. */
const CHOICE = 10;

/** Takes away whom a chosen class excludes; answers class, present and reachable counts for `restore`. */
const exclude = ({ alternative, present, reachable }: State, own: number): number[] => {
  const excluded: number[] = [];
  for (const other of alternative.conflicts?.[own] ?? []) {
    if (reachable[other] === 0) continue;
    excluded.push(other, present[other] ?? 0, reachable[other] ?? 0);
    present[other] = 0;
    reachable[other] = 0;
  }
  return excluded;
};

const restore = ({ present, reachable }: State, excluded: readonly number[]): void => {
  for (let i = 0; i < excluded.length; i += 3) {
    present[excluded[i] ?? 0] = excluded[i + 1] ?? 0;
    reachable[excluded[i] ?? 0] = excluded[i + 2] ?? 0;
  }
};

const isComplete = (state: State, added: number): boolean => {
  const { search, alternative, isPlain, filledAtStart, present, steps } = state;
  const { network, distinct } = alternative;
  if (isPlain && distinct) return filledAtStart + added === network.total;
  if (isPlain) return canFill(network, present, steps);
  const found = findInAlternative(search.classes, alternative, present, steps);
  if (found === 'unknown') state.cut = 'steps';
  return typeof found !== 'string';
};

/** Whether everyone chosen still fills a place that would otherwise be open. */
const isNeeded = (state: State, own: number, added: number): boolean => {
  const { alternative, isPlain, filledAtStart, present, steps } = state;
  const { network, distinct } = alternative;
  if (!isPlain) return true;
  if (!distinct) return isNeededByCounts(state, own);
  if (filledAtStart + added > network.total) return false;
  return countFilled(network, present, steps) === filledAtStart + added;
};

/** A cumulative alternative needs a class while one of its slots has no more than it asks for. */
const isNeededByCounts = (state: State, added: number): boolean => {
  const { alternative, chosen, present } = state;
  const { network, mandatory } = alternative;
  const tight = new Uint8Array(present.length);
  for (let slot = 0; slot < network.need.length; slot++) {
    const [from, to] = [network.start[slot] ?? 0, network.start[slot + 1] ?? 0];
    let have = 0;
    for (let edge = from; edge < to; edge++) have += present[network.edgeClass[edge] ?? 0] ?? 0;
    if (have > (network.need[slot] ?? 0)) continue;
    for (let edge = from; edge < to; edge++) tight[network.edgeClass[edge] ?? 0] = 1;
  }
  state.steps.left -= network.edgeClass.length + present.length;
  for (const own of network.classes) {
    if ((chosen[own] ?? 0) > 0 && tight[own] === 0 && !mandatory.includes(own)) return false;
  }
  return tight[added] === 1;
};

/**
 * Whether base and choice already satisfy another alternative and not yet this one, so that nothing more can
 * be minimal. What satisfies both is settled when it is complete.
 */
const holdsOther = (state: State): boolean => {
  const { steps } = state;
  const { classes } = state.search;
  if (classes.alternatives.length === 1) return false;
  const counts = withBase(state);
  const holds = classes.alternatives.some(
    (other) =>
      other !== state.alternative && typeof findInAlternative(classes, other, counts, steps) !== 'string',
  );
  return holds && findInAlternative(classes, state.alternative, counts, steps) === 'none';
};

/** Everyone of the base, with whom another alternative has no quarrel, and the choice. */
const withBase = ({ search, chosen, steps }: State): Counts => {
  const counts = search.base.slice();
  for (let own = 0; own < counts.length; own++) counts[own] = (counts[own] ?? 0) + (chosen[own] ?? 0);
  steps.left -= counts.length;
  return counts;
};

const emit = (state: State): void => {
  const vector = toVector(state.chosen);
  const key = vector.join(' ');
  if (state.found.has(key)) return;
  state.steps.left -= vector.length + state.chosen.length;
  if (!isMinimal(state)) return;
  state.found.set(key, vector);
  state.sizes.push(state.chosen.reduce((sum, count) => sum + count, 0));
  state.count += 1;
};

/** Whether base and choice satisfy no alternative any more once anyone chosen is gone. */
const isMinimal = (state: State): boolean => {
  const { steps } = state;
  const { classes } = state.search;
  const counts = withBase(state);
  for (const alternative of classes.alternatives) {
    const isOwn = alternative === state.alternative;
    // A plain distinct choice was built of people who are all needed.
    if (isOwn && state.isPlain && alternative.distinct) continue;
    // Most alternatives have nothing inside so few people; asking once spares asking for each person.
    if (!isOwn && findInAlternative(classes, alternative, counts, steps) === 'none') continue;
    for (let own = 0; own < counts.length; own++) {
      if (state.chosen[own] === 0) continue;
      counts[own] = (counts[own] ?? 0) - 1;
      const without = findInAlternative(classes, alternative, counts, steps);
      counts[own] = (counts[own] ?? 0) + 1;
      // Not proven to be minimal, so the list is not proven to be complete without it.
      if (without === 'unknown') state.cut = 'steps';
      if (without !== 'none') return false;
    }
  }
  return true;
};
