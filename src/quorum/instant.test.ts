import { describe, expect, it } from 'vitest';
import { compareInstants, formatInstant, parseInstant } from './instant.ts';

const utc = (text: string): string | undefined => {
  const instant = parseInstant(text);
  return instant && formatInstant(instant);
};

describe('instants (RFC 3339)', () => {
  it.each([
    ['2026-11-22T12:00:00-03:00', '2026-11-22T15:00:00Z'],
    ['2026-11-22t12:00:00z', '2026-11-22T12:00:00Z'],
    ['2026-01-01T00:00:00+14:00', '2025-12-31T10:00:00Z'],
    ['2024-02-29T23:59:59.500Z', '2024-02-29T23:59:59.5Z'],
    ['2026-11-22T12:00:00.000Z', '2026-11-22T12:00:00Z'],
    ['2026-11-22T12:00:00.1234567890120Z', '2026-11-22T12:00:00.123456789012Z'],
    ['1969-12-31T23:59:59.9Z', '1969-12-31T23:59:59.9Z'],
    ['0000-01-01T00:00:00Z', '0000-01-01T00:00:00Z'],
    ['0099-12-31T00:00:00Z', '0099-12-31T00:00:00Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59Z'],
    ['2026-11-22T12:00:00-00:00', '2026-11-22T12:00:00Z'],
  ])('reads %s as %s', (text, expected) => {
    expect(utc(text)).toBe(expected);
  });

  it.each([
    '2026-11-22',
    '2026-11-22T12:00Z',
    '2026-11-22T12:00:00',
    '2026-11-22 12:00:00Z',
    '2026-11-22T12:00:00.Z',
    '2026-11-22T12:00:00+0300',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2026-11-31T00:00:00Z',
    '2026-11-22T24:00:00Z',
    '2026-11-22T12:60:00Z',
    '2016-12-31T23:59:60Z',
    '2026-11-22T12:00:00+24:00',
    '0000-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-03:00',
    '+02026-11-22T12:00:00Z',
    ' 2026-11-22T12:00:00Z',
    '２026-11-22T12:00:00Z',
    '',
  ])('refuses "%s"', (text) => {
    expect(parseInstant(text)).toBeUndefined();
  });

  it('agrees with the calendar of the platform on every day of 400 years', () => {
    for (let day = Date.UTC(1800, 0, 1); day < Date.UTC(2200, 0, 1); day += 86_400_000) {
      const text = new Date(day).toISOString();
      if (parseInstant(text)?.seconds !== day / 1000) expect(text).toBe('a day that both read alike');
    }
  });

  it('orders instants across offsets and by digits of any length', () => {
    const order = [
      '2026-01-01T00:00:00+01:00',
      '2026-01-01T00:00:00Z',
      '2026-01-01T00:00:00.0000000001Z',
      '2026-01-01T00:00:00.45Z',
      '2026-01-01T00:00:00.5Z',
      '2025-12-31T23:00:00-03:00',
    ].map((text) => parseInstant(text) ?? { seconds: Number.NaN, fraction: '' });
    for (let i = 0; i < order.length; i++) {
      for (let j = 0; j < order.length; j++) {
        const [a, b] = [order[i], order[j]];
        if (a && b) expect(Math.sign(compareInstants(a, b))).toBe(Math.sign(i - j));
      }
    }
  });
});
