import { z } from 'zod';
import type { FieldViolation } from '../platform/problem.ts';
import { jsonPointer } from '../shared/json-pointer.ts';
import type { ParameterName, ReportRequest } from './contract.ts';
import { findKind, parametersOf, reportKinds } from './kinds.ts';

const instant = z.iso
  .datetime({ offset: true, error: 'expected an RFC 3339 instant such as 2026-01-31T00:00:00-03:00' })
  .transform((text) => new Date(text).toISOString());

const id = z
  .string()
  .min(1)
  .max(200)
  // No id has one; a line end that came along from a file would find nothing, and look like an answer.
  .regex(/^\P{Cc}*$/u, 'expected text without control characters (a line end, a tab)')
  .refine((text) => text.isWellFormed(), 'expected text without half surrogates');

/** The body of `POST /v1/reports`, but for what is of the delivery. Which parameters a kind takes is checked after. */
export const reportRequestSchema = z.strictObject({
  kind: z.enum(reportKinds.map(({ name }) => name)),
  parameters: z
    .strictObject({
      areaId: id.optional(),
      contractId: id.optional(),
      clientId: id.optional(),
      requesterId: id.optional(),
      participantId: id.optional(),
      orderId: id.optional(),
    })
    .default({}),
  from: instant.optional().describe('Orders created at or after.'),
  to: instant.optional().describe('Orders created before.'),
  status: z
    .string()
    .regex(/^[a-z][a-z_]{0,39}$/, 'expected a status of the data model, such as concluida')
    .optional(),
  format: z.enum(['csv', 'json', 'ndjson', 'parquet', 'xlsx', 'pdf']),
  options: z
    .strictObject({
      separator: z.enum([',', ';']).optional().describe('CSV only. Default: a comma.'),
      bom: z.boolean().optional().describe('CSV only: begin with a byte order mark, for Excel.'),
      json: z.enum(['kept', 'flat']).optional().describe('JSON columns as they are, or a column a member.'),
    })
    .default({}),
});

export type ParsedReportRequest =
  | { readonly request: ReportRequest; readonly violations: readonly [] }
  | { readonly request: null; readonly violations: readonly FieldViolation[] };

/** Reads a request. All that is wrong with it is told at once, each with its JSON pointer. */
export const parseReportRequest = (input: unknown): ParsedReportRequest => {
  const parsed = reportRequestSchema.safeParse(input);
  // What the kind needs can be said although something else is wrong.
  const violations: FieldViolation[] = [
    ...(parsed.error?.issues ?? []).flatMap((issue): FieldViolation[] =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => ({
            pointer: jsonPointer([...issue.path, key]),
            message: 'expected no field of this name',
          }))
        : [{ pointer: jsonPointer(issue.path), message: issue.message }],
    ),
    ...kindViolations(input),
  ];
  if (!parsed.success || violations.length > 0) return { request: null, violations };
  const { parameters, options, from, to, status, ...rest } = parsed.data;
  return {
    request: {
      ...rest,
      parameters: withoutUndefined(parameters),
      options: withoutUndefined(options),
      ...withoutUndefined({ from, to, status }),
    },
    violations: [],
  };
};

const kindViolations = (input: unknown): FieldViolation[] => {
  if (!isRecord(input)) return [];
  const violations: FieldViolation[] = [];
  const { from, to, format, options } = input;
  if (typeof from === 'string' && typeof to === 'string' && Date.parse(from) >= Date.parse(to)) {
    violations.push({ pointer: '/to', message: 'expected an instant after `from`' });
  }
  for (const name of ['separator', 'bom'] as const) {
    if (isRecord(options) && options[name] !== undefined && format !== 'csv') {
      violations.push({ pointer: `/options/${name}`, message: 'expected only with the format csv' });
    }
  }
  const kind = typeof input.kind === 'string' ? findKind(input.kind) : undefined;
  if (!kind) return violations;
  const parameters = isRecord(input.parameters) ? input.parameters : {};
  const isGiven = (name: ParameterName): boolean => parameters[name] !== undefined;
  const taken = parametersOf(kind);
  for (const name of parametersOf(kind, 'required')) {
    if (!isGiven(name))
      violations.push({
        pointer: `/parameters/${name}`,
        message: `expected, for ${kind.name}; found nothing`,
      });
  }
  const oneOf = parametersOf(kind, 'one-of');
  if (oneOf.length > 0 && !oneOf.some(isGiven)) {
    violations.push({ pointer: '/parameters', message: `expected one of ${oneOf.join(', ')}, found none` });
  }
  for (const name of Object.keys(reportRequestSchema.shape.parameters.unwrap().shape) as ParameterName[]) {
    if (isGiven(name) && !taken.includes(name)) {
      violations.push({
        pointer: `/parameters/${name}`,
        message: `expected only ${taken.join(', ')} for ${kind.name}`,
      });
    }
  }
  return violations;
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const withoutUndefined = <T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
