import type { ClassAlternative, Classes, Counts } from './classes.ts';
import type { Steps } from './network.ts';
import { canFill, countFilled } from './network.ts';
import { dropConflicting, findInAlternative } from './search.ts';

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
  /** By alternative that was not searched to its end for want of steps: none means that `most` is the only limit met. */
  readonly outOfSteps: boolean;
};

/**
 * The inclusion-minimal additions to `base`, out of `candidates`, with which some alternative is satisfied; as
 * vectors of classes, each of which stands for all the sets with so many people of each class. With an empty
 * base they are the minimal coalitions.
 */
export const findMinimalVectors = (search: VectorSearch): VectorsFound => {
  const found = new Map<string, Vector>();
  let complete = true;
  for (const alternative of search.classes.alternatives) {
    if (!searchAlternative(search, alternative, found)) complete = false;
    if (search.steps.left <= 0) break;
  }
  const outOfSteps = search.steps.left <= 0;
  return { vectors: [...found.values()], complete: complete && !outOfSteps, outOfSteps };
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
  /** Places that base and mandatory people fill, for a plain distinct alternative. */
  readonly filledAtStart: number;
  readonly found: Map<string, Vector>;
  count: number;
  isCut: boolean;
};

/** Adds what one alternative gives; false when it was cut short. */
const searchAlternative = (
  search: VectorSearch,
  alternative: ClassAlternative,
  found: Map<string, Vector>,
): boolean => {
  const { classes, base, candidates, steps } = search;
  const chosen = new Int32Array(base.length);
  const barred = new Uint8Array(base.length);
  for (const own of alternative.mandatory) {
    const size = classes.everyone[own] ?? 0;
    if ((base[own] ?? 0) + (candidates[own] ?? 0) < size) return true;
    chosen[own] = size - (base[own] ?? 0);
    for (const other of alternative.conflicts?.get(own) ?? []) barred[other] = 1;
  }
  const isMandatory = new Set(alternative.mandatory);
  const order = alternative.network.classes.filter(
    (own) => (candidates[own] ?? 0) > 0 && !isMandatory.has(own) && barred[own] === 0,
  );
  const isPlain = alternative.conflicts === undefined || base.every((count) => count === 0);
  const start = sum(base, chosen);
  const filledAtStart = isPlain && alternative.distinct ? countFilled(alternative.network, start, steps) : 0;
  const state: State = {
    search,
    alternative,
    isPlain,
    order,
    chosen,
    filledAtStart,
    found,
    count: 0,
    isCut: false,
  };
  const rest = new Int32Array(base.length);
  for (const own of order) rest[own] = candidates[own] ?? 0;
  if (isFeasible(state, rest)) choose(state, 0, 0, rest);
  return !state.isCut;
};

const sum = (a: Counts, b: Counts): Counts => Int32Array.from(a, (count, own) => count + (b[own] ?? 0));

/** The people of base and choice, less those of the base whom the choice excludes. */
const present = ({ search, alternative, chosen }: State): Counts => {
  const counts = sum(search.base, chosen);
  if (!alternative.conflicts) return counts;
  for (const own of alternative.conflicts.keys()) {
    if ((chosen[own] ?? 0) === 0) continue;
    for (const other of alternative.conflicts.get(own) ?? []) counts[other] = chosen[other] ?? 0;
  }
  return counts;
};

/** Whether choice and rest can still fill every slot, pairs within the rest aside. */
const isFeasible = (state: State, rest: Counts): boolean =>
  canFill(state.alternative.network, sum(present(state), rest), state.search.steps);

/** Chooses how many of the class at `index`, most first, and goes on with the next; `added` have been so far. */
const choose = (state: State, index: number, added: number, rest: Counts): void => {
  const { search, alternative, order, chosen } = state;
  if (isCut(state)) return;
  if (isComplete(state, added)) {
    emit(state);
    return;
  }
  const own = order[index];
  if (own === undefined) return;
  const available = rest[own] ?? 0;
  for (let take = available; take >= 0 && !state.isCut; take--) {
    chosen[own] = take;
    const after = rest.slice();
    after[own] = 0;
    if (take > 0) dropConflicting(alternative, own, after);
    if (take > 0 && (!isNeeded(state, own, added + take) || holdsOther(state))) continue;
    if ((take < available || alternative.conflicts) && !isFeasible(state, after)) {
      // Fewer of this class leave even less to fill the slots with; without it, what it excludes is back.
      if (take > 0 && alternative.conflicts) continue;
      break;
    }
    choose(state, index + 1, added + take, after);
  }
  chosen[own] = 0;
  search.steps.left -= order.length;
};

const isCut = (state: State): boolean => {
  if (state.search.steps.left <= 0 || state.count >= state.search.most) state.isCut = true;
  return state.isCut;
};

const isComplete = (state: State, added: number): boolean => {
  const { search, alternative, isPlain, filledAtStart } = state;
  const { network } = alternative;
  if (isPlain && network.distinct) return filledAtStart + added === network.total;
  if (isPlain) return canFill(network, present(state), search.steps);
  return typeof findInAlternative(search.classes, alternative, present(state), search.steps) !== 'string';
};

/** Whether everyone chosen still fills a place that would otherwise be open. */
const isNeeded = (state: State, own: number, added: number): boolean => {
  const { search, alternative, isPlain, filledAtStart, chosen } = state;
  const { network } = alternative;
  if (!isPlain) return true;
  if (network.distinct) {
    if (filledAtStart + added > network.total) return false;
    return countFilled(network, present(state), search.steps) === filledAtStart + added;
  }
  return isCumulativelyNeeded(state, own, chosen);
};

/** A class is needed while one of its slots has no more than it asks for. */
const isCumulativelyNeeded = (state: State, added: number, chosen: Counts): boolean => {
  const { network, mandatory } = state.alternative;
  const counts = present(state);
  const tight = new Uint8Array(counts.length);
  for (let slot = 0; slot < network.need.length; slot++) {
    const [from, to] = [network.start[slot] ?? 0, network.start[slot + 1] ?? 0];
    let have = 0;
    for (let edge = from; edge < to; edge++) have += counts[network.edgeClass[edge] ?? 0] ?? 0;
    if (have > (network.need[slot] ?? 0)) continue;
    for (let edge = from; edge < to; edge++) tight[network.edgeClass[edge] ?? 0] = 1;
  }
  state.search.steps.left -= network.edgeClass.length;
  for (const own of network.classes) {
    if ((chosen[own] ?? 0) > 0 && tight[own] === 0 && !mandatory.includes(own)) return false;
  }
  return tight[added] === 1;
};

/** Whether base and choice already satisfy another alternative, so that adding more could not be minimal. */
const holdsOther = (state: State): boolean => {
  const { classes, steps, base } = state.search;
  if (classes.alternatives.length === 1) return false;
  const counts = sum(base, state.chosen);
  // What completes this alternative too may still be minimal: that is settled when it is.
  let isDone: boolean | undefined;
  for (const other of classes.alternatives) {
    if (other === state.alternative) continue;
    const found = findInAlternative(classes, other, counts, steps);
    if (typeof found === 'string') continue;
    isDone ??= typeof findInAlternative(classes, state.alternative, counts, steps) !== 'string';
    if (!isDone) return true;
  }
  return false;
};

const emit = (state: State): void => {
  const { search, chosen, found } = state;
  const vector = toVector(chosen);
  const key = vector.join(' ');
  if (found.has(key)) return;
  search.steps.left -= vector.length;
  if (!isMinimal(state)) return;
  found.set(key, vector);
  state.count += 1;
};

/** Whether base and choice satisfy no alternative any more once anyone chosen is gone. */
const isMinimal = (state: State): boolean => {
  const { classes, steps, base } = state.search;
  const counts = sum(base, state.chosen);
  for (const alternative of classes.alternatives) {
    const isOwnPlainDistinct = alternative === state.alternative && state.isPlain && alternative.distinct;
    if (isOwnPlainDistinct) continue;
    if (alternative !== state.alternative) {
      // Most alternatives have nothing inside so few people; asking once spares asking for each person.
      const within = findInAlternative(classes, alternative, counts, steps);
      if (within === 'none') continue;
    }
    for (let own = 0; own < counts.length; own++) {
      if ((state.chosen[own] ?? 0) === 0) continue;
      counts[own] = (counts[own] ?? 0) - 1;
      const without = findInAlternative(classes, alternative, counts, steps);
      counts[own] = (counts[own] ?? 0) + 1;
      if (without === 'unknown') state.isCut = true;
      if (without !== 'none') return false;
    }
  }
  return true;
};
