import { z } from 'zod';

/**
 * The quorum contract as the OpenAPI document shows it. It describes; the engine's own parser checks, because
 * only that one sees duplicate keys and the digits of numbers. A test holds the two to the same inputs.
 */
const id = z.string().min(1).describe('Opaque id; never a CPF or a CNPJ.');
const instant = z.iso.datetime({ offset: true });
const cents = z.int().min(0).describe('Cents of BRL.');
const validity = { from: instant.nullable().optional(), to: instant.nullable().optional() };
const names = z.array(z.string()).optional();
const scope = { powers: names, channels: names, products: names };

const alternative = z.strictObject({
  id,
  requires: z
    .array(
      z.strictObject({ group: id, min: z.union([z.int().min(1), z.literal('all'), z.literal('majority')]) }),
    )
    .optional(),
  counting: z.enum(['distinct', 'cumulative']).optional(),
  mandatory: z.array(id).optional(),
  notTogether: z.array(z.tuple([id, id])).optional(),
  excludesRequester: z.boolean().optional(),
});

const reservation = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('value_limit'), maxCents: cents, ...scope }),
  z.strictObject({ kind: z.literal('validity'), ...validity, ...scope }),
  z.strictObject({ kind: z.literal('suspended'), ...scope }),
  z.strictObject({ kind: z.literal('other'), text: z.string().optional(), ...scope }),
]);

export const quorumInputSchema = z
  .strictObject({
    at: instant.describe('Instant of the decision (RFC 3339).'),
    act: z.strictObject({
      power: z.string(),
      amountCents: cents.nullable(),
      channel: z.string(),
      product: z.string().optional(),
    }),
    context: z.record(z.string(), z.unknown()).optional(),
    requester: id.optional(),
    requiresChannelAccess: z.boolean(),
    unavailable: z.array(z.enum(['rules', 'groups'])).optional(),
    signed: z.array(id).optional(),
    groups: z
      .array(z.strictObject({ id, members: z.array(z.strictObject({ person: id, ...validity })) }))
      .max(200),
    rules: z
      .array(
        z.strictObject({
          id,
          version: z.int(),
          effect: z.enum(['permit', 'forbid']).optional(),
          coverage: z.enum(['complete', 'unknown']),
          power: z.string(),
          channels: names,
          products: names,
          ...validity,
          band: z
            .strictObject({ minCents: cents.nullable().optional(), maxCents: cents.nullable().optional() })
            .optional(),
          alternatives: z.array(alternative).optional(),
        }),
      )
      .max(200),
    people: z
      .array(
        z.strictObject({
          id,
          operator: z.strictObject({ active: z.boolean(), accountAccess: z.boolean() }).nullable().optional(),
          reservations: z.array(reservation).optional(),
        }),
      )
      .max(500),
    limit: z.int().min(1).max(1_000).optional(),
  })
  .meta({ title: 'QuorumInput' });

const reservationReason = z.enum(['value_limit', 'validity', 'suspended', 'other']);
const operatorReason = z.enum(['operator_inactive', 'no_account_access', 'operator_unknown']);
const operatorRepair = z.enum(['confirm_operator', 'activate_operator', 'grant_account_access']);
const people = z.array(id);

export const quorumOutputSchema = z
  .object({
    verdict: z.enum(['quorum', 'no_quorum', 'undetermined']),
    reasons: z.array(
      z.enum([
        'forbidden',
        'source_unavailable',
        'unread_restriction',
        'uncertain_people',
        'unread_rule',
        'no_rule',
        'not_enough_people',
        'too_complex',
      ]),
    ),
    coalitions: z.object({ total: z.int(), totalExact: z.boolean(), minimal: z.array(people) }),
    indispensable: people,
    toleratedAbsences: z.int().nullable(),
    signed: z.object({ sufficient: z.boolean(), completions: z.array(people) }).optional(),
    people: z.array(
      z.object({
        id,
        status: z.enum(['eligible', 'uncertain', 'blocked']),
        reasons: z.array(
          z.union([
            z.object({ code: reservationReason, reservation: z.int() }),
            z.object({ code: operatorReason }),
          ]),
        ),
      }),
    ),
    alternatives: z.array(
      z.object({
        rule: id,
        version: z.int(),
        alternative: id,
        satisfied: z.boolean(),
        missing: z.array(z.object({ group: id, have: z.int(), need: z.int() })),
        causes: z.array(
          z.enum(['mandatory_unavailable', 'not_together', 'overlap', 'empty_group', 'above_group_size']),
        ),
      }),
    ),
    nearest: z.array(
      z.object({
        repairs: z.array(
          z.union([
            z.object({ person: id, action: z.literal('lift_reservation'), reservation: z.int() }),
            z.object({ person: id, action: operatorRepair }),
          ]),
        ),
        coalition: people,
      }),
    ),
    stableUntil: instant.nullable(),
    inputHash: z.string(),
    inexact: z.array(z.enum(['coalitions', 'indispensable', 'toleratedAbsences', 'signed', 'nearest'])),
    engineVersion: z.string(),
  })
  .meta({ title: 'QuorumOutput' });

const violation = z.object({ pointer: z.string(), message: z.string() });

export const decisionBodySchema = z.union([
  quorumInputSchema,
  z.strictObject({ cases: z.array(quorumInputSchema).max(1_000) }).meta({ title: 'QuorumBatch' }),
]);

export const decisionAnswerSchema = z.union([
  quorumOutputSchema,
  z
    .object({
      decisions: z.array(
        z.union([quorumOutputSchema, z.object({ error: z.object({ violations: z.array(violation) }) })]),
      ),
    })
    .meta({ title: 'QuorumBatchDecisions' }),
]);

export const jwksSchema = z.object({
  keys: z.array(
    z.object({
      kty: z.literal('OKP'),
      crv: z.literal('Ed25519'),
      x: z.string(),
      kid: z.string(),
      alg: z.literal('EdDSA'),
      use: z.literal('sig'),
      iat: z.int().optional(),
    }),
  ),
});
