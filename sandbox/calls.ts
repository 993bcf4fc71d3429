import { type SandboxTarget, sandboxTargets } from './faults.ts';

type Count = { requests: number; health: number; spoiled: number };

export type Calls = {
  /** `spoiled`: a fault took the answer. */
  count(partner: SandboxTarget, what: keyof Count): void;
  /** Requests about one company, to see whether a retry asked again. */
  countCompany(partner: SandboxTarget, company: string): void;
  snapshot(company?: string): {
    partners: Record<SandboxTarget, Count>;
    company?: Record<SandboxTarget, number>;
  };
  reset(): void;
};

const eachPartner = <T>(make: (partner: SandboxTarget) => T): Record<SandboxTarget, T> =>
  Object.fromEntries(sandboxTargets.map((partner) => [partner, make(partner)])) as Record<SandboxTarget, T>;

/** Counts what the partners were asked, for tests that must know how often. */
export const createCalls = (): Calls => {
  let counts = eachPartner(() => ({ requests: 0, health: 0, spoiled: 0 }));
  let companies = new Map<string, number>();
  const keyOf = (partner: SandboxTarget, company: string): string => `${partner} ${company}`;
  return {
    count: (partner, what) => {
      counts[partner][what] += 1;
    },
    countCompany: (partner, company) => {
      const key = keyOf(partner, company);
      companies.set(key, (companies.get(key) ?? 0) + 1);
    },
    snapshot: (company) => ({
      partners: structuredClone(counts),
      ...(company !== undefined && {
        company: eachPartner((partner) => companies.get(keyOf(partner, company)) ?? 0),
      }),
    }),
    reset: () => {
      counts = eachPartner(() => ({ requests: 0, health: 0, spoiled: 0 }));
      companies = new Map();
    },
  };
};
