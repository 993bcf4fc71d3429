import type { AlternativeResult, Cause } from './contract.ts';
import type { AlternativeFindings } from './findings.ts';
import type { Alternative, Requirement } from './rules.ts';

/** How an alternative stands: what it lacks, requirement by requirement, and the causes beyond mere numbers. */
export const describeAlternative = (
  alternative: Alternative,
  findings: AlternativeFindings,
  isEligible: (rank: number) => boolean,
): AlternativeResult => {
  const { rule, id } = alternative;
  const missing: AlternativeResult['missing'] = [];
  if (!findings.satisfied) {
    for (const requirement of alternative.requires) {
      const have = countAvailable(requirement, alternative.excluded, isEligible);
      if (have < requirement.need) missing.push({ group: requirement.group, have, need: requirement.need });
    }
  }
  return {
    rule: rule.id,
    version: rule.version,
    alternative: id,
    satisfied: findings.satisfied,
    missing,
    causes: findings.satisfied ? [] : causesOf(alternative, findings, missing.length === 0, isEligible),
  };
};

const countAvailable = (
  { members }: Requirement,
  excluded: number,
  isEligible: (rank: number) => boolean,
): number => {
  let have = 0;
  for (const rank of members) if (rank !== excluded && isEligible(rank)) have += 1;
  return have;
};

const causesOf = (
  alternative: Alternative,
  findings: AlternativeFindings,
  countsSuffice: boolean,
  isEligible: (rank: number) => boolean,
): Cause[] => {
  const { mandatory, excluded, requires } = alternative;
  const causes: Cause[] = [];
  if (mandatory.some((rank) => rank === excluded || !isEligible(rank))) causes.push('mandatory_unavailable');
  if (findings.satisfiedButForPairs) causes.push('not_together');
  if (countsSuffice && !findings.filled) causes.push('overlap');
  if (requires.some(({ members }) => members.length === 0)) causes.push('empty_group');
  if (requires.some(isAboveGroupSize)) causes.push('above_group_size');
  return causes;
};

/** Only a number can be: "all" and "majority" of an empty group stand for 1 without asking for more than it has. */
const isAboveGroupSize = ({ members, need, isNumber }: Requirement): boolean =>
  isNumber && need > members.length;
