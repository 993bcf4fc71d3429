import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLocalDate, localDays } from './local-days.ts';

const days = localDays('America/Sao_Paulo');
const localDate = new Intl.DateTimeFormat('en-CA', {
  timeZone: 'America/Sao_Paulo',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
});
const dateAt = (instant: number): string => localDate.format(instant);

describe('the days of São Paulo', () => {
  it.each([
    ['2026-12-31', '2026-12-31T03:00:00Z', '2027-01-01T03:00:00Z'],
    ['2026-11-22', '2026-11-22T03:00:00Z', '2026-11-23T03:00:00Z'],
    // Summer time began at midnight: the day starts at 01:00 -02:00.
    ['2018-11-04', '2018-11-04T03:00:00Z', '2018-11-05T02:00:00Z'],
    // It ended at midnight: 2018-02-17 lasts 25 hours.
    ['2018-02-17', '2018-02-17T02:00:00Z', '2018-02-18T03:00:00Z'],
    ['2024-02-29', '2024-02-29T03:00:00Z', '2024-03-01T03:00:00Z'],
  ])('%s lasts from %s to %s', (date, start, end) => {
    expect(days.startOf(date)).toBe(start);
    expect(days.endOf(date)).toBe(end);
  });

  it('starts each day at its first instant, in every year of summer time and after', () => {
    const dates = fc.date({
      min: new Date('1915-01-01T00:00:00Z'),
      max: new Date('2099-12-31T00:00:00Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(dates, (date) => {
        const day = date.toISOString().slice(0, 10);
        const start = Date.parse(days.startOf(day));
        expect(dateAt(start)).toBe(day);
        expect(dateAt(start - 1000) < day).toBe(true);
        expect(dateAt(Date.parse(days.endOf(day)) - 1000)).toBe(day);
      }),
      { numRuns: 500 },
    );
  });

  it('does so on every day on which the clocks changed', () => {
    for (let instant = Date.UTC(1985, 0, 1); instant < Date.UTC(2020, 0, 1); instant += 86_400_000) {
      const day = new Date(instant).toISOString().slice(0, 10);
      const start = Date.parse(days.startOf(day));
      if (dateAt(start) !== day || dateAt(start - 1000) >= day) expect.fail(`${day} starts wrongly`);
    }
  });

  it('knows dates that do not exist', () => {
    expect(isLocalDate('2026-02-29')).toBe(false);
    expect(isLocalDate('2026-13-01')).toBe(false);
    expect(isLocalDate('26-01-01')).toBe(false);
    expect(isLocalDate('2024-02-29')).toBe(true);
    expect(() => days.startOf('2026-02-30')).toThrow(RangeError);
  });
});
