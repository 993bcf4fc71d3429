import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { definePipeline } from './define.ts';
import { openRateLimit } from './page-reader.ts';
import { firstPage, pageAfter, pageValues } from './pagination.ts';
import { at, jsonText, listAt, parseExactly, plainNumber, valueText } from './records.ts';
import { checkTemplate, fillTemplate, insideJsonString } from './url-template.ts';
import { cutRange, dayMs, gapsIn } from './windows.ts';

describe('address templates', () => {
  const values = {
    from: new Date('2024-01-02T00:00:00Z'),
    to: new Date('2024-02-01T00:00:00Z'),
    stepMs: dayMs,
    slice: { serie: 'a b' },
  };

  it('fill in ranges in any format, slices and pages, percent-encoded', () => {
    const filled = fillTemplate(
      "/{slice.serie}?a={from:dd/MM/yyyy}&b='{last:MM-dd-yyyy}'&c={to:epoch}&p={page}",
      { ...values, page: 3 },
    );
    expect(filled).toBe("/a%20b?a=02%2F01%2F2024&b='01-31-2024'&c=1706745600&p=3");
  });

  it('let no cursor add to the body of a request', () => {
    const hostile = '"},"all":true,"x":{"y":"\\\n';
    const filled = fillTemplate('{"after":"{cursor}"}', { ...values, cursor: hostile }, insideJsonString);
    expect(JSON.parse(filled)).toEqual({ after: hostile });
  });

  it('are refused with placeholders that no request has', () => {
    expect(checkTemplate('/{nope}', [])).toHaveLength(1);
    expect(checkTemplate('/{slice.uf}', [{ serie: '1' }])).toHaveLength(1);
    expect(() => fillTemplate('/{page}', values)).toThrow('no value');
  });
});

describe('pages', () => {
  const answer = (records: number, json: unknown = {}, headers = {}) => ({ records, json, headers });

  it('by number and offset end with one that is not full', () => {
    expect(pageValues({ kind: 'page', size: 2 }, firstPage)).toEqual({ page: 1, limit: 2 });
    expect(pageAfter({ kind: 'offset', size: 2 }, firstPage, answer(2))).toMatchObject({
      page: 1,
      offset: 2,
    });
    expect(pageAfter({ kind: 'offset', size: 2 }, firstPage, answer(1))).toBeUndefined();
  });

  it('by cursor, link and OData follow what the answer says', () => {
    expect(
      pageAfter({ kind: 'cursor', at: 'meta.next' }, firstPage, answer(1, { meta: { next: 7 } })),
    ).toMatchObject({ next: '7' });
    expect(
      pageAfter(
        { kind: 'link' },
        firstPage,
        answer(1, [], { link: '<http://x/2>; rel="next", <http://x/9>; rel="last"' }),
      ),
    ).toMatchObject({ next: 'http://x/2' });
    expect(
      pageAfter({ kind: 'odata', size: 5 }, firstPage, answer(2, { '@odata.nextLink': 'http://x/3' })),
    ).toMatchObject({ next: 'http://x/3' });
    expect(pageAfter({ kind: 'link', at: 'next' }, firstPage, answer(1, { next: null }))).toBeUndefined();
  });

  it('that name themselves as the next one would never end', () => {
    const state = { page: 1, offset: 0, next: 'c' };
    expect(() => pageAfter({ kind: 'cursor', at: 'n' }, state, answer(1, { n: 'c' }))).toThrow(
      'names itself',
    );
  });
});

describe('records', () => {
  it('keep every digit of a number, and its zeros', () => {
    expect(valueText(at(parseExactly('{"v":5.07730}'), 'v'))).toEqual({ text: '5.07730', kind: 'number' });
    expect(jsonText(parseExactly('{"a":[1.10,{"b":12345678901234567890.1}]}'))).toBe(
      '{"a":[1.10,{"b":12345678901234567890.1}]}',
    );
  });

  it('write exponents out without changing the value', () => {
    expect(['1.5E3', '-2e-3', '1e0', '0.5e1'].map(plainNumber)).toEqual(['1500', '-0.002', '1', '5']);
    fc.assert(
      fc.property(
        fc.integer({ min: -99_999, max: 99_999 }),
        fc.integer({ min: -12, max: 12 }),
        (mantissa, power) => {
          expect(Number(plainNumber(`${mantissa}e${power}`))).toBeCloseTo(Number(`${mantissa}e${power}`), 12);
        },
      ),
    );
  });

  it('are a list at a path; anything else is refused', () => {
    expect(listAt({ a: { b: [1] } }, 'a.b')).toEqual([1]);
    expect(listAt({ id: 1 }, undefined)).toEqual([{ id: 1 }]);
    expect(() => listAt({ a: 1 }, 'a')).toThrow('found number');
    expect(() => listAt({}, 'value')).toThrow('found nothing');
  });
});

describe('ranges', () => {
  const day = (n: number): Date => new Date(n * dayMs);
  const windows = fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { maxLength: 12 });

  it('gaps and what is covered make up the whole, without overlap', () => {
    fc.assert(
      fc.property(windows, fc.integer({ min: 1, max: 7 }), (starts, span) => {
        const covered = starts.map((n) => ({ from: day(n), to: day(n + 1) }));
        const gaps = gapsIn({ from: day(0), to: day(31) }, covered).flatMap((gap) =>
          cutRange(gap, dayMs, span),
        );
        const seen = [...covered, ...gaps].flatMap(({ from, to }) =>
          Array.from(
            { length: (to.getTime() - from.getTime()) / dayMs },
            (_, n) => from.getTime() / dayMs + n,
          ),
        );
        expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 31 }, (_, n) => n));
        expect(gaps.every(({ from, to }) => to.getTime() - from.getTime() <= span * dayMs)).toBe(true);
      }),
    );
  });
});

it('a rate limit lets so many through in so much time', async () => {
  let now = 0;
  const limit = openRateLimit({ requests: 2, perSeconds: 1 }, () => now);
  const waits: number[] = [];
  for (let call = 0; call < 5; call++) {
    await limit(async (ms) => {
      waits.push(ms);
      now += ms;
    });
  }
  expect(waits).toEqual([1000, 1000]);
});

it('a declaration that is wrong is refused with everything that is wrong', () => {
  expect(() =>
    definePipeline({
      name: 'Bad Name',
      about: '',
      source: { kind: 'http', base: { env: 'X', default: 'nope' }, path: 'rows/{what}' },
      windows: [{ every: 'day', from: 'yesterday' }],
      silver: { columns: { id: { type: 'int' } }, key: ['nope'] },
    }),
  ).toThrow(/name:[\s\S]*silver: nope[\s\S]*windows.from[\s\S]*source.base[\s\S]*\{what\}[\s\S]*begin with/);
});
