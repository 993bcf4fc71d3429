import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { largeCase } from '../../test/quorum/large-case.ts';
import { newRandom } from '../../test/quorum/random.ts';
import { type App, openHttp } from '../platform/http.ts';
import { silentLog } from '../platform/log.ts';
import { openMetrics } from '../platform/metrics.ts';
import { loadSigningKeys, publicJwks, rotateSigningKeys } from '../platform/signing-keys.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import { decide } from './engine.ts';
import { quorumRoutes } from './http.ts';
import { decisionAnswerSchema, decisionBodySchema } from './http-schema.ts';
import { parseInput } from './input.ts';

const examples = new URL('../../test/fixtures/quorum/explain/', import.meta.url);
const cases = readdirSync(examples)
  .filter((file) => file.endsWith('.json'))
  .map((file) => readFileSync(new URL(file, examples), 'utf8'));
const [example = ''] = cases;

const decided = (text: string): string => {
  const parsed = parseInput(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.violations));
  return canonicalJson(decide(parsed.input));
};

let folder: string;
let path: string;
let app: App;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lastro-quorum-http-'));
  path = join(folder, 'keys.json');
  app = await openHttp({
    log: silentLog(),
    metrics: openMetrics('test'),
    // Tokens are another part's concern: here a token is the list of its scopes.
    authenticate: async (authorization) => ({
      clientId: 'test',
      subject: 'test',
      scopes: new Set((authorization ?? '').replace('Bearer ', '').split(' ')),
      areas: new Set(),
      clients: new Set<string>(),
    }),
    limits: { client: 1_000, address: 1_000, refused: 1_000 },
    ready: async () => {},
    version: '0',
  });
  await quorumRoutes({ jwks: async () => publicJwks(await loadSigningKeys({ path })) })(app);
  await app.ready();
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

const post = (body: string | Buffer, headers: Record<string, string> = {}) =>
  app.inject({
    method: 'POST',
    url: '/v1/quorum/decisions',
    headers: { authorization: 'Bearer quorum:decide', 'content-type': 'application/json', ...headers },
    body,
  });

describe('POST /v1/quorum/decisions', () => {
  it('decides one input, in canonical JSON', async () => {
    const answer = await post(example);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.body).toBe(decided(example));
  });

  it('decides a batch in order, and lets a bad case not stop the others', async () => {
    const bad = '{"at":1.00000000000000000001,"at":2}';
    const answer = await post(`{"cases":[${[cases[0], bad, cases[1], '"text"', 'null'].join(',')}]}`);
    expect(answer.statusCode).toBe(200);
    const { decisions } = answer.json<{
      decisions: { error?: { violations: { pointer: string; message: string }[] } }[];
    }>();
    expect(decisions.map((one) => (one.error ? 'error' : canonicalJson(one)))).toEqual([
      decided(cases[0] ?? ''),
      'error',
      decided(cases[1] ?? ''),
      'error',
      'error',
    ]);
    expect(decisions[1]?.error?.violations).toEqual(
      expect.arrayContaining([
        { pointer: '/at', message: 'expected the key once, found it again' },
        { pointer: '/act', message: expect.any(String) },
      ]),
    );
  });

  it('gives each case of a batch the violations that it gets alone', async () => {
    const bad = JSON.stringify({ ...JSON.parse(example), limit: 0, extra: 1 });
    const alone = await post(bad);
    const batch = await post(`{"cases":[${bad}]}`);
    expect(alone.statusCode).toBe(422);
    expect(batch.json().decisions[0].error.violations).toEqual(alone.json().violations);
  });

  it('refuses bad input with all violations as a problem', async () => {
    const answer = await post('{"at":"yesterday","at":"today"}');
    expect(answer.statusCode).toBe(422);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.json()).toMatchObject({ type: '/problems/validation-failed', status: 422 });
    expect(answer.json().violations.map(({ pointer }: { pointer: string }) => pointer)).toEqual(
      expect.arrayContaining(['/at', '/act', '/groups', '/rules', '/people']),
    );
  });

  it.each([
    ['no JSON', '{"at":', ''],
    ['an empty body', '', ''],
    ['a list', '[]', ''],
    ['cases that are no list', '{"cases":{}}', '/cases'],
    ['two lists of cases', '{"cases":[],"cases":[]}', '/cases'],
    ['cases with something beside them', '{"cases":[],"limit":1}', '/limit'],
    ['too many cases', `{"cases":[${'{},'.repeat(1_000)}{}]}`, '/cases'],
  ])('refuses %s', async (_, body, pointer) => {
    const answer = await post(body);
    expect([400, 422]).toContain(answer.statusCode);
    if (answer.statusCode === 422)
      expect(answer.json().violations.map((one: { pointer: string }) => one.pointer)).toContain(pointer);
  });

  it('refuses a body that is not UTF-8', async () => {
    const answer = await post(Buffer.from(example.replace('credit', 'cr\u00e9dit'), 'latin1'));
    expect(answer.statusCode).toBe(400);
    expect(answer.json().detail).toContain('UTF-8');
  });

  it('takes a thousand cases', async () => {
    const answer = await post(`{"cases":[${Array.from({ length: 1_000 }, () => example).join(',')}]}`);
    expect(answer.json().decisions).toHaveLength(1_000);
  });

  it('leaves the process to others while it decides a hard case', async () => {
    const hard = JSON.stringify(
      largeCase(newRandom(1), {
        people: 200,
        groups: 50,
        rules: 50,
        requirements: 10,
        overlap: 0.1,
        pairs: 1000,
        blocked: 0.5,
      }),
    );
    let isDecided = false;
    const decision = post(hard).finally(() => {
      isDecided = true;
    });
    let answers = 0;
    while (!isDecided) {
      const { statusCode } = await app.inject({ method: 'GET', url: '/livez' });
      if (!isDecided && statusCode === 200) answers += 1;
      await setImmediate();
    }
    expect((await decision).statusCode).toBe(200);
    // In this thread the decision would be one turn of the event loop, with one answer before it at most.
    expect(answers).toBeGreaterThan(5);
  });

  it('says how large a body may be', async () => {
    const answer = await post(`{"cases":[${' '.repeat(17 * 1_048_576)}]}`);
    expect(answer.statusCode).toBe(413);
    expect(answer.json().detail).toContain('16 MiB');
  });

  it('needs the scope, and JSON', async () => {
    expect((await post(example, { authorization: 'Bearer orders:read' })).statusCode).toBe(403);
    expect((await post(example, { 'content-type': 'text/plain' })).statusCode).toBe(415);
  });
});

describe('GET /.well-known/jwks.json', () => {
  it('publishes public keys without a token, and a rotation without a restart', async () => {
    const get = () => app.inject({ method: 'GET', url: '/.well-known/jwks.json' });
    const first = await get();
    expect(first.statusCode).toBe(200);
    expect(first.body).not.toContain('"d"');
    const [{ kid: old }] = first.json().keys;
    const { kid } = await rotateSigningKeys(path);
    expect((await get()).json().keys.map((key: { kid: string }) => key.kid)).toEqual([kid, old]);
  });
});

describe('OpenAPI', () => {
  it('describes the inputs that the parser takes and the answers that the engine gives', () => {
    for (const text of cases) {
      expect(decisionBodySchema.safeParse(JSON.parse(text)).error).toBeUndefined();
      expect(decisionAnswerSchema.safeParse(JSON.parse(decided(text))).error).toBeUndefined();
    }
    expect(
      decisionBodySchema.safeParse({ cases: cases.map((text) => JSON.parse(text)) }).error,
    ).toBeUndefined();
  });

  it('lists both routes', async () => {
    const document = (await app.inject({ method: 'GET', url: '/openapi.json' })).json();
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/v1/quorum/decisions', '/.well-known/jwks.json']),
    );
    expect(document.paths['/v1/quorum/decisions'].post.requestBody).toBeDefined();
  });
});
