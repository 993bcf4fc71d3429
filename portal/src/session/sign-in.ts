import * as oauth from 'oauth4webapi';
import { keep, take } from './kept.ts';
import { safeReturnPath } from './return-path.ts';

/** What the server says of the issuer and itself; see `src/platform/http-portal.ts`. */
export type Settings = {
  readonly issuer: string;
  readonly clientId: string;
  readonly scope: string;
  readonly archiveOlderThan: string;
};

/** Somebody who is signed in. Lives in memory alone. */
export type Session = {
  readonly accessToken: string;
  readonly idToken: string;
  readonly subject: string;
  readonly name: string;
  readonly scopes: ReadonlySet<string>;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
};

/** Why signing in did not work, in words for the person. */
export class SignInFailed extends Error {}

type Pending = { state: string; nonce: string; verifier: string; returnTo: string };

const isPending = (value: unknown): value is Pending =>
  typeof value === 'object' &&
  value !== null &&
  ['state', 'nonce', 'verifier', 'returnTo'].every(
    (name) => typeof (value as Record<string, unknown>)[name] === 'string',
  );

const callbackUrl = (): string => `${window.location.origin}/portal/entrar`;

/** Plain http is for an issuer on this machine; elsewhere a token on the wire would be anybody's. */
const transport = ({ issuer }: Settings): { [oauth.allowInsecureRequests]?: boolean } => {
  const { protocol, hostname } = new URL(issuer);
  const isLocal = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
  return protocol === 'http:' && isLocal ? { [oauth.allowInsecureRequests]: true } : {};
};

const discover = async (settings: Settings): Promise<oauth.AuthorizationServer> => {
  const issuer = new URL(settings.issuer);
  try {
    const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...transport(settings) });
    return await oauth.processDiscoveryResponse(issuer, answer);
  } catch (cause) {
    throw new SignInFailed('O serviço de identidade não respondeu. Tente de novo em instantes.', { cause });
  }
};

/** Leaves for the issuer (authorization code, PKCE, state, nonce); `returnTo` is an address of this portal. */
export const startSignIn = async (settings: Settings, returnTo: string): Promise<void> => {
  if (!window.isSecureContext)
    throw new SignInFailed('O portal precisa de https para entrar com segurança. Confira o endereço.');
  const server = await discover(settings);
  if (!server.authorization_endpoint)
    throw new SignInFailed('O serviço de identidade não oferece a entrada de pessoas.');
  const pending: Pending = {
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    verifier: oauth.generateRandomCodeVerifier(),
    returnTo,
  };
  if (!keep('signIn', pending))
    throw new SignInFailed('O navegador não guarda dados desta página, e sem isso não há como entrar.');
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: settings.clientId,
    redirect_uri: callbackUrl(),
    response_type: 'code',
    scope: settings.scope,
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: 'S256',
  }).toString();
  window.location.assign(url);
};

/**
 * Ends what `startSignIn` began, at the address that the issuer sent the person back to.
 * @throws SignInFailed also where nothing was begun in this tab: an answer that was not asked for is not taken
 */
export const finishSignIn = async (
  settings: Settings,
  address: URL,
): Promise<{ session: Session; returnTo: string }> => {
  const pending = take('signIn');
  if (!isPending(pending))
    throw new SignInFailed('Esta entrada não começou nesta aba, ou já terminou. Entre de novo.');
  const server = await discover(settings);
  const client: oauth.Client = { client_id: settings.clientId };
  try {
    const parameters = oauth.validateAuthResponse(server, client, address, pending.state);
    const answer = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      parameters,
      callbackUrl(),
      pending.verifier,
      transport(settings),
    );
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer, {
      expectedNonce: pending.nonce,
      requireIdToken: true,
    });
    return {
      session: sessionOf(tokens, settings),
      returnTo: safeReturnPath(pending.returnTo, window.location.origin),
    };
  } catch (cause) {
    throw new SignInFailed(wordsFor(cause), { cause });
  }
};

const sessionOf = (tokens: oauth.TokenEndpointResponse, { scope }: Settings): Session => {
  const claims = oauth.getValidatedIdTokenClaims(tokens);
  if (!claims || !tokens.id_token) throw new Error('expected an ID token');
  const named = [claims.name, claims.preferred_username, claims.email, claims.sub];
  return {
    accessToken: tokens.access_token,
    idToken: tokens.id_token,
    subject: claims.sub,
    name: named.find((text) => typeof text === 'string') ?? claims.sub,
    scopes: new Set((tokens.scope ?? scope).split(' ')),
    expiresAt: Date.now() + (tokens.expires_in ?? 300) * 1_000,
  };
};

const wordsFor = (cause: unknown): string => {
  if (cause instanceof oauth.AuthorizationResponseError && cause.error === 'access_denied')
    return 'A entrada foi recusada ou cancelada.';
  return 'A resposta do serviço de identidade não foi aceita. Entre de novo.';
};

/** Leaves for the issuer's end of session, where it has one; without one the portal alone forgets the person. */
export const signOutAddress = async (settings: Settings, idToken: string): Promise<string> => {
  const home = `${window.location.origin}/portal/`;
  const server = await discover(settings).catch(() => undefined);
  if (!server?.end_session_endpoint) return home;
  const url = new URL(server.end_session_endpoint);
  url.search = new URLSearchParams({
    id_token_hint: idToken,
    client_id: settings.clientId,
    post_logout_redirect_uri: home,
  }).toString();
  return url.href;
};
