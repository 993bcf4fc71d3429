import { z } from 'zod';
import { quorumOutputSchema } from '../quorum/quorum.ts';

/** What the routes of orders answer, as the OpenAPI document shows it. The types of `view.ts` are held to it. */
const instant = z.string().describe('RFC 3339, UTC.');
const verdict = z.enum(['quorum', 'no_quorum', 'undetermined']);
const party = z.discriminatedUnion('type', [
  z.object({ type: z.literal('company'), document: z.string() }),
  z.object({ type: z.literal('person'), document: z.string() }),
]);

const failureReason = z.enum([
  'no_representatives',
  'all_reserved',
  'no_channel_access',
  'no_grouping',
  'forbidden',
  'no_rule',
  'undetermined',
  'abandoned',
  'cancelada',
]);

const waiting = z.object({
  reason: z.enum(['waiting_partner', 'needs_review']),
  partner: z.string().nullable(),
});

const orderSummary = z.object({
  orderKey: z.string(),
  areaId: z.string(),
  contractId: z.string().nullable(),
  status: z.enum(['draft', 'processing', 'completed', 'failed']),
  verdict: verdict.nullable(),
  failureReason: failureReason.nullable(),
  waiting: waiting.nullable(),
  platform: z.string(),
  signatureMethod: z.string(),
  power: z.string(),
  amountCents: z.int().nullable(),
  requester: party,
  guarantors: z.array(party),
  createdAt: instant,
  decideBy: instant,
  decidedAt: instant.nullable(),
});

export const orderSummarySchema = orderSummary.meta({ title: 'OrderSummary' });

const person = z
  .object({
    id: z.string(),
    document: z.string(),
    name: z.string().nullable(),
    email: z.string().nullable().describe('Masked.'),
    phone: z.string().nullable().describe('Masked.'),
    status: quorumOutputSchema.shape.people.element.shape.status,
    reasons: quorumOutputSchema.shape.people.element.shape.reasons,
    reserved: z.boolean(),
    enabled: z.boolean(),
  })
  .meta({ title: 'OrderPerson' });

const doubt = z
  .discriminatedUnion('kind', [
    z.object({
      kind: z.literal('reservation'),
      person: z.string(),
      reservation: z.int(),
      text: z.string().nullable(),
    }),
    z.object({
      kind: z.literal('rule'),
      rule: z.string(),
      version: z.int(),
      effect: z.enum(['permit', 'forbid']),
      groups: z.array(z.string()).describe('The groups that its alternatives may name.'),
    }),
  ])
  .meta({ title: 'Doubt' });

const partySchema = z
  .object({
    role: z.enum(['requester', 'guarantor']),
    type: z.enum(['company', 'person']),
    document: z.string(),
    verdict,
    failureReason: failureReason.nullable(),
    people: z.array(person),
    doubts: z.array(doubt).describe('What a reviewer can settle, as `POST …/review` names it.'),
    decision: quorumOutputSchema,
    explanation: z.string(),
    certificate: z.string().nullable(),
  })
  .meta({ title: 'OrderParty' });

const order = orderSummary.extend({
  metadata: z.record(z.string(), z.unknown()),
  certificate: z.string().nullable(),
  parties: z.array(partySchema),
  evidence: z
    .array(z.object({ partner: z.string(), receivedAt: instant, sha256: z.string() }))
    .describe('The partner answers that are kept for the order.'),
  timeline: z.array(
    z.object({
      type: z.string(),
      at: instant,
      by: z.string(),
      detail: z.record(z.string(), z.unknown()),
    }),
  ),
});

export const orderSchema = order.meta({ title: 'Order' });

export const orderPageSchema = z.object({ items: z.array(orderSummarySchema), next: z.string().nullable() });

export const simulationSchema = order
  .pick({ verdict: true, failureReason: true, waiting: true, parties: true })
  .meta({ title: 'Simulation' });

const named = z.object({ key: z.string(), name: z.string() });

/** What an area may ask for: its standards and legal limits, with the names of the domains' keys. */
export const standardsSchema = z
  .object({
    areaId: z.string(),
    name: z.string(),
    active: z.boolean(),
    platforms: z.array(named),
    signatureMethods: z.array(named),
    powers: z.array(
      named.extend({
        consultsPowers: z
          .boolean()
          .describe(
            'false: the order declares its representatives and who signs (`representatives`, `signing`).',
          ),
      }),
    ),
    requesterTypes: z.array(z.enum(['company', 'person'])),
    amount: z.object({
      required: z.boolean(),
      minCents: z.int().nullable(),
      maxCents: z.int().nullable(),
    }),
    guarantors: z.object({ min: z.int(), max: z.int() }),
    maxRepresentatives: z.int(),
    callbackAllowed: z.boolean(),
  })
  .meta({ title: 'AreaStandards' });

export const areasSchema = z.object({
  items: z.array(z.object({ areaId: z.string(), name: z.string().nullable() })),
  all: z.boolean().describe('The token allows every area; `items` are those that were used so far.'),
});
