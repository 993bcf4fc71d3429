import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { type FieldViolation, Problem } from './problem.ts';

const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';

// Class 08 connection, 53 resources, 57P the server is going down or coming up (PostgreSQL, appendix A).
const databaseIsAway = /^(08|53|57P)|^(ECONNREFUSED|ECONNRESET|ENOTFOUND|ETIMEDOUT|EPIPE)$/;

const byFastifyCode: Record<string, (message: string) => Problem> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => new Problem('body-too-large', 'A body may have at most 1 MiB.'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => new Problem('unsupported-media-type', 'Send application/json.'),
  FST_ERR_CTP_EMPTY_JSON_BODY: () =>
    new Problem('malformed-body', 'The body is empty; a JSON object was expected.'),
  FST_ERR_CTP_INVALID_JSON_BODY: (message) =>
    new Problem('malformed-body', `The body is not JSON: ${message}`),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new Problem('malformed-body', 'The body does not have the length that Content-Length names.'),
};

const pointerOf = (path: string): string => path.replaceAll('.', '/');

/** What a client is told of an error. Only a `Problem` speaks for itself; the rest says nothing of our insides. */
export const problemOf = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const violations: FieldViolation[] = error.validation.map((issue) => ({
      pointer: pointerOf(issue.instancePath),
      message: issue.message ?? 'not valid',
    }));
    return new Problem('validation-failed', 'See violations.', { violations });
  }
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : '';
  if (error instanceof SyntaxError) return new Problem('malformed-body', `The body is not JSON: ${message}`);
  const known = byFastifyCode[code];
  if (known) return known(message);
  if (databaseIsAway.test(code) || message.includes('timeout exceeded when trying to connect'))
    return new Problem('unavailable', 'The database does not answer. Try again.', {
      headers: { 'retry-after': '5' },
    });
  if (hasClientStatus(error)) return new Problem('malformed-body', message);
  return new Problem('internal', 'The failure was logged under the request id.');
};

const hasClientStatus = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  'statusCode' in error &&
  typeof error.statusCode === 'number' &&
  error.statusCode >= 400 &&
  error.statusCode < 500;
