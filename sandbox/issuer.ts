import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider, { type AdapterPayload, type ClientMetadata, type Configuration } from 'oidc-provider';
import { areas } from './areas.ts';
import { demoPerson } from './demo-people.ts';
import {
  documentsParameter,
  finalClientDocuments,
  finalClientId,
  finalClientScopes,
  finalClientSecret,
  isFinalClientId,
} from './final-client.ts';
import {
  answerSignIn,
  memoryAdapter,
  portalClient,
  portalClientId,
  portalScopes,
  signInConfiguration,
  signOutPage,
} from './sign-in.ts';

/** The `resource` that tokens are for, and what they carry as audience. */
const resource = 'urn:lastro:api';
export const audience = 'lastro';

/** What an area's own systems may ask for. */
export const areaScopes = ['orders:read', 'orders:write', 'quorum:decide', 'reports:read', 'reports:write'];

/** What only the bank's people may ask for, on behalf of an area. */
export const staffScopes = [
  ...areaScopes,
  'orders:review',
  'reports:unmasked',
  'lake:read',
  'ops:read',
  'ops:write',
  'admin',
];

/** A day's work: a token copied from a terminal in the morning still works in the evening. */
const tokenSeconds = 8 * 3_600;

export type SandboxClient = { id: string; secret: string; areas: string[]; scopes: string[] };

/**
 * One client for each area's systems, one for its back office, and one for the bank's own people, who see all areas.
 * The secrets are no secrets: loopback only.
 */
export const sandboxClients: readonly SandboxClient[] = [
  ...areas.flatMap(({ area_id }) => [
    { id: `area-${area_id}`, secret: `sandbox-area-${area_id}`, areas: [area_id], scopes: areaScopes },
    { id: `staff-${area_id}`, secret: `sandbox-staff-${area_id}`, areas: [area_id], scopes: staffScopes },
  ]),
  { id: 'staff-bank', secret: 'sandbox-staff-bank', areas: ['*'], scopes: staffScopes },
];

type Secrets = { keys: JWK[]; cookieKeys: string[] };

const makeSecrets = async (): Promise<Secrets> => {
  // RS256: the API checks a signature on every request, and RSA checks several times faster than it signs.
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const key = {
    ...(await exportJWK(privateKey)),
    kid: randomBytes(8).toString('hex'),
    alg: 'RS256',
    use: 'sig',
  };
  return { keys: [key], cookieKeys: [randomBytes(32).toString('hex')] };
};

/** The keys in the home folder, made once: a token outlives a restart of the sandbox. */
const loadSecrets = async (home: string): Promise<Secrets> => {
  const file = join(home, 'sandbox-issuer.json');
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Secrets;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const secrets = await makeSecrets();
  await mkdir(home, { recursive: true });
  // Renamed into place, so that a crash leaves no half-written keys behind.
  await writeFile(`${file}.new`, JSON.stringify(secrets), { mode: 0o600 });
  await rename(`${file}.new`, file);
  return secrets;
};

const oidcClient = ({ id, secret, scopes }: Omit<SandboxClient, 'areas'>) => ({
  client_id: id,
  client_secret: secret,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope: scopes.join(' '),
});

/** The bank's own clients are not listed: any set of documents has one, with an id that follows from it. */
const findClient = (id: string) =>
  isFinalClientId(id)
    ? (oidcClient({ id, secret: finalClientSecret(id), scopes: finalClientScopes }) as AdapterPayload)
    : undefined;

const configuration = (url: string, secrets: Secrets): Configuration => ({
  ...signInConfiguration(url, resource),
  adapter: memoryAdapter((model, id) => (model === 'Client' ? findClient(id) : undefined)),
  jwks: { keys: secrets.keys },
  cookies: { keys: secrets.cookieKeys },
  clients: [portalClient, ...sandboxClients.map(oidcClient)].map(
    (client) => ({ ...client }) as ClientMetadata,
  ),
  scopes: ['openid', ...staffScopes],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = signOutPage(form);
      },
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, __, client) => ({
        scope: client.clientId === portalClientId ? portalScopes.join(' ') : (client.scope ?? ''),
        audience,
        accessTokenFormat: 'jwt',
        accessTokenTTL: tokenSeconds,
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  extraTokenClaims: ({ oidc }, token) => {
    const { clientId = '' } = token;
    const person = 'accountId' in token ? demoPerson(token.accountId) : undefined;
    if (person) return { areas: [...person.areas], clients: [...person.clients] };
    return isFinalClientId(clientId)
      ? { areas: [], clients: documentsOf(clientId, oidc.body) }
      : { areas: sandboxClients.find(({ id }) => id === clientId)?.areas ?? [] };
  },
  ttl: {
    ClientCredentials: tokenSeconds,
    AccessToken: tokenSeconds,
    IdToken: tokenSeconds,
    Session: tokenSeconds,
    Grant: tokenSeconds,
    Interaction: 600,
    AuthorizationCode: 60,
  },
});

/** The documents that a token request names, where they are the ones that its client stands for; else none. */
const documentsOf = (clientId: string, body: Record<string, unknown> | undefined): string[] => {
  const documents = finalClientDocuments(String(body?.[documentsParameter] ?? ''));
  return documents && finalClientId(documents) === clientId ? documents : [];
};

export type Issuer = {
  readonly url: string;
  handle(request: IncomingMessage, response: ServerResponse): void;
};

/** A local OpenID provider under `/oidc`: discovery, keys, tokens by client credentials, and people who sign in. */
export const openIssuer = async (baseUrl: string, home: string): Promise<Issuer> => {
  const url = `${baseUrl}/oidc`;
  const provider = new Provider(url, configuration(url, await loadSecrets(home)));
  const callback = provider.callback();
  return {
    url,
    handle: (request, response) => {
      // How a framework mounts a handler under a path; the provider derives its own path from the two.
      const original = request.url ?? '/';
      if (original.startsWith('/oidc/interaction/')) return void answerSignIn(provider, request, response);
      Object.assign(request, { originalUrl: original, url: original.slice('/oidc'.length) || '/' });
      void callback(request, response);
    },
  };
};
