import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoPeople } from './demo-people.ts';
import { type Sandbox, startSandbox } from './sandbox.ts';
import { portalScopes } from './sign-in.ts';

let home: string;
let sandbox: Sandbox;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-sign-in-'));
  sandbox = await startSandbox({ port: 0, home, companies: 0 });
});
afterAll(async () => {
  await sandbox.close();
  await rm(home, { recursive: true });
});

const callback = 'http://127.0.0.1:54321/portal/entrar';
const verifier = randomBytes(32).toString('base64url');

/** A browser as far as the issuer needs one: it follows redirections by hand and keeps cookies by path. */
const browser = () => {
  const jar = new Map<string, { value: string; path: string }>();
  return async (address: string, form?: Record<string, string>) => {
    const url = new URL(address, sandbox.issuer);
    const cookies = [...jar].filter(([, { path }]) => url.pathname.startsWith(path));
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: cookies.map(([name, { value }]) => `${name}=${value}`).join('; ') },
      ...(form ? { method: 'POST', body: new URLSearchParams(form) } : {}),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      jar.set(name, { value, path: /path=([^;]+)/i.exec(line)?.[1] ?? '/' });
    }
    return { status: answer.status, to: answer.headers.get('location') ?? '', text: await answer.text() };
  };
};

const asked = (change: Record<string, string> = {}): string =>
  `${sandbox.issuer}/auth?${new URLSearchParams({
    client_id: 'portal',
    redirect_uri: callback,
    response_type: 'code',
    scope: `openid profile ${portalScopes.join(' ')}`,
    state: 'the-state',
    nonce: 'the-nonce',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...change,
  })}`;

/** Signs a person in; answers where the issuer sends them to. */
const signIn = async (person: string, go = browser()): Promise<URL> => {
  const { to: choice } = await go(asked());
  let answer = await go(choice, { person });
  while (answer.status === 303 && !answer.to.startsWith(callback)) answer = await go(answer.to);
  expect(answer.status).toBe(303);
  return new URL(answer.to);
};

const exchange = async (code: string, change: Record<string, string> = {}) => {
  const answer = await fetch(`${sandbox.issuer}/token`, {
    method: 'POST',
    headers: { origin: 'http://127.0.0.1:54321' },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: 'portal',
      redirect_uri: callback,
      code,
      code_verifier: verifier,
      ...change,
    }),
  });
  return {
    status: answer.status,
    cors: answer.headers.get('access-control-allow-origin'),
    body: (await answer.json()) as { access_token: string; id_token: string; scope: string; error?: string },
  };
};

describe('signing in at the sandbox', () => {
  it.each(demoPeople)('gives $id a token with what is theirs, and nothing else', async (person) => {
    const back = await signIn(person.id);
    expect(back.searchParams.get('state')).toBe('the-state');
    const { status, body, cors } = await exchange(back.searchParams.get('code') ?? '');
    expect(status).toBe(200);
    expect(cors).toBe('http://127.0.0.1:54321');
    const claims = decodeJwt(body.access_token);
    expect(claims).toMatchObject({
      iss: sandbox.issuer,
      aud: 'lastro',
      sub: person.id,
      client_id: 'portal',
      areas: person.areas,
      clients: person.clients,
    });
    expect(new Set(String(claims.scope).split(' '))).toEqual(new Set(person.scopes));
    expect(decodeJwt(body.id_token)).toMatchObject({ nonce: 'the-nonce', name: person.name, aud: 'portal' });
  });

  it('shows who may sign in, and takes nobody else', async () => {
    const go = browser();
    const { to: choice } = await go(asked());
    const page = await go(choice);
    for (const { name } of demoPeople) expect(page.text).toContain(name);
    expect(await go(choice, { person: 'mallory' })).toMatchObject({ status: 422 });
  });

  it('does not ask again within a session, until it has ended', async () => {
    const go = browser();
    await signIn('ana.operadora', go);
    const again = await go(asked());
    expect(again.to).toContain(`${callback}?code=`);
  });

  it('refuses a wrong verifier, a code used twice, and an address that is not the portal on this machine', async () => {
    const code = (await signIn('ana.operadora')).searchParams.get('code') ?? '';
    expect(await exchange(code, { code_verifier: 'x'.repeat(43) })).toMatchObject({ status: 400 });
    const second = (await signIn('ana.operadora')).searchParams.get('code') ?? '';
    expect((await exchange(second)).status).toBe(200);
    expect(await exchange(second)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    for (const redirect_uri of [
      'http://127.0.0.1:54321/elsewhere',
      'https://evil.example/portal/entrar',
      'http://127.0.0.1.evil.example/portal/entrar',
    ])
      expect(await browser()(asked({ redirect_uri }))).toMatchObject({ status: 400, to: '' });
  });

  it('needs PKCE', async () => {
    const { to } = await browser()(asked({ code_challenge: '', code_challenge_method: '' }));
    expect(new URL(to).searchParams.get('error')).toBe('invalid_request');
  });

  it('says what to do where the choice comes too late', async () => {
    const answer = await browser()('/oidc/interaction/gone', { person: 'ana.operadora' });
    expect(answer).toMatchObject({ status: 400 });
    expect(answer.text).toContain('volte ao portal');
  });
});
