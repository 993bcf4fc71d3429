import type {
  Alternative,
  Cause,
  InexactField,
  PersonReason,
  Repair,
  Reservation,
  Source,
  Verdict,
} from './contract.ts';

/** The one reason codes that need no facts of the input to be put in words. */
export type PlainReason = 'no_rule' | 'not_enough_people' | 'too_complex';

export type OperatorReason = Exclude<PersonReason, { reservation: number }>['code'];

/** A rule as the text names it. */
export type RuleName = { id: string; version: number };

/**
 * Every sentence of an explanation, in one language. Names and texts come in ready to print; money is cents of
 * BRL. The two languages state the same facts sentence by sentence, which the golden tests compare.
 */
export type Wording = {
  readonly headline: Readonly<Record<Verdict, string>>;
  readonly act: (act: {
    power: string;
    amount: string | null;
    channel: string;
    product: string | null;
  }) => string;
  readonly at: (instant: string) => string;
  readonly requester: (name: string) => string;
  readonly channelAccess: Readonly<Record<'required' | 'ignored', string>>;

  readonly why: string;
  readonly plainReason: Readonly<Record<PlainReason, string>>;
  /** Uncertain because a reservation was not read, because the registry did not answer, or some of each. */
  readonly uncertainPeople: Readonly<Record<'unread' | 'unanswered' | 'both', string>>;
  readonly forbidden: (rules: readonly RuleName[]) => string;
  readonly unreadRestriction: (rules: readonly RuleName[]) => string;
  readonly unreadRule: (rules: readonly RuleName[]) => string;
  readonly sourceUnavailable: (sources: readonly Source[]) => string;

  readonly eligible: string;
  readonly blocked: string;
  readonly uncertain: string;
  readonly nobody: string;
  /** A reservation as a noun, with its limit, dates or text, and the acts that it is restricted to. */
  readonly reservation: (reservation: Reservation) => string;
  /** Why a reservation of a kind keeps the person from signing. */
  readonly reservationReason: (reservation: Reservation, amount: string) => string;
  readonly operatorReason: Readonly<Record<OperatorReason, string>>;

  readonly coalitions: (found: { listed: number; total: number; exact: boolean }) => string;
  readonly coalitionsInVain: string;
  readonly noAlternative: string;
  readonly noCoalition: string;
  readonly unprovenNoCoalition: string;
  readonly moreCoalitions: (count: number) => string;
  readonly indispensable: (names: readonly string[]) => string;
  readonly noneIndispensable: string;
  readonly absences: (count: number) => string;

  readonly signed: (names: readonly string[]) => string;
  readonly signedWithoutEffect: (names: readonly string[]) => string;
  readonly signedEnough: string;
  readonly signedShort: string;
  readonly completions: string;

  readonly rules: string;
  readonly alternative: (rule: RuleName, alternative: string, satisfied: boolean) => string;
  readonly requires: (
    alternative: Alternative,
    names: { group: (id: string) => string; person: (id: string) => string },
  ) => string;
  readonly missing: (group: string, have: number, need: number) => string;
  readonly cause: Readonly<Record<Cause, string>>;

  readonly nearest: string;
  readonly nearestInVain: string;
  readonly noNearest: string;
  readonly repair: (repair: Repair, name: string, reservation: string) => string;
  readonly repaired: (names: readonly string[]) => string;

  readonly stableUntil: (instant: string | null) => string;
  readonly inexact: (fields: readonly InexactField[]) => string;
  readonly record: (inputHash: string, engineVersion: string) => string;

  readonly money: (cents: number) => string;
  readonly instant: (rfc3339: string) => string;
  readonly list: (items: readonly string[]) => string;
};

const clocks = new Map<string, Intl.DateTimeFormat>();

const clock = (month: 'long' | '2-digit'): Intl.DateTimeFormat => {
  const known = clocks.get(month);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-GB', {
    timeZone: 'America/Sao_Paulo',
    year: 'numeric',
    month,
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  clocks.set(month, made);
  return made;
};

/** The parts of an instant in São Paulo; undefined for what `Date` cannot read (a leap second), which is then shown as given. */
export const saoPauloParts = (rfc3339: string, month: 'long' | '2-digit') => {
  const date = new Date(rfc3339.toUpperCase());
  if (Number.isNaN(date.getTime())) return undefined;
  const parts = clock(month).formatToParts(date);
  const part = (type: Intl.DateTimeFormatPartTypes): string =>
    parts.find((one) => one.type === type)?.value ?? '';
  const seconds = part('second') === '00' ? '' : `:${part('second')}`;
  return {
    day: part('day'),
    month: part('month'),
    year: part('year'),
    time: `${part('hour')}:${part('minute')}${seconds}`,
  };
};

/** Cents as reais with the separators of a language. Integers of any contract size keep every digit. */
export const reais = (cents: number, thousands: string, decimal: string): string => {
  const digits = String(cents).padStart(3, '0');
  const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, thousands);
  return `${whole}${decimal}${digits.slice(-2)}`;
};
