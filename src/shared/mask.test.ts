import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskJsonText, maskText } from './mask.ts';

const digits = fc.constantFrom('52998224725', '11144477735', '12345678901');

/** Values full of what is masked, in every form that JSON has for it. */
const personal = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    digits.map(Number),
    digits.map((text) => -Number(text)),
    digits.map((text) => Number(`${text}.5`)),
    fc.tuple(fc.string({ maxLength: 4 }), digits, fc.string({ maxLength: 4 })).map((parts) => parts.join('')),
    fc.constantFrom('ana@banco.example', 'a:52998224725,b', '\\52998224725"', '\n52998224725\n', 1e30),
    fc.string({ unit: 'binary' }),
    fc.boolean(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.string({ maxLength: 4 }), digits), tie('value'), { maxKeys: 3 }),
  ),
})).value;

/** What `maskJsonText` does, on the value itself. */
const maskValue = (value: unknown): unknown => {
  if (typeof value === 'string') return maskText(value);
  if (typeof value === 'number') {
    const text = JSON.stringify(value);
    return maskText(text) === text ? value : maskText(text);
  }
  if (Array.isArray(value)) return value.map(maskValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [maskText(name), maskValue(inner)]));
};

describe('masked text', () => {
  it('has no CPF, e-mail or phone, in whatever form people write them', () => {
    const text =
      '52998224725 529.982.247-25 maria.silva@example.com +55 11 98765-4321 +5511987654321 (11) 98765-4321 (11)3333-4444';
    expect(maskText(text)).toBe(
      '***.982.247-** ***.982.247-** m***@example.com ***4321 ***4321 ***4321 ***4444',
    );
  });

  it('finds an e-mail that stands directly behind another', () => {
    expect(maskText('ana@b.cd+bia@e.fg,@x.y @ a@b')).toBe('a***@b.cd+***@e.fg,@x.y @ a@b');
  });

  it('takes as long as the text is: a file in Base64url is read once, not once for each of its characters', () => {
    const file = `${'aA0-_'.repeat(400_000)} maria@example.com`;
    expect(maskText(file)).toBe(`${'aA0-_'.repeat(400_000)} m***@example.com`);
    // Looking again from each character, this would be 2 * 10^12 steps: the test would never end.
  });

  it('is the same in JSON, where an escape may stand before it', () => {
    const value = { error: 'linha 1\n52998224725\tmaria@example.com\r\n(11) 98765-4321 \\n"52998224725"' };
    const masked = maskJsonText(JSON.stringify(value));
    expect(JSON.parse(masked)).toEqual({
      error: 'linha 1\n***.982.247-**\tm***@example.com\r\n***4321 \\n"***.982.247-**"',
    });
  });

  it('stays JSON where a number is masked, and the same as its values masked one by one', () => {
    expect(maskJsonText('{"cpf":52998224725,"a":[-52998224725,1.5]}')).toBe(
      '{"cpf":"***.982.247-**","a":["-***.982.247-**",1.5]}',
    );
    fc.assert(
      fc.property(personal, fc.constantFrom(undefined, 2), (value, space) => {
        const masked = maskJsonText(JSON.stringify(value, null, space));
        expect(JSON.parse(masked)).toEqual(maskValue(JSON.parse(JSON.stringify(value))));
        expect(masked).not.toMatch(/(?<!\w)\d{11}(?!\w)|ana@banco/);
      }),
      { numRuns: 1_000 },
    );
  });

  it('of JSON leaves the digits of a long number alone', () => {
    const json = '{"n":12345678901234567890123456789012345678,"t":"a52998224725","e":1e12345678901}';
    expect(maskJsonText(json)).toBe(json);
  });

  it('leaves JSON readable, and its other parts as they are', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const harmless = json.replaceAll(/\d{11,}/g, (digits) => digits.slice(0, 10)).replaceAll('@', '');
        expect(JSON.parse(maskJsonText(harmless))).toEqual(JSON.parse(harmless));
      }),
      { numRuns: 200 },
    );
  });
});
