import {
  documentsParameter,
  finalClientDocuments,
  finalClientId,
  finalClientScopes,
  finalClientSecret,
} from './final-client.ts';
import { type SandboxClient, sandboxClients } from './issuer.ts';

/** The sandbox does not give this token, or is not there; the message says which and what to do. */
export class TokenRefused extends Error {
  readonly kind: 'not_running' | 'wrong_request';

  constructor(kind: 'not_running' | 'wrong_request', message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'TokenRefused';
    this.kind = kind;
  }
}

/** The client with the fewest rights that may have all the scopes: the area's systems before its back office. */
const clientFor = (area: string, scopes: readonly string[]): SandboxClient => {
  const ofArea = sandboxClients.filter(({ areas }) => areas.includes(area));
  if (ofArea.length === 0) {
    const known = [...new Set(sandboxClients.flatMap(({ areas }) => areas))].join(', ');
    throw new TokenRefused('wrong_request', `expected an area of the sandbox (${known}), found ${area}`);
  }
  const client = ofArea.find((candidate) => scopes.every((scope) => candidate.scopes.includes(scope)));
  if (client) return client;
  const known = new Set(ofArea.flatMap((candidate) => candidate.scopes));
  const unknown = scopes.filter((scope) => !known.has(scope)).join(', ');
  throw new TokenRefused('wrong_request', `expected scopes of ${[...known].join(', ')}, found ${unknown}`);
};

/** The client that speaks for some of the bank's clients: reports of their own orders, nothing else. */
const finalClient = (text: string, scopes: readonly string[]) => {
  const documents = finalClientDocuments(text);
  if (!documents)
    throw new TokenRefused(
      'wrong_request',
      'expected a CPF or a CNPJ without punctuation, or several separated by commas; found something else',
    );
  const unknown = scopes.filter((scope) => !finalClientScopes.includes(scope));
  if (unknown.length > 0)
    throw new TokenRefused(
      'wrong_request',
      `expected scopes of ${finalClientScopes.join(', ')}, found ${unknown.join(', ')}`,
    );
  const id = finalClientId(documents);
  return { id, secret: finalClientSecret(id), extra: { [documentsParameter]: documents.join(',') } };
};

export type MintedToken = { token: string; expiresIn: number; scope: string; client: string };

/**
 * Gets a token from a running sandbox, by client credentials, as an area's system would, or as a client of the
 * bank: then `client` holds its documents, separated by commas. `scope` holds scopes separated by spaces.
 * @throws TokenRefused
 */
export const mintToken = async (
  input: {
    issuer: string;
    scope: string;
  } & ({ area: string } | { client: string }),
): Promise<MintedToken> => {
  const scopes = input.scope.split(/\s+/).filter((scope) => scope !== '');
  if (scopes.length === 0) throw new TokenRefused('wrong_request', 'expected at least one scope, found none');
  const client =
    'client' in input ? finalClient(input.client, scopes) : { ...clientFor(input.area, scopes), extra: {} };
  const response = await fetch(`${input.issuer}/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: scopes.join(' '),
      ...client.extra,
    }),
  }).catch((cause: unknown) => {
    throw new TokenRefused(
      'not_running',
      `no sandbox answers at ${input.issuer}: start one with "npm start" (or "lastro up")`,
      cause,
    );
  });
  const answer = (await response.json().catch(() => ({}))) as {
    access_token?: string;
    expires_in?: number;
    scope?: string;
    error_description?: string;
  };
  if (!response.ok || answer.access_token === undefined) {
    throw new TokenRefused(
      'wrong_request',
      `the issuer at ${input.issuer} gave no token (status ${response.status}): ${answer.error_description ?? 'no reason'}`,
    );
  }
  return {
    token: answer.access_token,
    expiresIn: answer.expires_in ?? 0,
    scope: answer.scope ?? '',
    client: client.id,
  };
};
