const dayMs = 86_400_000;

/** A day as `2024-01-31`. */
export type Day = string;

export const addDays = (day: Day, days: number): Day =>
  new Date(Date.parse(day) + days * dayMs).toISOString().slice(0, 10);

/** Every day from `from` to `to`, both included. */
export const daysBetween = (from: Day, to: Day): Day[] => {
  const count = Math.floor((Date.parse(to) - Date.parse(from)) / dayMs) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, n) => addDays(from, n));
};

const pad = (value: number): string => String(value).padStart(2, '0');

/** Easter Sunday by the anonymous Gregorian computus. */
export const easter = (year: number): Day => {
  const a = year % 19;
  const [b, c] = [Math.floor(year / 100), year % 100];
  const h = (19 * a + b - Math.floor(b / 4) - Math.floor((b - Math.floor((b + 8) / 25) + 1) / 3) + 15) % 30;
  const l = (32 + 2 * (b % 4) + 2 * Math.floor(c / 4) - h - (c % 4)) % 7;
  const m = Math.floor((a + 11 * h + 22 * l) / 451);
  const month = Math.floor((h + l - 7 * m + 114) / 31);
  return `${year}-${pad(month)}-${pad(((h + l - 7 * m + 114) % 31) + 1)}`;
};

export type Holiday = { date: Day; name: string; type: 'national' };

/**
 * National holidays as BrasilAPI lists them: those of federal law (662/1949, 6.802/1980, 14.759/2023 from 2024
 * on), and the movable days that banks keep.
 */
export const nationalHolidays = (year: number): Holiday[] => {
  const sunday = easter(year);
  const days: [Day, string][] = [
    [`${year}-01-01`, 'Confraternização mundial'],
    [addDays(sunday, -47), 'Carnaval'],
    [addDays(sunday, -2), 'Sexta-feira Santa'],
    [sunday, 'Páscoa'],
    [`${year}-04-21`, 'Tiradentes'],
    [`${year}-05-01`, 'Dia do trabalho'],
    [addDays(sunday, 60), 'Corpus Christi'],
    [`${year}-09-07`, 'Independência do Brasil'],
    [`${year}-10-12`, 'Nossa Senhora Aparecida'],
    [`${year}-11-02`, 'Finados'],
    [`${year}-11-15`, 'Proclamação da República'],
    ...(year >= 2024 ? [[`${year}-11-20`, 'Dia da consciência negra'] as [Day, string]] : []),
    [`${year}-12-25`, 'Natal'],
  ];
  return days
    .map(([date, name]) => ({ date, name, type: 'national' as const }))
    .sort((a, b) => (a.date < b.date ? -1 : a.date > b.date ? 1 : 0));
};

const holidays = new Map<number, Set<Day>>();

/** No Saturday, Sunday or national holiday, nor the Monday of Carnival, on which banks are closed too. */
export const isBusinessDay = (day: Day): boolean => {
  const weekday = new Date(Date.parse(day)).getUTCDay();
  if (weekday === 0 || weekday === 6) return false;
  const year = Number(day.slice(0, 4));
  let closed = holidays.get(year);
  if (!closed) {
    closed = new Set([...nationalHolidays(year).map(({ date }) => date), addDays(easter(year), -48)]);
    holidays.set(year, closed);
  }
  return !closed.has(day);
};

/** `31/01/2024` or `31-01-2024` to `2024-01-31`; undefined where it is no day. */
export const brazilianDay = (text: string | null): Day | undefined => {
  const match = /^(\d{2})[/-](\d{2})[/-](\d{4})$/.exec(text ?? '');
  const day = match ? `${match[3]}-${match[2]}-${match[1]}` : '';
  const at = Date.parse(day);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(day) ? day : undefined;
};
