import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskJsonText, maskText } from './mask.ts';

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
