import { answerCase } from '../src/quorum/decide-command.ts';
import { decidePrepared } from '../src/quorum/engine.ts';
import { prepare } from '../src/quorum/prepare.ts';
import type { LargeCase } from '../test/quorum/large-case.ts';
import { largeCase } from '../test/quorum/large-case.ts';
import { newRandom } from '../test/quorum/random.ts';

/** The cases with many people, each with the bounds that the contract sets for it, where it does. */
export const largeCases: Readonly<Record<string, { shape: LargeCase; mostMs?: number; mostMb?: number }>> = {
  '60 people, 6 groups, 1 alternative': { shape: { people: 60, groups: 6, signed: 3 }, mostMs: 50 },
  '60 people, 6 groups, 4 alternatives': {
    shape: { people: 60, groups: 6, alternatives: 4, requirements: 4, signed: 3 },
    mostMs: 200,
  },
  '60 people in overlapping groups, 1 alternative': {
    shape: { people: 60, groups: 6, overlap: 0.3, signed: 3 },
    mostMs: 50,
  },
  '60 people in overlapping groups, 4 alternatives': {
    shape: { people: 60, groups: 6, overlap: 0.3, alternatives: 4, requirements: 4, signed: 3 },
    mostMs: 200,
  },
  '60 people, cumulative, 4 alternatives': {
    shape: { people: 60, groups: 6, overlap: 0.2, alternatives: 4, requirements: 4, counting: 'cumulative' },
    mostMs: 200,
  },
  '200 people, 50 groups, 50 rules, 20 pairs each': {
    shape: { people: 200, groups: 50, rules: 50, requirements: 8, overlap: 0.1, pairs: 20, signed: 5 },
    mostMs: 1000,
    mostMb: 200,
  },
  '200 people, 50 rules, 1,000 pairs each, half blocked': {
    shape: { people: 200, groups: 50, rules: 50, requirements: 10, overlap: 0.1, pairs: 1000, blocked: 0.5 },
    mostMs: 1000,
    mostMb: 200,
  },
  '200 people, 50 rules, 4,000 pairs each (too complex)': {
    shape: { people: 200, groups: 50, rules: 50, requirements: 20, overlap: 0.1, pairs: 4000, signed: 5 },
    mostMs: 1000,
    mostMb: 200,
  },
  '200 people, 50 rules, all 50 groups each, cumulative, 4,000 pairs': {
    shape: { people: 200, groups: 50, rules: 50, overlap: 0.05, pairs: 4000, counting: 'cumulative' },
    mostMs: 1000,
    mostMb: 200,
  },
  '500 people, 50 overlapping groups': { shape: { people: 500, groups: 50, overlap: 0.1 } },
  '500 people, 200 rules of 4 alternatives': {
    shape: { people: 500, groups: 200, rules: 200, alternatives: 4, requirements: 20, overlap: 0.05 },
  },
};

export type Measured = {
  /** The first decision of the process, before anything is compiled; and the best of three more. */
  firstMs: number;
  bestMs: number;
  /** From text to text, reading and hashing included. */
  textMs: number;
  /** The most memory held, above what the process held before it read the case. */
  memoryMb: number;
  outcome: string;
};

/** Decides one of the large cases in this process, which must be a new one for its memory to mean anything. */
export const measureLarge = (name: string): Measured => {
  const found = largeCases[name];
  if (!found) throw new Error(`expected the name of a large case, found "${name}"`);
  const text = Buffer.from(JSON.stringify(largeCase(newRandom(1), found.shape)));
  const before = process.resourceUsage().maxRSS;
  const started = performance.now();
  const answer = answerCase(text);
  const textMs = performance.now() - started;
  const memoryMb = (process.resourceUsage().maxRSS - before) / 1024;
  const prepared = prepare(largeCase(newRandom(1), found.shape));
  const times = Array.from({ length: 4 }, () => {
    const start = performance.now();
    decidePrepared(prepared);
    return performance.now() - start;
  });
  const { verdict, reasons, coalitions, inexact } = JSON.parse(answer.text);
  const total = `${coalitions.total}${coalitions.totalExact ? '' : '+'} coalitions`;
  const open = inexact.length === 0 ? 'all exact' : `open: ${inexact.join(', ')}`;
  return {
    firstMs: textMs,
    bestMs: Math.min(...times),
    textMs,
    memoryMb,
    outcome: `${[verdict, ...reasons].join(' ')}; ${total}; ${open}`,
  };
};

/** Hard random cases: one group after the other with pairs until hardly anyone fits. */
export const measureHard = (): { worstMs: number; verdicts: Record<string, number> } => {
  const verdicts: Record<string, number> = {};
  let worstMs = 0;
  for (let seed = 0; seed < 40; seed++) {
    const random = newRandom(1000 + seed);
    const prepared = prepare(
      largeCase(random, {
        people: 40 + random.below(160),
        groups: 4 + random.below(20),
        rules: 1 + random.below(20),
        requirements: 3 + random.below(6),
        mostMin: 2 + random.below(4),
        overlap: 0.1 + random.below(3) / 10,
        pairs: random.pick([50, 200, 800, 3000]),
        blocked: random.pick([0, 0.3]),
        signed: 3,
      }),
    );
    const started = performance.now();
    const { verdict, reasons } = decidePrepared(prepared);
    worstMs = Math.max(worstMs, performance.now() - started);
    const outcome = reasons.includes('too_complex') ? 'too_complex' : verdict;
    verdicts[outcome] = (verdicts[outcome] ?? 0) + 1;
  }
  return { worstMs, verdicts };
};
