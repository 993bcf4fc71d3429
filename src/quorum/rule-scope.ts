import type { QuorumInput, Rule, Validity } from './contract.ts';
import { compareInstants, type Instant, parseInstant } from './instant.ts';

const instantOf = (text: string): Instant => {
  const instant = parseInstant(text);
  if (!instant) throw new Error(`expected an RFC 3339 instant in a parsed input, found "${text}"`);
  return instant;
};

/** Orders two RFC 3339 texts by the instants that they name. */
export const compareTexts = (a: string, b: string): number => compareInstants(instantOf(a), instantOf(b));

/** Whether an instant is inside `[from, to)`. */
export const isInside = ({ from, to }: Validity, at: string): boolean =>
  (from == null || compareTexts(from, at) <= 0) && (to == null || compareTexts(at, to) < 0);

const matches = (list: readonly string[] | undefined, key: string | undefined): boolean =>
  list === undefined || list.length === 0 || (key !== undefined && list.includes(key));

/** Whether an amount is inside a rule's band; an act without value only matches a rule without a band. */
export const bandHolds = (band: Rule['band'], amountCents: number | null): boolean => {
  if (band === undefined) return true;
  if (amountCents === null) return false;
  return (band.minCents ?? 0) <= amountCents && amountCents < (band.maxCents ?? Number.POSITIVE_INFINITY);
};

/**
 * Whether a rule applies to an act (meaning 3 of the contract). The engine decides with its own compiled
 * form; this says which rules a text or a finding should name, and a test holds the two together.
 */
export const ruleApplies = (rule: Rule, { act, at }: Pick<QuorumInput, 'act' | 'at'>): boolean =>
  rule.power === act.power &&
  matches(rule.channels, act.channel) &&
  matches(rule.products, act.product) &&
  bandHolds(rule.band, act.amountCents) &&
  isInside(rule, at);
