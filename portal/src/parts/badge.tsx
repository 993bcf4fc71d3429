import type { OrderSummary, Report } from '../api/openapi.ts';
import { orderStatus, reportStatus, verdict as verdictWords } from '../words/words.ts';

type Tone = 'good' | 'bad' | 'warn' | 'calm';

const Badge = ({ tone, children }: { tone: Tone; children: string }) => (
  <span className={`badge badge-${tone}`}>{children}</span>
);

/** Where an order stands, in words; colour only underlines them. */
export const OrderBadge = ({
  order,
}: {
  order: Pick<OrderSummary, 'status' | 'failureReason' | 'waiting'>;
}) => {
  if (order.failureReason === 'cancelada') return <Badge tone="calm">Cancelada</Badge>;
  if (order.waiting?.reason === 'needs_review') return <Badge tone="warn">Em revisão</Badge>;
  if (order.waiting) return <Badge tone="warn">À espera de parceiro</Badge>;
  const tones = { draft: 'calm', processing: 'calm', completed: 'good', failed: 'bad' } as const;
  return <Badge tone={tones[order.status]}>{orderStatus[order.status]}</Badge>;
};

export const VerdictBadge = ({ verdict }: { verdict: OrderSummary['verdict'] }) => {
  const tones = { quorum: 'good', no_quorum: 'bad', undetermined: 'warn' } as const;
  return verdict ? (
    <Badge tone={tones[verdict]}>{verdictWords[verdict]}</Badge>
  ) : (
    <span className="quiet">–</span>
  );
};

export const ReportBadge = ({ status }: { status: Report['status'] }) => {
  const tones = {
    queued: 'calm',
    running: 'calm',
    completed: 'good',
    failed: 'bad',
    cancelled: 'calm',
    expired: 'calm',
  } as const;
  return <Badge tone={tones[status]}>{reportStatus[status]}</Badge>;
};
