import type { FailureReason, OrderDecision } from './model.ts';

/** A message as it is stored and delivered: `body` is the JSON text, the same bytes to every reader. */
export type OrderMessage = {
  id: string;
  type: string;
  orderKey: string;
  areaId: string;
  body: string;
  at: Date;
};

type DecidedOrder = {
  id: string;
  orderKey: string;
  areaId: string;
  decision: OrderDecision;
  failureReason: FailureReason | null;
  certificates: readonly (string | null)[];
  certificate: string | null;
  at: Date;
};

/** The result of a decision: `verdict` is `quorum` or `no_quorum`. Consumers de-duplicate by `id`. */
export const messageOfDecision = (decided: DecidedOrder): OrderMessage => {
  const { id, orderKey, areaId, decision, failureReason, certificates, certificate, at } = decided;
  const type = 'envelope.quorum_decided';
  return {
    id,
    type,
    orderKey,
    areaId,
    at,
    body: JSON.stringify({
      type,
      id,
      orderKey,
      areaId,
      verdict: decision.verdict,
      failureReason,
      reasons: [...new Set(decision.parties.flatMap(({ reasons }) => reasons))],
      parties: decision.parties.map(
        ({ party, verdict, reasons, failureReason: why, participants }, index) => ({
          role: party.role,
          type: party.type,
          document: party.document,
          verdict,
          reasons,
          failureReason: why,
          people: participants.map(({ id: person, document, name, reserved, enabled }) => ({
            id: person,
            document,
            name,
            reserved,
            enabled,
          })),
          // Of a single party it is the order's own, below; a certificate is most of a message's bytes.
          ...(certificates.length > 1 ? { certificate: certificates[index] ?? null } : {}),
        }),
      ),
      certificate,
      decidedAt: at.toISOString(),
    }),
  };
};

/** The end of an order that the engine did not decide: cancelled, abandoned, or undetermined until its time limit. */
export const messageOfEnd = ({
  id,
  order: { orderKey, areaId },
  reason,
  at,
}: {
  id: string;
  order: { orderKey: string; areaId: string };
  reason: Extract<FailureReason, 'cancelada' | 'abandoned' | 'undetermined'>;
  at: Date;
}): OrderMessage => {
  const type = reason === 'cancelada' ? 'envelope.cancelled' : 'envelope.failed';
  return {
    id,
    type,
    orderKey,
    areaId,
    at,
    body: JSON.stringify({ type, id, orderKey, areaId, failureReason: reason, endedAt: at.toISOString() }),
  };
};
