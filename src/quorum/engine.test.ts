import { describe, expect, it } from 'vitest';
import { eligible, group, newCase, requires, rule } from '../../test/quorum/case.ts';
import type { Alternative, QuorumInput, QuorumOutput, Requirement, Reservation } from './contract.ts';
import { decide } from './engine.ts';
import { parseInput } from './input.ts';

/** The decision of a case that must be valid. */
const decided = (more: Partial<QuorumInput> = {}): QuorumOutput => {
  const parsed = parseInput(JSON.stringify(newCase(more)));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.violations));
  return decide(parsed.input);
};

/** The only alternative of a case, with what it asks for. */
const asking = (mins: Record<string, Requirement['min']>, more: Partial<Alternative> = {}) => ({
  rules: [rule('r1', [{ id: 'a1', requires: requires(mins), ...more }])],
});

const blocked = (id: string) => ({ ...eligible(id), reservations: [{ kind: 'suspended' as const }] });
const uncertain = (id: string) => ({ ...eligible(id), operator: null });

describe('members', () => {
  const at = '2026-11-22T12:00:00-03:00';
  const member = (span: { from?: string | null; to?: string | null }): string[][] =>
    decided({ groups: [{ id: 'A', members: [{ person: 'p1', ...span }] }] }).coalitions.minimal;

  it('count from the first instant of a membership to before its last', () => {
    expect(member({})).toEqual([['p1']]);
    expect(member({ from: at })).toEqual([['p1']]);
    expect(member({ from: '2026-11-22T15:00:00.0000000001Z' })).toEqual([]);
    expect(member({ to: at })).toEqual([]);
    expect(member({ to: '2026-11-22T15:00:00.0000000001Z' })).toEqual([['p1']]);
  });

  it('count once, however many memberships they have', () => {
    const members = [{ person: 'p1', to: at }, { person: 'p1', from: at }, { person: 'p2' }];
    expect(decided({ groups: [{ id: 'A', members }], ...asking({ A: 'all' }) }).coalitions.minimal).toEqual([
      ['p1', 'p2'],
    ]);
  });
});

describe('people', () => {
  const reserved = (
    reservations: Reservation[],
    more: Partial<QuorumInput> = {},
  ): QuorumOutput['people'][number] | undefined =>
    decided({ people: [{ ...eligible('p1'), reservations }, ...['p2', 'p3', 'p4'].map(eligible)], ...more })
      .people[0];

  it('are blocked by a limit below the act, and by none where the act has no value', () => {
    const act = { power: 'sign', channel: 'bankline', amountCents: 100 };
    const limit = (maxCents: number): Reservation[] => [{ kind: 'value_limit', maxCents }];
    expect(reserved(limit(100), { act })?.status).toBe('eligible');
    expect(reserved(limit(99), { act })).toEqual({
      id: 'p1',
      status: 'blocked',
      reasons: [{ code: 'value_limit', reservation: 0 }],
    });
    expect(reserved(limit(0), { act: { ...act, amountCents: null } })?.status).toBe('eligible');
  });

  it('are blocked outside a validity and while suspended', () => {
    const at = '2026-11-22T12:00:00-03:00';
    expect(reserved([{ kind: 'validity', from: at, to: null }])?.status).toBe('eligible');
    expect(reserved([{ kind: 'validity', to: at }])?.reasons).toEqual([{ code: 'validity', reservation: 0 }]);
    expect(reserved([{ kind: 'validity', from: '2026-11-22T12:00:01-03:00' }])?.status).toBe('blocked');
    expect(reserved([{ kind: 'suspended' }])?.reasons).toEqual([{ code: 'suspended', reservation: 0 }]);
  });

  it('are held back only by reservations that match the act', () => {
    const suspended = (scope: object): string | undefined =>
      reserved([{ kind: 'suspended', ...scope }])?.status;
    expect(suspended({ powers: ['sign'], channels: ['app', 'bankline'], products: ['credit'] })).toBe(
      'blocked',
    );
    expect(suspended({ powers: [], channels: [], products: [] })).toBe('blocked');
    expect(suspended({ powers: ['pay'] })).toBe('eligible');
    expect(suspended({ channels: ['app'] })).toBe('eligible');
    expect(suspended({ products: ['fx'] })).toBe('eligible');
    const act = { power: 'sign', channel: 'bankline', amountCents: 1 };
    expect(reserved([{ kind: 'suspended', products: ['credit'] }], { act })?.status).toBe('eligible');
  });

  it('report all reasons, reservations by index and then the operator', () => {
    const [person] = decided({
      people: [
        {
          id: 'p1',
          operator: { active: false, accountAccess: false },
          reservations: [
            { kind: 'other', text: 'with the board' },
            { kind: 'value_limit', maxCents: 10_000_000 },
            { kind: 'suspended' },
            { kind: 'validity', from: '2027-01-01T00:00:00Z' },
          ],
        },
        ...['p2', 'p3', 'p4'].map(eligible),
      ],
    }).people;
    expect(person).toEqual({
      id: 'p1',
      status: 'blocked',
      reasons: [
        { code: 'other', reservation: 0 },
        { code: 'suspended', reservation: 2 },
        { code: 'validity', reservation: 3 },
        { code: 'operator_inactive' },
        { code: 'no_account_access' },
      ],
    });
  });

  it('are uncertain for want of knowledge, blocked all the same where something blocks', () => {
    expect(reserved([{ kind: 'other', text: '?' }])?.status).toBe('uncertain');
    const people = (operator: null | undefined, reservations: Reservation[] = []) =>
      decided({
        people: [
          { id: 'p1', ...(operator === null && { operator }), reservations },
          ...['p2', 'p3', 'p4'].map(eligible),
        ],
      }).people[0];
    expect(people(null)).toEqual({ id: 'p1', status: 'uncertain', reasons: [{ code: 'operator_unknown' }] });
    expect(people(undefined)?.status).toBe('uncertain');
    expect(people(null, [{ kind: 'suspended' }])?.status).toBe('blocked');
  });

  it('need no operator where no channel access is required', () => {
    const people = [
      uncertain('p1'),
      { id: 'p2', operator: { active: false, accountAccess: true } },
      { id: 'p3' },
    ];
    const output = decided({ requiresChannelAccess: false, people, groups: [group('A', 'p1', 'p2', 'p3')] });
    expect(output.people.map(({ status }) => status)).toEqual(['eligible', 'eligible', 'eligible']);
    expect(output.coalitions.total).toBe(3);
  });

  it('keep the order of the input', () => {
    const people = ['p4', 'p1', 'p3', 'p2'].map(eligible);
    expect(decided({ people }).people.map(({ id }) => id)).toEqual(['p4', 'p1', 'p3', 'p2']);
  });
});

describe('rules', () => {
  const applies = (more: object, act: Partial<QuorumInput['act']> = {}): boolean =>
    decided({
      act: { ...newCase().act, ...act },
      rules: [rule('r1', [{ id: 'a1', requires: requires({ A: 1 }) }], more)],
    }).alternatives.length === 1;

  it('apply by power, channel and product', () => {
    expect(applies({ channels: [], products: [] })).toBe(true);
    expect(applies({ channels: ['app', 'bankline'], products: ['credit'] })).toBe(true);
    expect(applies({ power: 'pay' })).toBe(false);
    expect(applies({ channels: ['app'] })).toBe(false);
    expect(applies({ products: ['fx'] })).toBe(false);
  });

  it('apply to an act without a product only with an empty list', () => {
    const act = { power: 'sign', amountCents: 1, channel: 'bankline' };
    const total = (products: string[]): number =>
      decided({ act, rules: [rule('r1', [{ id: 'a1', requires: requires({ A: 1 }) }], { products })] })
        .alternatives.length;
    expect(total([])).toBe(1);
    expect(total(['credit'])).toBe(0);
  });

  it('apply from their first instant to before their last', () => {
    const at = '2026-11-22T15:00:00Z';
    expect(applies({ from: at, to: null })).toBe(true);
    expect(applies({ from: null, to: at })).toBe(false);
    expect(applies({ from: '2026-11-22T15:00:01Z' })).toBe(false);
  });

  it('apply inside a half-open band, and without one to any act', () => {
    const band = { minCents: 100, maxCents: 200 };
    expect([99, 100, 199, 200].map((amountCents) => applies({ band }, { amountCents }))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(applies({ band }, { amountCents: null })).toBe(false);
    expect(applies({ band: {} }, { amountCents: null })).toBe(false);
    expect(applies({ band: { minCents: null, maxCents: null } }, { amountCents: 0 })).toBe(true);
    expect(applies({}, { amountCents: null })).toBe(true);
  });

  it('are alternatives to one another', () => {
    const output = decided({
      groups: [group('A', 'p1', 'p2'), group('B', 'p3')],
      rules: [
        rule('r1', [{ id: 'a1', requires: requires({ A: 2 }) }]),
        rule('r2', [{ id: 'a1', requires: requires({ B: 1 }) }], { version: 7 }),
      ],
    });
    expect(output.coalitions.minimal).toEqual([['p3'], ['p1', 'p2']]);
    expect(output.alternatives.map((one) => [one.rule, one.version, one.alternative])).toEqual([
      ['r1', 1, 'a1'],
      ['r2', 7, 'a1'],
    ]);
  });
});

describe('alternatives', () => {
  const groups = [group('A', 'p1', 'p2'), group('B', 'p2', 'p3'), { id: 'none', members: [] }];
  const coalitions = (
    mins: Record<string, Requirement['min']>,
    more: Partial<Alternative> = {},
  ): string[][] => decided({ groups, ...asking(mins, more) }).coalitions.minimal;

  it('take different people for each requirement, unless they are cumulative', () => {
    expect(coalitions({ A: 1, B: 1 })).toEqual([
      ['p1', 'p2'],
      ['p1', 'p3'],
      ['p2', 'p3'],
    ]);
    expect(coalitions({ A: 1, B: 1 }, { counting: 'cumulative' })).toEqual([['p2'], ['p1', 'p3']]);
    expect(coalitions({ A: 2, B: 2 })).toEqual([]);
    expect(coalitions({ A: 2, B: 2 }, { counting: 'cumulative' })).toEqual([['p1', 'p2', 'p3']]);
  });

  it('may require one group twice', () => {
    const twice = [
      { group: 'A', min: 1 },
      { group: 'A', min: 1 },
    ];
    expect(coalitions({}, { requires: twice })).toEqual([['p1', 'p2']]);
    expect(coalitions({}, { requires: twice, counting: 'cumulative' })).toEqual([['p1'], ['p2']]);
    const thrice = [...twice, { group: 'A', min: 1 }];
    expect(decided({ groups, ...asking({}, { requires: thrice }) }).alternatives[0]).toMatchObject({
      satisfied: false,
      missing: [],
      causes: ['overlap'],
    });
  });

  it('have mandatory people in every set, who fill a requirement where they can', () => {
    expect(coalitions({ A: 1 }, { mandatory: ['p1'] })).toEqual([['p1']]);
    expect(coalitions({ A: 1 }, { mandatory: ['p4'] })).toEqual([
      ['p1', 'p4'],
      ['p2', 'p4'],
    ]);
    expect(coalitions({}, { requires: [], mandatory: ['p4', 'p1'] })).toEqual([['p1', 'p4']]);
  });

  it('keep pairs apart', () => {
    expect(coalitions({ A: 1, B: 1 }, { notTogether: [['p1', 'p3']] })).toEqual([
      ['p1', 'p2'],
      ['p2', 'p3'],
    ]);
  });

  it('leave the requester out, one who is nobody excludes nobody', () => {
    const excluding = { ...asking({ A: 1 }, { excludesRequester: true }), groups };
    expect(decided({ ...excluding, requester: 'p1' }).coalitions.minimal).toEqual([['p2']]);
    expect(decided({ ...excluding, requester: 'a stranger' }).coalitions.total).toBe(2);
  });

  it('count "all" and "majority" of the registered, eligible or not', () => {
    const people = [blocked('p1'), ...['p2', 'p3', 'p4'].map(eligible)];
    const minimal = (min: Requirement['min']): QuorumOutput => decided({ people, ...asking({ A: min }) });
    expect(minimal('all').coalitions.total).toBe(0);
    expect(minimal('all').alternatives[0]?.missing).toEqual([{ group: 'A', have: 3, need: 4 }]);
    expect(minimal('majority').coalitions.minimal).toEqual([['p2', 'p3', 'p4']]);
    expect(
      decided({ ...asking({ A: 'majority' }), groups: [group('A', 'p1', 'p2', 'p3')] }).coalitions.minimal,
    ).toEqual([
      ['p1', 'p2'],
      ['p1', 'p3'],
      ['p2', 'p3'],
    ]);
  });

  it('are never satisfied by an empty group or above a group', () => {
    const causes = (min: Requirement['min'], name = 'none') =>
      decided({ groups, ...asking({ [name]: min }) }).alternatives[0];
    expect(causes('all')).toMatchObject({
      missing: [{ group: 'none', have: 0, need: 1 }],
      causes: ['empty_group'],
    });
    expect(causes('majority')).toMatchObject({
      missing: [{ group: 'none', have: 0, need: 1 }],
      causes: ['empty_group'],
    });
    expect(causes(3)).toMatchObject({
      missing: [{ group: 'none', have: 0, need: 3 }],
      causes: ['empty_group', 'above_group_size'],
    });
    expect(causes(3, 'A')).toMatchObject({
      missing: [{ group: 'A', have: 2, need: 3 }],
      causes: ['above_group_size'],
    });
  });

  it('name what is missing and every cause, in order', () => {
    const people = [eligible('p1'), blocked('p2'), eligible('p3'), eligible('p4')];
    const first = (mins: Record<string, Requirement['min']>, more: Partial<Alternative> = {}) =>
      decided({ groups, people, requester: 'p1', ...asking(mins, more) }).alternatives[0];
    expect(first({ A: 2, B: 1 })).toEqual({
      rule: 'r1',
      version: 1,
      alternative: 'a1',
      satisfied: false,
      missing: [{ group: 'A', have: 1, need: 2 }],
      causes: [],
    });
    expect(first({ A: 1 }, { excludesRequester: true })?.missing).toEqual([{ group: 'A', have: 0, need: 1 }]);
    expect(first({ B: 1 }, { mandatory: ['p2'] })?.causes).toEqual(['mandatory_unavailable']);
    expect(first({ B: 1 }, { mandatory: ['p1'], excludesRequester: true })?.causes).toEqual([
      'mandatory_unavailable',
    ]);
    expect(first({ A: 1, B: 1 }, { notTogether: [['p1', 'p3']] })?.causes).toEqual(['not_together']);
    expect(first({ none: 1, B: 1 }, { mandatory: ['p2'], notTogether: [['p1', 'p3']] })?.causes).toEqual([
      'mandatory_unavailable',
      'empty_group',
      'above_group_size',
    ]);
  });

  it('name an overlap beside a mandatory person who is missing', () => {
    const same = [group('A', 'p1', 'p2'), group('B', 'p1', 'p2')];
    const output = decided({
      groups: same,
      people: [eligible('p1'), eligible('p2'), blocked('p3'), eligible('p4')],
      ...asking({ A: 2, B: 1 }, { mandatory: ['p3'] }),
    });
    expect(output.alternatives[0]).toMatchObject({
      missing: [],
      causes: ['mandatory_unavailable', 'overlap'],
    });
  });
});

describe('the verdict', () => {
  const forbid = (more: object = {}) => ({
    id: 'f',
    version: 1,
    effect: 'forbid' as const,
    coverage: 'complete' as const,
    power: 'sign',
    ...more,
  });
  const permit = newCase().rules;
  const unread = { id: 'u', version: 1, coverage: 'unknown' as const, power: 'sign' };
  const outcome = (more: Partial<QuorumInput>) => {
    const { verdict, reasons, coalitions } = decided(more);
    return [verdict, reasons, coalitions.total];
  };

  it('is no_quorum where a complete rule forbids, and coalitions are still told', () => {
    expect(outcome({ rules: [...permit, forbid()] })).toEqual(['no_quorum', ['forbidden'], 4]);
    expect(outcome({ rules: [...permit, forbid({ power: 'pay' })] })).toEqual(['quorum', [], 4]);
    expect(outcome({ rules: [...permit, forbid({ band: { minCents: 200_000 } })] })).toEqual([
      'quorum',
      [],
      4,
    ]);
  });

  it('is at best undetermined where a source is missing or a restriction was not read', () => {
    expect(outcome({ unavailable: ['groups'] })).toEqual(['undetermined', ['source_unavailable'], 4]);
    expect(outcome({ unavailable: [] })).toEqual(['quorum', [], 4]);
    expect(outcome({ rules: [...permit, forbid({ coverage: 'unknown' })] })).toEqual([
      'undetermined',
      ['unread_restriction'],
      4,
    ]);
    expect(outcome({ rules: [], unavailable: ['rules'] })).toEqual([
      'undetermined',
      ['source_unavailable', 'no_rule'],
      0,
    ]);
  });

  it('is undetermined where uncertain people or an unread rule could make a difference', () => {
    const people = ['p1', 'p2', 'p3', 'p4'].map(uncertain);
    expect(outcome({ people })).toEqual(['undetermined', ['uncertain_people'], 0]);
    expect(outcome({ rules: [unread] })).toEqual(['undetermined', ['unread_rule'], 0]);
    expect(outcome({ people, rules: [...permit, unread] })).toEqual([
      'undetermined',
      ['uncertain_people', 'unread_rule'],
      0,
    ]);
    expect(outcome({ rules: [...permit, unread] })).toEqual(['quorum', [], 4]);
    expect(outcome({ people: [eligible('p1'), ...['p2', 'p3', 'p4'].map(uncertain)] })).toEqual([
      'quorum',
      [],
      1,
    ]);
  });

  it('is else no_quorum', () => {
    const people = ['p1', 'p2', 'p3', 'p4'].map(blocked);
    expect(outcome({ rules: [] })).toEqual(['no_quorum', ['no_rule'], 0]);
    expect(outcome({ people })).toEqual(['no_quorum', ['not_enough_people'], 0]);
    expect(outcome({ rules: [rule('r1', [])] })).toEqual(['no_quorum', ['not_enough_people'], 0]);
  });

  it('comes with every reason that holds, whichever step decided', () => {
    const people = ['p1', 'p2', 'p3', 'p4'].map(uncertain);
    expect(
      outcome({
        people,
        unavailable: ['rules'],
        rules: [...permit, unread, forbid(), forbid({ id: 'g', coverage: 'unknown' })],
      }),
    ).toEqual([
      'no_quorum',
      ['forbidden', 'source_unavailable', 'unread_restriction', 'uncertain_people', 'unread_rule'],
      0,
    ]);
    expect(outcome({ people: ['p1', 'p2', 'p3', 'p4'].map(blocked), rules: [...permit, forbid()] })).toEqual([
      'no_quorum',
      ['forbidden', 'not_enough_people'],
      0,
    ]);
    expect(outcome({ rules: [forbid()] })).toEqual(['no_quorum', ['forbidden', 'no_rule'], 0]);
  });
});

describe('coalitions', () => {
  it('are minimal over all alternatives, by size and then by ids in UTF-16 order', () => {
    const ids = ['b', 'B', 'a', 'ä', '\u{1f600}', '\ufffd', 'a1', 'a10'];
    const output = decided({
      people: ids.map(eligible),
      groups: [group('A', ...ids), group('C', 'a', 'b')],
      rules: [
        rule('r1', [{ id: 'a1', requires: requires({ A: 2 }) }]),
        rule('r2', [{ id: 'a1', requires: requires({ C: 1 }) }]),
      ],
      limit: 6,
    });
    expect(output.coalitions).toEqual({
      total: 2 + 15,
      totalExact: true,
      minimal: [['a'], ['b'], ['B', 'a1'], ['B', 'a10'], ['B', 'ä'], ['B', '\u{1f600}']],
    });
  });

  it('tell who is indispensable and how many may be missing', () => {
    const output = (mins: Record<string, Requirement['min']>, more: Partial<Alternative> = {}) => {
      const { indispensable, toleratedAbsences } = decided(asking(mins, more));
      return [indispensable, toleratedAbsences];
    };
    expect(output({ A: 1 })).toEqual([[], 3]);
    expect(output({ A: 3 })).toEqual([[], 1]);
    expect(output({ A: 'all' })).toEqual([['p1', 'p2', 'p3', 'p4'], 0]);
    expect(output({ A: 2 }, { mandatory: ['p4', 'p2'] })).toEqual([['p2', 'p4'], 0]);
    expect(output({ A: 5 })).toEqual([[], null]);
  });

  it('say what the signers still lack', () => {
    const signed = (...ids: string[]) => decided({ ...asking({ A: 2 }), signed: ids }).signed;
    expect(signed()).toEqual({
      sufficient: false,
      completions: [
        ['p1', 'p2'],
        ['p1', 'p3'],
        ['p1', 'p4'],
        ['p2', 'p3'],
        ['p2', 'p4'],
      ],
    });
    expect(signed('p4')).toEqual({ sufficient: false, completions: [['p1'], ['p2'], ['p3']] });
    expect(signed('p4', 'p1')).toEqual({ sufficient: true, completions: [] });
    expect('signed' in decided()).toBe(false);
  });

  it('do not count signers who are not eligible', () => {
    const people = [blocked('p1'), uncertain('p2'), eligible('p3'), eligible('p4')];
    expect(decided({ people, signed: ['p1', 'p2'] }).signed).toEqual({
      sufficient: false,
      completions: [['p3'], ['p4']],
    });
    expect(
      decided({ people: [blocked('p1'), ...['p2', 'p3', 'p4'].map(uncertain)], signed: ['p1'] }).signed,
    ).toEqual({
      sufficient: false,
      completions: [],
    });
  });
});

describe('the nearest repairs', () => {
  it('are the fewest, with all that a person needs, in order', () => {
    const output = decided({
      ...asking({ A: 2 }),
      people: [
        eligible('p4'),
        {
          id: 'p1',
          operator: { active: false, accountAccess: false },
          reservations: [
            { kind: 'value_limit', maxCents: 999_999_999 },
            { kind: 'other', text: '?' },
            { kind: 'suspended' },
            { kind: 'suspended', powers: ['pay'] },
          ],
        },
        uncertain('p3'),
        { id: 'p2', operator: { active: true, accountAccess: false } },
      ],
    });
    expect(output.nearest).toEqual([
      { repairs: [{ person: 'p2', action: 'grant_account_access' }], coalition: ['p2', 'p4'] },
      { repairs: [{ person: 'p3', action: 'confirm_operator' }], coalition: ['p3', 'p4'] },
      {
        repairs: [
          { person: 'p1', action: 'lift_reservation', reservation: 1 },
          { person: 'p1', action: 'lift_reservation', reservation: 2 },
          { person: 'p1', action: 'activate_operator' },
          { person: 'p1', action: 'grant_account_access' },
        ],
        coalition: ['p1', 'p4'],
      },
    ]);
  });

  it('are at most five, and none where there is a coalition or nothing helps', () => {
    const ids = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6'];
    const people = ids.map(blocked);
    const groups = [group('A', ...ids)];
    expect(decided({ people, groups }).nearest).toHaveLength(5);
    expect(decided().nearest).toEqual([]);
    expect(decided({ people, groups, ...asking({ A: 7 }) }).nearest).toEqual([]);
    expect(decided({ people, groups, rules: [] }).nearest).toEqual([]);
  });

  it('are told where a rule forbids all the same', () => {
    const forbid = {
      id: 'f',
      version: 1,
      effect: 'forbid' as const,
      coverage: 'complete' as const,
      power: 'sign',
    };
    const people = [blocked('p1'), ...['p2', 'p3', 'p4'].map(eligible)];
    const output = decided({ people, rules: [...asking({ A: 'all' }).rules, forbid] });
    expect(output.verdict).toBe('no_quorum');
    expect(output.nearest).toEqual([
      {
        repairs: [{ person: 'p1', action: 'lift_reservation', reservation: 0 }],
        coalition: ['p1', 'p2', 'p3', 'p4'],
      },
    ]);
  });
});

describe('the rest of a decision', () => {
  it('is stable until the next date of a membership, a rule or a reservation, applying or not', () => {
    const until = (more: Partial<QuorumInput>): string | null => decided(more).stableUntil;
    expect(until({})).toBeNull();
    const member = (span: object) => ({ groups: [{ id: 'A', members: [{ person: 'p1', ...span }] }] });
    expect(until(member({ to: '2026-12-31T00:00:00-03:00' }))).toBe('2026-12-31T03:00:00Z');
    expect(until(member({ from: '2027-01-01T00:00:00.1200Z' }))).toBe('2027-01-01T00:00:00.12Z');
    expect(until(member({ from: '2026-11-22T15:00:00Z' }))).toBeNull();
    expect(until(member({ from: '2026-11-22T15:00:00.000000001Z' }))).toBe('2026-11-22T15:00:00.000000001Z');
    expect(until({ rules: [rule('r1', [], { power: 'pay', to: '2026-11-23T00:00:00Z' })] })).toBe(
      '2026-11-23T00:00:00Z',
    );
    const reservations: Reservation[] = [
      { kind: 'validity', powers: ['pay'], from: '2026-11-30T00:00:00Z', to: '2026-12-01T00:00:00Z' },
    ];
    expect(
      until({ people: [{ ...eligible('p1'), reservations }, ...['p2', 'p3', 'p4'].map(eligible)] }),
    ).toBe('2026-11-30T00:00:00Z');
  });

  it('hashes the input as it was received: no default filled in, the order of keys and white space aside', () => {
    const hash = (text: string): string => {
      const parsed = parseInput(text);
      return parsed.ok ? decide(parsed.input).inputHash : 'refused';
    };
    const text =
      '{"at":"2026-11-22T12:00:00Z","act":{"power":"s","amountCents":null,"channel":"c"},"requiresChannelAccess":false,"groups":[],"rules":[],"people":[]}';
    // Worked out with another program (sha256sum) from the canonical text.
    expect(hash(text)).toBe('sha256:672a2b05e8a382a2a6156b9e1f8838d79847d1a3682c51945a364d759cef04c1');
    expect(
      hash(
        `\n${text.replace('"at":"2026-11-22T12:00:00Z",', '').replace('[]}', '[] , "at" : "2026-11-22T12:00:00Z" }')}`,
      ),
    ).toBe(hash(text));
    expect(hash(text.replace('"rules"', '"limit":50,"rules"'))).not.toBe(hash(text));
  });

  it('is the same bytes for the same input, and leaves the input alone', () => {
    const input = newCase({ signed: ['p1'] });
    const before = JSON.stringify(input);
    expect(JSON.stringify(decide(input))).toBe(JSON.stringify(decide(input)));
    expect(JSON.stringify(input)).toBe(before);
    expect(decide(input)).toMatchObject({ engineVersion: '1', inexact: [] });
  });
});
