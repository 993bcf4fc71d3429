/**
 * An instant as whole seconds since 1970-01-01T00:00:00Z and the digits of its fraction, without trailing
 * zeros. Text digits keep any precision: two dates that differ by a nanosecond must not compare as equal.
 */
export type Instant = { readonly seconds: number; readonly fraction: string };

const SHAPE = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const YEAR_0 = -62_167_219_200;
const YEAR_10000 = 253_402_300_800;

/**
 * Reads an RFC 3339 date-time: an offset is required, `t` and `z` may be lower-case, fractions may have any
 * length. Answers undefined for anything else, for dates that the calendar lacks, for leap seconds (an
 * instant that the usual clocks cannot tell from the next second) and outside the years 0000 to 9999 in UTC.
 */
export const parseInstant = (text: string): Instant | undefined => {
  // The dates of one input are mostly the same few, and each is asked for by the checks and by the decision.
  if (text !== last.text) last = { text, instant: readInstant(text) };
  return last.instant;
};

let last: { readonly text: string; readonly instant: Instant | undefined } = { text: '', instant: undefined };

const readInstant = (text: string): Instant | undefined => {
  const match = SHAPE.exec(text);
  if (!match) return undefined;
  const year = Number(match[1]);
  const month = Number(match[2]);
  const day = Number(match[3]);
  const hour = Number(match[4]);
  const minute = Number(match[5]);
  const second = Number(match[6]);
  const offsetHour = Number(match[9] ?? 0);
  const offsetMinute = Number(match[10] ?? 0);
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return undefined;
  const offset = (match[8] === '-' ? -60 : 60) * (offsetHour * 60 + offsetMinute);
  const seconds = daysBefore(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
  if (seconds < YEAR_0 || seconds >= YEAR_10000) return undefined;
  return { seconds, fraction: withoutTrailingZeros(match[7] ?? '') };
};

/** Negative when `a` is before `b`, 0 when they are the same instant, positive when it is after. */
export const compareInstants = (a: Instant, b: Instant): number => {
  if (a.seconds !== b.seconds) return a.seconds - b.seconds;
  // The digits after the point order like text: "45" < "5" as 0.45 < 0.5.
  return a.fraction < b.fraction ? -1 : a.fraction > b.fraction ? 1 : 0;
};

/** The instant in UTC with `Z`, the fraction only when there is one. */
export const formatInstant = (instant: Instant): string => {
  const whole = new Date(instant.seconds * 1000).toISOString().slice(0, 19);
  return instant.fraction === '' ? `${whole}Z` : `${whole}.${instant.fraction}Z`;
};

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

const daysIn = (year: number, month: number): number =>
  month === 2 && isLeap(year) ? 29 : (DAYS[month - 1] ?? 0);

/** Days from 1970-01-01 in the Gregorian calendar; `Date.UTC` would read the years 0 to 99 as 1900 to 1999. */
const daysBefore = (year: number, month: number, day: number): number => {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
};

// A loop, since /0+$/ takes quadratic time on a long run of zeros that does not end the text.
const withoutTrailingZeros = (digits: string): string => {
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === 48) end -= 1;
  return digits.slice(0, end);
};
