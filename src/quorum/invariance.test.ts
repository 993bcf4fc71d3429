import { describe, expect, it } from 'vitest';
import type { Random } from '../../test/quorum/random.ts';
import { newRandom } from '../../test/quorum/random.ts';
import { randomCase } from '../../test/quorum/random-case.ts';
import type { QuorumInput, QuorumOutput } from './contract.ts';
import { decide } from './engine.ts';

const CASES = 3000;

const forCases = (check: (input: QuorumInput, random: Random) => void): void => {
  for (let seed = 500_000; seed < 500_000 + CASES; seed++) {
    const random = newRandom(seed);
    const input = randomCase(random, 10);
    try {
      check(input, random);
    } catch (error) {
      throw new Error(`seed ${seed}: ${JSON.stringify(input)}`, { cause: error });
    }
  }
};

/** What does not depend on the order of anything. */
const ordered = ({
  verdict,
  reasons,
  coalitions,
  indispensable,
  toleratedAbsences,
  signed,
  nearest,
  stableUntil,
}: QuorumOutput) => ({
  verdict,
  reasons,
  coalitions,
  indispensable,
  toleratedAbsences,
  signed,
  nearest,
  stableUntil,
});

const shuffled = (input: QuorumInput, random: Random): QuorumInput => ({
  ...input,
  ...(input.signed && { signed: random.shuffle(input.signed) }),
  groups: random.shuffle(input.groups).map((group) => ({ ...group, members: random.shuffle(group.members) })),
  people: random.shuffle(input.people),
  rules: random.shuffle(input.rules).map((rule) => ({
    ...rule,
    ...(rule.alternatives && {
      alternatives: random.shuffle(rule.alternatives).map((alternative) => ({
        ...alternative,
        ...(alternative.requires && { requires: random.shuffle(alternative.requires) }),
        ...(alternative.mandatory && { mandatory: random.shuffle(alternative.mandatory) }),
        ...(alternative.notTogether && {
          notTogether: random
            .shuffle(alternative.notTogether)
            .map(([a, b]): [string, string] => (random.chance(0.5) ? [b, a] : [a, b])),
        }),
      })),
    }),
  })),
});

describe('a decision', () => {
  it('does not depend on the order of groups, members, people, rules, alternatives or pairs', () => {
    forCases((input, random) => {
      const [before, after] = [decide(input), decide(shuffled(input, random))];
      expect(ordered(after)).toEqual(ordered(before));
      const byId = (output: QuorumOutput) => new Map(output.people.map((person) => [person.id, person]));
      expect(byId(after)).toEqual(byId(before));
    });
  });

  it('follows names that keep their order', () => {
    forCases((input) => {
      const ids = input.people.map(({ id }) => id).sort();
      // The new names have the order of the old ones, and nothing else in common with them.
      const nameOf = new Map(ids.map((id, at) => [id, `n${String(at).padStart(2, '0')}`]));
      const rename = (text: string): string => nameOf.get(text) ?? text;
      const renamed = structuredClone(input);
      for (const person of renamed.people) person.id = rename(person.id);
      for (const member of renamed.groups.flatMap(({ members }) => members))
        member.person = rename(member.person);
      if (renamed.signed) renamed.signed = renamed.signed.map(rename);
      if (renamed.requester !== undefined) renamed.requester = rename(renamed.requester);
      for (const alternative of renamed.rules.flatMap(({ alternatives }) => alternatives ?? [])) {
        if (alternative.mandatory) alternative.mandatory = alternative.mandatory.map(rename);
        if (alternative.notTogether) {
          alternative.notTogether = alternative.notTogether.map(([a, b]) => [rename(a), rename(b)]);
        }
      }
      const before: QuorumOutput = structuredClone(decide(input));
      before.coalitions.minimal = before.coalitions.minimal.map((set) => set.map(rename));
      before.indispensable = before.indispensable.map(rename);
      if (before.signed) before.signed.completions = before.signed.completions.map((set) => set.map(rename));
      for (const person of before.people) person.id = rename(person.id);
      for (const way of before.nearest) {
        way.coalition = way.coalition.map(rename);
        for (const repair of way.repairs) repair.person = rename(repair.person);
      }
      const after = decide(renamed);
      expect(after).toEqual({ ...before, inputHash: after.inputHash });
    });
  });

  it('never loses quorum when one more person becomes eligible', () => {
    const rank = { no_quorum: 0, undetermined: 1, quorum: 2 };
    forCases((input) => {
      const before = decide(input);
      const held = before.people.find(({ status }) => status !== 'eligible');
      if (!held) return;
      const people = input.people.map((person) =>
        person.id === held.id ? { id: person.id, operator: { active: true, accountAccess: true } } : person,
      );
      const after = decide({ ...input, people });
      expect(rank[after.verdict]).toBeGreaterThanOrEqual(rank[before.verdict]);
      expect(after.toleratedAbsences ?? -1).toBeGreaterThanOrEqual(before.toleratedAbsences ?? -1);
    });
  });

  it('becomes quorum by each of its nearest repairs, and by no part of one', () => {
    let repaired = 0;
    forCases((input) => {
      for (const { repairs, coalition } of decide(input).nearest) {
        const people = [...new Set(repairs.map(({ person }) => person))];
        const after = decide(repairedInput(input, people));
        expect(after.coalitions.minimal[0]).toEqual(coalition);
        for (const one of people) {
          const others = people.filter((id) => id !== one);
          expect(decide(repairedInput(input, others)).coalitions.total).toBe(0);
        }
        repaired += 1;
      }
    });
    expect(repaired).toBeGreaterThan(200);
  });
});

/** The input once the repairs of these people were done, one by one as the decision lists them. */
const repairedInput = (input: QuorumInput, people: readonly string[]): QuorumInput => {
  const reasons = new Map(decide(input).people.map((person) => [person.id, person.reasons]));
  return {
    ...input,
    people: input.people.map((person) => {
      if (!people.includes(person.id)) return person;
      const lifted = new Set(
        (reasons.get(person.id) ?? []).flatMap((reason) =>
          'reservation' in reason ? [reason.reservation] : [],
        ),
      );
      return {
        ...person,
        operator: { active: true, accountAccess: true },
        reservations: (person.reservations ?? []).filter((_, index) => !lifted.has(index)),
      };
    }),
  };
};
