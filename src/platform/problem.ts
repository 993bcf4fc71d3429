/** One thing wrong with a request: where in the body (JSON pointer), and what was expected and found. */
export type FieldViolation = { pointer: string; message: string };

/**
 * The problem types of the API (RFC 9457). A type is stable: clients branch on it. It is given as a path
 * relative to the API, where `GET /problems/<type>` explains it.
 */
export const problemTypes = {
  'validation-failed': { status: 422, title: 'The request is not valid' },
  'malformed-body': { status: 400, title: 'The body could not be read' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The body is not JSON' },
  'invalid-cursor': { status: 400, title: 'The cursor is not one of ours' },
  unauthenticated: { status: 401, title: 'A valid bearer token is needed' },
  forbidden: { status: 403, title: 'The token does not allow this' },
  'second-person-required': { status: 403, title: 'Another person must review this order' },
  'not-found': { status: 404, title: 'There is no such resource' },
  conflict: { status: 409, title: 'The resource is in another state' },
  'request-in-progress': { status: 409, title: 'A request with this idempotency key is still running' },
  'idempotency-key-reused': { status: 422, title: 'The idempotency key was used with another body' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'partner-unavailable': { status: 503, title: 'A partner system does not answer' },
  unavailable: { status: 503, title: 'The service is not ready' },
  internal: { status: 500, title: 'The service failed' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemType = keyof typeof problemTypes;

export type ProblemBody = {
  type: string;
  title: string;
  status: number;
  detail?: string;
  violations?: FieldViolation[];
};

/** An error that a client is told of. Everything else becomes `internal`, without its message. */
export class Problem extends Error {
  readonly type: ProblemType;
  readonly violations: FieldViolation[] | undefined;
  readonly headers: Record<string, string>;

  constructor(
    type: ProblemType,
    detail: string,
    { violations, headers }: { violations?: FieldViolation[]; headers?: Record<string, string> } = {},
  ) {
    super(detail);
    this.name = 'Problem';
    this.type = type;
    this.violations = violations;
    this.headers = headers ?? {};
  }
}

/** The body of a problem as `application/problem+json`. */
export const problemBody = (problem: Problem): ProblemBody => {
  const { status, title } = problemTypes[problem.type];
  return {
    type: `/problems/${problem.type}`,
    title,
    status,
    detail: problem.message,
    ...(problem.violations ? { violations: problem.violations } : {}),
  };
};
