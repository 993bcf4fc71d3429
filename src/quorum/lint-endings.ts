import type { QuorumOutput } from './contract.ts';
import { formatInstant, parseInstant } from './instant.ts';
import type { Finding, LintSubject } from './lint.ts';
import {
  type Act,
  type ActClass,
  actOf,
  describeRange,
  describeScope,
  distinctClasses,
  narrowedTo,
  newProbe,
  notFullyChecked,
  type Probe,
  powersOf,
} from './lint-acts.ts';
import { compareTexts } from './rule-scope.ts';
import { english } from './wording-en.ts';

/** A date of the document at which something begins or ends. */
type Edge = {
  instant: string;
  pointer: string;
  /** What the date belongs to. */
  touches: { kind: 'rules' | 'groups' | 'people'; id: string };
  /** "the membership of p1 in group A ends" */
  what: string;
  ends: 'membership_ends' | 'rule_ends' | 'reservation_ends' | undefined;
  /** The same rules as if this date were not there. */
  without: LintSubject;
};

type Loss = { actClass: ActClass; after: QuorumOutput };

/** Most acts looked at. */
const mostClasses = 20_000;

/** A class of acts, what its decision depends on, and the last decision known. */
type Watched = {
  actClass: ActClass;
  act: Act;
  rules: ReadonlySet<string>;
  groups: ReadonlySet<string>;
  people: ReadonlySet<string>;
  last: QuorumOutput | undefined;
};

const watch = (subject: LintSubject, actClass: ActClass): Watched => {
  const act = actOf(actClass);
  const { rules, groups, people } = narrowedTo(subject, act);
  const idsOf = (list: readonly { id: string }[]): Set<string> => new Set(list.map(({ id }) => id));
  return {
    actClass,
    act,
    rules: idsOf(rules),
    groups: idsOf(groups),
    people: idsOf(people),
    last: undefined,
  };
};

const concerns = ({ touches }: Edge, watched: Watched): boolean => watched[touches.kind].has(touches.id);

/**
 * What ends within `days`, and what that changes: each act is decided just before and at the date. Beginnings
 * are looked at as well, and reported only where they cost a quorum (a new prohibition, a larger majority).
 */
export const endingFindings = (subject: LintSubject, days: number): Finding[] => {
  const moments = momentsOf(subject, days);
  if (moments.length === 0) return [];
  const probe = newProbe();
  const { classes, isWhole } = distinctClasses(subject, powersOf(subject), mostClasses);
  const watched = classes.map((actClass) => watch(subject, actClass));
  const findings = moments.flatMap((edges) => momentFindings(subject, edges, watched, probe));
  if (probe.isSpent() || !isWhole) findings.push(notFullyChecked('not every ending was tried on every act'));
  return findings;
};

const momentFindings = (
  subject: LintSubject,
  edges: readonly Edge[],
  watched: readonly Watched[],
  probe: Probe,
): Finding[] => {
  const blamed = new Map<Edge, Loss[]>(edges.map((edge) => [edge, []]));
  for (const one of watched) {
    const near = edges.filter((edge) => concerns(edge, one));
    const [first] = near;
    if (!first) continue;
    // Nothing that concerns the act changed between the last moment that did and this one.
    const before = one.last ?? probe.decide(subject, one.act);
    const after = probe.decide({ ...subject, at: first.instant }, one.act);
    one.last = after;
    if (before?.verdict !== 'quorum' || !after || after.verdict === 'quorum') continue;
    for (const edge of causesOf(one, near, probe)) blamed.get(edge)?.push({ actClass: one.actClass, after });
  }
  return [...blamed].flatMap(([edge, lost]): Finding[] => {
    if (lost.length > 0) return [quorumEnds(edge, lost)];
    // Of an ending that was not tried on every act nobody can say that it costs nothing.
    return edge.ends === undefined || probe.isSpent() ? [] : [endsQuietly(edge, edge.ends)];
  });
};

const horizonOf = (at: string, days: number): string => {
  const start = parseInstant(at);
  if (!start) throw new Error(`expected an RFC 3339 instant in a parsed input, found "${at}"`);
  const lastSecond = 253_402_300_799; // 9999-12-31T23:59:59Z
  return formatInstant({ ...start, seconds: Math.min(start.seconds + days * 86_400, lastSecond) });
};

/** The dates after now and within the horizon, those of one instant together. */
const momentsOf = (subject: LintSubject, days: number): Edge[][] => {
  const horizon = horizonOf(subject.at, days);
  const edges = edgesOf(subject)
    .filter(({ instant }) => compareTexts(instant, subject.at) > 0 && compareTexts(instant, horizon) <= 0)
    .sort((a, b) => compareTexts(a.instant, b.instant));
  const moments: Edge[][] = [];
  for (const edge of edges) {
    const last = moments.at(-1);
    if (last?.[0] && compareTexts(last[0].instant, edge.instant) === 0) last.push(edge);
    else moments.push([edge]);
  }
  return moments;
};

const edgesOf = (subject: LintSubject): Edge[] => [
  ...membershipEdges(subject),
  ...ruleEdges(subject),
  ...reservationEdges(subject),
];

const sides = ['from', 'to'] as const;

const replaced = <T>(list: readonly T[], index: number, item: T): T[] =>
  list.map((old, position) => (position === index ? item : old));

const membershipEdges = (subject: LintSubject): Edge[] =>
  subject.groups.flatMap((group, g) =>
    group.members.flatMap((member, m) =>
      sides.flatMap((side): Edge[] => {
        const instant = member[side];
        if (instant == null) return [];
        const members =
          side === 'to'
            ? replaced(group.members, m, { ...member, to: null })
            : group.members.filter((_, position) => position !== m);
        return [
          {
            instant,
            touches: { kind: 'groups', id: group.id },
            pointer: `/groups/${g}/members/${m}/${side}`,
            what: `the membership of ${member.person} in group ${group.id} ${side === 'to' ? 'ends' : 'begins'}`,
            ends: side === 'to' ? 'membership_ends' : undefined,
            without: { ...subject, groups: replaced(subject.groups, g, { ...group, members }) },
          },
        ];
      }),
    ),
  );

const ruleEdges = (subject: LintSubject): Edge[] =>
  subject.rules.flatMap((rule, r) =>
    sides.flatMap((side): Edge[] => {
      const instant = rule[side];
      if (instant == null) return [];
      const rules =
        side === 'to'
          ? replaced(subject.rules, r, { ...rule, to: null })
          : subject.rules.filter((_, position) => position !== r);
      return [
        {
          instant,
          touches: { kind: 'rules', id: rule.id },
          pointer: `/rules/${r}/${side}`,
          what: `rule ${rule.id} ${side === 'to' ? 'ends' : 'begins'}`,
          ends: side === 'to' ? 'rule_ends' : undefined,
          without: { ...subject, rules },
        },
      ];
    }),
  );

const reservationEdges = (subject: LintSubject): Edge[] =>
  subject.people.flatMap((person, p) =>
    (person.reservations ?? []).flatMap((reservation, r) =>
      sides.flatMap((side): Edge[] => {
        const instant = reservation.kind === 'validity' ? reservation[side] : null;
        if (instant == null) return [];
        const reservations = replaced(person.reservations ?? [], r, { ...reservation, [side]: null });
        return [
          {
            instant,
            touches: { kind: 'people', id: person.id },
            pointer: `/people/${p}/reservations/${r}/${side}`,
            what: `the period in which ${person.id} may sign ${side === 'to' ? 'ends' : 'begins'}`,
            ends: side === 'to' ? 'reservation_ends' : undefined,
            without: { ...subject, people: replaced(subject.people, p, { ...person, reservations }) },
          },
        ];
      }),
    ),
  );

/** The dates without which the act would still have quorum at that instant; all of them when only together. */
const causesOf = ({ act }: Watched, edges: readonly Edge[], probe: Probe): readonly Edge[] => {
  if (edges.length === 1) return edges;
  const causes = edges.filter(
    ({ without, instant }) => probe.decide({ ...without, at: instant }, act)?.verdict === 'quorum',
  );
  return causes.length > 0 ? causes : edges;
};

const quorumEnds = ({ instant, what, pointer }: Edge, losses: readonly Loss[]): Finding => {
  const shown = losses.slice(0, 3).map(({ actClass, after }) => {
    const reasons = after.reasons.length > 0 ? `: ${after.reasons.join(', ')}` : '';
    return `${describeRange(actClass.range)} (${describeScope(actClass)}) get ${after.verdict}${reasons}`;
  });
  const more = losses.length > shown.length ? `; and ${losses.length - shown.length} more kinds of acts` : '';
  return {
    severity: 'error',
    code: 'quorum_ends',
    pointer,
    message: `quorum is lost on ${english.instant(instant)} (São Paulo time), when ${what}: ${shown.join('; ')}${more}`,
    remedy: 'renew it before that date, or have other people take the place',
  };
};

const endsQuietly = ({ instant, what, pointer }: Edge, code: Finding['code']): Finding => ({
  severity: 'info',
  code,
  pointer,
  message: `${what} on ${english.instant(instant)} (São Paulo time); no act that has quorum until then loses it`,
  remedy: 'renew it if it should go on',
});
