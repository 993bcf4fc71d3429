import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { Problem } from './problem.ts';

export const scopes = [
  'orders:read',
  'orders:write',
  'orders:review',
  'quorum:decide',
  'reports:read',
  'reports:write',
  'reports:unmasked',
  'lake:read',
  'ops:read',
  'ops:write',
  'admin',
] as const;

export type Scope = (typeof scopes)[number];

/**
 * Who calls: the client, the person or client that the token speaks for, and what it may do, in which areas, and
 * for which of the bank's clients (their CPF or CNPJ, in the claim `clients`).
 */
export type Principal = {
  readonly clientId: string;
  readonly subject: string;
  readonly scopes: ReadonlySet<string>;
  readonly areas: ReadonlySet<string>;
  readonly clients: ReadonlySet<string>;
};

export type Authenticate = {
  (authorization: string | undefined): Promise<Principal>;
  /**
   * Whether this very token was found good before, and has not expired since. It says nothing of now; but nobody can
   * make one up, so who floods us with others can't keep it from being looked at.
   */
  wasGood?: (authorization: string | undefined) => boolean;
};

const challenge = (error: string): Record<string, string> => ({
  'www-authenticate': `Bearer realm="lastro", error="${error}"`,
});

const strings = (claim: unknown): string[] =>
  Array.isArray(claim)
    ? claim.filter((item): item is string => typeof item === 'string')
    : typeof claim === 'string'
      ? claim.split(' ').filter((item) => item !== '')
      : [];

const principalOf = (payload: JWTPayload): Principal => {
  const clientId = payload.client_id ?? payload.azp ?? payload.sub;
  if (typeof clientId !== 'string' || clientId === '')
    throw new Problem('unauthenticated', 'The token names no client (client_id).', {
      headers: challenge('invalid_token'),
    });
  return {
    clientId,
    subject: payload.sub ?? clientId,
    scopes: new Set(strings(payload.scope)),
    areas: new Set(strings(payload.areas)),
    clients: new Set(strings(payload.clients)),
  };
};

/** The issuer's keys, found once through its discovery document. A failed look-up is tried again by the next call. */
const remoteKeys = (issuer: string, jwksUrl: string | undefined): (() => Promise<JWTVerifyGetKey>) => {
  let found: Promise<JWTVerifyGetKey> | undefined;
  const find = async (): Promise<JWTVerifyGetKey> => {
    const address = jwksUrl ?? (await discoverJwksUrl(issuer));
    return createRemoteJWKSet(new URL(address), { timeoutDuration: 3_000 });
  };
  return () => {
    found ??= find().catch((error: unknown) => {
      found = undefined;
      throw error;
    });
    return found;
  };
};

/** OpenID Connect Discovery 1.0, section 4. */
const discoverJwksUrl = async (issuer: string): Promise<string> => {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const answer = await fetch(address, { signal: AbortSignal.timeout(3_000) });
  const body: unknown = await answer.json();
  if (typeof body === 'object' && body !== null && 'jwks_uri' in body && typeof body.jwks_uri === 'string')
    return body.jwks_uri;
  throw new Error(`expected ${address} to name a jwks_uri, found status ${answer.status}`);
};

const verifiedSeconds = 60;
const mostVerified = 1_000;

/**
 * Tokens whose signature was checked within the last minute: a client sends the same one with every request,
 * and checking it took a tenth of the API's time. Never past its expiry; a key that the issuer withdraws is
 * noticed within the minute.
 */
const verifiedTokens = () => {
  const kept = new Map<string, { principal: Principal; until: number; expires: number }>();
  return {
    find: (token: string): Principal | undefined => {
      const found = kept.get(token);
      return found && found.until > Date.now() ? found.principal : undefined;
    },
    has: (token: string): boolean => (kept.get(token)?.expires ?? 0) > Date.now(),
    keep: (token: string, principal: Principal, expires: number): Principal => {
      const oldest = kept.size >= mostVerified ? kept.keys().next().value : undefined;
      if (oldest !== undefined) kept.delete(oldest);
      const until = Math.min(expires * 1_000, Date.now() + verifiedSeconds * 1_000);
      kept.set(token, { principal, until, expires: expires * 1_000 });
      return principal;
    },
  };
};

const tokenOf = (authorization: string | undefined): string | undefined =>
  /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? '')?.[1];

/**
 * Checks bearer tokens against an OIDC issuer: signature by its published keys, issuer, audience, expiry.
 * The issuer's scopes are not trusted to be few: every route checks the one it needs (`requireScope`).
 * A JWKS that can't be fetched is `unavailable` (503), never `unauthenticated`: the token may be good.
 */
export const openAuthentication = ({
  issuer,
  audience,
  jwksUrl,
  jwks,
}: {
  issuer: string;
  audience: string;
  jwksUrl?: string;
  /** Keys given directly, in place of fetching them. */
  jwks?: JSONWebKeySet;
}): Authenticate => {
  const verified = verifiedTokens();
  const keysOf = jwks ? async () => createLocalJWKSet(jwks) : remoteKeys(issuer, jwksUrl);
  const authenticate: Authenticate = async (authorization) => {
    const token = tokenOf(authorization);
    if (!token)
      throw new Problem('unauthenticated', 'Send the header "Authorization: Bearer <token>".', {
        headers: challenge('invalid_request'),
      });
    const known = verified.find(token);
    if (known) return known;
    try {
      const { payload } = await jwtVerify(token, await keysOf(), {
        issuer,
        audience,
        clockTolerance: 5,
        requiredClaims: ['exp'],
        algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
      });
      return verified.keep(token, principalOf(payload), payload.exp ?? 0);
    } catch (error) {
      if (error instanceof Problem) throw error;
      const refused =
        error instanceof errors.JOSEError &&
        !(error instanceof errors.JWKSTimeout) &&
        !(error instanceof errors.JWKSInvalid) &&
        error.code !== 'ERR_JOSE_GENERIC';
      if (!refused)
        throw new Problem('unavailable', "The issuer's public keys could not be fetched. Try again.", {
          headers: { 'retry-after': '5' },
        });
      throw new Problem('unauthenticated', `The token was refused: ${error.message}.`, {
        headers: challenge('invalid_token'),
      });
    }
  };
  authenticate.wasGood = (authorization) => verified.has(tokenOf(authorization) ?? '');
  return authenticate;
};

/** @throws Problem `forbidden` naming the missing scope. `admin` has every scope. */
export const requireScope = (principal: Principal, scope: Scope): void => {
  if (principal.scopes.has(scope) || principal.scopes.has('admin')) return;
  throw new Problem('forbidden', `This needs the scope ${scope}.`, {
    headers: { 'www-authenticate': `Bearer realm="lastro", error="insufficient_scope", scope="${scope}"` },
  });
};

/** Whether the principal may act in an area. `*` among the token's areas is every area. */
export const mayUseArea = (principal: Principal, areaId: string): boolean =>
  principal.areas.has(areaId) || principal.areas.has('*');
