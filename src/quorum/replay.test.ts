import { describe, expect, it } from 'vitest';
import type { QuorumInput, Rule } from './contract.ts';
import { decide } from './engine.ts';
import {
  type Change,
  newReplaySummary,
  parseChange,
  type ReplayCase,
  type ReplayOptions,
  type ReplayResult,
  replay,
} from './replay.ts';

const rule = (min: number, group = 'A'): Rule => ({
  id: 'r1',
  version: 1,
  coverage: 'complete',
  power: 'sign',
  alternatives: [{ id: 'a1', requires: [{ group, min }] }],
});

const caseOf = (members: number, rules: Rule[], order = 'ord_1'): QuorumInput => {
  const ids = Array.from({ length: members }, (_, index) => `p${index + 1}`);
  return {
    at: '2026-11-22T12:00:00-03:00',
    act: { power: 'sign', amountCents: 100, channel: 'bankline' },
    context: { order },
    requiresChannelAccess: false,
    groups: [{ id: 'A', members: ids.map((person) => ({ person })) }],
    rules,
    people: ids.map((id) => ({ id })),
  };
};

const run = async (cases: ReplayCase[], change: Change, options?: ReplayOptions): Promise<ReplayResult[]> =>
  Array.fromAsync(replay(cases, change, options));

const verdicts = (results: ReplayResult[]): string[] =>
  results.map((result) =>
    'error' in result
      ? `${result.index} error`
      : `${result.index} ${result.before} → ${result.after}: ${result.effect}`,
  );

describe('replay', () => {
  it('says who gains, who loses and who keeps the verdict', async () => {
    const cases = [1, 2, 3].map((members) => ({ input: caseOf(members, [rule(members === 1 ? 2 : 1)]) }));
    expect(verdicts(await run(cases, { rules: [rule(3)] }))).toEqual([
      '1 no_quorum → no_quorum: same',
      '2 quorum → no_quorum: lost',
      '3 quorum → quorum: same',
    ]);
    expect(verdicts(await run(cases, { rules: [rule(1)] }))[0]).toBe('1 no_quorum → quorum: gained');
    expect(await run(cases.slice(1, 2), { rules: [rule(3)] })).toEqual([
      {
        index: 1,
        before: 'quorum',
        after: 'no_quorum',
        effect: 'lost',
        reasons: ['not_enough_people'],
        context: { order: 'ord_1' },
      },
    ]);
  });

  it('takes a stored verdict for granted, and stored text as it is', async () => {
    const input = JSON.stringify(caseOf(1, [rule(1)]));
    const change = { rules: [rule(1)] };
    expect(verdicts(await run([{ input, previousVerdict: 'undetermined' }], change))).toEqual([
      '1 undetermined → quorum: gained',
    ]);
    expect(verdicts(await run([{ input, previousVerdict: 'undetermined' }], { rules: [] }))).toEqual([
      '1 undetermined → no_quorum: other',
    ]);
  });

  it('replaces groups only where the change brings them', async () => {
    const cases = [{ input: caseOf(2, [rule(2)]) }];
    expect(
      verdicts(await run(cases, { rules: [rule(2)], groups: [{ id: 'A', members: [{ person: 'p1' }] }] })),
    ).toEqual(['1 quorum → no_quorum: lost']);
  });

  it('knows nothing of people whom the case did not ask about', async () => {
    const cases = [{ input: caseOf(1, [rule(1)]) }];
    const groups = [{ id: 'A', members: [{ person: 'p1' }, { person: 'p2' }] }];
    expect(verdicts(await run(cases, { rules: [rule(2)], groups }))).toEqual([
      '1 quorum → undetermined: lost',
    ]);
    expect(verdicts(await run(cases, { rules: [rule(1)], groups }))).toEqual(['1 quorum → quorum: same']);
    const mandatory: Rule = { ...rule(1), alternatives: [{ id: 'm', mandatory: ['p7'] }] };
    expect(verdicts(await run(cases, { rules: [mandatory] }))).toEqual(['1 quorum → undetermined: lost']);
  });

  it('reports what cannot be decided and goes on', async () => {
    const cases = [
      { input: '{' },
      { input: caseOf(1, [rule(1)]) },
      { input: { ...caseOf(1, [rule(1)]), groups: [{ id: 'B', members: [] }], rules: [] } },
    ];
    const results = await run(cases, { rules: [rule(1)] });
    expect(verdicts(results)).toEqual(['1 error', '2 quorum → quorum: same', '3 error']);
    expect(results[2]).toMatchObject({
      context: { order: 'ord_1' },
      error: {
        violations: [{ pointer: expect.stringContaining('/rules/0/alternatives/0/requires/0/group') }],
      },
    });
  });

  it('counts transitions', async () => {
    const cases = [1, 2, 2, 3].map((members) => ({ input: caseOf(members, [rule(2)]) }));
    const { summary, count } = newReplaySummary();
    for await (const result of replay([...cases, { input: '' }], { rules: [rule(3)] })) count(result);
    expect(summary).toEqual({
      cases: 5,
      gained: 0,
      lost: 2,
      errors: 1,
      transitions: { 'no_quorum → no_quorum': 1, 'quorum → no_quorum': 2, 'quorum → quorum': 1 },
    });
  });

  it('gives the same results, in order, on threads', async () => {
    const cases = Array.from({ length: 1_500 }, (_, index) => ({
      input: JSON.stringify(caseOf((index % 4) + 1, [rule((index % 3) + 1)], `ord_${index}`)),
    }));
    const change = { rules: [rule(2)] };
    expect(await run(cases, change, { threads: 2 })).toEqual(await run(cases, change));
  });

  it('reads no further ahead than a few batches', async () => {
    let read = 0;
    const endless = async function* (): AsyncGenerator<ReplayCase> {
      for (;;) {
        read += 1;
        yield { input: caseOf(1, [rule(1)]) };
      }
    };
    let taken = 0;
    for await (const _ of replay(endless(), { rules: [rule(1)] }, { threads: 2 })) {
      taken += 1;
      if (taken === 5_000) break;
    }
    expect(read).toBeLessThan(5_000 + 6 * 256);
  });

  it('stops when it is told to', async () => {
    const abort = new AbortController();
    const cases = Array.from({ length: 2_000 }, () => ({ input: caseOf(1, [rule(1)]) }));
    const taking = async (): Promise<void> => {
      for await (const { index } of replay(cases, { rules: [] }, { signal: abort.signal }))
        if (index === 300) abort.abort();
    };
    await expect(taking()).rejects.toThrow(/abort/i);
  });

  it('agrees with deciding the changed input by hand', async () => {
    const input = caseOf(3, [rule(3)]);
    const change = { rules: [rule(2)] };
    const [result] = await run([{ input }], change);
    expect(result).toMatchObject({
      before: decide(input).verdict,
      after: decide({ ...input, ...change }).verdict,
    });
  });
});

describe('parseChange', () => {
  it('reads rules alone, and rules with groups', () => {
    expect(parseChange(JSON.stringify({ rules: [rule(1)] }))).toEqual({
      ok: true,
      change: { rules: [rule(1)] },
    });
    const groups = [{ id: 'A', members: [{ person: 'p1' }] }];
    expect(parseChange(JSON.stringify({ rules: [rule(1)], groups }))).toEqual({
      ok: true,
      change: { rules: [rule(1)], groups },
    });
  });

  it.each([
    ['{', ''],
    ['[]', ''],
    ['{}', '/rules'],
    ['{"rules":[],"people":[]}', '/people'],
    ['{"rules":[],"rules":[]}', '/rules'],
    [JSON.stringify({ rules: [rule(0)] }), '/rules/0/alternatives/0/requires/0/min'],
    [JSON.stringify({ rules: [rule(1, 'B')], groups: [] }), '/rules/0/alternatives/0/requires/0/group'],
  ])('refuses %s', (text, pointer) => {
    const parsed = parseChange(text);
    expect(parsed.ok ? [] : parsed.violations.map((violation) => violation.pointer)).toContain(pointer);
  });
});
