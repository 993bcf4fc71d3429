import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchPath } from '../src/router.tsx';
import { safeReturnPath } from '../src/session/return-path.ts';

const origin = 'https://desk.bank.example';

describe('where signing in leads back to', () => {
  it.each([
    ['/portal/ordens?situacao=failed', '/ordens?situacao=failed'],
    ['/portal/', '/'],
    [`${origin}/portal/relatorios`, '/relatorios'],
    [null, '/'],
    ['', '/'],
    ['/portal/entrar?code=1', '/'],
    ['/v1/orders', '/'],
    ['https://evil.example/portal/', '/'],
    ['//evil.example/portal/', '/'],
    ['/\\evil.example/portal/', '/'],
    ['\\\\evil.example/portal/', '/'],
    ['/portal/../../evil', '/'],
    ['javascript:alert(1)', '/'],
    ['data:text/html,portal', '/'],
    ['https://desk.bank.example@evil.example/portal/', '/'],
    ['https://desk.bank.example.evil.example/portal/', '/'],
  ])('%j is %j', (wanted, path) => {
    expect(safeReturnPath(wanted, origin)).toBe(path);
  });

  it('is never another place than this portal, whatever is asked for', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webPath(),
          fc.constantFrom('/', '\\', '//', '@').chain((start) => fc.string().map((rest) => start + rest)),
        ),
        (wanted) => {
          const url = new URL(`/portal${safeReturnPath(wanted, origin)}`, origin);
          expect(url.origin).toBe(origin);
          expect(url.pathname.startsWith('/portal/')).toBe(true);
        },
      ),
    );
  });
});

describe('paths of pages', () => {
  it.each([
    ['/ordens', '/ordens', {}],
    ['/ordens', '/ordens/', {}],
    ['/ordens/:key', '/ordens/ord_1', { key: 'ord_1' }],
    ['/ordens/:key', '/ordens/a%2Fb', { key: 'a/b' }],
    ['/ordens/:key', '/ordens/%E0%A4%A', null],
    ['/ordens/:key', '/ordens/', null],
    ['/ordens', '/ordens/nova', null],
  ])('%s and %s give %j', (pattern, path, found) => {
    expect(matchPath(pattern, path)).toEqual(found);
  });
});
