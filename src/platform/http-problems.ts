import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { z } from 'zod';
import { toldPointer } from '../shared/json-pointer.ts';
import { type FieldViolation, Problem, problemBody } from './problem.ts';

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

const violationsOf = (issue: z.core.$ZodIssue): FieldViolation[] =>
  issue.code === 'unrecognized_keys'
    ? issue.keys.map((name) => ({
        pointer: toldPointer([...issue.path, name]),
        message: 'expected no field of this name',
      }))
    : [{ pointer: toldPointer(issue.path), message: issue.message }];

/** Checks what a route's zod schema is of: a body, a query, parameters. All that is wrong is told at once. */
export const checkBySchema = ({ schema }: { schema: unknown }) => {
  if (!(schema instanceof z.ZodType)) throw new TypeError('expected a zod schema at every route');
  return (data: unknown): { value: unknown } | { error: Problem } => {
    const { success, data: value, error } = schema.safeParse(data);
    if (success) return { value };
    const violations = error.issues.flatMap(violationsOf);
    return { error: new Problem('validation-failed', 'See violations.', { violations }) };
  };
};

/** By the codes of Node's parser; what else it says is of bytes that are no HTTP. */
const connectionProblems: Record<string, Problem> = {
  ERR_HTTP_REQUEST_TIMEOUT: new Problem('request-timeout', 'The whole request must come within 30 s.'),
  HPE_HEADER_OVERFLOW: new Problem('headers-too-large', 'The headers may have at most 16 KiB.'),
};
const noRequest = new Problem(
  'malformed-request',
  'What came is no HTTP request, or says two lengths of its body.',
);

/** Answers bytes that are no request: no route and no hook sees them. */
export const refuseConnection = (error: Error & { code?: string }, socket: Socket): void => {
  // As Node does it: an answer that has begun can't be followed by another.
  const { _httpMessage: answer } = socket as Socket & { _httpMessage?: ServerResponse };
  if (socket.writable && !answer?.headersSent) {
    const problem = problemBody(connectionProblems[error.code ?? ''] ?? noRequest);
    const body = JSON.stringify(problem);
    socket.write(
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\ncontent-type: application/problem+json\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroy(error);
};

/** What a client is told of an error. Only a `Problem` speaks for itself; the rest says nothing of our insides. */
export const problemOf = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
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
