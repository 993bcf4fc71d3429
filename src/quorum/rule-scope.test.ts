import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { QuorumInput, Rule } from './contract.ts';
import { decide } from './engine.ts';
import { ruleApplies } from './rule-scope.ts';

const keys = fc.subarray(['a', 'b']);
const instant = fc.constantFrom(
  '2026-01-01T00:00:00Z',
  '2026-01-01T00:00:00.000000001Z',
  '2026-01-01T01:00:00+01:00',
  '2025-12-31T21:00:00-03:00',
  '2026-01-02T00:00:00Z',
);
const edge = fc.option(instant, { nil: null });
const cents = fc.option(fc.constantFrom(0, 1, 2), { nil: null });

const rule: fc.Arbitrary<Omit<Rule, 'id'>> = fc.record(
  {
    version: fc.constant(1),
    coverage: fc.constant('complete' as const),
    power: fc.constantFrom('a', 'b'),
    channels: keys,
    products: keys,
    from: edge,
    to: edge,
    band: fc.record({ minCents: cents, maxCents: cents }),
    alternatives: fc.constant([{ id: 'x', requires: [{ group: 'g', min: 1 }] }]),
  },
  { requiredKeys: ['version', 'coverage', 'power', 'alternatives'] },
);

it('names the rules that the engine applies', () => {
  fc.assert(
    fc.property(
      fc.array(rule, { minLength: 1, maxLength: 6 }),
      fc.record(
        {
          power: fc.constantFrom('a', 'b'),
          amountCents: cents,
          channel: fc.constantFrom('a', 'c'),
          product: fc.constantFrom('a', 'c'),
        },
        { requiredKeys: ['power', 'amountCents', 'channel'] },
      ),
      instant,
      (rules, act, at) => {
        const input: QuorumInput = {
          at,
          act,
          requiresChannelAccess: false,
          groups: [{ id: 'g', members: [] }],
          rules: rules.map((one, index) => ({ ...one, id: `r${index}` })),
          people: [],
        };
        const named = input.rules.filter((one) => ruleApplies(one, input)).map(({ id }) => id);
        expect(named).toEqual(decide(input).alternatives.map((result) => result.rule));
      },
    ),
    { numRuns: 2_000 },
  );
});
