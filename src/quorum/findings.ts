import type { InexactField } from './contract.ts';
import type { Alternative } from './rules.ts';

/** What is to be found out about people (ranks) and alternatives, without any word of acts, rules or dates. */
export type Problem = {
  /** Ranks run from 0 to `people` − 1, in the order of the ids. */
  readonly people: number;
  readonly eligible: readonly number[];
  readonly uncertain: readonly number[];
  readonly alternatives: readonly Alternative[];
  readonly signed: readonly number[] | undefined;
  /** By rank: how many repairs make the person eligible, 0 for who is. */
  readonly repairs: readonly number[];
  /** Most coalitions to list. */
  readonly limit: number;
};

/** An answer that a bounded search may have to leave open. */
export type Answer = 'yes' | 'no' | 'unknown';

export type AlternativeFindings = {
  /** Whether eligible people satisfy it. */
  readonly satisfied: boolean;
  /** Whether they would if its pairs could sign together. */
  readonly satisfiedButForPairs: boolean;
  /** Whether different people could fill its requirements, mandatory people and pairs aside. */
  readonly filled: boolean;
};

/** Sets of people are sorted ranks. */
export type Findings = {
  readonly byEligible: Answer;
  readonly byEligibleAndUncertain: Answer;
  readonly alternatives: readonly AlternativeFindings[];
  readonly coalitions: { readonly total: number; readonly totalExact: boolean; readonly minimal: number[][] };
  readonly indispensable: readonly number[];
  readonly toleratedAbsences: number | null;
  readonly signed: { readonly sufficient: boolean; readonly completions: number[][] } | undefined;
  readonly nearest: readonly { readonly people: number[]; readonly coalition: number[] }[];
  readonly inexact: readonly InexactField[];
};

/** Most completions, and most sets of repairs, that a decision lists. */
export const MOST_WAYS = 5;
