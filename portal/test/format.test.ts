import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  centsOf,
  counted,
  day,
  document,
  instant,
  money,
  plainDocument,
  size,
  startOfDay,
} from '../src/format.ts';

describe('amounts', () => {
  it.each([
    ['125.000,00', 12_500_000],
    ['R$ 1,5', 150],
    ['2000', 200_000],
    [' 0,01 ', 1],
    ['1.234.567', 123_456_700],
    ['', null],
    ['1.50', null],
    ['12.34,00', null],
    ['1,234', null],
    ['-1', null],
    ['dez', null],
    ['1e3', null],
    ['99999999999999999', null],
  ])('%j is %j cents', (text, cents) => {
    expect(centsOf(text)).toBe(cents);
  });

  it('are read back as they are written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 13 }), (cents) => {
        expect(centsOf(money(cents))).toBe(cents);
      }),
    );
  });
});

describe('documents', () => {
  it('of companies are shown whole, of people masked', () => {
    expect(document('12ABC34501DE35')).toBe('12.ABC.345/01DE-35');
    expect(document('52998224725')).toBe('***.982.247-**');
    expect(document('?')).toBe('***');
  });

  it('are taken as people write them', () => {
    expect(plainDocument(' 12.abc.345/01de-35')).toBe('12ABC34501DE35');
    expect(plainDocument('529.982.247-25')).toBe('52998224725');
  });
});

describe('days and instants', () => {
  it("are São Paulo's", () => {
    expect(instant('2026-11-25T02:30:05Z')).toBe('24/11/2026, 23:30:05');
    expect(day('2026-11-25T02:59:59Z')).toBe('24/11/2026');
    expect(startOfDay('2026-11-25')).toBe('2026-11-25T00:00:00-03:00');
    expect(startOfDay('2026-12-31', 1)).toBe('2027-01-01T00:00:00-03:00');
    expect(startOfDay('')).toBeUndefined();
    expect(startOfDay('25/11/2026')).toBeUndefined();
  });
});

it('sizes and counts are in Portuguese', () => {
  expect([0, 999, 1_400, 4_012_345, 2_500_000_000].map(size)).toEqual([
    '0 bytes',
    '999 bytes',
    '1,4 kB',
    '4 MB',
    '2,5 GB',
  ]);
  expect(counted(1, 'linha', 'linhas')).toBe('1 linha');
  expect(counted(25_077, 'linha', 'linhas')).toBe('25.077 linhas');
});
