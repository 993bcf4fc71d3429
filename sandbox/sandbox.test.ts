import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { sandboxCases, undeterminedCases } from './cases.ts';
import { areaScopes, staffScopes } from './issuer.ts';
import { type Sandbox, startSandbox } from './sandbox.ts';
import { mintToken, TokenRefused } from './token.ts';

let home: string;
let sandbox: Sandbox;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'lastro-sandbox-'));
  sandbox = await startSandbox({ port: 0, home });
});
afterEach(() => {
  sandbox.faults.remove();
  sandbox.calls.reset();
});
afterAll(async () => {
  await sandbox.close();
  await rm(home, { recursive: true });
});

const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
  const response = await fetch(`${sandbox.url}${path}`, {
    method,
    headers,
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
};

const verify = async (token: string, issuer: string) => {
  const discovery = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as {
    issuer: string;
    jwks_uri: string;
  };
  const keys = createRemoteJWKSet(new URL(discovery.jwks_uri));
  return jwtVerify(token, keys, { issuer: discovery.issuer, audience: 'lastro', typ: 'at+jwt' });
};

describe('the issuer', () => {
  it('gives tokens that its discovery document and keys prove', async () => {
    const minted = await mintToken({
      issuer: sandbox.issuer,
      area: 'CRD01',
      scope: 'orders:write orders:read',
    });
    const { payload, protectedHeader } = await verify(minted.token, sandbox.issuer);
    expect(payload).toMatchObject({
      iss: sandbox.issuer,
      aud: 'lastro',
      client_id: 'area-CRD01',
      areas: ['CRD01'],
      scope: 'orders:write orders:read',
    });
    expect(protectedHeader.alg).toBe('RS256');
    expect(minted).toMatchObject({ client: 'area-CRD01', expiresIn: 28_800 });
  });

  it('keeps its keys in the home folder, for its owner only, so that a token outlives a restart', async () => {
    const { token } = await mintToken({ issuer: sandbox.issuer, area: 'CRD01', scope: 'orders:read' });
    const port = Number(new URL(sandbox.url).port);
    await sandbox.close();
    sandbox = await startSandbox({ port, home });
    await expect(verify(token, sandbox.issuer)).resolves.toBeDefined();
    expect((await stat(join(home, 'sandbox-issuer.json'))).mode & 0o777).toBe(0o600);
  });

  it.each([...staffScopes])('gives %s to whom it belongs', async (scope) => {
    const minted = await mintToken({ issuer: sandbox.issuer, area: 'CRD02', scope });
    const owner = areaScopes.includes(scope) ? 'area' : 'staff';
    expect(minted).toMatchObject({ client: `${owner}-CRD02`, scope });
  });

  it('gives an area no rights of the back office', async () => {
    const response = await fetch(`${sandbox.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa('area-CRD01:sandbox-area-CRD01')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'orders:read admin' }),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: 'invalid_scope', scope: 'admin' });
  });

  it('refuses areas and scopes that do not exist', async () => {
    const mint = (area: string, scope: string) => mintToken({ issuer: sandbox.issuer, area, scope });
    await expect(mint('XXX99', 'orders:read')).rejects.toThrow('expected an area of the sandbox (CRD01, ');
    await expect(mint('CRD01', 'orders:burn')).rejects.toThrow('found orders:burn');
    await expect(mint('CRD01', ' ')).rejects.toThrow('at least one scope');
    const nobody = mintToken({ issuer: 'http://127.0.0.1:1/oidc', area: 'CRD01', scope: 'orders:read' });
    await expect(nobody).rejects.toBeInstanceOf(TokenRefused);
    await expect(nobody).rejects.toThrow('npm start');
  });

  it('says nothing on the console', async () => {
    const write = vi.spyOn(process.stderr, 'write');
    const other = await startSandbox({ port: 0, home, companies: 0 });
    await mintToken({ issuer: other.issuer, area: 'CRD01', scope: 'orders:read' });
    await other.close();
    expect(write).not.toHaveBeenCalled();
    write.mockRestore();
    expect(JSON.parse(await readFile(join(home, 'sandbox-issuer.json'), 'utf8')).keys).toHaveLength(1);
  });
});

describe('the controls', () => {
  it('list cases and at least a thousand companies', async () => {
    expect((await ask('GET', '/sandbox/cases')).body).toEqual(sandboxCases());
    expect((await ask('GET', '/sandbox/cases/undetermined')).body).toEqual(undeterminedCases());
    const { body: companies } = await ask('GET', '/sandbox/companies');
    expect(companies.length).toBeGreaterThan(1_000);
    expect(companies[0]).toMatchObject({ cnpj: '12ABC34501DE35', demo: 'joint' });
    expect((await ask('GET', '/sandbox/companies/12ABC34501DE35')).body.nome).toBe('Aurora Alimentos S.A.');
    expect((await ask('GET', '/sandbox/companies/nobody')).status).toBe(404);
  });

  it('switch faults on and off', async () => {
    const added = await ask('POST', '/sandbox/faults', {
      partner: 'domains',
      kind: 'error',
      status: 500,
      times: 2,
    });
    expect(added).toMatchObject({ status: 201, body: { partner: 'domains', times: 2 } });
    expect((await ask('GET', '/dominios/v1/dominios')).status).toBe(500);
    expect((await ask('GET', '/dominios/v1/saude')).status).toBe(200);
    expect((await ask('GET', '/sandbox/faults')).body).toMatchObject([{ times: 1 }]);
    expect((await ask('GET', '/dominios/v1/dominios')).status).toBe(500);
    expect((await ask('GET', '/dominios/v1/dominios')).status).toBe(200);
    const kept = await ask('POST', '/sandbox/faults', { partner: '*', kind: 'error' });
    expect((await ask('GET', '/dominios/v1/saude')).status).toBe(503);
    expect((await ask('DELETE', `/sandbox/faults/${kept.body.id}`)).status).toBe(204);
    expect((await ask('GET', '/sandbox/faults')).body).toEqual([]);
    const wrong = await ask('POST', '/sandbox/faults', { partner: 'nobody', kind: 'error' });
    expect(wrong).toMatchObject({ status: 422, body: { error: expect.stringContaining('partner') } });
  });

  it('spoil one request by its header', async () => {
    const spoiled = await ask('GET', '/dominios/v1/dominios', undefined, { 'x-sandbox-fault': 'throttle' });
    expect(spoiled.status).toBe(429);
    expect((await ask('GET', '/dominios/v1/dominios')).status).toBe(200);
  });

  it('count what was asked, by partner and company', async () => {
    const question = { cnpj: '12ABC34501DE35', poder: 'sign_credit_contract' };
    await ask('POST', '/poderes/v1/consultas', question);
    await ask('GET', '/poderes/v1/saude');
    const { body } = await ask('GET', '/sandbox/calls?company=12ABC34501DE35');
    expect(body.partners.powers).toEqual({ requests: 1, health: 1, spoiled: 0 });
    expect(body.company).toMatchObject({ powers: 1, registry: 0 });
    await ask('DELETE', '/sandbox/calls');
    expect((await ask('GET', '/sandbox/calls')).body.partners.powers.requests).toBe(0);
  });

  it('keep notifications, one for each key', async () => {
    const send = (key: string, text: string) =>
      ask('POST', '/notificacoes/v1/notificacoes', { text }, { 'idempotency-key': key });
    expect([
      await send('a', '1'),
      await send('a', '1'),
      await send('a', '2'),
      await send('b', '1'),
    ]).toMatchObject([
      { status: 201, body: { notificacao_id: 'ntf_1' } },
      { status: 200, body: { notificacao_id: 'ntf_1' } },
      { status: 422 },
      { status: 201, body: { notificacao_id: 'ntf_2' } },
    ]);
    expect((await ask('GET', '/sandbox/notifications')).body).toMatchObject([
      { idempotencyKey: 'a', requests: 2, body: { text: '1' } },
      { idempotencyKey: 'b', requests: 1 },
    ]);
    expect((await ask('GET', '/sandbox/calls')).body.notifications).toEqual({ messages: 2, requests: 4 });
    expect((await ask('POST', '/notificacoes/v1/notificacoes', {})).status).toBe(400);
  });

  it('receive webhooks, and fail as often as the caller wishes', async () => {
    const path = '/sandbox/webhooks/area-1';
    const sent = { 'webhook-id': 'msg_1' };
    expect((await ask('POST', `${path}?status=503&times=1`, 'hello', sent)).status).toBe(503);
    expect((await ask('POST', `${path}?status=503&times=1`, 'hello', sent)).status).toBe(204);
    const { body } = await ask('GET', path);
    expect(body).toMatchObject([
      { status: 503, body: 'hello' },
      { status: 204, headers: { 'webhook-id': 'msg_1' } },
    ]);
    await ask('DELETE', path);
    expect((await ask('GET', path)).body).toEqual([]);
  });

  it('answer 404 for anything else', async () => {
    expect((await ask('GET', '/nowhere')).status).toBe(404);
    expect((await ask('GET', '/poderes/v2/consultas')).status).toBe(404);
  });
});

describe('the address', () => {
  it('is of this machine only', async () => {
    const open = startSandbox({ port: 0, host: '0.0.0.0', home, companies: 0 });
    await expect(open).rejects.toThrow('expected a loopback address');
  });

  it('must be free', async () => {
    const taken = startSandbox({ port: Number(new URL(sandbox.url).port), home, companies: 0 });
    await expect(taken).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
