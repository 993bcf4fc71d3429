import type { Group, Rule } from '../quorum/contract.ts';

type Signing = { groups: readonly Group[]; rules: readonly Rule[] };

/**
 * Renames every person of groups and rules (memberships, `mandatory`, `notTogether`): from documents to the
 * opaque ids that the quorum contract asks for. Pure; `idOf` must give different ids for different documents.
 */
export const withPersonIds = (
  signing: Signing,
  idOf: (document: string) => string,
): { groups: Group[]; rules: Rule[] } => ({
  groups: signing.groups.map((group) => ({
    ...group,
    members: group.members.map((member) => ({ ...member, person: idOf(member.person) })),
  })),
  rules: signing.rules.map((rule) =>
    rule.alternatives === undefined
      ? rule
      : {
          ...rule,
          alternatives: rule.alternatives.map((alternative) => ({
            ...alternative,
            ...(alternative.mandatory && { mandatory: alternative.mandatory.map(idOf) }),
            ...(alternative.notTogether && {
              notTogether: alternative.notTogether.map(([one, other]): [string, string] => [
                idOf(one),
                idOf(other),
              ]),
            }),
          })),
        },
  ),
});
