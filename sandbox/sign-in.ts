import type { IncomingMessage, ServerResponse } from 'node:http';
import Provider, {
  type Adapter,
  type AdapterPayload,
  type Configuration,
  interactionPolicy,
} from 'oidc-provider';
import { type DemoPerson, demoPeople, demoPerson } from './demo-people.ts';
import { readBody, sendAnswer } from './http-answer.ts';

/** The portal's client: public, as a page can keep no secret. */
export const portalClientId = 'portal';

export const portalScopes = [...new Set(demoPeople.flatMap(({ scopes }) => scopes))];

const hosts = ['http://127.0.0.1', 'http://localhost', 'http://[::1]'];

/** A native client, whose loopback addresses match with any port (RFC 8252, 7.3): the API's port is not known here. */
export const portalClient = {
  client_id: portalClientId,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code'],
  response_types: ['code'],
  redirect_uris: hosts.map((host) => `${host}/portal/entrar`),
  post_logout_redirect_uris: hosts.map((host) => `${host}/portal/`),
  scope: `openid profile ${portalScopes.join(' ')}`,
} as const;

const isLoopbackOrigin = (origin: string): boolean =>
  hosts.some((host) => origin === host || origin.startsWith(`${host}:`));

/** Signing in needs no consent: the portal is the bank's own, and what a person may do is written beside them. */
const policy = (): interactionPolicy.DefaultPolicy => {
  const base = interactionPolicy.base();
  base.get('consent')?.checks.remove('native_client_prompt');
  return base;
};

/** The settings by which people sign in at the issuer at `url`, for tokens of `resource`. */
export const signInConfiguration = (url: string, resource: string) =>
  ({
    claims: { openid: ['sub'], profile: ['name'] },
    // The name comes with the ID token; one question less for a page.
    conformIdTokenClaims: false,
    clientBasedCORS: (_ctx, origin) => isLoopbackOrigin(origin),
    interactions: { policy: policy(), url: (_ctx, { uid }) => `${url}/interaction/${uid}` },
    findAccount: (_ctx, id) => {
      const person = demoPerson(id);
      return person && { accountId: id, claims: () => ({ sub: id, name: person.name }) };
    },
    loadExistingGrant: async ({ oidc }) => {
      const person = demoPerson(oidc.session?.accountId ?? '');
      if (!person || !oidc.client) return undefined;
      const grant = new oidc.provider.Grant({ accountId: person.id, clientId: oidc.client.clientId });
      const theirs = person.scopes.join(' ');
      // Asked for and not theirs: refused without a question, so that tokens carry what the person has. The API's
      // scopes are among those of the issuer itself as well as of the resource.
      const others = portalScopes.filter((scope) => !person.scopes.includes(scope)).join(' ');
      grant.addOIDCScope(`openid profile ${theirs}`);
      grant.rejectOIDCScope(others);
      grant.addResourceScope(resource, theirs);
      grant.rejectResourceScope(resource, others);
      await grant.save();
      return grant;
    },
  }) satisfies Partial<Configuration>;

/** oidc-provider's storage in memory: a restart of the sandbox signs everybody out, tokens stay good. */
export const memoryAdapter = (find: (model: string, id: string) => AdapterPayload | undefined) => {
  const all = new Map<string, { payload: AdapterPayload; until: number }>();
  const live = (key: string): AdapterPayload | undefined => {
    const found = all.get(key);
    if (!found || found.until > Date.now()) return found?.payload;
    all.delete(key);
    return undefined;
  };
  return (model: string): Adapter => {
    const keyOf = (id: string): string => `${model} ${id}`;
    const byUid = (uid: string): AdapterPayload | undefined =>
      [...all.keys()]
        .filter((key) => key.startsWith(`${model} `))
        .map(live)
        .find((payload) => payload?.uid === uid);
    return {
      upsert: async (id, payload, seconds) => {
        for (const key of [...all.keys()]) live(key);
        all.set(keyOf(id), { payload, until: Date.now() + (seconds ?? 3_600) * 1_000 });
      },
      find: async (id) => find(model, id) ?? live(keyOf(id)),
      findByUserCode: async () => undefined,
      findByUid: async (uid) => byUid(uid),
      consume: async (id) => {
        const found = live(keyOf(id));
        if (found) found.consumed = Math.floor(Date.now() / 1_000);
      },
      destroy: async (id) => {
        all.delete(keyOf(id));
      },
      revokeByGrantId: async (grantId) => {
        for (const [key, { payload }] of [...all]) if (payload.grantId === grantId) all.delete(key);
      },
    };
  };
};

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

const style = `body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f3f5f6;color:#16262d}
main{max-width:34rem;margin:8vh auto;padding:0 1rem}h1{font-size:1.4rem;margin:0 0 .25rem}p{margin:.25rem 0 1rem}
button{display:block;width:100%;text-align:left;font:inherit;padding:.9rem 1rem;margin:0 0 .6rem;background:#fff;
border:1px solid #b6c3c9;border-radius:.5rem;cursor:pointer}button:hover,button:focus-visible{border-color:#10495c;
outline:2px solid #10495c}strong{display:block}`;

const page = (
  title: string,
  inner: string,
): string => `<!doctype html><html lang="pt-BR"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>${style}</style></head>
<body><main><h1>${title}</h1>${inner}</main></body></html>`;

const choice = ({ id, name, about }: DemoPerson): string =>
  `<button name="person" value="${escaped(id)}"><strong>${escaped(name)}</strong>${escaped(about)}</button>`;

const choices = page(
  'Entrar no Lastro',
  `<p>Ambiente de demonstração, sem senhas. Quem é você?</p><form method="post">${demoPeople.map(choice).join('')}</form>`,
);

/** The page of signing out, which oidc-provider fills with the form that does it. */
export const signOutPage = (form: string): string =>
  page(
    'Sair do Lastro',
    `${form}<button autofocus type="submit" form="op.logoutForm" value="yes" name="logout"><strong>Sair</strong></button>
<button type="submit" form="op.logoutForm"><strong>Continuar conectado</strong></button>`,
  );

const html = (body: string) => ({ status: 200, type: 'text/html; charset=utf-8', body });

/** Answers `/interaction/…`, where a person says who they are. */
export const answerSignIn = async (
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  try {
    await provider.interactionDetails(request, response);
    if (request.method !== 'POST') return sendAnswer(response, html(choices));
    const id = new URLSearchParams(await readBody(request)).get('person') ?? '';
    if (!demoPerson(id)) return sendAnswer(response, { ...html(choices), status: 422 });
    await provider.interactionFinished(request, response, { login: { accountId: id } });
  } catch (error) {
    const words = error instanceof Error ? error.message : 'failed';
    const body = page(
      'Entrar no Lastro',
      `<p>Este pedido de entrada não vale mais: volte ao portal e entre de novo. (${escaped(words)})</p>`,
    );
    sendAnswer(response, { ...html(body), status: 400 });
  }
};
