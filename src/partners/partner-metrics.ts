import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { BreakerState, PartnerName } from './contract.ts';

export type PartnerMetrics = {
  duration: Histogram<'partner' | 'outcome'>;
  errors: Counter<'partner' | 'reason'>;
  retries: Counter<'partner'>;
  cache: Counter<'partner' | 'result'>;
  breakerState(partner: PartnerName, state: BreakerState): void;
};

const gaugeValues: Record<BreakerState, number> = { closed: 0, half_open: 1, open: 2 };

/** Registers the partners' metrics; names and units as in `docs/partners.md`. */
export const partnerMetrics = (registry: Registry): PartnerMetrics => {
  const registers = [registry];
  const breaker = new Gauge({
    name: 'lastro_partner_breaker_state',
    help: 'Circuit breaker of a partner: 0 closed, 1 half open, 2 open.',
    labelNames: ['partner'] as const,
    registers,
  });
  return {
    duration: new Histogram({
      name: 'lastro_partner_call_seconds',
      help: 'Whole calls to a partner (waiting, attempts and retries), by outcome: ok, cancelled or the reason of failure.',
      labelNames: ['partner', 'outcome'] as const,
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    errors: new Counter({
      name: 'lastro_partner_errors_total',
      help: 'Calls that ended without a usable answer, by reason.',
      labelNames: ['partner', 'reason'] as const,
      registers,
    }),
    retries: new Counter({
      name: 'lastro_partner_retries_total',
      help: 'Further attempts after a failed one.',
      labelNames: ['partner'] as const,
      registers,
    }),
    cache: new Counter({
      name: 'lastro_partner_cache_total',
      help: 'Look-ups of cacheable answers: hit, miss, or stale (an expired answer in place of a failed call).',
      labelNames: ['partner', 'result'] as const,
      registers,
    }),
    breakerState: (partner, state) => breaker.set({ partner }, gaugeValues[state]),
  };
};
