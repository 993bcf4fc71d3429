import { isDeepStrictEqual } from 'node:util';
import type { StepLimits } from '../../src/quorum/class-engine.ts';
import { decideByClasses } from '../../src/quorum/class-engine.ts';
import type { QuorumInput, QuorumOutput } from '../../src/quorum/contract.ts';
import type { Decision } from '../../src/quorum/engine.ts';
import { decide, decidePrepared, summarize } from '../../src/quorum/engine.ts';
import { parseInput } from '../../src/quorum/input.ts';
import { prepare } from '../../src/quorum/prepare.ts';
import { canonicalJson } from '../../src/shared/canonical-json.ts';
import { decideByBruteForce } from './brute-force.ts';
import { newRandom } from './random.ts';
import { randomCase } from './random-case.ts';

/** What a run of random cases met, to see that no construct is missing. */
export type Tally = Record<string, number>;

/**
 * Decides the random case of each seed with both engines and by brute force, and throws where they differ in
 * any field. The class engine decides again with few steps: whatever it does not call inexact must be right.
 */
export const compareSeeds = (from: number, to: number): Tally => {
  const tally: Tally = {};
  for (let seed = from; seed < to; seed++) {
    const input = randomCase(newRandom(seed));
    const parsed = parseInput(JSON.stringify(input));
    if (!parsed.ok) throw new Error(`seed ${seed}: refused ${JSON.stringify(parsed.violations)}`);
    const expected = decideByBruteForce(input);
    const decided = decide(parsed.input);
    differ(seed, input, 'masks', decided, expected);
    if (canonicalJson(decided) !== canonicalJson(expected)) throw new Error(`seed ${seed}: other bytes`);
    const prepared = prepare(input);
    const { verdict, reasons, coalitions } = decided;
    if (!isDeepStrictEqual(summarize(prepared), { verdict, reasons, coalitions })) {
      throw new Error(`seed ${seed}: the summary differs from the decision`);
    }
    differ(seed, input, 'classes', decidePrepared(prepared, decideByClasses), expected);
    const steps = STEPS[seed % STEPS.length] ?? 0;
    const bounded = decidePrepared(prepared, (problem) => decideByClasses(problem, limitsOf(steps)));
    checkBounded(seed, bounded, expected);
    count(tally, expected, bounded);
  }
  return tally;
};

const STEPS = [5, 60, 300, 1500];

const limitsOf = (steps: number): StepLimits => ({
  verdict: steps,
  coalitions: steps,
  ways: steps,
  indispensable: steps,
  absences: steps,
});

const fieldsOf = (decision: Decision): (keyof Decision)[] => Object.keys(decision) as (keyof Decision)[];

const differ = (
  seed: number,
  input: QuorumInput,
  by: string,
  decided: Decision,
  expected: Decision,
): void => {
  for (const field of new Set([...fieldsOf(expected), ...fieldsOf(decided)])) {
    if (field in decided && isDeepStrictEqual(decided[field], expected[field])) continue;
    if (!(field in decided) && (field as string) === 'inputHash') continue;
    throw new Error(
      `seed ${seed}, ${by}: ${field} is ${JSON.stringify(decided[field])}, expected ${JSON.stringify(expected[field])} for ${JSON.stringify(input)}`,
    );
  }
};

/** Few steps may leave a field open, which must then be named; what is said must still hold. */
const checkBounded = (seed: number, bounded: Decision, expected: QuorumOutput): void => {
  const fail = (what: string): void => {
    throw new Error(
      `seed ${seed}, few steps: ${what}: ${JSON.stringify(bounded)} for ${JSON.stringify(expected)}`,
    );
  };
  const isOpen = bounded.reasons.includes('too_complex');
  if (!isOpen && !isDeepStrictEqual(bounded.reasons, expected.reasons)) fail('reasons');
  if (!isOpen && bounded.verdict !== expected.verdict) fail('verdict');
  if (isOpen && !bounded.reasons.includes('forbidden') && bounded.verdict !== 'undetermined') fail('verdict');
  for (const field of ['coalitions', 'indispensable', 'toleratedAbsences', 'signed', 'nearest'] as const) {
    if (bounded.inexact.includes(field)) continue;
    if (!isDeepStrictEqual(bounded[field], expected[field])) fail(field);
  }
  const { total, totalExact, minimal } = bounded.coalitions;
  if (total > expected.coalitions.total) fail('total');
  if (totalExact === bounded.inexact.includes('coalitions')) fail('totalExact');
  if (bounded.verdict === 'quorum' && minimal.length === 0) fail('no coalition');
  if ((bounded.toleratedAbsences ?? 0) > (expected.toleratedAbsences ?? 0)) fail('toleratedAbsences');
  if (!bounded.indispensable.every((id) => expected.indispensable.includes(id))) fail('indispensable');
};

const count = (tally: Tally, expected: QuorumOutput, bounded: Decision): void => {
  const met = [
    expected.verdict,
    ...expected.reasons,
    ...expected.alternatives.flatMap(({ causes }) => causes),
    ...expected.people.flatMap(({ reasons }) => reasons.map(({ code }) => code)),
    ...expected.nearest.flatMap(({ repairs }) => repairs.map(({ action }) => action)),
    `coalitions ${Math.min(5, expected.coalitions.total)}`,
    `tolerated ${expected.toleratedAbsences}`,
    expected.indispensable.length > 0 ? 'indispensable' : 'nobody indispensable',
    expected.signed?.sufficient ? 'sufficient' : `completions ${expected.signed?.completions.length ?? 0}`,
    ...bounded.inexact.map((field) => `inexact ${field}`),
    bounded.reasons.includes('too_complex') ? 'too_complex' : 'simple',
  ];
  for (const one of met) tally[one] = (tally[one] ?? 0) + 1;
};

/** How often 700 cases meet each construct at least: agreement says nothing about what never comes up. */
export const LEAST_IN_700: readonly (readonly [string, number])[] = [
  ['quorum', 100],
  ['no_quorum', 100],
  ['undetermined', 50],
  ['forbidden', 10],
  ['source_unavailable', 10],
  ['unread_restriction', 10],
  ['uncertain_people', 10],
  ['unread_rule', 10],
  ['no_rule', 10],
  ['not_enough_people', 10],
  ['mandatory_unavailable', 10],
  ['not_together', 10],
  ['overlap', 10],
  ['empty_group', 10],
  ['above_group_size', 10],
  ['value_limit', 10],
  ['validity', 10],
  ['suspended', 10],
  ['other', 10],
  ['operator_unknown', 10],
  ['operator_inactive', 10],
  ['no_account_access', 10],
  ['lift_reservation', 10],
  ['confirm_operator', 3],
  ['activate_operator', 3],
  ['grant_account_access', 3],
  ['coalitions 5', 20],
  ['tolerated 0', 20],
  ['tolerated 1', 20],
  ['tolerated 2', 10],
  ['indispensable', 20],
  ['sufficient', 10],
  ['completions 1', 2],
  ['completions 5', 1],
  ['too_complex', 3],
  ['inexact coalitions', 10],
  ['inexact nearest', 3],
];
