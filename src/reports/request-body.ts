import { z } from 'zod';
import { type FieldViolation, Problem } from '../platform/problem.ts';
import type { ReportRequest } from './contract.ts';
import type { ReportMaker } from './maker.ts';
import type { Notify } from './report.ts';

/** Why personal data is asked for (LGPD, art. 6, I and art. 37): kept with the report and in the audit trail. */
export const purposeSchema = z
  .string()
  .trim()
  .min(5, 'expected why the data is needed, in 5 to 500 characters')
  .max(500, 'expected why the data is needed, in 5 to 500 characters')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what can't be stored or breaks a line of the trail
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'expected text without control characters')
  .refine((text) => text.isWellFormed(), 'expected well-formed Unicode')
  .describe('Why the data is needed. Kept in the audit trail.');

/** What a request has beside the report itself. */
export const deliveryFields = {
  purpose: purposeSchema,
  unmasked: z
    .boolean()
    .default(false)
    .describe('CPF, e-mail and phone as they are. Needs the scope reports:unmasked.'),
  notify: z
    .strictObject({
      email: z
        .email('expected an e-mail address')
        .max(254)
        .optional()
        .describe('Gets a message with a link to the report, never the data.'),
      callbackUrl: z
        .string()
        .max(2_000)
        .optional()
        .describe('Gets a signed webhook when the report has ended.'),
    })
    .default({})
    .describe('Whom to tell of the end.'),
};

const delivery = z.object(deliveryFields);

export type ReportBody = {
  readonly request: ReportRequest;
  readonly purpose: string;
  readonly unmasked: boolean;
  readonly notify: Notify;
};

export type BodyDeps = {
  readonly maker: Pick<ReportMaker, 'parse'>;
  /** What is wrong with a callback address that no webhook could go to. */
  readonly callbackProblem?: ((url: string) => string | undefined) | undefined;
  /** Whether this installation sends e-mail. */
  readonly sendsMail: boolean;
};

/**
 * Reads the body of a request for a report.
 * @throws Problem `validation-failed` with everything that is wrong with it
 */
export const parseReportBody = (
  { maker, callbackProblem, sendsMail }: BodyDeps,
  body: unknown,
): ReportBody => {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw refused([{ pointer: '', message: 'expected an object' }]);
  const { purpose, unmasked, notify, ...rest } = body as Record<string, unknown>;
  const delivered = delivery.safeParse({ purpose, unmasked, notify });
  const { request, violations: ofRequest } = maker.parse(rest);
  const violations = [
    ...ofRequest,
    ...(delivered.error?.issues ?? []).map(
      ({ path, message }): FieldViolation => ({
        pointer: path.map((part) => `/${String(part)}`).join(''),
        message,
      }),
    ),
  ];
  const { email, callbackUrl } = delivered.data?.notify ?? {};
  const unreachable = callbackUrl === undefined ? undefined : callbackProblem?.(callbackUrl);
  if (unreachable) violations.push({ pointer: '/notify/callbackUrl', message: unreachable });
  if (email !== undefined && !sendsMail)
    violations.push({
      pointer: '/notify/email',
      message: 'this installation sends no e-mail (SMTP_URL is not set)',
    });
  if (!delivered.success || request === null || violations.length > 0) throw refused(violations);
  return {
    request,
    purpose: delivered.data.purpose,
    unmasked: delivered.data.unmasked,
    notify: {
      ...(email === undefined ? {} : { email }),
      ...(callbackUrl === undefined ? {} : { callbackUrl }),
    },
  };
};

const refused = (violations: FieldViolation[]): Problem =>
  new Problem('validation-failed', `The request breaks ${violations.length} rule(s); see violations.`, {
    violations,
  });
