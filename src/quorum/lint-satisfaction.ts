import type { Alternative, Person, Rule, Validity } from './contract.ts';
import type { Finding, LintSubject } from './lint.ts';
import {
  type Act,
  actOf,
  distinctClasses,
  isAbout,
  newProbe,
  notFullyChecked,
  type Probe,
} from './lint-acts.ts';
import { firstValid } from './lint-structure.ts';
import { compareTexts } from './rule-scope.ts';

type Place = { rule: Rule; index: number; at: string };

/** Permitting rules that were read and have not ended, each with the first instant at which it is valid. */
const livePlaces = ({ rules, at }: LintSubject): Place[] =>
  rules.flatMap((rule, index) => {
    const valid = rule.effect === 'forbid' || rule.coverage === 'unknown' ? undefined : firstValid(rule, at);
    return valid === undefined ? [] : [{ rule, index, at: valid }];
  });

const onlyIds = (people: readonly Person[]): Person[] => people.map(({ id }) => ({ id }));

const sampleAct = ({ power, channels, products, band }: Rule): Act => ({
  power,
  channel: channels?.[0] ?? 'other',
  amountCents: band === undefined ? null : (band.minCents ?? 0),
  ...(products?.[0] === undefined ? {} : { product: products[0] }),
});

/** One alternative alone, at an act and an instant at which its rule applies. */
const alone = (
  subject: LintSubject,
  { rule, at }: Place,
  alternative: Alternative,
  people: Person[],
): LintSubject => ({
  ...subject,
  at,
  people,
  rules: [{ ...rule, alternatives: [alternative] }],
});

/**
 * Rules that nobody can satisfy: by their own terms, with everyone free to sign; or with the reservations as
 * they are, for any amount of the band.
 */
export const satisfactionFindings = (subject: LintSubject): Finding[] => {
  const probe = newProbe();
  const findings = livePlaces(subject).flatMap((place) => placeFindings(subject, place, probe));
  return probe.isSpent()
    ? [...findings, notFullyChecked('not every rule was tried with everyone free to sign')]
    : findings;
};

const placeFindings = (subject: LintSubject, place: Place, probe: Probe): Finding[] => {
  const { rule, index } = place;
  const alternatives = rule.alternatives ?? [];
  const impossible = alternatives.map((alternative) => causesOf(subject, place, alternative, probe));
  if (impossible.every((causes) => causes !== undefined)) return [unsatisfiableRule(place, impossible)];
  const findings = alternatives.flatMap((alternative, a): Finding[] => {
    const causes = impossible[a];
    return causes === undefined ? [] : [unsatisfiableAlternative(place, alternative, a, causes)];
  });
  return isWithinReach(subject, place, probe) ? findings : [...findings, nobodyEligible(rule, index)];
};

/** Why an alternative fails with everyone free to sign; undefined when it does not. */
const causesOf = (
  subject: LintSubject,
  place: Place,
  alternative: Alternative,
  probe: Probe,
): string | undefined => {
  const free = alone(subject, place, alternative, onlyIds(subject.people));
  const output = probe.decide(free, sampleAct(place.rule));
  if (output?.verdict !== 'no_quorum') return undefined;
  const [result] = output.alternatives;
  const short = (result?.missing ?? []).map(
    ({ group, have, need }) => `group ${group} has ${have} of ${need}`,
  );
  return [...short, ...(result?.causes ?? [])].join(', ');
};

const unsatisfiableRule = ({ rule, index }: Place, causes: readonly (string | undefined)[]): Finding => ({
  severity: 'error',
  code: 'unsatisfiable_rule',
  pointer: `/rules/${index}`,
  message:
    causes.length === 0
      ? `rule ${rule.id} has no alternatives: nobody can satisfy it`
      : `nobody can satisfy rule ${rule.id}, even if everyone were free to sign (${causes.join('; ')})`,
  remedy: 'correct the groups or the requirements, or remove the rule',
});

const unsatisfiableAlternative = (
  { rule, index }: Place,
  { id }: Alternative,
  position: number,
  causes: string,
): Finding => ({
  severity: 'warning',
  code: 'unsatisfiable_alternative',
  pointer: `/rules/${index}/alternatives/${position}`,
  message: `nobody can satisfy alternative ${id} of rule ${rule.id}, even if everyone were free to sign (${causes})`,
  remedy: 'correct the groups or the requirements, or remove the alternative',
});

const nobodyEligible = (rule: Rule, index: number): Finding => ({
  severity: 'warning',
  code: 'nobody_eligible',
  pointer: `/rules/${index}`,
  message: `with the reservations as they are, nobody can satisfy rule ${rule.id} for any amount that it covers`,
  remedy: 'lift or narrow the reservations (`lastro quorum explain` names the shortest way), or add people',
});

/** Some act that the rule covers could be signed now; true as well where there are too many acts to look at. */
const isWithinReach = (subject: LintSubject, { rule, at }: Place, probe: Probe): boolean => {
  const isolated = { ...subject, at, rules: [rule] };
  const { classes, isWhole } = distinctClasses(isolated, [rule.power], mostClasses);
  return (
    !isWhole ||
    classes
      .map(actOf)
      .some((act) => isAbout(rule, act) && probe.decide(isolated, act)?.verdict !== 'no_quorum')
  );
};

const mostClasses = 2_000;

type Candidate = { place: Place; alternative: Alternative; position: number };

/**
 * Alternatives that another makes redundant: every set of people that satisfies one contains a set that
 * satisfies the other, wherever the first applies. Judged by the members that groups have now.
 */
export const redundancyFindings = (subject: LintSubject): Finding[] => {
  const candidates = livePlaces(subject).flatMap((place) =>
    (place.rule.alternatives ?? []).map((alternative, position) => ({ place, alternative, position })),
  );
  const probe = newProbe();
  const findings = candidates.flatMap((one, order): Finding[] => {
    const coalitions = allCoalitions(subject, one, probe);
    if (coalitions === undefined) return [];
    const cover = candidates.find(
      (other, otherOrder) =>
        other !== one &&
        covers(other, one) &&
        suffices(subject, other, coalitions, probe) &&
        // Of two that say the same, the earlier one stays.
        (otherOrder < order || !isCoveredBy(subject, other, one, probe)),
    );
    return cover ? [redundant(one, cover)] : [];
  });
  return probe.isSpent()
    ? [...findings, notFullyChecked('not every alternative was compared with every other')]
    : findings;
};

const allCoalitions = (
  subject: LintSubject,
  { place, alternative }: Candidate,
  probe: Probe,
): string[][] | undefined => {
  const free = alone(subject, place, alternative, onlyIds(subject.people));
  const coalitions = probe.decide(free, sampleAct(place.rule), 1_000)?.coalitions;
  if (coalitions === undefined || coalitions.total === 0 || !coalitions.totalExact) return undefined;
  return coalitions.total === coalitions.minimal.length ? coalitions.minimal : undefined;
};

const isSubset = (some: readonly string[] = [], all: readonly string[] = []): boolean =>
  all.length === 0 || (some.length > 0 && some.every((name) => all.includes(name)));

const isDuring = (inner: Validity, outer: Validity): boolean =>
  (outer.from == null || (inner.from != null && compareTexts(outer.from, inner.from) <= 0)) &&
  (outer.to == null || (inner.to != null && compareTexts(inner.to, outer.to) <= 0));

const isBandInside = (inner: Rule['band'], outer: Rule['band']): boolean => {
  if (outer === undefined) return true;
  if (inner === undefined) return false;
  const open = Number.POSITIVE_INFINITY;
  return (
    (outer.minCents ?? 0) <= (inner.minCents ?? 0) && (inner.maxCents ?? open) <= (outer.maxCents ?? open)
  );
};

/** Whether `outer` is on offer wherever `inner` is, to whoever asks. */
const covers = (outer: Candidate, inner: Candidate): boolean => {
  const wide = outer.place.rule;
  const narrow = inner.place.rule;
  return (
    wide.power === narrow.power &&
    isSubset(narrow.channels, wide.channels) &&
    isSubset(narrow.products, wide.products) &&
    isBandInside(narrow.band, wide.band) &&
    isDuring(narrow, wide) &&
    (!outer.alternative.excludesRequester || inner.alternative.excludesRequester === true)
  );
};

/** Whether each coalition has what an alternative asks for. Everyone else stays registered, and may not sign. */
const suffices = (
  subject: LintSubject,
  { place, alternative }: Candidate,
  coalitions: readonly string[][],
  probe: Probe,
): boolean =>
  coalitions.every((coalition) => {
    const people = subject.people.map(
      ({ id }): Person => (coalition.includes(id) ? { id } : { id, reservations: [{ kind: 'suspended' }] }),
    );
    const only = alone(subject, place, alternative, people);
    return probe.decide(only, sampleAct(place.rule))?.verdict === 'quorum';
  });

const isCoveredBy = (subject: LintSubject, inner: Candidate, outer: Candidate, probe: Probe): boolean => {
  if (!covers(outer, inner)) return false;
  const coalitions = allCoalitions(subject, inner, probe);
  return coalitions !== undefined && suffices(subject, outer, coalitions, probe);
};

const redundant = ({ place, alternative, position }: Candidate, cover: Candidate): Finding => ({
  severity: 'warning',
  code: 'redundant_alternative',
  pointer: `/rules/${place.index}/alternatives/${position}`,
  message: `alternative ${alternative.id} of rule ${place.rule.id} adds nothing: whoever satisfies it also satisfies alternative ${cover.alternative.id} of rule ${cover.place.rule.id}, with the groups as they are`,
  remedy: `remove it, or make /rules/${cover.place.index}/alternatives/${cover.position} stricter if that one is too lenient`,
});
