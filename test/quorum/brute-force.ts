import { createHash } from 'node:crypto';
import type {
  Alternative,
  AlternativeResult,
  Cause,
  Person,
  PersonReason,
  PersonStatus,
  QuorumInput,
  QuorumOutput,
  Repair,
  Reservation,
  Rule,
  VerdictReason,
} from '../../src/quorum/contract.ts';

/**
 * The contract's meaning, written down once more and as plainly as possible: every question is answered by
 * trying all subsets of the people. It shares nothing with the engine but the contract's types. Good for up
 * to about ten people, and for instants in whole milliseconds.
 */
export const decideByBruteForce = (input: QuorumInput): QuorumOutput => {
  const at = Date.parse(input.at);
  const judged = input.people.map((person) => ({ id: person.id, ...judge(input, person, at) }));
  const withStatus = (...wanted: PersonStatus[]): string[] =>
    judged.filter(({ status }) => wanted.includes(status)).map(({ id }) => id);
  const eligible = withStatus('eligible');

  const applying = input.rules.filter((rule) => applies(input, rule, at));
  const permitting = applying.filter((rule) => rule.effect !== 'forbid');
  const candidates = permitting
    .filter((rule) => rule.coverage === 'complete')
    .flatMap((rule) =>
      (rule.alternatives ?? []).map((alternative) => ({
        rule,
        alternative,
        needs: needsOf(input, alternative, at),
      })),
    );

  const satisfies = (set: string[]): boolean =>
    candidates.some(({ alternative, needs }) => isSatisfied(input, alternative, needs, set));
  const memo = new Map<string, boolean>();
  /** Whether some satisfying set is inside the set. */
  const suffices = (set: string[]): boolean => {
    const key = [...set].sort().join('\n');
    const known = memo.get(key);
    if (known !== undefined) return known;
    const answer = satisfies(set) || set.some((one) => suffices(set.filter((other) => other !== one)));
    memo.set(key, answer);
    return answer;
  };

  const satisfying = subsets(eligible).filter((set) => satisfies(set));
  const minimal = inclusionMinimal(satisfying).map(sorted).sort(bySizeThenIds);
  const quorum = minimal.length > 0;

  const reasons: VerdictReason[] = [];
  const forbidden = applying.some((rule) => rule.effect === 'forbid' && rule.coverage === 'complete');
  const unreadRestriction = applying.some((rule) => rule.effect === 'forbid' && rule.coverage === 'unknown');
  const unavailable = (input.unavailable ?? []).length > 0;
  if (forbidden) reasons.push('forbidden');
  if (unavailable) reasons.push('source_unavailable');
  if (unreadRestriction) reasons.push('unread_restriction');
  const uncertain = suffices(withStatus('eligible', 'uncertain'));
  const unread = permitting.some((rule) => rule.coverage === 'unknown');
  if (!quorum) {
    if (uncertain) reasons.push('uncertain_people');
    if (unread) reasons.push('unread_rule');
    if (permitting.length === 0) reasons.push('no_rule');
    else if (!uncertain && !unread) reasons.push('not_enough_people');
  }
  const verdict = forbidden
    ? 'no_quorum'
    : unavailable || unreadRestriction
      ? 'undetermined'
      : quorum
        ? 'quorum'
        : uncertain || unread
          ? 'undetermined'
          : 'no_quorum';

  const signers = (input.signed ?? []).filter((id) => eligible.includes(id));
  const sufficient = suffices(signers);
  const toComplete = subsets(eligible.filter((id) => !signers.includes(id)));
  return {
    verdict,
    reasons: verdict === 'quorum' ? [] : reasons,
    coalitions: { total: minimal.length, totalExact: true, minimal: minimal.slice(0, input.limit ?? 50) },
    indispensable: quorum ? sorted(eligible.filter((id) => minimal.every((set) => set.includes(id)))) : [],
    toleratedAbsences: quorum ? tolerated(eligible, suffices) : null,
    ...(input.signed && {
      signed: {
        sufficient,
        completions: sufficient
          ? []
          : inclusionMinimal(toComplete.filter((set) => suffices([...signers, ...set])))
              .map(sorted)
              .sort(bySizeThenIds)
              .slice(0, 5),
      },
    }),
    people: judged.map(({ id, status, reasons: why }) => ({ id, status, reasons: why })),
    alternatives: candidates.map((candidate) => describe(input, candidate, eligible)),
    nearest: quorum ? [] : nearest(eligible, judged, candidates, input, suffices),
    stableUntil: nextDate(input, at),
    inputHash: `sha256:${createHash('sha256').update(canonical(input)).digest('hex')}`,
    inexact: [],
    engineVersion: '1',
  };
};

const sorted = (ids: readonly string[]): string[] => [...ids].sort((a, b) => (a < b ? -1 : 1));

const byIds = (a: readonly string[], b: readonly string[]): number => {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i] ?? '', b[i] ?? ''];
    if (x !== y) return x < y ? -1 : 1;
  }
  return a.length - b.length;
};

const bySizeThenIds = (a: readonly string[], b: readonly string[]): number =>
  a.length - b.length || byIds(a, b);

const subsets = (ids: readonly string[]): string[][] =>
  ids.reduce<string[][]>((sets, id) => sets.concat(sets.map((set) => set.concat(id))), [[]]);

const isInside = (small: readonly string[], large: readonly string[]): boolean =>
  small.every((id) => large.includes(id));

const inclusionMinimal = (sets: string[][]): string[][] =>
  sets.filter((set) => !sets.some((other) => other.length < set.length && isInside(other, set)));

const inSpan = (span: { from?: string | null; to?: string | null }, at: number): boolean =>
  (typeof span.from !== 'string' || Date.parse(span.from) <= at) &&
  (typeof span.to !== 'string' || at < Date.parse(span.to));

const anyOr = (list: readonly string[] | undefined, value: string | undefined): boolean =>
  !list || list.length === 0 || (value !== undefined && list.includes(value));

const applies = (input: QuorumInput, rule: Rule, at: number): boolean => {
  const { power, channel, product, amountCents } = input.act;
  if (rule.power !== power || !anyOr(rule.channels, channel) || !anyOr(rule.products, product)) return false;
  if (!inSpan(rule, at)) return false;
  if (!rule.band) return true;
  if (amountCents === null) return false;
  const { minCents, maxCents } = rule.band;
  return (minCents ?? 0) <= amountCents && amountCents < (maxCents ?? Number.POSITIVE_INFINITY);
};

const judge = (
  input: QuorumInput,
  person: Person,
  at: number,
): { status: PersonStatus; reasons: PersonReason[] } => {
  const reasons: PersonReason[] = [];
  (person.reservations ?? []).forEach((reservation, index) => {
    if (isFelt(input, reservation, at)) reasons.push({ code: reservation.kind, reservation: index });
  });
  if (input.requiresChannelAccess) {
    const { operator } = person;
    if (!operator) reasons.push({ code: 'operator_unknown' });
    if (operator && !operator.active) reasons.push({ code: 'operator_inactive' });
    if (operator && !operator.accountAccess) reasons.push({ code: 'no_account_access' });
  }
  const codes = reasons.map(({ code }) => code);
  if (codes.some((code) => code !== 'other' && code !== 'operator_unknown'))
    return { status: 'blocked', reasons };
  return { status: codes.length > 0 ? 'uncertain' : 'eligible', reasons };
};

const isFelt = ({ act }: QuorumInput, reservation: Reservation, at: number): boolean => {
  if (!anyOr(reservation.powers, act.power)) return false;
  if (!anyOr(reservation.channels, act.channel)) return false;
  if (!anyOr(reservation.products, act.product)) return false;
  if (reservation.kind === 'value_limit')
    return act.amountCents !== null && act.amountCents > reservation.maxCents;
  if (reservation.kind === 'validity') return !inSpan(reservation, at);
  return true;
};

const membersOf = (input: QuorumInput, group: string, at: number): string[] => {
  const members = input.groups.find(({ id }) => id === group)?.members ?? [];
  return [...new Set(members.filter((member) => inSpan(member, at)).map(({ person }) => person))];
};

type Candidate = { rule: Rule; alternative: Alternative; needs: Need[] };

type Need = { group: string; members: string[]; need: number; min: number | 'all' | 'majority' };

const needsOf = (input: QuorumInput, alternative: Alternative, at: number): Need[] =>
  (alternative.requires ?? []).map(({ group, min }) => {
    const members = membersOf(input, group, at);
    const need =
      min === 'all' ? members.length : min === 'majority' ? Math.floor(members.length / 2) + 1 : min;
    return { group, members, need: members.length === 0 && typeof min !== 'number' ? 1 : need, min };
  });

/** Whether different people of the set can fill all places: tries everyone in every place. */
const canFill = (places: readonly (readonly string[])[], set: readonly string[]): boolean => {
  const [first, ...rest] = places;
  if (!first) return true;
  return first.some(
    (id) =>
      set.includes(id) &&
      canFill(
        rest,
        set.filter((other) => other !== id),
      ),
  );
};

const requirementsMet = (
  needs: readonly Need[],
  alternative: Alternative,
  set: readonly string[],
): boolean => {
  const have = (need: Need): number => need.members.filter((id) => set.includes(id)).length;
  if (needs.some((need) => need.members.length === 0 || have(need) < need.need)) return false;
  if (alternative.counting === 'cumulative') return true;
  return canFill(
    needs.flatMap((need) => Array.from({ length: need.need }, () => need.members)),
    set,
  );
};

const isSatisfied = (
  input: QuorumInput,
  alternative: Alternative,
  needs: readonly Need[],
  set: readonly string[],
): boolean => {
  if (!isInside(alternative.mandatory ?? [], set)) return false;
  if ((alternative.notTogether ?? []).some((pair) => isInside(pair, set))) return false;
  if (alternative.excludesRequester && set.includes(input.requester ?? '')) return false;
  return requirementsMet(needs, alternative, set);
};

const tolerated = (eligible: string[], suffices: (set: string[]) => boolean): number => {
  const survives = (count: number): boolean =>
    subsets(eligible)
      .filter((missing) => missing.length === count)
      .every((missing) => suffices(eligible.filter((id) => !missing.includes(id))));
  let count = 0;
  while (survives(count + 1)) count += 1;
  return count;
};

const describe = (
  input: QuorumInput,
  { rule, alternative, needs }: Candidate,
  eligible: string[],
): AlternativeResult => {
  const satisfiedBy = (one: Alternative): boolean =>
    subsets(eligible).some((set) => isSatisfied(input, one, needs, set));
  const satisfied = satisfiedBy(alternative);
  const excluded = alternative.excludesRequester ? input.requester : undefined;
  const available = eligible.filter((id) => id !== excluded);
  const missing = needs
    .map(({ group, members, need }) => ({
      group,
      have: members.filter((id) => available.includes(id)).length,
      need,
    }))
    .filter(({ have, need }) => have < need);
  const causes: Cause[] = [];
  if (!isInside(alternative.mandatory ?? [], available)) causes.push('mandatory_unavailable');
  if (satisfiedBy({ ...alternative, notTogether: [] })) causes.push('not_together');
  if (missing.length === 0 && !requirementsMet(needs, alternative, available)) causes.push('overlap');
  if (needs.some(({ members }) => members.length === 0)) causes.push('empty_group');
  if (needs.some(({ members, min }) => typeof min === 'number' && min > members.length)) {
    causes.push('above_group_size');
  }
  return {
    rule: rule.id,
    version: rule.version,
    alternative: alternative.id,
    satisfied,
    missing: satisfied ? [] : missing,
    causes: satisfied ? [] : causes,
  };
};

const repairsFor = (id: string, reasons: readonly PersonReason[]): Repair[] =>
  reasons.map((reason) => {
    if ('reservation' in reason) {
      return { person: id, action: 'lift_reservation', reservation: reason.reservation };
    }
    if (reason.code === 'operator_unknown') return { person: id, action: 'confirm_operator' };
    if (reason.code === 'operator_inactive') return { person: id, action: 'activate_operator' };
    return { person: id, action: 'grant_account_access' };
  });

const nearest = (
  eligible: string[],
  judged: { id: string; status: PersonStatus; reasons: PersonReason[] }[],
  candidates: Candidate[],
  input: QuorumInput,
  suffices: (set: string[]) => boolean,
): QuorumOutput['nearest'] => {
  const others = judged.filter(({ status }) => status !== 'eligible').map(({ id }) => id);
  const repairSets = inclusionMinimal(subsets(others).filter((set) => suffices([...eligible, ...set]))).map(
    sorted,
  );
  return repairSets
    .map((people) => {
      const repairs = people.flatMap((id) =>
        repairsFor(id, judged.find((one) => one.id === id)?.reasons ?? []),
      );
      const sets = subsets([...eligible, ...people]).filter((set) =>
        candidates.some(({ alternative, needs }) => isSatisfied(input, alternative, needs, set)),
      );
      const [coalition = []] = inclusionMinimal(sets).map(sorted).sort(bySizeThenIds);
      return { people, repairs, coalition };
    })
    .sort((a, b) => a.repairs.length - b.repairs.length || byIds(a.people, b.people))
    .slice(0, 5)
    .map(({ repairs, coalition }) => ({ repairs, coalition }));
};

const nextDate = (input: QuorumInput, at: number): string | null => {
  const spans = [
    ...input.groups.flatMap(({ members }) => members),
    ...input.rules,
    ...input.people.flatMap(({ reservations }) =>
      (reservations ?? []).filter(({ kind }) => kind === 'validity'),
    ),
  ] as { from?: string | null; to?: string | null }[];
  const dates = spans.flatMap(({ from, to }) => [from, to]).filter((date) => typeof date === 'string');
  const later = dates.map((date) => Date.parse(date)).filter((date) => date > at);
  if (later.length === 0) return null;
  return new Date(Math.min(...later))
    .toISOString()
    .replace(/\.?0*Z$/, 'Z')
    .replace(/T(\d\d:\d\d)Z$/, 'T$1:00Z');
};

const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`;
};
