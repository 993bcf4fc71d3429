import type { Body } from '../api/client.ts';
import type { Doubt, Order } from '../api/openapi.ts';

type Settlement = Body<'POST /v1/orders/{orderKey}/review'>['settlements'][number];
type Outcome = Settlement['outcome'];

export type Requirement = { readonly id: number; readonly group: string; readonly min: string };

/** What the reviewer says of one doubt; `open` leaves it for somebody else. */
export type Answer = {
  readonly outcome: Outcome | 'open';
  /** Of a permitting rule that applies: who signs, all of these together. */
  readonly requires: readonly Requirement[];
};

export type ReviewState = {
  readonly answers: Readonly<Record<string, Answer>>;
  readonly reason: string;
  readonly evidence: string;
};

export const emptyReview: ReviewState = { answers: {}, reason: '', evidence: '' };

export type OpenDoubt = { readonly key: string; readonly party: number; readonly doubt: Doubt };

/** Every doubt of an order with a key of its own. */
export const doubtsOf = ({ parties }: Pick<Order, 'parties'>): OpenDoubt[] =>
  parties.flatMap(({ doubts }, party) =>
    doubts.map((doubt) => ({
      key: [
        party,
        doubt.kind,
        doubt.kind === 'rule' ? doubt.rule : `${doubt.person} ${doubt.reservation}`,
      ].join(' '),
      party,
      doubt,
    })),
  );

export const needsAlternatives = (doubt: Doubt, answer: Answer | undefined): boolean =>
  doubt.kind === 'rule' && doubt.effect === 'permit' && answer?.outcome === 'applies';

const minOf = (text: string): number | 'all' | 'majority' =>
  text === 'all' || text === 'majority' ? text : Number(text);

const settlementOf = ({ party, doubt }: OpenDoubt, answer: Answer, outcome: Outcome): Settlement =>
  doubt.kind === 'reservation'
    ? { kind: 'reservation', party, person: doubt.person, reservation: doubt.reservation, outcome }
    : {
        ...{ kind: 'rule', party, rule: doubt.rule, outcome },
        ...(needsAlternatives(doubt, answer)
          ? {
              alternatives: [
                {
                  id: 'revisada',
                  requires: answer.requires.map(({ group, min }) => ({ group, min: minOf(min) })),
                },
              ],
            }
          : {}),
      };

/** The request of a review: the doubts that were answered, in the order of the page. */
export const reviewBody = (
  doubts: readonly OpenDoubt[],
  { answers, reason, evidence }: ReviewState,
): Body<'POST /v1/orders/{orderKey}/review'> => ({
  reason: reason.trim(),
  evidence: evidence.trim(),
  settlements: doubts.flatMap((open) => {
    const answer = answers[open.key];
    return answer && answer.outcome !== 'open' ? [settlementOf(open, answer, answer.outcome)] : [];
  }),
});
