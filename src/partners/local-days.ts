const dayMs = 86_400_000;

export type LocalDays = {
  /** The first instant of a local date (`2026-12-31`), RFC 3339 in UTC. */
  startOf(date: string): string;
  /** The first instant after a local date: where an inclusive "until" ends. */
  endOf(date: string): string;
};

const isoSeconds = (instant: number): string => new Date(instant).toISOString().replace('.000Z', 'Z');

/** Whether the text is a date that exists: `2026-02-29` is not. */
export const isLocalDate = (text: string): boolean => {
  const match = /^\d{4}-\d{2}-\d{2}$/.test(text);
  if (!match) return false;
  const instant = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(instant) && new Date(instant).toISOString().startsWith(text);
};

/**
 * Days of a time zone as instants, by the zone data inside Node (`Intl`).
 *
 * Midnight is not a safe anchor: São Paulo's summer time began at 00:00 (2018-11-04 has no midnight, its first
 * instant is 01:00 −02:00) and ended at 00:00 as well (2018-02-17 has 23:00 twice). So the start of a day is
 * the first instant whose local date is that day, whatever the clock shows then.
 */
export const localDays = (timeZone: string): LocalDays => {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });

  /** The wall clock at an instant, as the milliseconds that clock would be in UTC. */
  const wallClock = (instant: number): number => {
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(instant)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    return Date.UTC(year, month - 1, day, hour, minute, second);
  };

  /**
   * "The wall clock has reached this date" turns true once within a day of the same midnight in UTC: the hour
   * that São Paulo repeats lies before midnight. The guesses find it at once on nearly all days, the search on
   * those without a midnight.
   */
  const firstInstant = (date: string): number => {
    const midnight = Date.parse(`${date}T00:00:00Z`);
    const guess = midnight - (wallClock(midnight) - midnight);
    for (const candidate of [guess - 3_600_000, guess, guess + 3_600_000]) {
      if (wallClock(candidate) === midnight && wallClock(candidate - 1000) < midnight) return candidate;
    }
    let before = midnight - dayMs;
    let begun = midnight + dayMs;
    while (begun - before > 1000) {
      const middle = Math.floor((before + begun) / 2000) * 1000;
      if (wallClock(middle) >= midnight) begun = middle;
      else before = middle;
    }
    return begun;
  };

  // Terms repeat ("until the end of the year"), and Intl costs tens of microseconds: worth remembering.
  const remembered = new Map<string, string>();
  const startOf = (date: string): string => {
    const known = remembered.get(date);
    if (known !== undefined) return known;
    if (!isLocalDate(date)) throw new RangeError(`expected a date like 2026-12-31, found ${date}`);
    const start = isoSeconds(firstInstant(date));
    if (remembered.size >= 10_000) remembered.clear();
    remembered.set(date, start);
    return start;
  };

  const dayAfter = (date: string): string =>
    new Date(Date.parse(`${date}T00:00:00Z`) + dayMs).toISOString().slice(0, 10);

  return { startOf, endOf: (date) => startOf(dayAfter(date)) };
};
