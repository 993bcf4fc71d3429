import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { type OpenPartners, openPartners, PartnerUnavailable } from './partners.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const against = async (answer: Answer, token?: string): Promise<OpenPartners> => {
  const server = createServer((request, response) => {
    request.resume();
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  const partners = openPartners({
    baseUrl: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`,
    token,
    timeoutMs: 60_000,
    metrics: new Registry(),
    log: { info: () => {}, warn: () => {} },
    resilience: { retries: 0 },
  });
  closers.push(() => partners.close());
  return partners;
};

const json = (response: ServerResponse, body: string | Buffer, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body);
};

const reasonOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.then(
    (answer) => answer,
    (failure: unknown) => failure,
  );
  return error instanceof PartnerUnavailable ? error.reason : `not a failure: ${JSON.stringify(error)}`;
};

const call = { requestId: 'req-7' };
const domains = { plataformas: [], meios_assinatura: [], poderes: [] };

describe('a request', () => {
  it('carries the request id, the token and the idempotency key', async () => {
    const seen: IncomingMessage['headers'][] = [];
    const partners = await against((request, response) => {
      seen.push(request.headers);
      json(response, '{"notificacao_id":"n1"}', 201);
    }, 'secret');
    const recipient = { document: '1', name: 'n', email: null, phone: null };
    const message = { idempotencyKey: 'key-1', orderKey: 'o', areaId: 'a', template: 't', recipient };
    expect((await partners.notify(message, call)).value).toEqual({ id: 'n1' });
    expect(seen).toMatchObject([
      { 'x-request-id': 'req-7', authorization: 'Bearer secret', 'idempotency-key': 'key-1' },
    ]);
  });

  it('has no documents in its address', async () => {
    const urls: string[] = [];
    const partners = await against((request, response) => {
      urls.push(request.url ?? '');
      json(response, '{}');
    });
    const [company, cpf] = ['12ABC34501DE35', '52998224725'];
    await reasonOf(partners.powers({ company, power: 'p' }, call));
    await reasonOf(partners.registry({ company, documents: [cpf] }, call));
    await reasonOf(partners.people([cpf], call));
    expect(urls).toHaveLength(3);
    expect(urls.join(' ')).not.toMatch(/12ABC|5299/);
  });
});

describe('an answer', () => {
  it('is kept byte for byte, with its hash', async () => {
    const body = `${JSON.stringify(domains)}\n \u00e7`.replace(' ç', '');
    const partners = await against((_, response) => json(response, body));
    const answer = await partners.domains(call);
    expect(answer.raw).toBe(body);
    const { createHash } = await import('node:crypto');
    expect(answer.sha256).toBe(createHash('sha256').update(body).digest('hex'));
    expect(Math.abs(Date.parse(answer.receivedAt) - Date.now())).toBeLessThan(60_000);
  });

  it.each<[string, Answer, string]>([
    [
      'bytes that are not UTF-8',
      (_, response) => json(response, Buffer.from([0x22, 0xff, 0x22])),
      'malformed',
    ],
    ['a byte order mark', (_, response) => json(response, `\ufeff${JSON.stringify(domains)}`), 'malformed'],
    ['an empty body', (_, response) => json(response, ''), 'malformed'],
    ['no content', (_, response) => response.writeHead(204).end(), 'malformed'],
    ['a redirect', (_, response) => response.writeHead(302, { location: '/elsewhere' }).end(), 'malformed'],
    ['our credentials refused', (_, response) => json(response, '{}', 401), 'rejected'],
    ['our request refused', (_, response) => json(response, '{}', 422), 'rejected'],
    ['a gateway', (_, response) => json(response, '{}', 502), 'server_error'],
    ['too many requests', (_, response) => json(response, '{}', 429), 'throttled'],
    [
      'a member twice',
      (_, response) => json(response, '{"plataformas":[],"meios_assinatura":[],"poderes":[],"poderes":[]}'),
      'malformed',
    ],
    ['another shape', (_, response) => json(response, '{"plataformas":{}}'), 'malformed'],
    ['a connection closed at once', (_, response) => response.socket?.destroy(), 'connection'],
  ])('with %s is a failure', async (_, answer, reason) => {
    const partners = await against(answer);
    expect(await reasonOf(partners.domains(call))).toBe(reason);
  });

  it.each([
    ['U+0000', '\\u0000', 'malformed'],
    ['half a surrogate pair', '\\uD83D', 'malformed'],
    ['a whole one', '\\uD83D\\uDE00', 'an answer'],
  ])('with %s in a name can be stored, or is a failure', async (_, escaped, expected) => {
    const partners = await against((_, response) =>
      json(response, `{"pessoas":[{"cpf":"1","nome":"Ana ${escaped}","email":"","telefone":null}]}`),
    );
    const reason = await reasonOf(partners.people(['1'], call));
    expect(reason.startsWith('not a failure') ? 'an answer' : reason).toBe(expected);
  });

  it('about another area than the one asked for is a failure', async () => {
    const partners = await against((_, response) => json(response, '{"codigo":"OUTRA"}', 404));
    expect(await reasonOf(partners.parameters('CRD01', call))).toBe('rejected');
  });

  it('names no personal data in its failure', async () => {
    const partners = await against((_, response) =>
      json(response, '{"pessoas":[{"cpf":"52998224725","nome":7,"email":"ana@a.example"}]}'),
    );
    const error = await partners.people(['52998224725'], call).catch((failure: unknown) => failure);
    expect(String(error)).toContain('/pessoas/0/nome');
    expect(String(error)).not.toMatch(/52998224725|ana@a/);
  });

  it('about people who were not asked for is cut down to those who were', async () => {
    const person = (cpf: string) => ({ cpf, nome: 'Ana', email: '', telefone: null });
    const partners = await against((_, response) =>
      json(response, JSON.stringify({ pessoas: [person('1'), person('2')] })),
    );
    expect((await partners.people(['1'], call)).value).toEqual([
      { document: '1', name: 'Ana', email: null, phone: null },
    ]);
  });
});
