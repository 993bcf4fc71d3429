import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Alternative, Group, Person, QuorumInput, Reservation, Rule } from './contract.ts';
import { decide } from './engine.ts';
import { explain } from './explain.ts';
import { parseInput } from './input.ts';
import { type Finding, type LintSubject, lintRules } from './lint.ts';

// Small parties with every construct, for what explain and lint promise of any input.

const at = '2026-06-15T12:00:00Z';
const people = ['p1', 'p2', 'p3', 'p4', 'p5'];
const groups = ['A', 'B'];
const person = fc.constantFrom(...people);
const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 2 });
const defined = <T extends object>(record: T): T =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T;

const period = fc.constantFrom<{ from?: string; to?: string }>(
  {},
  {},
  { to: '2026-06-20T00:00:00Z' },
  { from: '2026-06-18T00:00:00Z' },
  { to: '2026-06-01T00:00:00Z' },
);

const group = (id: string): fc.Arbitrary<Group> =>
  fc
    .uniqueArray(fc.record({ person, period }), { maxLength: 4, selector: (member) => member.person })
    .map((members) => ({
      id,
      members: members.map((member) => ({ person: member.person, ...member.period })),
    }));

const alternative: fc.Arbitrary<Omit<Alternative, 'id'>> = fc
  .record({
    requires: fc.array(
      fc.record({
        group: fc.constantFrom(...groups),
        min: fc.constantFrom<(number | 'all' | 'majority')[]>(1, 1, 2, 3, 'all', 'majority'),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    counting: some(fc.constantFrom('distinct' as const, 'cumulative' as const)),
    mandatory: some(fc.uniqueArray(person, { minLength: 1, maxLength: 1 })),
    notTogether: some(
      fc.constantFrom<[string, string][][]>(
        [['p1', 'p2']],
        [
          ['p2', 'p3'],
          ['p1', 'p4'],
        ],
      ),
    ),
    excludesRequester: some(fc.boolean()),
  })
  .map((one) => defined(one) as Omit<Alternative, 'id'>);

const rule: fc.Arbitrary<Omit<Rule, 'id'>> = fc
  .record({
    period,
    channels: some(fc.constantFrom(['app'], ['app', 'desk'])),
    band: some(
      fc.constantFrom({ minCents: 0, maxCents: 100 }, { minCents: 100 }, { minCents: 50, maxCents: 150 }),
    ),
    alternatives: fc.array(alternative, { minLength: 1, maxLength: 3 }),
    kind: fc.constantFrom('permit', 'permit', 'permit', 'permit', 'permit', 'unread', 'forbid'),
  })
  .map(({ period: { from, to }, channels, band, alternatives, kind }) =>
    defined({
      version: 1,
      power: 'sign',
      coverage: kind === 'unread' ? ('unknown' as const) : ('complete' as const),
      effect: kind === 'forbid' ? ('forbid' as const) : undefined,
      from,
      to,
      channels: kind === 'forbid' ? ['desk'] : channels,
      band,
      alternatives:
        kind === 'permit' ? alternatives.map((one, index) => ({ ...one, id: `a${index}` })) : undefined,
    } as Omit<Rule, 'id'>),
  );

const reservation = fc.constantFrom<Reservation[]>(
  { kind: 'value_limit', maxCents: 99 },
  { kind: 'validity', to: '2026-06-25T00:00:00Z' },
  { kind: 'suspended', channels: ['desk'] },
  { kind: 'other', text: 'a text' },
);

const subject: fc.Arbitrary<LintSubject> = fc
  .record({
    groups: fc.tuple(...groups.map(group)),
    rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
    reservations: fc.array(fc.array(reservation, { maxLength: 1 }), { minLength: 5, maxLength: 5 }),
  })
  .map(({ groups: ofParty, rules, reservations }) => ({
    at,
    groups: ofParty,
    rules: rules.map((one, index) => ({ ...one, id: `r${index}` })),
    people: people.map((id, index) => ({ id, reservations: reservations[index] ?? [] })),
  }));

const act = fc.record({
  power: fc.constant('sign'),
  amountCents: fc.constantFrom(0, 75, 100, 500, null),
  channel: fc.constantFrom('app', 'desk', 'web'),
});

const inputOf = (one: LintSubject, more: Partial<QuorumInput> & Pick<QuorumInput, 'act'>): QuorumInput => ({
  requester: 'p1',
  requiresChannelAccess: false,
  ...one,
  ...more,
});

const hasQuorum = (input: QuorumInput): boolean => decide(input).verdict === 'quorum';

/** Everyone but a few free to sign: what an alternative adds must not depend on who is absent. */
const withAbsent = (one: LintSubject, absent: readonly string[]): LintSubject => ({
  ...one,
  people: one.people.map(
    ({ id }): Person => (absent.includes(id) ? { id, reservations: [{ kind: 'suspended' }] } : { id }),
  ),
});

const without = (one: LintSubject, { pointer }: Finding): LintSubject => {
  const [, , ruleIndex, , alternativeIndex] = pointer.split('/');
  return {
    ...one,
    rules: one.rules.map((whole, index) =>
      index === Number(ruleIndex)
        ? {
            ...whole,
            alternatives: (whole.alternatives ?? []).filter(
              (_, position) => position !== Number(alternativeIndex),
            ),
          }
        : whole,
    ),
  };
};

describe('lint', () => {
  it('calls an alternative redundant or unsatisfiable only where removing it changes nothing', () => {
    fc.assert(
      fc.property(
        subject,
        act,
        fc.subarray(people),
        fc.constantFrom('p1', 'p2', 'p9'),
        (one, tried, absent, requester) => {
          const findings = lintRules(one, { days: 0 }).filter(({ code }) =>
            ['redundant_alternative', 'unsatisfiable_alternative'].includes(code),
          );
          for (const finding of findings) {
            const now = withAbsent(one, absent);
            const more = { act: tried, requester };
            expect(hasQuorum(inputOf(without(now, finding), more))).toBe(hasQuorum(inputOf(now, more)));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('announces every quorum that dates end within the days asked for, and no other', () => {
    const samples = [
      '2026-06-15T12:00:00Z',
      '2026-06-19T00:00:00Z',
      '2026-06-22T00:00:00Z',
      '2026-06-27T00:00:00Z',
    ];
    const acts = [0, 75, 100, 500, null].flatMap((amountCents) =>
      ['app', 'desk', 'web'].map((channel) => ({ power: 'sign', amountCents, channel })),
    );
    fc.assert(
      fc.property(subject, (one) => {
        const announced = lintRules(one, { days: 30 }).some(({ code }) => code === 'quorum_ends');
        const isLost = acts.some((tried) => {
          const had = samples.map((instant) =>
            hasQuorum(inputOf({ ...one, at: instant }, { act: tried, requester: '' })),
          );
          return had.some((now, index) => index > 0 && had[index - 1] === true && !now);
        });
        expect(announced).toBe(isLost);
      }),
      { numRuns: 300 },
    );
  });
});

describe('explain', () => {
  it('puts any decision in words: each person once, both languages line by line, no leftover', () => {
    const outline = (text: string): string[] =>
      text.split('\n').map((line) => /^(\s*(?:-|\d+\.)?)/.exec(line)?.[1] ?? '');
    fc.assert(
      fc.property(
        subject,
        act,
        some(fc.subarray(people)),
        fc.subarray(['rules', 'groups'] as const),
        (one, tried, signed, unavailable) => {
          const input = inputOf(one, {
            act: tried,
            unavailable: [...unavailable],
            ...(signed ? { signed } : {}),
          });
          expect(parseInput(input)).toMatchObject({ ok: true });
          const output = decide(input);
          const english = explain(input, output, { language: 'en' });
          expect(outline(explain(input, output, { language: 'pt-BR' }))).toEqual(outline(english));
          for (const id of people)
            expect(english.split('\n').filter((line) => line === `- ${id}`)).toHaveLength(1);
          expect(english).not.toMatch(/undefined|NaN|\[object|\(\)/);
        },
      ),
      { numRuns: 300 },
    );
  });
});
