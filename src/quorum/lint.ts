import { readJsonText } from '../shared/json-text.ts';
import type { Group, Person, QuorumInput, Rule, Violation } from './contract.ts';
import { parseInput } from './input.ts';
import { bandFindings } from './lint-bands.ts';
import { endingFindings } from './lint-endings.ts';
import { redundancyFindings, satisfactionFindings } from './lint-satisfaction.ts';
import { structureFindings } from './lint-structure.ts';
import { namesIn } from './named-ids.ts';

/** The rules of one party, at an instant. `people` are those whom groups and rules name, with their reservations. */
export type LintSubject = { at: string; groups: Group[]; rules: Rule[]; people: Person[] };

export type LintCode =
  | 'band_gap'
  | 'band_overlap'
  | 'band_open_top'
  | 'empty_group'
  | 'group_too_small'
  | 'unsatisfiable_rule'
  | 'unsatisfiable_alternative'
  | 'nobody_eligible'
  | 'redundant_alternative'
  | 'person_in_no_group'
  | 'unread_rule'
  | 'unread_restriction'
  | 'rule_ended'
  | 'quorum_ends'
  | 'membership_ends'
  | 'rule_ends'
  | 'reservation_ends'
  | 'not_fully_checked';

/** `error`: someone gets a wrong answer, now or within the days asked for. `warning`: probably not meant. `info`: good to know. */
export type Severity = 'error' | 'warning' | 'info';

export type Finding = {
  severity: Severity;
  code: LintCode;
  /** JSON pointer into the rules that were checked. */
  pointer: string;
  message: string;
  remedy: string;
};

export type LintOptions = {
  /** How far ahead endings are looked for, in days of 24 hours. */
  days: number;
};

const rank: Record<Severity, number> = { error: 0, warning: 1, info: 2 };

/**
 * Looks for what is wrong, or will be, in the rules of a party. Whatever can be decided is decided by the
 * engine itself (who can satisfy a rule, whether an alternative adds anything, what an ending changes), over
 * sample acts of every value band, channel and product that the rules distinguish; access to the channel is
 * left out. Pure; errors come first, then by pointer in the order of the document.
 */
export const lintRules = (subject: LintSubject, { days }: LintOptions): Finding[] =>
  [
    ...structureFindings(subject),
    ...bandFindings(subject),
    ...satisfactionFindings(subject),
    ...redundancyFindings(subject),
    ...endingFindings(subject, days),
  ].sort((a, b) => rank[a.severity] - rank[b.severity] || byPointer(a.pointer, b.pointer));

/** Document order where it matters: indexes compare as numbers. */
const byPointer = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

export type ParsedLintSubject = { ok: true; subject: LintSubject } | { ok: false; violations: Violation[] };

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Reads `{ groups, rules, people?, at? }`, or a whole quorum input, with the engine's own parser: pointers and
 * messages are those that a decision over the same rules would give.
 * @param at replaces the document's own instant; `now` stands in where neither is given.
 */
export const parseLintSubject = (
  text: string,
  { at, now }: { at?: string; now: string },
): ParsedLintSubject => {
  const read = readJsonText(text);
  if (!read.readable) return { ok: false, violations: read.violations };
  if (!isRecord(read.value))
    return {
      ok: false,
      violations: [{ pointer: '', message: 'expected an object with "groups" and "rules"' }],
    };
  const parsed = parseInput({
    act: { power: 'lint', amountCents: null, channel: 'lint' },
    // A rule that excludes the requester is refused where nobody asked; here nobody has to.
    requester: 'lint',
    requiresChannelAccess: false,
    // Rules may be checked before anyone's facts are known: everyone named is then free to sign.
    people: namesIn(read.value, ['person', 'mandatory', 'notTogether']).map((id) => ({ id })),
    ...read.value,
    at: at ?? read.value.at ?? now,
  });
  const violations = [...read.violations, ...(parsed.ok ? [] : parsed.violations)];
  if (!parsed.ok || violations.length > 0) return { ok: false, violations };
  return { ok: true, subject: subjectOf(parsed.input) };
};

const subjectOf = ({ at, groups, rules, people }: QuorumInput): LintSubject => ({
  at,
  groups,
  rules,
  people,
});
