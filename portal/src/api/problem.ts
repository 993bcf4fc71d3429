export type Violation = { readonly pointer: string; readonly message: string };

type Told = {
  type: string;
  status: number;
  title: string;
  detail?: string;
  violations?: Violation[];
  requestId?: string;
  /** Seconds. */
  retryAfter?: number;
};

/**
 * What the API answers in place of a success (RFC 9457). `type` is the last part of the problem's type; `no-answer`
 * where the API was not reached, `unknown` where what came is no problem document.
 */
export class ApiProblem extends Error {
  readonly type: string;
  readonly status: number;
  readonly detail: string;
  readonly violations: readonly Violation[];
  readonly requestId: string | undefined;
  readonly retryAfter: number | undefined;

  constructor({ type, status, title, detail, violations, requestId, retryAfter }: Told) {
    super(detail ?? title);
    this.name = 'ApiProblem';
    this.type = type;
    this.status = status;
    this.detail = detail ?? '';
    this.violations = violations ?? [];
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}

const textOr = (value: unknown, otherwise: string): string => (typeof value === 'string' ? value : otherwise);

const isViolation = (value: unknown): value is Violation =>
  typeof value === 'object' &&
  value !== null &&
  'pointer' in value &&
  typeof value.pointer === 'string' &&
  'message' in value &&
  typeof value.message === 'string';

/** Reads an answer that is no success. What a proxy on the way made up is a problem too, of an unknown type. */
export const problemOf = async (response: Response): Promise<ApiProblem> => {
  const text = await response.text().catch(() => '');
  const body = parsed(text);
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return new ApiProblem({
    type: textOr(body.type, '').split('/').at(-1) || 'unknown',
    status: response.status,
    title: textOr(body.title, `HTTP ${response.status}`),
    ...(typeof body.detail === 'string' ? { detail: body.detail } : {}),
    ...(Array.isArray(body.violations) ? { violations: body.violations.filter(isViolation) } : {}),
    ...(typeof body.requestId === 'string' ? { requestId: body.requestId } : {}),
    ...(Number.isFinite(seconds) ? { retryAfter: seconds } : {}),
  });
};

const parsed = (text: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
};
