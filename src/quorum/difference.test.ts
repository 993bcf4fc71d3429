import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../shared/canonical-json.ts';
import { differencesOf } from './difference.ts';

describe('differencesOf', () => {
  it('names each place once, with both values', () => {
    expect(
      differencesOf(
        { same: [1, { a: null }], changed: { 'a/b~': 1 }, shorter: [1, 2], gone: false, kind: [] },
        { same: [1, { a: null }], changed: { 'a/b~': '1' }, shorter: [1], added: 0, kind: {} },
      ),
    ).toEqual([
      { pointer: '/changed/a~1b~0', certificate: 1, decided: '1' },
      { pointer: '/shorter/1', certificate: 2 },
      { pointer: '/gone', certificate: false },
      { pointer: '/kind', certificate: [], decided: {} },
      { pointer: '/added', decided: 0 },
    ]);
  });

  it('finds nothing exactly where the values are equal', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(differencesOf(a, structuredClone(a))).toEqual([]);
        expect(differencesOf(a, b).length === 0).toBe(canonicalJson(a) === canonicalJson(b));
      }),
    );
  });
});
