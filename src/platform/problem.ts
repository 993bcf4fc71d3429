/** One thing wrong with a request: where in the body (JSON pointer), and what was expected and found. */
export type FieldViolation = { pointer: string; message: string };

/**
 * The problem types of the API (RFC 9457). A type is stable: clients branch on it. It is given as a path
 * relative to the API, where `GET /problems/<type>` explains it.
 */
export const problemTypes = {
  'validation-failed': { status: 422, title: 'The request is not valid' },
  'malformed-body': { status: 400, title: 'The body could not be read' },
  'malformed-request': { status: 400, title: 'The request is no HTTP' },
  'request-timeout': { status: 408, title: 'The request did not come whole in time' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
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
  'order-archived': { status: 410, title: 'The order is old: it is available by report only' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'report-limit': { status: 429, title: 'The limit of reports is reached' },
  'report-not-ready': { status: 409, title: 'The report has no file yet, or never will' },
  'report-expired': { status: 410, title: 'The file of the report is not kept any more' },
  'link-invalid': { status: 403, title: 'The link was not made by this service' },
  'link-expired': { status: 410, title: 'The link has expired' },
  'range-not-satisfiable': { status: 416, title: 'The range begins after the end' },
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
  [member: string]: unknown;
};

/** An error that a client is told of. Everything else becomes `internal`, without its message. */
export class Problem extends Error {
  readonly type: ProblemType;
  readonly violations: FieldViolation[] | undefined;
  readonly headers: Record<string, string>;
  /** Members beyond those of RFC 9457, for clients that act on the problem. */
  readonly members: Record<string, unknown>;

  constructor(
    type: ProblemType,
    detail: string,
    {
      violations,
      headers,
      members,
    }: {
      violations?: FieldViolation[];
      headers?: Record<string, string>;
      members?: Record<string, unknown>;
    } = {},
  ) {
    super(detail);
    this.name = 'Problem';
    this.type = type;
    this.violations = violations;
    this.headers = headers ?? {};
    this.members = members ?? {};
  }
}

/** Told at once. A body of 1 MiB can break a rule a hundred thousand times, and its answer would be many times as long. */
export const mostViolations = 100;

/** The body of a problem as `application/problem+json`. */
export const problemBody = (problem: Problem): ProblemBody => {
  const { status, title } = problemTypes[problem.type];
  return {
    ...problem.members,
    type: `/problems/${problem.type}`,
    title,
    status,
    detail: problem.message,
    ...(problem.violations ? { violations: problem.violations.slice(0, mostViolations) } : {}),
  };
};
