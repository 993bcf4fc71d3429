import type { QuorumInput, QuorumOutput, Rule } from './contract.ts';
import { decide } from './engine.ts';
import type { Finding, LintSubject } from './lint.ts';
import { namesIn } from './named-ids.ts';
import { bandHolds } from './rule-scope.ts';
import { english } from './wording-en.ts';

/** A channel and a product of their own, or one that stands for all that no rule and no reservation names. */
export type ActScope = { channel: string; product: string | undefined; name: string };

/** Acts that the rules of a power cannot tell apart: an amount in `[minCents, maxCents)`, or no value at all. */
export type ActClass = ActScope & {
  power: string;
  range: { minCents: number; maxCents: number | null } | null;
};

export type Act = QuorumInput['act'];

export const actOf = ({ power, channel, product, range }: Omit<ActClass, 'name'>): Act => ({
  power,
  channel,
  amountCents: range === null ? null : range.minCents,
  ...(product === undefined ? {} : { product }),
});

/** A key that no rule and no reservation names: stands for all the others. */
const otherThan = (names: readonly string[]): string => {
  let name = 'other';
  while (names.includes(name)) name = `${name}_`;
  return name;
};

const distinct = (names: readonly string[]): string[] => [...new Set(names)].sort();

/** The channels and products that rules and reservations distinguish, one more of each, and acts without a product. */
export const scopesOf = ({ people }: LintSubject, rules: readonly Rule[]): ActScope[] => {
  const reservations = people.flatMap((person) => person.reservations ?? []);
  const scoped = [...rules, ...reservations];
  const channels = distinct(scoped.flatMap((one) => one.channels ?? []));
  const products = distinct(scoped.flatMap((one) => one.products ?? []));
  const channelScopes = [
    ...channels.map((channel) => ({ channel, name: `, channel ${channel}` })),
    { channel: otherThan(channels), name: channels.length > 0 ? ', any other channel' : '' },
  ];
  const productScopes = [
    ...products.map((product) => ({ product, name: `, product ${product}` })),
    ...(products.length > 0 ? [{ product: otherThan(products), name: ', any other product' }] : []),
    { product: undefined, name: products.length > 0 ? ', no product' : '' },
  ];
  return channelScopes.flatMap((one) =>
    productScopes.map((other) => ({
      channel: one.channel,
      product: other.product,
      name: `${one.name}${other.name}`,
    })),
  );
};

export const powersOf = ({ rules }: LintSubject): string[] => distinct(rules.map(({ power }) => power));

/** Where the answer may change with the amount: the ends of bands, and the first cent above a limit. */
const cutsOf = ({ people }: LintSubject, rules: readonly Rule[]): number[] => {
  const limits = people.flatMap((person) =>
    (person.reservations ?? []).flatMap((one) => (one.kind === 'value_limit' ? [one.maxCents + 1] : [])),
  );
  const ends = rules.flatMap(({ band }) => [band?.minCents ?? 0, band?.maxCents ?? 0]);
  return [...new Set([0, ...ends, ...limits])]
    .filter((cut) => cut <= Number.MAX_SAFE_INTEGER)
    .sort((a, b) => a - b);
};

/** The classes of acts of a power; those without a value only where a rule without a band could cover them. */
function* actClassesOf(subject: LintSubject, power: string): Generator<ActClass> {
  const rules = subject.rules.filter((rule) => rule.power === power);
  const cuts = cutsOf(subject, rules);
  const ranges: ActClass['range'][] = cuts.map((minCents, index) => ({
    minCents,
    maxCents: cuts[index + 1] ?? null,
  }));
  if (rules.some(({ band }) => band === undefined)) ranges.push(null);
  for (const scope of scopesOf(subject, rules)) for (const range of ranges) yield { power, ...scope, range };
}

/**
 * One class for each set of rules and reservations that an act can meet. Channels, products and amounts
 * multiply, so at most `most` classes are looked at; `isWhole` says whether those were all.
 */
export const distinctClasses = (
  subject: LintSubject,
  powers: readonly string[],
  most: number,
): { classes: ActClass[]; isWhole: boolean } => {
  const bySignature = new Map<string, ActClass>();
  let seen = 0;
  for (const power of powers)
    for (const actClass of actClassesOf(subject, power)) {
      seen += 1;
      if (seen > most) return { classes: [...bySignature.values()], isWhole: false };
      const signature = signatureOf(subject, actOf(actClass));
      if (!bySignature.has(signature)) bySignature.set(signature, actClass);
    }
  return { classes: [...bySignature.values()], isWhole: true };
};

const inList = (list: readonly string[] | undefined, key: string | undefined): boolean =>
  list === undefined || list.length === 0 || (key !== undefined && list.includes(key));

/** Whether a rule is about an act, whenever it is valid. */
export const isAbout = (rule: Rule, act: Act): boolean =>
  rule.power === act.power &&
  inList(rule.channels, act.channel) &&
  inList(rule.products, act.product) &&
  bandHolds(rule.band, act.amountCents);

/** What a class means for the rules: equal signatures are decided alike at every instant. */
const signatureOf = ({ rules, people }: LintSubject, act: Act): string => {
  const about = rules.flatMap((rule, index) => (isAbout(rule, act) ? [index] : []));
  const held = people.map(({ reservations = [] }) =>
    reservations.flatMap((one, index) => {
      const matches =
        inList(one.powers, act.power) &&
        inList(one.channels, act.channel) &&
        inList(one.products, act.product);
      const exceeds =
        one.kind !== 'value_limit' || (act.amountCents !== null && act.amountCents > one.maxCents);
      return matches && exceeds ? [index] : [];
    }),
  );
  return JSON.stringify([about, held]);
};

/** Rules about an act, and of groups and people only those that they name: nothing else can change its decision. */
export const narrowedTo = ({ at, groups, rules, people }: LintSubject, act: Act): LintSubject => {
  const about = rules.filter((rule) => isAbout(rule, act));
  const named = new Set(namesIn(about, ['group']));
  const within = groups.filter(({ id }) => named.has(id));
  const involved = new Set([
    ...within.flatMap(({ members }) => members.map(({ person }) => person)),
    ...namesIn(about, ['mandatory', 'notTogether']),
  ]);
  return { at, rules: about, groups: within, people: people.filter(({ id }) => involved.has(id)) };
};

/** Decides acts for one part of the lint, within a budget of work. */
export type Probe = {
  /** The decision, or undefined when it would cost more than is left. */
  decide: (subject: LintSubject, act: Act, limit?: number) => QuorumOutput | undefined;
  isSpent: () => boolean;
};

// The engine takes microseconds up to twelve people and about a millisecond for each person and alternative
// beyond, so these units keep a part of the lint within about half a minute on the worst of rules.
const smallCase = 12;
const costOf = ({ people, rules }: LintSubject): number =>
  people.length <= smallCase
    ? 1
    : people.length * rules.reduce((sum, { alternatives = [] }) => sum + alternatives.length, 1);

/**
 * A probe without regard to access to the channel. The budget counts people and alternatives, never time: the
 * same rules get the same findings on any machine.
 */
export const newProbe = (budget = 20_000): Probe => {
  let left = budget;
  let spent = false;
  return {
    decide: (subject, act, limit = 1) => {
      const narrowed = narrowedTo(subject, act);
      left -= costOf(narrowed);
      if (left < 0) {
        spent = true;
        return undefined;
      }
      return decide({ ...narrowed, act, requester: '', requiresChannelAccess: false, limit });
    },
    isSpent: () => spent,
  };
};

/** That a part of the lint ran out of its budget: what it did not find may still be there. */
export const notFullyChecked = (what: string): Finding => ({
  severity: 'warning',
  code: 'not_fully_checked',
  pointer: '/rules',
  message: `the rules are too large to check in full: ${what}`,
  remedy: 'check the rules of each power apart, or look fewer days ahead',
});

export const describeRange = (range: ActClass['range']): string => {
  if (range === null) return 'acts without a value';
  const { minCents, maxCents } = range;
  if (maxCents === null) return `acts of ${english.money(minCents)} or more`;
  return `acts from ${english.money(minCents)} to under ${english.money(maxCents)}`;
};

export const describeScope = ({ power, name }: Pick<ActClass, 'power' | 'name'>): string =>
  `power ${power}${name}`;
