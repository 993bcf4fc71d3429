import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider, { type Adapter, type AdapterPayload, type Configuration } from 'oidc-provider';
import { areas } from './areas.ts';
import {
  documentsParameter,
  finalClientDocuments,
  finalClientId,
  finalClientScopes,
  finalClientSecret,
  isFinalClientId,
} from './final-client.ts';

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

/** oidc-provider's storage in memory. Nothing lasting is in it: access tokens are JWTs, which it does not keep. */
const memoryAdapter = (model: string): Adapter => {
  const stored = new Map<string, AdapterPayload>();
  return {
    upsert: async (id, payload) => {
      stored.set(id, payload);
    },
    find: async (id) => (model === 'Client' ? findClient(id) : stored.get(id)),
    findByUserCode: async () => undefined,
    findByUid: async () => undefined,
    consume: async () => {},
    destroy: async (id) => {
      stored.delete(id);
    },
    revokeByGrantId: async () => {},
  };
};

const configuration = (secrets: Secrets): Configuration => ({
  adapter: memoryAdapter,
  jwks: { keys: secrets.keys },
  cookies: { keys: secrets.cookieKeys },
  clients: sandboxClients.map(oidcClient),
  scopes: staffScopes,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      getResourceServerInfo: (_, __, client) => ({
        scope: client.scope ?? '',
        audience,
        accessTokenFormat: 'jwt',
        accessTokenTTL: tokenSeconds,
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  extraTokenClaims: ({ oidc }, { clientId = '' }) =>
    isFinalClientId(clientId)
      ? { areas: [], clients: documentsOf(clientId, oidc.body) }
      : { areas: sandboxClients.find(({ id }) => id === clientId)?.areas ?? [] },
  ttl: { ClientCredentials: tokenSeconds },
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

/** A local OpenID provider under `/oidc`: discovery, keys, and tokens by client credentials. */
export const openIssuer = async (baseUrl: string, home: string): Promise<Issuer> => {
  const url = `${baseUrl}/oidc`;
  const provider = new Provider(url, configuration(await loadSecrets(home)));
  const callback = provider.callback();
  return {
    url,
    handle: (request, response) => {
      // How a framework mounts a handler under a path; the provider derives its own path from the two.
      const original = request.url ?? '/';
      Object.assign(request, { originalUrl: original, url: original.slice('/oidc'.length) || '/' });
      void callback(request, response);
    },
  };
};
