import { setImmediate } from 'node:timers/promises';
import type { Routes } from '../platform/http.ts';
import { Problem } from '../platform/problem.ts';
import type { PublicJwks } from '../platform/signing-keys.ts';
import { canonicalJson } from '../shared/canonical-json.ts';
import type { Violation } from './contract.ts';
import { decide } from './engine.ts';
import { decisionAnswerSchema, decisionBodySchema, jwksSchema } from './http-schema.ts';
import { parseInput } from './input.ts';
import { readJsonText } from './json-text.ts';

export type QuorumRoutesDeps = {
  /** The public keys to publish. Asked at every request, so that a rotation needs no restart. */
  jwks: () => Promise<PublicJwks>;
};

const mostCases = 1_000;
const bodyLimit = 16 * 1_048_576;

/** Cases may take long together; other requests get their turn between two of them after this many ms. */
const turnMs = 10;

/** `POST /v1/quorum/decisions` and `GET /.well-known/jwks.json`. */
export const quorumRoutes =
  ({ jwks }: QuorumRoutesDeps): Routes =>
  async (app) => {
    await app.register(async (scope) => {
      // The engine's parser needs the text itself: JSON.parse hides duplicate keys and rounds numbers.
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser(
        'application/json',
        { parseAs: 'buffer' },
        async (_request: unknown, body: Buffer) => textOf(body),
      );
      scope.setErrorHandler((error) => {
        if (error instanceof Error && 'code' in error && error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
          throw new Problem('body-too-large', `A body may have at most ${bodyLimit / 1_048_576} MiB.`);
        throw error;
      });
      scope.route({
        method: 'POST',
        url: '/v1/quorum/decisions',
        bodyLimit,
        config: { access: 'quorum:decide' },
        schema: {
          summary: 'Decides quorum for one case, or for up to 1,000 cases',
          description:
            'One input gives its decision; `{"cases": [...]}` gives `{"decisions": [...]}` in the same order, where a case that is not valid gives its violations and the others are decided. Nothing is stored.',
          tags: ['quorum'],
          body: decisionBodySchema,
          response: { 200: decisionAnswerSchema },
        },
        // The schema above documents the body; the engine's parser checks it.
        validatorCompiler: () => (value: unknown) => ({ value }),
        handler: async (request, reply) => {
          let gone = false;
          reply.raw.once('close', () => {
            gone = true;
          });
          const answer = await answerTo(String(request.body ?? ''), () => gone);
          return reply.type('application/json').send(answer);
        },
      });
    });

    app.get(
      '/.well-known/jwks.json',
      {
        config: { access: 'public' },
        schema: {
          summary: 'Public keys that verify quorum certificates and audit seals',
          tags: ['quorum'],
          security: [],
          response: { 200: jwksSchema },
        },
      },
      async (_request, reply) => {
        void reply.header('cache-control', 'public, max-age=300');
        return (await jwks()) as { keys: PublicJwks['keys'][number][] };
      },
    );
  };

/** Replacing bad bytes, as decoders do by default, would give two different bodies one hash. */
const textOf = (body: Buffer): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw new Problem('malformed-body', 'The body is not UTF-8.');
  }
};

/**
 * The answer to a request's body: a decision, or the decisions of a batch, as RFC 8785 text.
 * @param isGone whether nobody waits for the answer any more: the rest of a batch is then left undecided.
 * @throws Problem with all violations when the body is neither an input nor a batch of at most 1,000 cases.
 */
const answerTo = async (body: string, isGone: () => boolean): Promise<string> => {
  const read = readJsonText(body);
  if (read.readable && isBatch(read.value)) return decideBatch(read.value, read.violations, isGone);
  const parsed = parseInput(body);
  if (!parsed.ok) throw refusal(parsed.violations);
  return canonicalJson(decide(parsed.input));
};

const isBatch = (value: unknown): value is { cases: unknown } =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, 'cases');

const refusal = (violations: Violation[]): Problem =>
  new Problem('validation-failed', 'The input is refused as a whole; see violations.', { violations });

const casesOf = (batch: { cases: unknown }, read: readonly Violation[]): unknown[] => {
  const violations = read.filter(({ pointer }) => !pointer.startsWith('/cases/'));
  for (const key of Object.keys(batch))
    if (key !== 'cases')
      violations.push({ pointer: `/${key}`, message: 'expected only "cases" in a batch, found another key' });
  const { cases } = batch;
  if (!Array.isArray(cases))
    throw refusal([...violations, { pointer: '/cases', message: 'expected an array of inputs' }]);
  if (cases.length > mostCases)
    violations.push({
      pointer: '/cases',
      message: `expected at most ${mostCases} cases, found ${cases.length}`,
    });
  if (violations.length > 0) throw refusal(violations);
  return cases;
};

const decideBatch = async (
  batch: { cases: unknown },
  read: readonly Violation[],
  isGone: () => boolean,
): Promise<string> => {
  const answers: string[] = [];
  let turnEnds = performance.now() + turnMs;
  for (const [index, input] of casesOf(batch, read).entries()) {
    if (isGone()) break;
    answers.push(decideCase(input, violationsInside(read, `/cases/${index}`)));
    if (performance.now() < turnEnds) continue;
    await setImmediate();
    turnEnds = performance.now() + turnMs;
  }
  return `{"decisions":[${answers.join(',')}]}`;
};

/** What the reading of the text found inside one case, with pointers that start at the case. */
const violationsInside = (read: readonly Violation[], prefix: string): Violation[] =>
  read
    .filter(({ pointer }) => pointer.startsWith(`${prefix}/`))
    .map(({ pointer, message }) => ({ pointer: pointer.slice(prefix.length), message }));

const decideCase = (input: unknown, read: Violation[]): string => {
  // A string is a case's JSON text to the parser, but inside a batch it is a case that is no object.
  const parsed = parseInput(typeof input === 'string' ? JSON.stringify(input) : input);
  if (parsed.ok && read.length === 0) return canonicalJson(decide(parsed.input));
  return canonicalJson({ error: { violations: [...read, ...(parsed.ok ? [] : parsed.violations)] } });
};
