import type { Alternative, InexactField, Requirement, Reservation, Source } from './contract.ts';
import type { RuleName, Wording } from './wording.ts';
import { reais, saoPauloParts } from './wording.ts';

const listFormat = new Intl.ListFormat('en-GB', { type: 'conjunction' });
const list = (items: readonly string[]): string => listFormat.format(items);

const money = (cents: number): string => `BRL ${reais(cents, ',', '.')}`;

const instant = (rfc3339: string): string => {
  const parts = saoPauloParts(rfc3339, 'long');
  return parts ? `${Number(parts.day)} ${parts.month} ${parts.year}, ${parts.time}` : rfc3339;
};

const sources: Record<Source, string> = { rules: 'rules', groups: 'groups' };

const rules = (names: readonly RuleName[]): string =>
  list(names.map((rule) => `rule ${rule.id} (version ${rule.version})`));

const period = (from: string | null, to: string | null): string => {
  if (from === null) return to === null ? 'at any time' : `before ${instant(to)}`;
  return to === null ? `from ${instant(from)}` : `from ${instant(from)} and before ${instant(to)}`;
};

const amount = ({ min }: Requirement): string => {
  if (min === 'all') return 'every person';
  if (min === 'majority') return 'a majority (more than half)';
  return min === 1 ? '1 person' : `${min} people`;
};

const restriction = ({ powers = [], channels = [], products = [] }: Reservation): string =>
  [
    ...(powers.length > 0
      ? [`; only for the ${powers.length > 1 ? 'powers' : 'power'} ${list(powers)}`]
      : []),
    ...(channels.length > 0
      ? [`; only for the ${channels.length > 1 ? 'channels' : 'channel'} ${list(channels)}`]
      : []),
    ...(products.length > 0
      ? [`; only for the ${products.length > 1 ? 'products' : 'product'} ${list(products)}`]
      : []),
  ].join('');

const requires: Wording['requires'] = (alternative: Alternative, names) => {
  const demanded = alternative.requires ?? [];
  const parts = demanded.map((one) => `${amount(one)} of group ${names.group(one.group)}`);
  const counting =
    demanded.length < 2
      ? ''
      : alternative.counting === 'cumulative'
        ? ' (one person may count for more than one requirement)'
        : ' (different people for each requirement)';
  const mandatory = alternative.mandatory ?? [];
  const sentences = [
    ...(parts.length > 0 ? [`Requires ${list(parts)}${counting}.`] : []),
    ...(mandatory.length > 0 ? [`Mandatory signature of ${list(mandatory.map(names.person))}.`] : []),
    ...(alternative.notTogether ?? []).map(
      ([one, other]) => `${names.person(one)} and ${names.person(other)} may not sign together.`,
    ),
    ...(alternative.excludesRequester ? ['Whoever asked for the act may not sign.'] : []),
  ];
  return sentences.join(' ');
};

const inexactNames: Record<InexactField, string> = {
  coalitions: 'the list of combinations',
  indispensable: 'the indispensable people',
  toleratedAbsences: 'the tolerated absences',
  signed: 'what completes the signatures',
  nearest: 'the shortest ways',
};

export const english: Wording = {
  headline: {
    quorum: 'QUORUM: any of the combinations of people shown below may sign this act.',
    no_quorum: 'NO QUORUM: this act may not be signed in the situation given.',
    undetermined:
      'UNDECIDED: it could not be said that there is a quorum, nor that there is none. This is not a refusal.',
  },
  act: ({ power, amount: value, channel, product }) =>
    `Act: power ${power}; ${value === null ? 'no amount' : `amount ${value}`}; channel ${channel}${product === null ? '' : `; product ${product}`}.`,
  at: (at) => `Situation at ${at} (São Paulo time).`,
  requester: (name) => `Asked for by ${name}.`,
  channelAccess: {
    required: 'The act requires active access to the channel and to the account.',
    ignored: 'The act requires no access to the channel: operator facts were not considered.',
  },

  why: 'Why',
  plainReason: {
    no_rule:
      'None of the rules received that permit signing covers this act (power, amount, channel, product and date considered).',
    not_enough_people: 'The people who may sign complete none of the alternatives.',
    too_complex:
      'Limit of the calculation: the case is too large to prove that there is a quorum or that there is none. This is not a refusal.',
  },
  uncertainPeople: {
    unread: 'Uncertain: the quorum depends on people with a reservation that was not interpreted.',
    unanswered: 'Technical failure: the quorum depends on people about whom the registry did not answer.',
    both: 'Uncertain, and technical failure: the quorum depends on people with a reservation that was not interpreted, or about whom the registry did not answer.',
  },
  forbidden: (names) => `Prohibition: the act is forbidden by ${rules(names)}.`,
  unreadRestriction: (names) =>
    `Uncertain: there is a restriction whose text was not read into conditions and which may forbid the act: ${rules(names)}.`,
  unreadRule: (names) =>
    `Uncertain: there is a rule whose text was not read into conditions and which may permit the act: ${rules(names)}.`,
  sourceUnavailable: (names) =>
    `Technical failure: the source of ${list(names.map((name) => sources[name]))} did not answer. Nothing follows about the powers; it must be asked again.`,

  eligible: 'Who may sign, having no impediment of their own',
  blocked: 'Who may not sign, and why',
  uncertain: 'Situation not confirmed (neither yes nor no)',
  nobody: 'Nobody.',
  reservation: (reservation) => {
    const scope = restriction(reservation);
    switch (reservation.kind) {
      case 'value_limit':
        return `reservation on value (up to ${money(reservation.maxCents)}${scope})`;
      case 'validity':
        return `reservation on time (signs only ${period(reservation.from ?? null, reservation.to ?? null)}${scope})`;
      case 'suspended':
        return `reservation of suspension${scope === '' ? '' : ` (${scope.slice(2)})`}`;
      case 'other':
        return `reservation not interpreted (${reservation.text === undefined ? 'without text' : `“${reservation.text}”`}${scope})`;
    }
  },
  reservationReason: (reservation, value) => {
    switch (reservation.kind) {
      case 'value_limit':
        return `this act is of ${value}`;
      case 'validity':
        return 'may not sign outside that period';
      case 'suspended':
        return 'the power to sign is suspended';
      case 'other':
        return 'a person has to read it';
    }
  },
  operatorReason: {
    operator_inactive: 'is not an active operator of the channel',
    no_account_access: 'has no access to the account in the channel',
    operator_unknown:
      'technical failure: the registry did not say whether the operator is active and has access to the account',
  },

  coalitions: ({ listed, total, exact }) => {
    const count = exact ? String(total) : `at least ${total}`;
    return `Combinations that would do (${count}${listed < total ? `; the first ${listed}` : ''})`;
  },
  coalitionsInVain: 'They count only if the impediment above ceases to exist.',
  noAlternative: 'No rule that was read applies to the act: no combination can be named.',
  noCoalition: 'With the facts received, no combination of those who may sign would do.',
  unprovenNoCoalition: 'No combination was found within the limit of the calculation; there may be one.',
  moreCoalitions: (count) => `… and ${count} more.`,
  indispensable: (names) => `Indispensable, being in every combination: ${list(names)}.`,
  noneIndispensable: 'Nobody is indispensable.',
  absences: (count) =>
    `Absences tolerated among those who may sign, whoever is absent: ${count === 0 ? 'none' : `up to ${count}`}.`,

  signed: (names) => (names.length > 0 ? `Signed: ${list(names)}.` : 'Nobody has signed yet.'),
  signedWithoutEffect: (names) =>
    `Without effect, because they are not among those who may sign: ${list(names)}.`,
  signedEnough: 'The signatures collected complete a combination.',
  signedShort: 'The signatures collected do not complete any combination yet.',
  completions: 'To complete one, it is enough that one of these sets signs:',

  rules: 'Rules that apply',
  alternative: (rule, alternative, satisfied) =>
    `Rule ${rule.id} (version ${rule.version}), alternative ${alternative}: ${satisfied ? 'satisfied' : 'not satisfied'}.`,
  requires,
  missing: (group, have, need) => `Group ${group}: people needed, ${need}; may sign, ${have}.`,
  cause: {
    mandatory_unavailable: 'A person whose signature is mandatory may not sign.',
    not_together: 'It would be satisfied only with people who may not sign together.',
    overlap: 'Each count is met on its own, but there are not enough different people to fill them all.',
    empty_group: 'One of the groups required has no members at this date.',
    above_group_size: 'It requires more people than the group has.',
  },

  nearest: 'What is missing: the shortest ways',
  nearestInVain: 'Not enough by themselves: the impediment above must cease to exist as well.',
  noNearest: 'No regularisation of the people given completes a combination.',
  repair: (repair, name, reservation) => {
    switch (repair.action) {
      case 'lift_reservation':
        return `lift from ${name} the ${reservation}`;
      case 'confirm_operator':
        return `confirm in the registry that ${name} is an active operator with access to the account`;
      case 'activate_operator':
        return `activate ${name} as an operator of the channel`;
      case 'grant_account_access':
        return `give ${name} access to the account in the channel`;
    }
  },
  repaired: (names) => `Then this would do: ${list(names)}.`,

  stableUntil: (until) =>
    until === null
      ? 'No date given begins or ends later: with these same facts the decision does not change.'
      : `With these same facts the decision does not change before ${until} (São Paulo time).`,
  inexact: (fields) =>
    `Limit of the calculation: not proven to be complete: ${list(fields.map((field) => inexactNames[field]))}.`,
  record: (inputHash, engineVersion) =>
    `Record: input ${inputHash}; decision engine, version ${engineVersion}.`,

  money,
  instant,
  list,
};
