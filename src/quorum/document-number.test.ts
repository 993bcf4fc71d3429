import { describe, expect, it } from 'vitest';
import { isDocumentNumber } from './document-number.ts';

describe('document numbers', () => {
  it.each([
    '52998224725',
    '529.982.247-25',
    '11444777000161',
    '11.444.777/0001-61',
    '12ABC34501DE35',
    '12.ABC.345/01DE-35',
  ])('knows %s', (text) => {
    expect(isDocumentNumber(text)).toBe(true);
  });

  it.each([
    'p1',
    '52998224724',
    '11111111111',
    '00000000000000',
    '12ABC34501DE36',
    '12abc34501de35',
    '5299822472',
    '529982247250',
    '529.98224725',
    'ord_52998224725',
    '019ab6d2-7c1e-7000-8000-000000000000',
  ])('takes %s for an opaque id', (text) => {
    expect(isDocumentNumber(text)).toBe(false);
  });
});
