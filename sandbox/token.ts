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

export type MintedToken = { token: string; expiresIn: number; scope: string; client: string };

/**
 * Gets a token from a running sandbox, by client credentials, as an area's system would.
 * `scope` holds scopes separated by spaces. @throws TokenRefused
 */
export const mintToken = async (input: {
  issuer: string;
  area: string;
  scope: string;
}): Promise<MintedToken> => {
  const scopes = input.scope.split(/\s+/).filter((scope) => scope !== '');
  if (scopes.length === 0) throw new TokenRefused('wrong_request', 'expected at least one scope, found none');
  const client = clientFor(input.area, scopes);
  const response = await fetch(`${input.issuer}/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: scopes.join(' ') }),
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
