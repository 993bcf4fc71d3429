import type { Routes } from '../platform/http.ts';
import { Problem } from '../platform/problem.ts';
import type { PublicJwks } from '../platform/signing-keys.ts';
import { openDecisionThread } from './decision-thread.ts';
import { decisionAnswerSchema, decisionBodySchema, jwksSchema } from './http-schema.ts';

export type QuorumRoutesDeps = {
  /** The public keys to publish. Asked at every request, so that a rotation needs no restart. */
  jwks: () => Promise<PublicJwks>;
};

const bodyLimit = 16 * 1_048_576;

/** `POST /v1/quorum/decisions` and `GET /.well-known/jwks.json`. */
export const quorumRoutes =
  ({ jwks }: QuorumRoutesDeps): Routes =>
  async (app) => {
    await app.register(async (scope) => {
      const thread = openDecisionThread();
      scope.addHook('onClose', () => thread.close());
      // The engine's parser needs the bytes themselves: JSON.parse hides duplicate keys and rounds numbers.
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser(
        'application/json',
        { parseAs: 'buffer' },
        async (_request: unknown, body: Buffer) => body,
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
          const gone = new AbortController();
          reply.raw.once('close', () => gone.abort());
          const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
          const answer = await thread.answer(body, gone.signal);
          if ('unreadable' in answer) throw new Problem('malformed-body', answer.unreadable);
          if ('refused' in answer)
            throw new Problem('validation-failed', 'The input is refused as a whole; see violations.', {
              violations: answer.refused,
            });
          return reply.type('application/json').send(answer.text);
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
