import type {
  Person,
  PersonReason,
  PersonStatus,
  QuorumInput,
  QuorumOutput,
  Repair,
  Reservation,
  Rule,
} from './contract.ts';
import { ruleApplies } from './rule-scope.ts';
import type { RuleName, Wording } from './wording.ts';
import { english } from './wording-en.ts';
import { ptBr } from './wording-pt-br.ts';

export const languages = ['pt-BR', 'en'] as const;
export type Language = (typeof languages)[number];

/** `names` says what the opaque ids of people are called in the text; an id without a name stands for itself. */
export type ExplainOptions = { language: Language; names?: Readonly<Record<string, string>> };

type Section = { title?: string; lines: string[] };

type Facts = {
  input: QuorumInput;
  output: QuorumOutput;
  words: Wording;
  person: (id: string) => string;
  group: (id: string) => string;
};

/**
 * The decision in plain text, for a lawyer: who may sign, who may not and why, which combinations would do,
 * what is missing and the shortest way to it, and until when. It states the facts of the input and the output
 * and nothing else; dates are in São Paulo time. Pure: the same decision gives the same text.
 */
export const explain = (
  input: QuorumInput,
  output: QuorumOutput,
  { language, names }: ExplainOptions,
): string => {
  const facts: Facts = {
    input,
    output,
    words: language === 'pt-BR' ? ptBr : english,
    person: labels(names),
    group: printable,
  };
  const sections: Section[] = [
    { lines: [facts.words.headline[output.verdict]] },
    { lines: actLines(facts) },
    { title: facts.words.why, lines: reasonLines(facts) },
    ...peopleSections(facts),
    coalitionSection(facts),
    ...signedSection(facts),
    { title: facts.words.rules, lines: ruleLines(facts) },
    ...nearestSection(facts),
    { lines: closingLines(facts) },
  ];
  return `${sections
    .filter((section) => section.lines.length > 0)
    .map(({ title, lines }) => [...(title ? [title] : []), ...lines].join('\n'))
    .join('\n\n')}\n`;
};

/** A line break or a control character inside an id or a text would let it pass for a line of ours. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();

const printableReservation = (reservation: Reservation): Reservation => ({
  ...reservation,
  ...(reservation.powers && { powers: reservation.powers.map(printable) }),
  ...(reservation.channels && { channels: reservation.channels.map(printable) }),
  ...(reservation.products && { products: reservation.products.map(printable) }),
  ...(reservation.kind === 'other' && reservation.text !== undefined
    ? { text: printable(reservation.text) }
    : {}),
});

const labels =
  (names: Readonly<Record<string, string>> = {}) =>
  (id: string): string => {
    const name = Object.hasOwn(names, id) ? printable(names[id] ?? '') : '';
    return name === '' ? printable(id) : `${name} (${printable(id)})`;
  };

const bullet = (text: string): string => `- ${text}`;
const nested = (text: string): string => `  - ${text}`;

const amountOf = ({ input, words }: Facts): string | null =>
  input.act.amountCents === null ? null : words.money(input.act.amountCents);

const actLines = (facts: Facts): string[] => {
  const { input, words, person } = facts;
  const { power, channel, product } = input.act;
  return [
    words.act({
      power: printable(power),
      amount: amountOf(facts),
      channel: printable(channel),
      product: product === undefined ? null : printable(product),
    }),
    words.at(words.instant(input.at)),
    words.channelAccess[input.requiresChannelAccess ? 'required' : 'ignored'],
    ...(input.requester === undefined ? [] : [words.requester(person(input.requester))]),
  ];
};

const reasonLines = ({ input, output, words }: Facts): string[] => {
  const applying = (choose: (rule: Rule) => boolean): RuleName[] =>
    input.rules
      .filter((rule) => choose(rule) && ruleApplies(rule, input))
      .map(({ id, version }) => ({ id: printable(id), version }));
  return output.reasons.map((reason) => {
    switch (reason) {
      case 'forbidden':
        return bullet(
          words.forbidden(applying((rule) => rule.effect === 'forbid' && rule.coverage === 'complete')),
        );
      case 'unread_restriction':
        return bullet(
          words.unreadRestriction(
            applying((rule) => rule.effect === 'forbid' && rule.coverage === 'unknown'),
          ),
        );
      case 'unread_rule':
        return bullet(
          words.unreadRule(applying((rule) => rule.effect !== 'forbid' && rule.coverage === 'unknown')),
        );
      case 'uncertain_people':
        return bullet(words.uncertainPeople[doubtOf(output)]);
      case 'source_unavailable':
        return bullet(words.sourceUnavailable(input.unavailable ?? []));
      default:
        return bullet(words.plainReason[reason]);
    }
  });
};

/** What keeps people uncertain: a text that nobody read is a doubt, a registry that is silent a technical failure. */
const doubtOf = ({ people }: QuorumOutput): 'unread' | 'unanswered' | 'both' => {
  const codes = new Set(
    people
      .filter(({ status }) => status === 'uncertain')
      .flatMap(({ reasons }) => reasons.map(({ code }) => code)),
  );
  if (!codes.has('operator_unknown')) return 'unread';
  return codes.has('other') ? 'both' : 'unanswered';
};

const peopleSections = (facts: Facts): Section[] => {
  const { words } = facts;
  const eligible = peopleLines(facts, 'eligible');
  return [
    { title: words.eligible, lines: eligible.length > 0 ? eligible : [bullet(words.nobody)] },
    ...(['blocked', 'uncertain'] as const).map((status) => ({
      title: words[status],
      lines: peopleLines(facts, status),
    })),
  ].filter((section) => section.lines.length > 0);
};

const peopleLines = (facts: Facts, status: PersonStatus): string[] => {
  const known = new Map(facts.input.people.map((person) => [person.id, person]));
  return facts.output.people
    .filter((person) => person.status === status)
    .flatMap(({ id, reasons }) => [
      bullet(facts.person(id)),
      ...reasons.map((reason) => nested(`${personReason(facts, known.get(id), reason)}.`)),
    ]);
};

const personReason = (facts: Facts, person: Person | undefined, reason: PersonReason): string => {
  if (!('reservation' in reason)) return facts.words.operatorReason[reason.code];
  const reservation = person?.reservations?.[reason.reservation];
  if (!reservation)
    throw new Error(`the decision names reservation ${reason.reservation}, which the input lacks`);
  const { words } = facts;
  return `${words.reservation(printableReservation(reservation))}; ${words.reservationReason(reservation, amountOf(facts) ?? '')}`;
};

const numbered = ({ words, person }: Facts, sets: readonly string[][]): string[] =>
  sets.map((set, index) => `${index + 1}. ${words.list(set.map(person))}`);

/** Whether rules or sources stand in the way whoever signs (steps 1 and 2 of the verdict). */
const isImpeded = ({ output }: Facts): boolean =>
  output.reasons.some((reason) => ['forbidden', 'source_unavailable', 'unread_restriction'].includes(reason));

const coalitionSection = (facts: Facts): Section => {
  const { output, words, person } = facts;
  const { total, totalExact, minimal } = output.coalitions;
  if (total === 0)
    return {
      title: words.coalitions({ listed: 0, total, exact: totalExact }),
      lines: [emptyLine(facts)],
    };
  return {
    title: words.coalitions({ listed: minimal.length, total, exact: totalExact }),
    lines: [
      ...numbered(facts, minimal),
      ...(total > minimal.length ? [words.moreCoalitions(total - minimal.length)] : []),
      output.indispensable.length > 0
        ? words.indispensable(output.indispensable.map(person))
        : words.noneIndispensable,
      ...(output.toleratedAbsences === null ? [] : [words.absences(output.toleratedAbsences)]),
      ...(isImpeded(facts) ? [words.coalitionsInVain] : []),
    ],
  };
};

const emptyLine = ({ output, words }: Facts): string => {
  if (output.alternatives.length === 0) return words.noAlternative;
  return output.coalitions.totalExact ? words.noCoalition : words.unprovenNoCoalition;
};

const signedSection = (facts: Facts): Section[] => {
  const { input, output, words, person } = facts;
  if (!output.signed) return [];
  const signed = input.signed ?? [];
  const eligible = new Set(output.people.filter(({ status }) => status === 'eligible').map(({ id }) => id));
  const without = signed.filter((id) => !eligible.has(id));
  return [
    {
      lines: [
        words.signed(signed.map(person)),
        ...(without.length > 0 ? [words.signedWithoutEffect(without.map(person))] : []),
        output.signed.sufficient ? words.signedEnough : words.signedShort,
        ...(output.signed.completions.length > 0
          ? [words.completions, ...numbered(facts, output.signed.completions)]
          : []),
      ],
    },
  ];
};

const ruleLines = ({ input, output, words, person, group }: Facts): string[] =>
  output.alternatives.flatMap((result) => {
    const alternative = input.rules
      .find((rule) => rule.id === result.rule)
      ?.alternatives?.find((one) => one.id === result.alternative);
    if (!alternative)
      throw new Error(
        `the decision names alternative ${result.alternative} of rule ${result.rule}, which the input lacks`,
      );
    const name = { id: printable(result.rule), version: result.version };
    return [
      bullet(words.alternative(name, printable(result.alternative), result.satisfied)),
      nested(words.requires(alternative, { person, group })),
      ...result.missing.map(({ group: id, have, need }) => nested(words.missing(group(id), have, need))),
      ...result.causes.map((cause) => nested(words.cause[cause])),
    ];
  });

const nearestSection = (facts: Facts): Section[] => {
  const { input, output, words, person } = facts;
  if (output.coalitions.total > 0 || output.alternatives.length === 0) return [];
  if (output.nearest.length === 0)
    return output.inexact.includes('nearest') ? [] : [{ title: words.nearest, lines: [words.noNearest] }];
  const reservationOf = (repair: Repair): string => {
    if (repair.action !== 'lift_reservation') return '';
    const owner = input.people.find(({ id }) => id === repair.person);
    const reservation = owner?.reservations?.[repair.reservation];
    if (!reservation)
      throw new Error(`the decision names reservation ${repair.reservation}, which the input lacks`);
    return words.reservation(printableReservation(reservation));
  };
  return [
    {
      title: words.nearest,
      lines: [
        ...output.nearest.flatMap(({ repairs, coalition }, index) => {
          const steps = repairs.map((repair) =>
            words.repair(repair, person(repair.person), reservationOf(repair)),
          );
          return [`${index + 1}. ${words.list(steps)}.`, `   ${words.repaired(coalition.map(person))}`];
        }),
        ...(isImpeded(facts) ? [words.nearestInVain] : []),
      ],
    },
  ];
};

const closingLines = ({ output, words }: Facts): string[] => [
  words.stableUntil(output.stableUntil === null ? null : words.instant(output.stableUntil)),
  ...(output.inexact.length > 0 ? [words.inexact(output.inexact)] : []),
  words.record(output.inputHash, output.engineVersion),
];
