import type { QuorumOutput } from './contract.ts';
import { formatInstant, parseInstant } from './instant.ts';
import type { Finding, LintSubject } from './lint.ts';
import {
  type ActClass,
  actOf,
  decideAct,
  describeRange,
  describeScope,
  distinctClasses,
  powersOf,
} from './lint-acts.ts';
import { compareTexts } from './rule-scope.ts';
import { english } from './wording-en.ts';

/** A date of the document at which something begins or ends. */
type Edge = {
  instant: string;
  pointer: string;
  /** "the membership of p1 in group A ends" */
  what: string;
  ends: 'membership_ends' | 'rule_ends' | 'reservation_ends' | undefined;
  /** The same rules as if this date were not there. */
  without: LintSubject;
};

type Loss = { actClass: ActClass; after: QuorumOutput };

/** Most decisions taken over all dates and acts, and most acts looked at. */
const mostDecisions = 20_000;
const mostClasses = 20_000;

/**
 * What ends within `days`, and what that changes: each act is decided just before and at the date. Beginnings
 * are looked at as well, and reported only where they cost a quorum (a new prohibition, a larger majority).
 */
export const endingFindings = (subject: LintSubject, days: number): Finding[] => {
  const moments = momentsOf(subject, days);
  if (moments.length === 0) return [];
  const { classes, isWhole } = distinctClasses(subject, powersOf(subject), mostClasses);
  const affordable = Math.max(0, Math.floor(mostDecisions / Math.max(1, classes.length)) - 1);
  let before = classes.map((actClass) => decideAct(subject, actOf(actClass)));
  const findings = moments.slice(0, affordable).flatMap((edges) => {
    const at = edges[0]?.instant ?? subject.at;
    // Nothing begins or ends between two moments, so the decision at the last one held until this one.
    const after = classes.map((actClass) => decideAct({ ...subject, at }, actOf(actClass)));
    const losses = classes.flatMap((actClass, index): Loss[] => {
      const now = after[index];
      return now && before[index]?.verdict === 'quorum' && now.verdict !== 'quorum'
        ? [{ actClass, after: now }]
        : [];
    });
    before = after;
    return momentFindings(edges, losses);
  });
  if (moments.length > affordable) {
    const [edge] = moments[affordable] ?? [];
    findings.push(
      notFullyChecked(edge?.pointer, `${mostDecisions} decisions: nothing from ${edge?.instant} on`),
    );
  }
  if (!isWhole) findings.push(notFullyChecked('/rules', `${mostClasses} kinds of acts`));
  return findings;
};

const notFullyChecked = (pointer: string | undefined, limit: string): Finding => ({
  severity: 'warning',
  code: 'not_fully_checked',
  pointer: pointer ?? '',
  message: `the search for endings stopped after ${limit}`,
  remedy: 'look fewer days ahead, or check the rules of each power apart',
});

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
            pointer: `/people/${p}/reservations/${r}/${side}`,
            what: `the period in which ${person.id} may sign ${side === 'to' ? 'ends' : 'begins'}`,
            ends: side === 'to' ? 'reservation_ends' : undefined,
            without: { ...subject, people: replaced(subject.people, p, { ...person, reservations }) },
          },
        ];
      }),
    ),
  );

const momentFindings = (edges: readonly Edge[], losses: readonly Loss[]): Finding[] => {
  const blamed = new Map<Edge, Loss[]>(edges.map((edge) => [edge, []]));
  for (const loss of losses) for (const edge of causesOf(loss, edges)) blamed.get(edge)?.push(loss);
  return [...blamed].flatMap(([edge, lost]): Finding[] => {
    if (lost.length > 0) return [quorumEnds(edge, lost)];
    return edge.ends === undefined ? [] : [endsQuietly(edge, edge.ends)];
  });
};

/** The dates without which the act would still have quorum at that instant; all of them when only together. */
const causesOf = ({ actClass }: Loss, edges: readonly Edge[]): readonly Edge[] => {
  if (edges.length === 1) return edges;
  const causes = edges.filter(
    ({ without, instant }) => decideAct({ ...without, at: instant }, actOf(actClass)).verdict === 'quorum',
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
