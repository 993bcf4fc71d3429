import { z } from 'zod';
import { type FieldViolation, mostViolations } from '../platform/problem.ts';
import { isCnpj, isCpf } from '../shared/cpf-cnpj.ts';
import { toldPointer } from '../shared/json-pointer.ts';
import { isStorableText } from '../shared/storable-text.ts';

const text = (max: number) => z.string().min(1).max(max);
/** Areas, platforms, signature methods and powers are named by keys. */
const key = z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'expected 1 to 64 letters, digits, "_", "." or "-"');

export const areaKey = key;

const cpf = z
  .string()
  .refine(isCpf, { message: 'expected a CPF: 11 digits, valid check digits, no punctuation' });
const cnpj = z.string().refine(isCnpj, {
  message: 'expected a CNPJ: 14 characters, valid check digits, upper case, no punctuation',
});

const company = z.strictObject({ type: z.literal('company'), document: cnpj });
const person = z.strictObject({ type: z.literal('person'), document: cpf });
const party = z.discriminatedUnion('type', [company, person]);

const representative = z.strictObject({
  document: cpf,
  name: text(200),
  email: z.email().max(254).nullish(),
  phone: z
    .string()
    .regex(/^\+?\d{10,15}$/, 'expected 10 to 15 digits, with an optional +')
    .nullish(),
  party: cnpj.optional().describe('The company represented; absent: the requester.'),
});

// Rules and groups are checked by the quorum engine, the only reader of their form; here only their outline.
const signing = z.strictObject({
  party: cnpj.optional().describe('The company that these rules are of; absent: the requester.'),
  groups: z.array(z.record(z.string(), z.unknown())).max(200),
  rules: z.array(z.record(z.string(), z.unknown())).min(1).max(200),
});

/** The body of `POST /v1/orders`. Documents carry no punctuation; persons in `signing` are named by CPF. */
export const orderRequestSchema = z.strictObject({
  areaId: key,
  contractId: text(64).optional(),
  platform: key,
  signatureMethod: key,
  power: key,
  amountCents: z.int().min(0).nullable().default(null),
  requester: party,
  requestedBy: cpf.optional().describe('CPF of the person who asks.'),
  guarantors: z.array(party).max(100).default([]),
  representatives: z.array(representative).max(500).optional(),
  signing: z.array(signing).max(101).optional(),
  callbackUrl: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .optional(),
  metadata: z
    .record(z.string().max(64), z.unknown())
    .refine((value) => JSON.stringify(value).length <= 16_384, { message: 'expected at most 16 KiB of JSON' })
    .default({}),
});

export type OrderRequest = z.output<typeof orderRequestSchema>;
export type Party = z.output<typeof party>;
export type DeclaredRepresentative = z.output<typeof representative>;
export type DeclaredSigning = z.output<typeof signing>;

/** The fields that are valid on their own, and what is wrong with the others. */
export type PartialRequest = {
  readonly [Name in keyof OrderRequest]?: OrderRequest[Name] | undefined;
};

const found = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  // A document or an e-mail in an error's text would reach logs and pages: only its form is told.
  if (typeof value === 'string') return `a text of ${value.length} characters`;
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? `a list of ${value.length}` : 'an object';
};

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (inner, step) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[step] : undefined,
    value,
  );

/**
 * Reads a body field by field, so that what is wrong with one field does not hide what is wrong with
 * another: the area's standards are then checked on the fields that are valid.
 */
export const parseOrderRequest = (
  body: unknown,
): { request: PartialRequest; violations: FieldViolation[] } => {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return {
      request: {},
      violations: [{ pointer: '', message: `expected an object, found ${found(body)}` }],
    };
  const violations: FieldViolation[] = [];
  const request: Record<string, unknown> = {};
  const fields = Object.entries(orderRequestSchema.shape);
  for (const [name, schema] of fields) {
    const value = Object.hasOwn(body, name) ? (body as Record<string, unknown>)[name] : undefined;
    const parsed = schema.safeParse(value);
    if (parsed.success) request[name] = parsed.data;
    else
      for (const issue of parsed.error.issues)
        violations.push({
          pointer: toldPointer([name, ...issue.path]),
          message: `${issue.message}, found ${found(valueAt(value, issue.path))}`,
        });
  }
  for (const name of Object.keys(body))
    if (!Object.hasOwn(orderRequestSchema.shape, name))
      violations.push({ pointer: toldPointer([name]), message: 'expected no field of this name' });
  collectUnstorable(body, [], violations);
  return { request, violations };
};

/** Texts and names, however deep, that could be checked but not stored. */
const collectUnstorable = (value: unknown, path: PropertyKey[], violations: FieldViolation[]): void => {
  const add = (what: string): void => {
    const message = `expected ${what} without U+0000 and without half surrogates`;
    violations.push({ pointer: toldPointer(path), message });
  };
  // Enough for the answer: a body can have a hundred thousand of them.
  if (violations.length >= mostViolations) return;
  if (typeof value === 'string' && !isStorableText(value)) add('text');
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    if (!isStorableText(name)) {
      add('names');
      continue;
    }
    path.push(name);
    collectUnstorable(member, path, violations);
    path.pop();
  }
};
