import type { Group } from './contract.ts';
import type { Finding, LintSubject } from './lint.ts';
import { compareTexts, isInside } from './rule-scope.ts';

/** People of a group at an instant, each once. */
export const membersAt = (group: Group | undefined, at: string): Set<string> =>
  new Set((group?.members ?? []).filter((member) => isInside(member, at)).map(({ person }) => person));

/** The first instant, from `at` on, at which a rule is valid; undefined when it has ended. */
export const firstValid = (
  rule: { from?: string | null; to?: string | null },
  at: string,
): string | undefined => {
  if (rule.to != null && compareTexts(rule.to, at) <= 0) return undefined;
  return rule.from != null && compareTexts(rule.from, at) > 0 ? rule.from : at;
};

/** What can be seen without deciding anything: unread texts, rules that ended, sizes of groups, people in none. */
export const structureFindings = (subject: LintSubject): Finding[] => [
  ...subject.rules.flatMap((rule, index) => ruleFindings(subject, rule, `/rules/${index}`)),
  ...subject.people.flatMap((person, index) => personFindings(subject, person.id, `/people/${index}`)),
];

const ruleFindings = (
  subject: LintSubject,
  rule: LintSubject['rules'][number],
  pointer: string,
): Finding[] => {
  const at = firstValid(rule, subject.at);
  if (at === undefined)
    return [
      {
        severity: 'info',
        code: 'rule_ended',
        pointer: `${pointer}/to`,
        message: `rule ${rule.id} ended and applies to nothing any more`,
        remedy: 'remove the rule, or renew it if it should still hold',
      },
    ];
  if (rule.coverage === 'unknown') return [unreadFinding(rule, pointer)];
  return (rule.alternatives ?? []).flatMap((alternative, a) =>
    (alternative.requires ?? []).flatMap(({ group, min }, r): Finding[] => {
      const size = membersAt(
        subject.groups.find(({ id }) => id === group),
        at,
      ).size;
      const place = `${pointer}/alternatives/${a}/requires/${r}`;
      const where = `alternative ${alternative.id} of rule ${rule.id}`;
      if (size === 0)
        return [
          {
            severity: 'error',
            code: 'empty_group',
            pointer: `${place}/group`,
            message: `${where} requires group ${group}, which has no member at ${at}`,
            remedy: `add a member to group ${group}, renew a membership that ended, or drop the requirement`,
          },
        ];
      if (typeof min === 'string' || min <= size) return [];
      return [
        {
          severity: 'error',
          code: 'group_too_small',
          pointer: `${place}/min`,
          message: `${where} requires ${min} people of group ${group}, which has ${size} at ${at}`,
          remedy: `lower the minimum to at most ${size}, or add ${min - size} to group ${group}`,
        },
      ];
    }),
  );
};

const unreadFinding = (rule: LintSubject['rules'][number], pointer: string): Finding =>
  rule.effect === 'forbid'
    ? {
        severity: 'error',
        code: 'unread_restriction',
        pointer: `${pointer}/coverage`,
        message: `the text of restriction ${rule.id} was not read into conditions: no act that it may concern can get quorum, every decision is undetermined`,
        remedy: 'have the text read and entered as a complete rule',
      }
    : {
        severity: 'warning',
        code: 'unread_rule',
        pointer: `${pointer}/coverage`,
        message: `the text of rule ${rule.id} was not read into alternatives: an act that no other rule permits is undetermined, not refused`,
        remedy: 'have the text read and entered as alternatives',
      };

const personFindings = ({ at, groups, rules }: LintSubject, id: string, pointer: string): Finding[] => {
  const memberships = groups.flatMap(({ id: group, members }) =>
    members.filter(({ person }) => person === id).map((member) => ({ group, ...member })),
  );
  if (memberships.some((membership) => isInside(membership, at))) return [];
  const isMandatory = rules.some(({ alternatives = [] }) =>
    alternatives.some(({ mandatory = [] }) => mandatory.includes(id)),
  );
  if (isMandatory) return [];
  const others = memberships.map(({ group }) => group);
  return [
    {
      severity: 'warning',
      code: 'person_in_no_group',
      pointer,
      message:
        others.length > 0
          ? `${id} is in no group at ${at}: the memberships in ${[...new Set(others)].join(', ')} have ended or not begun`
          : `${id} is in no group and in no rule: this person can sign nothing`,
      remedy: `add ${id} to a group, or remove the person`,
    },
  ];
};
