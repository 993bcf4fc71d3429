import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeValue, encodeValue, lowerBound, upperBound } from './bounds.ts';
import type { Type } from './schema.ts';
import { compareValues, literalValue } from './values.ts';

const hex = (bytes: Uint8Array | null): string => (bytes ? Buffer.from(bytes).toString('hex') : 'none');

describe('single values', () => {
  // By the table in the Iceberg spec, appendix D; the bytes were computed apart, with Python's struct.
  it.each<[Type, string, string]>([
    ['boolean', 'true', '01'],
    ['int', '-2', 'feffffff'],
    ['long', '9007199254740993', '0100000000002000'],
    ['float', '1.5', '0000c03f'],
    ['double', '1.5', '000000000000f83f'],
    ['date', '2017-11-16', '4e440000'],
    ['time', '22:31:08', '008307e012000000'],
    ['timestamp', '2017-11-16T22:31:08', '00c3262d215e0500'],
    ['string', 'ação', '61c3a7c3a36f'],
    ['uuid', 'f79c3e09-677c-4bbd-a479-3f349cb785e7', 'f79c3e09677c4bbda4793f349cb785e7'],
    ['decimal(9,2)', '14.20', '058c'],
    ['decimal(9,2)', '-0.01', 'ff'],
    ['decimal(9,2)', '1.28', '0080'],
    ['decimal(9,2)', '-1.28', '80'],
  ])('%s %s is %s', (type, text, expected) => {
    const value = literalValue(type, type === 'boolean' ? text === 'true' : text);
    const bytes = encodeValue(type, value);
    expect(hex(bytes)).toBe(expected);
    expect(decodeValue(type, bytes)).toEqual(value);
  });

  it('reads the short bounds of widened columns', () => {
    expect(decodeValue('long', encodeValue('int', -5))).toBe(-5n);
    expect(decodeValue('double', encodeValue('float', 1.5))).toBe(1.5);
  });

  it('gives both zeros their place', () => {
    expect(hex(lowerBound('double', 0))).toBe('0000000000000080');
    expect(hex(upperBound('double', -0))).toBe('0000000000000000');
  });

  it('cuts text at 16 code points, raising the last of an upper bound', () => {
    expect(Buffer.from(lowerBound('string', 'a'.repeat(20))).toString()).toBe('a'.repeat(16));
    expect(Buffer.from(upperBound('string', 'a'.repeat(20)) ?? []).toString()).toBe(`${'a'.repeat(15)}b`);
    expect(upperBound('string', '\u{10ffff}'.repeat(17))).toBeNull();
    expect(upperBound('binary', Buffer.alloc(17, 0xff))).toBeNull();
  });

  it('never gives a bound that excludes the value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 0, maxLength: 40 }), (text) => {
        const lower = Buffer.from(lowerBound('string', text));
        const upper = upperBound('string', text);
        expect(Buffer.compare(lower, Buffer.from(text))).toBeLessThanOrEqual(0);
        if (upper) expect(Buffer.compare(Buffer.from(upper), Buffer.from(text))).toBeGreaterThanOrEqual(0);
      }),
    );
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 37n), max: 10n ** 37n }),
        fc.bigInt({ min: -(10n ** 37n), max: 10n ** 37n }),
        (a, b) => {
          const back = [a, b].map((value) =>
            decodeValue('decimal(38,0)', encodeValue('decimal(38,0)', value)),
          );
          expect(back).toEqual([a, b]);
          expect(compareValues(a, b)).toBe(a < b ? -1 : a > b ? 1 : 0);
        },
      ),
    );
  });
});
