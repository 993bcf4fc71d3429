import { expect, it } from 'vitest';
import { nextLink } from './link-header.ts';

it('finds the next page among other links, however they are written', () => {
  const found: [string, string | null][] = [
    ['<http://x/2>; rel="next", <http://x/9>; rel="last"', 'http://x/2'],
    [
      '<http://x/9>;rel=last,<http://x/2?a=1,2;b>; title="a, <b>; rel=next"; REL = "prev NEXT"',
      'http://x/2?a=1,2;b',
    ],
    ['<http://x/2>; rel=next', 'http://x/2'],
    ['<http://x/2>; rel=prev; rel=next', null],
    ['<http://x/2>; title="; rel=next"', null],
    ['<http://x/2>; rel="nextish"', null],
    ['<>; rel="next"', null],
    ['<http://x/2', null],
    ['<http://x/2>; title="open; rel="next', null],
    ['', null],
  ];
  for (const [header, next] of found) expect(nextLink(header), header).toBe(next);
});

it('looks at a hostile header once', () => {
  // With a pattern that begins anew at each `<`, these take minutes.
  for (const part of ['<', '<a>', '<a>;', '<a>;"', '<a>; rel= ', '<a>; rel="prev ', ' ', '<a>; rel="\\']) {
    expect(nextLink(part.repeat(1_000_000 / part.length)), part).toBeNull();
  }
}, 20_000);
