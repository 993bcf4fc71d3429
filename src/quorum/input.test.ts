import { describe, expect, it } from 'vitest';
import { eligible, group, newCase, requires, rule } from '../../test/quorum/case.ts';
import type { QuorumInput } from './contract.ts';
import { parseInput } from './input.ts';

const valid = newCase({
  context: { party: 'x' },
  requester: 'p1',
  unavailable: [],
  signed: ['p4'],
  groups: [group('A', 'p1', 'p2'), group('B', 'p3'), { id: 'empty', members: [] }],
  rules: [
    rule(
      'r1',
      [
        {
          id: 'a1',
          requires: requires({ A: 1, B: 'all', empty: 'majority' }),
          counting: 'distinct',
          mandatory: ['p4'],
          notTogether: [['p1', 'p2']],
          excludesRequester: true,
        },
      ],
      {
        effect: 'permit',
        channels: [],
        products: ['credit'],
        from: null,
        to: null,
        band: { minCents: 0, maxCents: null },
      },
    ),
    { id: 'r2', version: 2, coverage: 'unknown', power: 'sign' },
    { id: 'r3', version: 0, effect: 'forbid', coverage: 'complete', power: 'pay', alternatives: [] },
  ],
  people: [
    {
      ...eligible('p1'),
      reservations: [
        { kind: 'value_limit', maxCents: 0, powers: ['sign'] },
        { kind: 'validity', from: null, to: '2026-12-31T00:00:00-03:00' },
        { kind: 'suspended', channels: [], products: ['credit'] },
        { kind: 'other', text: 'only with the board' },
      ],
    },
    { id: 'p2', operator: null, reservations: [] },
    { id: 'p3' },
    eligible('p4'),
  ],
  limit: 1000,
});

/** The pointers of what is wrong with the valid case once `value` stands at `pointer` (nothing: taken away). */
const wrongWith = (pointer: string, value?: unknown): string[] => {
  const input: unknown = structuredClone(valid);
  const path = pointer.split('/').slice(1);
  const last = path.pop() ?? '';
  let holder = input as Record<string, unknown>;
  for (const key of path) holder = holder[key] as Record<string, unknown>;
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return pointersOf(JSON.stringify(input));
};

const pointersOf = (text: string): string[] => {
  const parsed = parseInput(text);
  if (parsed.ok) return [];
  for (const { message } of parsed.violations) expect(message).toMatch(/^expected .*, found /s);
  return parsed.violations.map(({ pointer }) => pointer);
};

describe('a valid input', () => {
  it('comes back as it was received, without defaults', () => {
    const parsed = parseInput(JSON.stringify(valid));
    expect(parsed).toEqual({ ok: true, input: valid });
    expect(parseInput(valid)).toEqual({ ok: true, input: valid });
  });

  it.each<[string, unknown]>([
    ['/act/amountCents', null],
    ['/act/amountCents', 0],
    ['/act/amountCents', Number.MAX_SAFE_INTEGER],
    ['/act/product', undefined],
    ['/context', { deep: [{ a: 0.5, b: [[]] }] }],
    ['/requester', 'somebody else'],
    ['/signed', []],
    ['/unavailable', ['rules', 'groups']],
    ['/limit', 1],
    ['/limit', undefined],
    ['/people/0/operator', { active: false, accountAccess: false }],
    ['/people/0/reservations/3/text', undefined],
    ['/rules/0/band', { minCents: null }],
    ['/rules/0/band', {}],
    ['/rules/0/from', '2026-01-01T00:00:00.000000001Z'],
    ['/rules/0/alternatives', []],
    ['/rules/0/alternatives', undefined],
    ['/rules/0/alternatives/0/requires', []],
    ['/rules/0/alternatives/0/mandatory', undefined],
    [
      '/rules/0/alternatives/0/notTogether',
      [
        ['p1', 'p2'],
        ['p2', 'p1'],
      ],
    ],
    [
      '/rules/0/alternatives/0/requires',
      [
        { group: 'A', min: 1 },
        { group: 'A', min: 500 },
      ],
    ],
    [
      '/groups/1/members',
      [
        { person: 'p3', to: '2026-01-01T00:00:00Z' },
        { person: 'p3', from: '2025-12-31T21:00:00-03:00' },
      ],
    ],
  ])('may have at %s %j', (pointer, value) => {
    expect(wrongWith(pointer, value)).toEqual([]);
  });
});

describe('a refused input', () => {
  it.each([
    '/at',
    '/act',
    '/act/power',
    '/act/amountCents',
    '/act/channel',
    '/requiresChannelAccess',
    '/groups',
    '/groups/0/id',
    '/groups/0/members',
    '/groups/0/members/0/person',
    '/rules',
    '/rules/0/id',
    '/rules/0/version',
    '/rules/0/coverage',
    '/rules/0/power',
    '/rules/0/alternatives/0/id',
    '/rules/0/alternatives/0/requires/0/group',
    '/rules/0/alternatives/0/requires/0/min',
    '/people',
    '/people/0/operator/active',
    '/people/0/operator/accountAccess',
    '/people/0/reservations/0/maxCents',
    '/people/0/reservations/0/kind',
  ])('lacks %s', (pointer) => {
    expect(wrongWith(pointer)).toContain(pointer);
  });

  it.each([
    ['/x', 1],
    ['/act/x', 1],
    ['/groups/0/x', 1],
    ['/groups/0/members/0/x', 1],
    ['/rules/0/x', 1],
    ['/rules/0/band/x', 1],
    ['/rules/0/alternatives/0/x', 1],
    ['/rules/0/alternatives/0/requires/0/x', 1],
    ['/people/0/x', 1],
    ['/people/0/operator/x', 1],
    ['/people/0/reservations/2/maxCents', 1],
    ['/people/0/reservations/1/text', 'x'],
  ])('has an unknown key %s', (pointer, value) => {
    expect(wrongWith(pointer, value)).toEqual([pointer]);
  });

  it.each<[string, unknown]>([
    ['/at', '2026-11-22'],
    ['/at', '2016-12-31T23:59:60Z'],
    ['/act/amountCents', -1],
    ['/act/amountCents', 0.5],
    ['/act/amountCents', '100'],
    ['/act/product', null],
    ['/context', []],
    ['/requester', null],
    ['/requiresChannelAccess', 'yes'],
    ['/unavailable', 'rules'],
    ['/signed', 'p1'],
    ['/limit', 0],
    ['/limit', 1001],
    ['/limit', null],
    ['/groups/0/members/0/from', '2026-02-30T00:00:00Z'],
    ['/groups/0/members/0/to', 5],
    ['/rules/0/version', '3'],
    ['/rules/0/effect', 'allow'],
    ['/rules/0/coverage', 'partial'],
    ['/rules/0/channels', 'bankline'],
    ['/rules/0/products/0', 1],
    ['/rules/0/band', null],
    ['/rules/0/band/minCents', -1],
    ['/rules/0/alternatives/0/counting', 'both'],
    ['/rules/0/alternatives/0/excludesRequester', 1],
    ['/rules/0/alternatives/0/requires/0/min', 0],
    ['/rules/0/alternatives/0/requires/0/min', 1.5],
    ['/rules/0/alternatives/0/requires/0/min', 'half'],
    ['/rules/0/alternatives/0/notTogether/0', ['p1']],
    ['/rules/0/alternatives/0/notTogether/0', ['p1', 'p1']],
    ['/people/0/operator', true],
    ['/people/0/operator/active', null],
    ['/people/0/reservations/0/kind', 'limit'],
    ['/people/0/reservations/0/maxCents', null],
    ['/people/0/id', 7],
  ])('has at %s %j', (pointer, value) => {
    expect(wrongWith(pointer, value)).toContain(pointer);
  });

  it('has ids twice', () => {
    expect(wrongWith('/people/1/id', 'p1')).toContain('/people/1/id');
    expect(wrongWith('/groups/1/id', 'A')).toContain('/groups/1/id');
    expect(wrongWith('/rules/1/id', 'r1')).toEqual(['/rules/1/id']);
    const [one] = valid.rules[0]?.alternatives ?? [];
    expect(wrongWith('/rules/0/alternatives/1', one)).toEqual(['/rules/0/alternatives/1/id']);
  });

  it('names groups and people that do not exist', () => {
    expect(wrongWith('/groups/0/members/0/person', 'px')).toEqual(['/groups/0/members/0/person']);
    expect(wrongWith('/rules/0/alternatives/0/requires/0/group', 'X')).toEqual([
      '/rules/0/alternatives/0/requires/0/group',
    ]);
    expect(wrongWith('/rules/0/alternatives/0/mandatory/0', 'px')).toEqual([
      '/rules/0/alternatives/0/mandatory/0',
    ]);
    expect(wrongWith('/rules/0/alternatives/0/notTogether/0/1', 'px')).toEqual([
      '/rules/0/alternatives/0/notTogether/0/1',
    ]);
    expect(wrongWith('/signed/0', 'px')).toEqual(['/signed/0']);
  });

  it('repeats in signed, unavailable or mandatory', () => {
    expect(wrongWith('/signed', ['p4', 'p1', 'p4'])).toEqual(['/signed/2']);
    expect(wrongWith('/unavailable', ['rules', 'rules'])).toEqual(['/unavailable/1']);
    expect(wrongWith('/rules/0/alternatives/0/mandatory', ['p3', 'p3'])).toEqual([
      '/rules/0/alternatives/0/mandatory/1',
    ]);
  });

  it('has memberships of one person in one group that overlap', () => {
    const members = (...spans: [string | null, string | null][]): unknown =>
      spans.map(([from, to]) => ({ person: 'p3', from, to }));
    const [a, b, c] = ['2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z'];
    expect(wrongWith('/groups/1/members', members([null, null], [null, null]))).toEqual([
      '/groups/1/members/1',
    ]);
    expect(wrongWith('/groups/1/members', members([b, null], [a, c]))).toEqual(['/groups/1/members/1']);
    expect(wrongWith('/groups/1/members', members([a, b], [b, c]))).toEqual([]);
    expect(wrongWith('/groups/1/members', members([b, c], [null, b], [c, null]))).toEqual([]);
    expect(wrongWith('/groups/1/members', members([null, null], [a, b], [b, c]))).toEqual([
      '/groups/1/members/1',
      '/groups/1/members/2',
    ]);
    // The one that comes later in the list is named, whatever the dates are, and each that meets an earlier one.
    expect(wrongWith('/groups/1/members', members([b, c], [a, null], [null, a], [null, null]))).toEqual([
      '/groups/1/members/1',
      '/groups/1/members/3',
    ]);
    expect(wrongWith('/groups/1/members', members([a, b], [c, null], [b, c], [b, null]))).toEqual([
      '/groups/1/members/3',
    ]);
  });

  it('has spans and bands that cannot be read, which say nothing more', () => {
    const members = [{ person: 'p3' }, { person: 'p3', from: 'soon' }, { person: 'p3', to: 5 }];
    expect(wrongWith('/groups/1/members', members)).toEqual([
      '/groups/1/members/1/from',
      '/groups/1/members/2/to',
    ]);
    expect(wrongWith('/rules/0/band', { minCents: 0, maxCents: -1 })).toEqual(['/rules/0/band/maxCents']);
    expect(wrongWith('/rules/0/band', { minCents: 2 ** 53, maxCents: 5 })).toEqual([
      '/rules/0/band/minCents',
    ]);
  });

  it('has empty spans and bands', () => {
    const at = '2026-01-01T00:00:00Z';
    expect(wrongWith('/rules/0/from', at)).toEqual([]);
    const same = { person: 'p3', from: at, to: '2025-12-31T21:00:00-03:00' };
    expect(wrongWith('/groups/1/members/0', same)).toEqual(['/groups/1/members/0/to']);
    const reservation = { kind: 'validity', from: '2026-12-31T03:00:00.5Z', to: '2026-12-31T03:00:00Z' };
    expect(wrongWith('/people/0/reservations/1', reservation)).toEqual(['/people/0/reservations/1/to']);
    expect(wrongWith('/rules/0/band', { minCents: 5, maxCents: 5 })).toEqual(['/rules/0/band']);
    expect(wrongWith('/rules/0/band', { minCents: 6, maxCents: 5 })).toEqual(['/rules/0/band']);
  });

  it('has an alternative that asks for nobody', () => {
    expect(wrongWith('/rules/0/alternatives/0', { id: 'a1' })).toEqual(['/rules/0/alternatives/0']);
    expect(wrongWith('/rules/0/alternatives/0', { id: 'a1', requires: [], mandatory: [] })).toEqual([
      '/rules/0/alternatives/0',
    ]);
  });

  it('has alternatives on a rule that forbids or was not read', () => {
    expect(wrongWith('/rules/0/effect', 'forbid')).toEqual(['/rules/0/alternatives']);
    expect(wrongWith('/rules/0/coverage', 'unknown')).toEqual(['/rules/0/alternatives']);
  });

  it('excludes a requester without having one', () => {
    expect(wrongWith('/requester')).toEqual(['/rules/0/alternatives/0/excludesRequester']);
  });

  it('is too large', () => {
    const people = (count: number): unknown => Array.from({ length: count }, (_, i) => eligible(`p${i}`));
    const groups = (count: number): unknown => [
      ...valid.groups,
      ...Array.from({ length: count - 3 }, (_, i) => group(`g${i}`)),
    ];
    const rules = (count: number): unknown => [
      ...valid.rules,
      ...Array.from({ length: count - 3 }, (_, i) => rule(`x${i}`, [])),
    ];
    expect(wrongWith('/people', people(500))).toEqual([]);
    expect(wrongWith('/people', people(501))).toEqual(['/people']);
    expect(wrongWith('/groups', groups(200))).toEqual([]);
    expect(wrongWith('/groups', groups(201))).toEqual(['/groups']);
    expect(wrongWith('/rules', rules(200))).toEqual([]);
    expect(wrongWith('/rules', rules(201))).toEqual(['/rules']);
  });

  it('has a document number for an id, which the answer does not repeat', () => {
    const text = JSON.stringify(newCase()).replaceAll('"p1"', '"52998224725"');
    const parsed = parseInput(text);
    expect(parsed.ok).toBe(false);
    expect(JSON.stringify(parsed)).not.toContain('52998224725');
    expect(pointersOf(text)).toEqual(['/groups/0/members/0/person', '/people/0/id']);
  });

  const text = JSON.stringify(newCase({ context: { a: 1 } }));
  it.each([
    ['duplicate keys', text.replace('"limit"', '').replace('"at":', '"at":"x","at":'), ['/at']],
    ['duplicate keys in the context', text.replace('"a":1', '"a":1,"a":1'), ['/context/a']],
    ['a key twice by an escape', text.replace('"power":', '"p\\u006fwer":"x","power":'), ['/act/power']],
    ['an integer above 2^53 - 1', text.replace('100000', '9007199254740992'), ['/act/amountCents']],
    ['an integer far above', text.replace('100000', `1${'0'.repeat(400)}`), ['/act/amountCents']],
    ['an integer below -(2^53 - 1)', text.replace('"a":1', '"a":-9007199254740993'), ['/context/a']],
    ['a number that a double rounds', text.replace('100000', '9007199254740991.4'), ['/act/amountCents']],
    ['a fraction beyond 2^53 - 1', text.replace('100000', '9007199254740991.5'), ['/act/amountCents']],
    ['a lone surrogate', text.replace('"a":1', '"a":"\\ud83d"'), ['/context/a']],
    [
      'a lone surrogate in an id',
      text.replaceAll('"p1"', '"\\udc00"'),
      ['/groups/0/members/0/person', '/people/0/id'],
    ],
    ['a lone surrogate in a key', text.replace('"a":1', '"\\ud83d":1'), ['/context/\ufffd']],
    ['no JSON', '{', ['']],
    ['nothing', '', ['']],
    ['an array', '[]', ['']],
    ['null', 'null', ['']],
  ])('has %s', (_, json, expected) => {
    expect(pointersOf(json)).toEqual(expected);
  });

  it('takes a pair of surrogates, escaped or not', () => {
    expect(pointersOf(text.replaceAll('"p1"', '"\\ud83d\\ude00"'))).toEqual([]);
    expect(pointersOf(text.replaceAll('"p1"', '"\u{1f600}"'))).toEqual([]);
  });

  it('is refused as a whole, with everything that is wrong', () => {
    const input: QuorumInput = structuredClone(valid);
    const broken = {
      ...input,
      at: 'yesterday',
      surprise: true,
      signed: ['nobody'],
      people: [...input.people, { id: 'p1', operator: { active: 'yes', accountAccess: true } }],
    };
    expect(new Set(pointersOf(JSON.stringify(broken)))).toEqual(
      new Set(['/at', '/surprise', '/signed/0', '/people/4/id', '/people/4/operator/active']),
    );
  });

  it('is refused when it is no JSON at all', () => {
    for (const value of [undefined, 1n, () => 1, { at: Symbol('x') }])
      expect(parseInput(value).ok).toBe(false);
  });
});
