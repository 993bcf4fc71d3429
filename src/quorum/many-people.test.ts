import { describe, expect, it } from 'vitest';
import { eligible, group, newCase, requires, rule } from '../../test/quorum/case.ts';
import { largeCase } from '../../test/quorum/large-case.ts';
import { newRandom } from '../../test/quorum/random.ts';
import { decideByClasses } from './class-engine.ts';
import type { QuorumInput } from './contract.ts';
import type { Decision } from './engine.ts';
import { decidePrepared } from './engine.ts';
import { prepare } from './prepare.ts';

const decided = (input: QuorumInput): Decision => decidePrepared(prepare(input));

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${String(i).padStart(3, '0')}`);

const choose = (from: number, count: number): number =>
  count === 0 ? 1 : (choose(from - 1, count - 1) * from) / count;

describe('many people', () => {
  it('have every coalition counted where groups make them alike', () => {
    const groups = Array.from({ length: 6 }, (_, i) => group(`g${i}`, ...names(`${i}-`, 10)));
    const input = newCase({
      people: groups.flatMap(({ members }) => members.map(({ person }) => eligible(person))),
      groups,
      rules: [rule('r1', [{ id: 'a1', requires: groups.map(({ id }) => ({ group: id, min: 4 })) }])],
      signed: ['0-009', '5-000', '5-001'],
      limit: 2,
    });
    const output = decided(input);
    expect(output).toMatchObject({
      verdict: 'quorum',
      coalitions: { total: choose(10, 4) ** 6, totalExact: true },
      indispensable: [],
      toleratedAbsences: 6,
      inexact: [],
    });
    const firstFour = (i: number): string[] => names(`${i}-`, 4);
    expect(output.coalitions.minimal).toEqual([
      [0, 1, 2, 3, 4, 5].flatMap(firstFour),
      [...[0, 1, 2, 3, 4].flatMap(firstFour), '5-000', '5-001', '5-002', '5-004'],
    ]);
    expect(output.signed?.completions).toHaveLength(5);
    expect(output.signed?.completions[0]).toEqual([
      '0-000',
      '0-001',
      '0-002',
      ...[1, 2, 3, 4].flatMap(firstFour),
      '5-002',
      '5-003',
    ]);
  });

  it('have a total that is a lower bound where it is more than 2^53 - 1', () => {
    const people = names('p', 500);
    const output = decided(
      newCase({ people: people.map(eligible), groups: [group('A', ...people)], ...onlyRule({ A: 250 }) }),
    );
    expect(output.coalitions).toMatchObject({ total: Number.MAX_SAFE_INTEGER, totalExact: false });
    expect(output.coalitions.minimal[0]).toEqual(people.slice(0, 250));
    expect(output).toMatchObject({ verdict: 'quorum', toleratedAbsences: 250, inexact: ['coalitions'] });
  });

  const onlyRule = (mins: Record<string, number>, more: object = {}) => ({
    rules: [rule('r1', [{ id: 'a1', requires: requires(mins), ...more }])],
  });

  it('get an exact verdict without pairs: 500 of them, where counts suffice and people do not', () => {
    const people = names('p', 500);
    // Each group reaches into the next; two of them have the same 10 people.
    const groups = Array.from({ length: 50 }, (_, i) => group(`g${i}`, ...people.slice(i * 10, i * 10 + 15)));
    const twins = [...groups, group('same', ...people.slice(0, 10)), group('also', ...people.slice(0, 10))];
    const mins = Object.fromEntries(groups.map(({ id }) => [id, 10]));
    const input = (more: Record<string, number>) =>
      newCase({ people: people.map(eligible), groups: twins, ...onlyRule({ ...mins, ...more }) });
    expect(decided(input({})).verdict).toBe('quorum');
    const overlap = decided(input({ same: 5, also: 6 }));
    expect(overlap.verdict).toBe('no_quorum');
    expect(overlap.alternatives[0]).toMatchObject({ missing: [], causes: ['overlap'] });
  });

  it('are proven unable where pairs leave too few: one of each couple', () => {
    const people = names('p', 100);
    const notTogether = Array.from({ length: 50 }, (_, i) => [people[2 * i], people[2 * i + 1]]);
    const input = (min: number) =>
      newCase({
        people: people.map(eligible),
        groups: [group('A', ...people)],
        ...onlyRule({ A: min }, { notTogether }),
      });
    expect(decided(input(50))).toMatchObject({
      verdict: 'quorum',
      coalitions: { total: expect.any(Number) },
    });
    expect(decided(input(51))).toMatchObject({ verdict: 'no_quorum', reasons: ['not_enough_people'] });
  });

  it('are undetermined, never without quorum, where pairs are too hard', () => {
    const input = largeCase(newRandom(7), {
      people: 200,
      groups: 50,
      rules: 50,
      requirements: 20,
      overlap: 0.1,
      pairs: 4000,
      signed: 5,
    });
    const output = decided(input);
    expect(output.verdict).toBe('undetermined');
    expect(output.reasons).toEqual(['too_complex']);
    expect(output.coalitions).toEqual({ total: 0, totalExact: false, minimal: [] });
    expect(output.inexact).toEqual(['coalitions', 'indispensable', 'toleratedAbsences', 'signed', 'nearest']);
    expect(JSON.stringify(decided(input))).toBe(JSON.stringify(output));
  });

  it('list coalitions that are coalitions, whatever is left open', () => {
    for (const pairs of [0, 60, 400]) {
      const shape = {
        people: 100,
        groups: 12,
        rules: 4,
        alternatives: 2,
        requirements: 4,
        mostMin: 3,
        overlap: 0.2,
        pairs,
        blocked: 0.2,
        signed: 4,
      };
      const input = { ...largeCase(newRandom(pairs), shape), limit: 5 };
      const output = decided(input);
      expect(output.verdict).toBe('quorum');
      expect(output.coalitions.minimal.length).toBeGreaterThan(0);
      for (const coalition of output.coalitions.minimal) {
        const only = (left: readonly string[]): QuorumInput => ({
          ...input,
          people: input.people.map((person) =>
            left.includes(person.id) ? person : { ...person, reservations: [{ kind: 'suspended' }] },
          ),
        });
        expect(decided(only(coalition)).verdict).toBe('quorum');
        for (const one of coalition) {
          expect(decided(only(coalition.filter((id) => id !== one))).verdict).toBe('no_quorum');
        }
      }
    }
  });
});

describe('both engines', () => {
  it('agree on cases of up to 26 people, wherever the bounded one calls itself exact', () => {
    let exact = 0;
    for (let seed = 0; seed < 150; seed++) {
      const random = newRandom(seed);
      const input = largeCase(random, {
        people: 13 + random.below(14),
        groups: 3 + random.below(3),
        rules: 1 + random.below(2),
        alternatives: 1 + random.below(2),
        requirements: 1 + random.below(3),
        mostMin: 1 + random.below(3),
        ...(random.chance(0.7) && { overlap: 0.2 + random.below(3) / 10 }),
        ...(random.chance(0.4) && { pairs: random.below(12) }),
        counting: random.chance(0.3) ? 'cumulative' : 'distinct',
        signed: random.below(4),
        blocked: random.pick([0, 0.3, 0.8]),
      });
      const prepared = prepare(input);
      const byNumbers = decidePrepared(prepared);
      const byClasses = decidePrepared(prepared, decideByClasses);
      expect(byClasses.verdict).toBe(byNumbers.verdict);
      if (byClasses.inexact.length > 0 || byNumbers.inexact.length > 0) continue;
      exact += 1;
      expect(byClasses, `seed ${seed}`).toEqual(byNumbers);
    }
    expect(exact).toBeGreaterThan(100);
  });
});
