import { z } from 'zod';
import { isStorableText } from '../shared/storable-text.ts';

const text = (max: number) =>
  z.string().max(max).refine(isStorableText, 'expected text without U+0000 and without half surrogates');

const id = text(200).min(1);

const alternative = z.strictObject({
  id,
  requires: z
    .array(
      z.strictObject({
        group: id,
        min: z.union([z.int().min(1), z.literal('all'), z.literal('majority')]),
      }),
    )
    .exactOptional(),
  counting: z.enum(['distinct', 'cumulative']).exactOptional(),
  mandatory: z.array(id).exactOptional(),
  notTogether: z.array(z.tuple([id, id])).exactOptional(),
  excludesRequester: z.boolean().exactOptional(),
});

const party = z.int().min(0).describe('0 is the requester; guarantors follow in their order.');

const reservationSettlement = z.strictObject({
  kind: z.literal('reservation'),
  party,
  person: id.describe('The opaque id of the person.'),
  reservation: z.int().min(0).describe('Its place in the list of the person, as in the decision.'),
  outcome: z.enum(['applies', 'does_not_apply']),
});

const ruleSettlement = z
  .strictObject({
    kind: z.literal('rule'),
    party,
    rule: id,
    outcome: z.enum(['applies', 'does_not_apply']),
    alternatives: z
      .array(alternative)
      .min(1)
      .exactOptional()
      .describe('What the text of a permitting rule that applies says, read by the reviewer.'),
  })
  .describe('Settles a rule whose text could not be read.');

/** One thing that a reviewer settles: a reservation that the system does not understand, or a rule's text. */
export const settlementSchema = z.discriminatedUnion('kind', [reservationSettlement, ruleSettlement]);

export type Settlement = z.output<typeof settlementSchema>;

/** The body of `POST /v1/orders/{key}/review`. */
export const reviewSchema = z.strictObject({
  reason: text(4_000).min(10).describe('Why, in the words of the reviewer.'),
  evidence: text(4_000).min(1).describe('Where it can be seen: a document, a protocol, a link.'),
  settlements: z.array(settlementSchema).min(1).max(500),
});

export type Review = z.output<typeof reviewSchema>;
