import { z } from 'zod';
import { sandboxApis } from './apis/changes.ts';

export const sandboxPartners = [
  'parameters',
  'domains',
  'powers',
  'people',
  'registry',
  'notifications',
] as const;
export type SandboxPartner = (typeof sandboxPartners)[number];

/** Everything that can be spoiled: the partners of the desk, and the public APIs of the pipelines. */
export const sandboxTargets = [...sandboxPartners, ...sandboxApis] as const;
export type SandboxTarget = (typeof sandboxTargets)[number];

/**
 * `latency` answers later · `error` a 5xx · `throttle` 429 with Retry-After · `timeout` never answers ·
 * `reset` cuts the connection before the answer · `lost_answer` does the work, then cuts the connection ·
 * `cut` half a body · `malformed` JSON that does not parse · `wrong_shape` JSON of another kind ·
 * `html` a page with status 200 · `oversized` a body without end in sight · `outage` cuts every connection,
 * health included · `type_change`, `dropped_field`, `added_field` the right answer with one field of every record
 * of another type, gone or new · `empty` success with no records.
 */
export const faultKinds = [
  'latency',
  'error',
  'throttle',
  'timeout',
  'reset',
  'lost_answer',
  'cut',
  'malformed',
  'wrong_shape',
  'html',
  'oversized',
  'outage',
  'type_change',
  'dropped_field',
  'added_field',
  'empty',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export const faultSchema = z.strictObject({
  partner: z.enum([...sandboxTargets, '*']),
  kind: z.enum(faultKinds),
  /** Only requests about this company (CNPJ). */
  company: z.string().optional(),
  /** For `latency`. */
  ms: z.int().min(0).max(600_000).default(1_000),
  /** For `error`. */
  status: z.int().min(500).max(599).default(503),
  /** For `type_change` and `dropped_field`: the last field where absent. For `added_field`: its name. */
  field: z.string().min(1).optional(),
  /** For `throttle`. */
  retryAfterSeconds: z.int().min(0).default(1),
  /** How many requests it hits before the partner is well again; absent: until it is taken away. */
  times: z.int().min(1).optional(),
});

export type FaultInput = z.input<typeof faultSchema>;
export type Fault = z.output<typeof faultSchema> & { id: number };

export type Faults = {
  add(fault: FaultInput): Fault;
  list(): Fault[];
  /** Without an id: all of them. */
  remove(id?: number): void;
  /** What hits this request: how long to wait, and the one fault that spoils the answer. Uses up `times`. */
  take(partner: SandboxTarget, company: string | undefined): { waitMs: number; fault: Fault | undefined };
  /** What hits a health check: what is wrong for every request and for good. Uses up nothing. */
  ofHealth(partner: SandboxTarget): Fault | undefined;
};

export const createFaults = (): Faults => {
  let active: Fault[] = [];
  let lastId = 0;
  const hits = (fault: Fault, partner: SandboxTarget, company: string | undefined): boolean =>
    (fault.partner === '*' || fault.partner === partner) &&
    (fault.company === undefined || fault.company === company);

  const use = (fault: Fault): void => {
    if (fault.times === undefined) return;
    fault.times -= 1;
    if (fault.times === 0) active = active.filter(({ id }) => id !== fault.id);
  };

  return {
    add: (input) => {
      lastId += 1;
      const fault = { ...faultSchema.parse(input), id: lastId };
      active.push(fault);
      return { ...fault };
    },
    list: () => active.map((fault) => ({ ...fault })),
    remove: (id) => {
      active = id === undefined ? [] : active.filter((fault) => fault.id !== id);
    },
    take: (partner, company) => {
      const hitting = active.filter((fault) => hits(fault, partner, company));
      const slow = hitting.filter(({ kind }) => kind === 'latency');
      const fault = hitting.find(({ kind }) => kind !== 'latency');
      for (const used of fault ? [...slow, fault] : slow) use(used);
      return { waitMs: slow.reduce((sum, { ms }) => sum + ms, 0), fault };
    },
    ofHealth: (partner) =>
      active.find(
        (fault) => hits(fault, partner, undefined) && fault.kind !== 'latency' && fault.times === undefined,
      ),
  };
};
