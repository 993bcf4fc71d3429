import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentDisposition, linkSigner, verifySignedPath } from './links.ts';

const secret = Buffer.alloc(32, 7);
const at = (iso: string) => ({ secret, clock: () => new Date(iso) });
const signer = linkSigner({ ...at('2026-11-22T12:00:00Z'), baseUrl: 'https://desk.example/' });
const pathOf = (url: string): string => url.slice('https://desk.example'.length);

describe('signed links', () => {
  it('open the object that they name until they expire', async () => {
    const link = pathOf(await signer('relatórios/a b.csv', { expiresInSeconds: 60, filename: 'ordens.csv' }));
    expect(verifySignedPath(at('2026-11-22T12:00:59Z'), link)).toEqual({
      ok: true,
      key: 'relatórios/a b.csv',
      filename: 'ordens.csv',
    });
    expect(verifySignedPath(at('2026-11-22T12:01:00Z'), link)).toEqual({ ok: false, reason: 'expired' });
  });

  it('are refused when any part was changed', async () => {
    const link = pathOf(await signer('a/b', { expiresInSeconds: 60 }));
    const now = at('2026-11-22T12:00:00Z');
    const changed = [
      link.replace('a/b', 'a/c'),
      link.replace(/expires=(\d)/, 'expires=9'),
      `${link}&filename=x`,
      link.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
    ];
    for (const path of changed) expect(verifySignedPath(now, path)).toEqual({ ok: false, reason: 'forged' });
    for (const path of ['/other', '/v1/objects/a', `${link}&expires=1`, link.replace('a/b', '..%2Fb')]) {
      expect(verifySignedPath(now, path)).toMatchObject({ ok: false, reason: 'malformed' });
    }
    const other = { secret: Buffer.alloc(32, 8), clock: now.clock };
    expect(verifySignedPath(other, link)).toEqual({ ok: false, reason: 'forged' });
  });

  it('refuse a life of nothing or of more than a week', async () => {
    await expect(signer('a', { expiresInSeconds: 0 })).rejects.toThrow(RangeError);
    await expect(signer('a', { expiresInSeconds: 8 * 24 * 3600 })).rejects.toThrow(RangeError);
  });

  it('give a header value that no file name can break out of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const value = contentDisposition(name);
        expect(value).toMatch(/^attachment; filename="[ !#-$&-[\]-~]*"; filename\*=UTF-8''[\w.~!%-]*$/);
      }),
    );
  });
});
