import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type CryptoKey,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JSONWebKeySet,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { mayUseArea, openAuthentication, requireScope } from './auth.ts';
import { Problem } from './problem.ts';

const issuer = 'https://issuer.example';
const audience = 'lastro';

const rsa = await generateKeyPair('RS256', { extractable: true });
const stranger = await generateKeyPair('RS256');
const jwks: JSONWebKeySet = {
  keys: [{ ...(await exportJWK(rsa.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }],
};

const claims = { client_id: 'area-CRD01', scope: 'orders:read orders:write', areas: ['CRD01'] };

const sign = (
  payload: JWTPayload = claims,
  {
    key = rsa.privateKey,
    iss = issuer,
    aud = audience,
    expires = '5m',
  }: { key?: CryptoKey; iss?: string; aud?: string; expires?: string | number } = {},
): Promise<string> =>
  new SignJWT(payload)
    .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
    .setIssuer(iss)
    .setAudience(aud)
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(key);

const authenticate = openAuthentication({ issuer, audience, jwks });

const refusal = async (authorization: string | undefined, using = authenticate): Promise<Problem> => {
  const outcome = await using(authorization).catch((error: unknown) => error);
  if (outcome instanceof Problem) return outcome;
  throw new Error(`expected a refusal, found ${JSON.stringify(outcome)}`);
};

describe('a bearer token', () => {
  it('tells the client, the subject, the scopes and the areas', async () => {
    const principal = await authenticate(`Bearer ${await sign({ ...claims, sub: 'maria' })}`);
    expect(principal).toEqual({
      clientId: 'area-CRD01',
      subject: 'maria',
      scopes: new Set(['orders:read', 'orders:write']),
      areas: new Set(['CRD01']),
      clients: new Set<string>(),
    });
  });

  it.each([
    ['areas as one text', { ...claims, areas: 'CRD01 CRD02' }, ['CRD01', 'CRD02']],
    ['areas of another type', { ...claims, areas: [7, 'CRD01', null] }, ['CRD01']],
    ['no areas', { client_id: 'x' }, []],
  ])('with %s gives only what it says', async (_, payload, areas) => {
    const principal = await authenticate(`Bearer ${await sign(payload)}`);
    expect([...principal.areas]).toEqual(areas);
  });

  it('tells which of the clients of the bank it speaks for', async () => {
    const principal = await authenticate(
      `Bearer ${await sign({ client_id: 'x', clients: ['12ABC34501DE35'] })}`,
    );
    expect([...principal.clients]).toEqual(['12ABC34501DE35']);
    expect([...principal.areas]).toEqual([]);
  });

  it.each([undefined, '', 'Basic YTpi', 'Bearer', 'Bearer a.b', 'Bearer a.b.c.d', 'Bearer a b c'])(
    'is needed: %s is none',
    async (authorization) => {
      expect(await refusal(authorization)).toMatchObject({
        type: 'unauthenticated',
        headers: { 'www-authenticate': 'Bearer realm="lastro", error="invalid_request"' },
      });
    },
  );

  const invalid: [string, () => Promise<string> | string][] = [
    ['of another issuer', () => sign(claims, { iss: 'https://evil.example' })],
    ['for another audience', () => sign(claims, { aud: 'other' })],
    ['that has expired', () => sign(claims, { expires: Math.floor(Date.now() / 1_000) - 60 })],
    ['signed with another key', () => sign(claims, { key: stranger.privateKey })],
    [
      'that was changed',
      async () => (await sign()).replace(/\.[^.]+\./, `.${Buffer.from('{}').toString('base64url')}.`),
    ],
    [
      'without an expiry',
      () =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
          .setIssuer(issuer)
          .setAudience(audience)
          .sign(rsa.privateKey),
    ],
    [
      'signed HS256 with the public key as secret',
      async () =>
        new SignJWT(claims)
          .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
          .setIssuer(issuer)
          .setAudience(audience)
          .setExpirationTime('5m')
          .sign(new TextEncoder().encode(await exportSPKI(rsa.publicKey))),
    ],
    ['that names no client', () => sign({ scope: 'orders:read' })],
    ['that is no JWT', () => 'aaa.bbb.ccc'],
  ];

  it.each(invalid)('%s is refused', async (_, token) => {
    expect(await refusal(`Bearer ${await token()}`)).toMatchObject({
      type: 'unauthenticated',
      headers: { 'www-authenticate': 'Bearer realm="lastro", error="invalid_token"' },
    });
  });

  it('that was good is refused once it has expired, and with any other signature', async () => {
    const token = await sign(claims, { expires: '20s' });
    await authenticate(`Bearer ${token}`);
    const [header, payload, signature = ''] = token.split('.');
    const other = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
    await refusal(`Bearer ${header}.${payload}.${other}`);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30_000 });
    try {
      expect(await refusal(`Bearer ${token}`)).toMatchObject({ type: 'unauthenticated' });
    } finally {
      vi.useRealTimers();
    }
  });

  it('that was good is known as such until it expires, and no other is', async () => {
    const token = `Bearer ${await sign(claims, { expires: '200s' })}`;
    expect(authenticate.wasGood?.(token)).toBe(false);
    await authenticate(token);
    const forged = `${token.slice(0, -4)}AAAA`;
    await refusal(forged);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 100_000 });
    try {
      expect([token, forged, undefined, 'Bearer x'].map((each) => authenticate.wasGood?.(each))).toEqual([
        true,
        false,
        false,
        false,
      ]);
      vi.setSystemTime(Date.now() + 101_000);
      expect(authenticate.wasGood?.(token)).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });

  it('that is not signed at all is refused', async () => {
    const unsigned = new UnsecuredJWT(claims)
      .setIssuer(issuer)
      .setAudience(audience)
      .setExpirationTime('5m')
      .encode();
    for (const token of [unsigned, `${unsigned}AAAA`])
      expect(await refusal(`Bearer ${token}`)).toMatchObject({ type: 'unauthenticated' });
  });
});

describe('scopes and areas', () => {
  const principal = (scopes: string[], areas: string[]) => ({
    clientId: 'c',
    subject: 'c',
    scopes: new Set(scopes),
    areas: new Set(areas),
    clients: new Set<string>(),
  });

  it('must be named in the token; admin has every scope, * every area', () => {
    expect(() => requireScope(principal(['orders:read'], []), 'orders:read')).not.toThrow();
    expect(() => requireScope(principal(['admin'], []), 'orders:review')).not.toThrow();
    expect(() => requireScope(principal(['orders:readx'], []), 'orders:read')).toThrow(Problem);
    expect(mayUseArea(principal([], ['CRD01']), 'CRD01')).toBe(true);
    expect(mayUseArea(principal([], ['CRD01']), 'CRD02')).toBe(false);
    expect(mayUseArea(principal([], ['*']), 'CRD02')).toBe(true);
  });

  it('are told to a client that lacks them (RFC 6750)', () => {
    try {
      requireScope(principal([], []), 'orders:write');
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        type: 'forbidden',
        headers: {
          'www-authenticate': 'Bearer realm="lastro", error="insufficient_scope", scope="orders:write"',
        },
      });
    }
  });
});

describe("the issuer's keys", () => {
  let server: Server;
  let address: string;
  let answer: 'discovery' | 'broken' | 'away' = 'discovery';

  beforeAll(async () => {
    server = createServer((request, response) => {
      response.setHeader('content-type', 'application/json');
      if (answer === 'away') response.writeHead(503).end('{}');
      else if (answer === 'broken') response.end('<html>');
      else if (request.url === '/keys') response.end(JSON.stringify(jwks));
      else response.end(JSON.stringify({ issuer: address, jwks_uri: `${address}/keys` }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it.each(['away', 'broken'] as const)('are looked for again after the issuer was %s', async (trouble) => {
    const remote = openAuthentication({ issuer: address, audience });
    const token = `Bearer ${await sign(claims, { iss: address })}`;
    answer = trouble;
    // The token may be good: it is the service that can't tell.
    expect(await refusal(token, remote)).toMatchObject({
      type: 'unavailable',
      headers: { 'retry-after': '5' },
    });
    answer = 'discovery';
    expect(await remote(token)).toMatchObject({ clientId: 'area-CRD01' });
  });

  it('may be named, and then nothing is discovered', async () => {
    const remote = openAuthentication({ issuer, audience, jwksUrl: `${address}/keys` });
    answer = 'discovery';
    expect(await remote(`Bearer ${await sign()}`)).toMatchObject({ clientId: 'area-CRD01' });
  });

  it('that are away are no reason to call a token bad', async () => {
    const remote = openAuthentication({ issuer, audience, jwksUrl: 'http://127.0.0.1:9/keys' });
    expect(await refusal(`Bearer ${await sign()}`, remote)).toMatchObject({ type: 'unavailable' });
  });

  it('that answer 503 are no reason either', async () => {
    const remote = openAuthentication({ issuer, audience, jwksUrl: `${address}/keys` });
    answer = 'away';
    expect(await refusal(`Bearer ${await sign()}`, remote)).toMatchObject({ type: 'unavailable' });
  });
});
