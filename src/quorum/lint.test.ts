import { describe, expect, it } from 'vitest';
import type { Alternative, Group, Reservation, Rule } from './contract.ts';
import { type Finding, type LintSubject, lintRules, parseLintSubject } from './lint.ts';

const at = '2026-11-22T12:00:00-03:00';

const rule = (id: string, more: Partial<Rule> = {}): Rule => ({
  id,
  version: 1,
  coverage: 'complete',
  power: 'sign',
  alternatives: [{ id: 'one', requires: [{ group: 'A', min: 1 }] }],
  ...more,
});

const group = (id: string, ...members: (string | Group['members'][number])[]): Group => ({
  id,
  members: members.map((member) => (typeof member === 'string' ? { person: member } : member)),
});

const subject = (
  rules: Rule[],
  groups: Group[] = [group('A', 'p1', 'p2')],
  reservations: Record<string, Reservation[]> = {},
): LintSubject => {
  const ids = new Set([
    ...groups.flatMap(({ members }) => members.map(({ person }) => person)),
    ...Object.keys(reservations),
  ]);
  return { at, groups, rules, people: [...ids].map((id) => ({ id, reservations: reservations[id] ?? [] })) };
};

const lint = (checked: LintSubject, days = 0): Finding[] => lintRules(checked, { days });

const short = (findings: Finding[]): string[] =>
  findings.map(({ severity, code, pointer }) => `${severity} ${code} ${pointer}`);

const messages = (findings: Finding[]): string => findings.map(({ message }) => message).join('\n');

describe('lint of a sound party', () => {
  it('finds nothing', () => {
    expect(
      lint(subject([rule('r1', { band: { maxCents: 100 } }), rule('r2', { band: { minCents: 100 } })])),
    ).toEqual([]);
  });
});

describe('lint of value bands', () => {
  const banded = (...bands: [number | null, number | null][]): Rule[] =>
    bands.map(([minCents, maxCents], index) => rule(`r${index}`, { band: { minCents, maxCents } }));

  it('finds gaps between, below and above bands', () => {
    const findings = lint(subject(banded([1000, 2000], [2001, 3000])));
    expect(short(findings)).toEqual([
      'error band_gap /rules/1/band/minCents',
      'warning band_gap /rules/0/band/minCents',
      'info band_open_top /rules/1/band/maxCents',
    ]);
    expect(messages(findings)).toContain(
      'acts from BRL 20.00 to under BRL 20.01, between rules r0 and r1 (power sign)',
    );
    expect(findings[0]?.remedy).toContain(
      'set minCents to 2000, or maxCents of rule r0 (/rules/0/band/maxCents) to 2001',
    );
  });

  it('finds overlaps, also with a rule without a band', () => {
    expect(short(lint(subject(banded([0, 2000], [1999, null]))))).toEqual([
      'warning band_overlap /rules/1/band',
    ]);
    const findings = lint(subject([...banded([0, 2000]), rule('any')]));
    expect(short(findings)).toContain('warning band_overlap /rules/1');
    expect(messages(findings)).toContain('rules r0 and any both cover acts from BRL 0.00 to under BRL 20.00');
  });

  it('looks at each channel and product apart, and says in which', () => {
    const findings = lint(
      subject([
        rule('desk', { channels: ['desk'], band: { maxCents: 1000 } }),
        rule('desk-large', { channels: ['desk'], band: { minCents: 1000 } }),
        rule('app', { channels: ['app'], band: { maxCents: 500 } }),
        rule('app-large', { channels: ['app'], products: ['loan'], band: { minCents: 600 } }),
      ]),
    );
    expect(short(findings)).toEqual([
      'error band_gap /rules/3/band/minCents',
      'info band_open_top /rules/2/band/maxCents',
    ]);
    expect(findings[0]?.message).toContain('(power sign, channel app, product loan)');
    expect(findings[1]?.message).toContain(
      '(power sign, channel app, any other product; power sign, channel app, no product)',
    );
  });

  it('leaves out prohibitions and rules that are not valid now, and lets unread rules cover', () => {
    expect(
      short(
        lint(
          subject([
            ...banded([0, 1000]),
            rule('unread', { coverage: 'unknown', alternatives: [], band: { minCents: 900 } }),
            rule('no', { effect: 'forbid', alternatives: [], band: { minCents: 10, maxCents: 20 } }),
            rule('old', { to: '2020-01-01T00:00:00Z', band: { maxCents: 5 } }),
          ]),
        ),
      ),
    ).toEqual(['warning unread_rule /rules/1/coverage', 'info rule_ended /rules/3/to']);
  });
});

describe('lint of groups and people', () => {
  it('finds groups that are empty or smaller than a minimum, with the members of now', () => {
    const groups = [group('A', 'p1', { person: 'p2', to: '2026-01-01T00:00:00Z' }), group('B')];
    const alternatives: Alternative[] = [
      { id: 'good', requires: [{ group: 'A', min: 1 }] },
      { id: 'large', requires: [{ group: 'A', min: 2 }] },
      { id: 'empty', requires: [{ group: 'B', min: 'all' }] },
    ];
    const findings = lint(subject([rule('r', { alternatives })], groups));
    expect(short(findings)).toEqual([
      'error group_too_small /rules/0/alternatives/1/requires/0/min',
      'error empty_group /rules/0/alternatives/2/requires/0/group',
      'warning person_in_no_group /people/1',
      'warning unsatisfiable_alternative /rules/0/alternatives/1',
      'warning unsatisfiable_alternative /rules/0/alternatives/2',
    ]);
    expect(findings[0]?.remedy).toBe('lower the minimum to at most 1, or add 1 to group A');
    expect(messages(findings)).toContain(
      'p2 is in no group at 2026-11-22T12:00:00-03:00: the memberships in A have ended',
    );
  });

  it('counts a mandatory person as having a place', () => {
    const alternatives: Alternative[] = [{ id: 'a', requires: [{ group: 'A', min: 1 }], mandatory: ['p9'] }];
    const findings = lint(subject([rule('r', { alternatives })], undefined, { p8: [], p9: [] }));
    expect(short(findings)).toEqual(['warning person_in_no_group /people/2']);
  });

  it('tells an unread restriction, which holds back everything, from an unread rule', () => {
    const unread = { coverage: 'unknown' as const, alternatives: [] };
    expect(
      short(lint(subject([rule('a'), rule('b', unread), rule('c', { ...unread, effect: 'forbid' })]))),
    ).toEqual(['error unread_restriction /rules/2/coverage', 'warning unread_rule /rules/1/coverage']);
  });
});

describe('lint of what can be satisfied', () => {
  it('finds a rule that nobody can satisfy although every count is met', () => {
    const apart: Alternative[] = [
      { id: 'pair', requires: [{ group: 'A', min: 2 }], notTogether: [['p1', 'p2']] },
      {
        id: 'overlap',
        requires: [
          { group: 'A', min: 2 },
          { group: 'A', min: 1 },
        ],
      },
    ];
    const findings = lint(subject([rule('r', { alternatives: apart })]));
    expect(short(findings)).toEqual(['error unsatisfiable_rule /rules/0']);
    expect(findings[0]?.message).toContain('(not_together; overlap)');
  });

  it('finds a rule that only reservations keep from everyone', () => {
    const limited: Reservation[] = [{ kind: 'value_limit', maxCents: 99 }];
    const reserved = { p1: limited, p2: [{ kind: 'suspended' as const }] };
    expect(short(lint(subject([rule('r', { band: { minCents: 0 } })], undefined, reserved)))).toEqual([]);
    const findings = lint(
      subject(
        [rule('small', { band: { maxCents: 100 } }), rule('large', { band: { minCents: 100 } })],
        undefined,
        reserved,
      ),
    );
    expect(short(findings)).toEqual(['warning nobody_eligible /rules/1']);
  });

  it('finds alternatives that another makes redundant, and keeps the first of two that are the same', () => {
    const alternatives: Alternative[] = [
      { id: 'one', requires: [{ group: 'A', min: 1 }] },
      { id: 'two', requires: [{ group: 'A', min: 2 }] },
      { id: 'same', requires: [{ group: 'A', min: 1 }] },
      { id: 'named', mandatory: ['p2'] },
      { id: 'stranger', mandatory: ['p9'] },
    ];
    const findings = lint(subject([rule('r', { alternatives })], undefined, { p9: [] }));
    expect(short(findings)).toEqual([
      'warning redundant_alternative /rules/0/alternatives/1',
      'warning redundant_alternative /rules/0/alternatives/2',
      'warning redundant_alternative /rules/0/alternatives/3',
    ]);
  });

  it('compares across rules only where the other rule applies as well', () => {
    const two: Alternative[] = [{ id: 'two', requires: [{ group: 'A', min: 2 }] }];
    const redundant = (other: Partial<Rule>, strict: Partial<Rule> = {}): string[] =>
      short(lint(subject([rule('lenient', other), rule('strict', { alternatives: two, ...strict })]))).filter(
        (one) => one.includes('redundant'),
      );
    const found = ['warning redundant_alternative /rules/1/alternatives/0'];
    expect(redundant({})).toEqual(found);
    expect(redundant({ channels: ['app'] })).toEqual([]);
    expect(redundant({ channels: ['app', 'desk'] }, { channels: ['app'] })).toEqual(found);
    expect(redundant({ band: { maxCents: 100 } })).toEqual([]);
    expect(redundant({ band: { maxCents: 100 } }, { band: { minCents: 10, maxCents: 50 } })).toEqual(found);
    expect(redundant({ to: '2027-01-01T00:00:00Z' })).toEqual([]);
    expect(
      redundant({
        alternatives: [{ id: 'one', requires: [{ group: 'A', min: 1 }], excludesRequester: true }],
      }),
    ).toEqual([]);
  });
});

describe('lint of endings', () => {
  const ending = '2026-11-30T00:00:00-03:00';

  it('says when quorum is lost and by what', () => {
    const findings = lint(subject([rule('r')], [group('A', { person: 'p1', to: ending })]), 30);
    expect(short(findings)).toEqual(['error quorum_ends /groups/0/members/0/to']);
    expect(findings[0]?.message).toBe(
      'quorum is lost on 30 November 2026, 00:00 (São Paulo time), when the membership of p1 in group A ends: acts of BRL 0.00 or more (power sign) get no_quorum: not_enough_people',
    );
  });

  it('is quiet where another member remains, the membership is renewed, or the end is too far', () => {
    const end = { person: 'p1', to: ending };
    const of = (...members: (string | Group['members'][number])[]): string[] =>
      short(lint(subject([rule('r')], [group('A', ...members)]), 30));
    expect(of(end, 'p2')).toEqual(['info membership_ends /groups/0/members/0/to']);
    expect(of(end, { person: 'p1', from: ending })).toEqual(['info membership_ends /groups/0/members/0/to']);
    expect(of({ person: 'p1', to: '2027-11-30T00:00:00-03:00' })).toEqual([]);
    expect(of({ person: 'p1', to: '2026-12-22T12:00:00-03:00' })).toEqual([
      'error quorum_ends /groups/0/members/0/to',
    ]);
    expect(of({ person: 'p1', to: '2026-12-22T12:00:00.000000001-03:00' })).toEqual([]);
  });

  it('follows rules, reservations and prohibitions, and names the amounts', () => {
    const until: Reservation[] = [{ kind: 'validity', to: ending }];
    const findings = lint(
      subject(
        [
          rule('small', { band: { maxCents: 1000 }, to: '2026-12-01T00:00:00-03:00' }),
          rule('large', {
            band: { minCents: 1000 },
            alternatives: [{ id: 'b', requires: [{ group: 'B', min: 1 }] }],
          }),
          rule('stop', {
            effect: 'forbid',
            alternatives: [],
            channels: ['app'],
            from: '2026-11-25T00:00:00-03:00',
          }),
        ],
        [group('A', 'p1'), group('B', 'p2')],
        { p2: until },
      ),
      30,
    );
    expect(short(findings)).toEqual([
      'error quorum_ends /people/1/reservations/0/to',
      'error quorum_ends /rules/0/to',
      'error quorum_ends /rules/2/from',
    ]);
    expect(messages(findings)).toContain(
      'when rule stop begins: acts from BRL 0.00 to under BRL 10.00 (power sign, channel app) get no_quorum: forbidden',
    );
    expect(messages(findings)).toContain(
      'when the period in which p2 may sign ends: acts of BRL 10.00 or more (power sign, any other channel) get no_quorum: not_enough_people',
    );
    expect(messages(findings)).toContain(
      'when rule small ends: acts from BRL 0.00 to under BRL 10.00 (power sign, any other channel) get no_quorum: no_rule',
    );
  });

  it('blames, of what ends together, only what costs the quorum', () => {
    const groups = [group('A', { person: 'p1', to: ending }), group('B', { person: 'p2', to: ending })];
    expect(short(lint(subject([rule('r')], groups), 30))).toEqual([
      'error quorum_ends /groups/0/members/0/to',
      'info membership_ends /groups/1/members/0/to',
    ]);
    const together = [group('A', { person: 'p1', to: ending }, { person: 'p2', to: ending })];
    const two: Alternative[] = [{ id: 'two', requires: [{ group: 'A', min: 2 }] }];
    expect(short(lint(subject([rule('r', { alternatives: two })], together), 30))).toEqual([
      'error quorum_ends /groups/0/members/0/to',
      'error quorum_ends /groups/0/members/1/to',
    ]);
  });
});

describe('parseLintSubject', () => {
  const read = (value: unknown, more: { at?: string } = {}) =>
    parseLintSubject(typeof value === 'string' ? value : JSON.stringify(value), { now: at, ...more });

  it('takes rules and groups alone, with everyone they name', () => {
    const alternatives: Alternative[] = [{ id: 'a', mandatory: ['p9'], excludesRequester: true }];
    const parsed = read({ groups: [group('A', 'p1')], rules: [rule('r', { alternatives })] });
    expect(parsed).toMatchObject({ ok: true, subject: { at, people: [{ id: 'p1' }, { id: 'p9' }] } });
  });

  it('takes a whole input, its instant, or another one', () => {
    const whole = {
      at: '2026-01-01T00:00:00Z',
      act: { power: 'x', amountCents: 1, channel: 'c' },
      requiresChannelAccess: true,
      groups: [],
      rules: [],
      people: [{ id: 'p1' }],
    };
    expect(read(whole)).toMatchObject({ ok: true, subject: { at: whole.at, people: [{ id: 'p1' }] } });
    expect(read(whole, { at })).toMatchObject({ ok: true, subject: { at } });
  });

  it('refuses what a decision would refuse, with the pointers of the file', () => {
    expect(read({ groups: [], rules: [rule('r', { band: { minCents: 5, maxCents: 5 } })] })).toMatchObject({
      ok: false,
      violations: expect.arrayContaining([
        expect.objectContaining({ pointer: expect.stringMatching(/^\/rules\/0\/band/) }),
      ]),
    });
    expect(read('{"groups":[],"groups":[],"rules":[]}')).toEqual({
      ok: false,
      violations: [{ pointer: '/groups', message: 'expected the key once, found it again' }],
    });
    expect(read('[]')).toMatchObject({ ok: false });
    expect(read('{')).toMatchObject({ ok: false });
  });
});
