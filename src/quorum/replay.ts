import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { readJsonText } from '../shared/json-text.ts';
import type { Group, Person, QuorumInput, Rule, Verdict, VerdictReason, Violation } from './contract.ts';
import { type Decision, decidePrepared } from './engine.ts';
import { type ParsedInput, parseInput } from './input.ts';
import { checkReferences } from './input-references.ts';
import { namesIn } from './named-ids.ts';
import { prepare } from './prepare.ts';

/** What is changed in every case: its rules, all of them, and its groups, all of them, where they are given. */
export type Change = { rules: Rule[]; groups?: Group[] };

/** A stored input, as its JSON text or parsed, and the verdict it had where that is known. */
export type ReplayCase = { input: unknown; previousVerdict?: Verdict };

/** `context` is the input's own, so that a reader can find the order or the party again. */
export type ReplayResult =
  | {
      index: number;
      before: Verdict;
      after: Verdict;
      effect: 'gained' | 'lost' | 'other' | 'same';
      reasons: VerdictReason[];
      context?: Record<string, unknown>;
    }
  | { index: number; error: { violations: Violation[] }; context?: Record<string, unknown> };

export type ReplaySummary = {
  cases: number;
  gained: number;
  lost: number;
  errors: number;
  /** Counts by "before → after", unchanged ones included. */
  transitions: Record<string, number>;
};

export type ParsedChange = { ok: true; change: Change } | { ok: false; violations: Violation[] };

/**
 * Reads `{ "rules": [...], "groups"?: [...] }` with the engine's own parser, before any case is touched. Whether
 * the groups that rules name exist is only known here when the change brings groups.
 */
export const parseChange = (text: string): ParsedChange => {
  const read = readJsonText(text);
  if (!read.readable) return { ok: false, violations: read.violations };
  const { value } = read;
  const violations = [...read.violations];
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return {
      ok: false,
      violations: [{ pointer: '', message: 'expected an object with "rules" and, if they change, "groups"' }],
    };
  for (const key of Object.keys(value))
    if (key !== 'rules' && key !== 'groups')
      violations.push({ pointer: `/${key}`, message: 'expected only "rules" and "groups"' });
  const record: Record<string, unknown> = { ...value };
  const parsed = parseInput({
    at: '2000-01-01T00:00:00Z',
    act: { power: 'any', amountCents: null, channel: 'any' },
    requester: 'any',
    requiresChannelAccess: false,
    people: namesIn(value, ['person', 'mandatory', 'notTogether']).map((id) => ({ id })),
    groups: record.groups ?? namesIn(record.rules, ['group']).map((id) => ({ id, members: [] })),
    ...(Object.hasOwn(record, 'rules') && { rules: record.rules }),
  });
  if (!parsed.ok) violations.push(...parsed.violations);
  if (!parsed.ok || violations.length > 0) return { ok: false, violations };
  const { rules, groups } = parsed.input;
  return { ok: true, change: record.groups === undefined ? { rules } : { rules, groups } };
};

/** People whom the change names: they must be among the people of a case for its rules to be decided. */
const peopleOf = ({ rules, groups = [] }: Change): string[] => [
  ...new Set([
    ...groups.flatMap(({ members }) => members.map(({ person }) => person)),
    ...rules.flatMap(({ alternatives = [] }) =>
      alternatives.flatMap(({ mandatory = [], notTogether = [] }) => [...mandatory, ...notTogether.flat()]),
    ),
  ]),
];

/**
 * Nothing is known of a person whom the case did not ask about. As uncertain, the verdict says "undetermined"
 * where it depends on that person; as eligible or blocked it would invent a yes or a no.
 */
const strangerIn = (id: string): Person => ({
  id,
  reservations: [{ kind: 'other', text: 'the stored case has no facts about this person' }],
});

/** The case under the change, or why the change does not fit it. */
const changedInput = (
  input: QuorumInput,
  { rules, groups }: Change,
  named: readonly string[],
): ParsedInput => {
  const known = new Set(input.people.map(({ id }) => id));
  const strangers = named.filter((id) => !known.has(id)).map(strangerIn);
  const changed = {
    ...input,
    rules,
    groups: groups ?? input.groups,
    people: [...input.people, ...strangers],
  };
  if (strangers.length > 0) return parseInput(changed);
  // Case and change were each read in full; what can still be wrong is what one says of the other.
  const violations: Violation[] = [];
  checkReferences(changed, violations);
  return violations.length > 0 ? { ok: false, violations } : { ok: true, input: changed };
};

const effectOf = (before: Verdict, after: Verdict): 'gained' | 'lost' | 'other' | 'same' => {
  if (before === after) return 'same';
  if (after === 'quorum') return 'gained';
  return before === 'quorum' ? 'lost' : 'other';
};

/** Decides cases again under a change. Holds what the change needs, so that each case costs only its own. */
export const caseReplayer = (change: Change): ((index: number, one: ReplayCase) => ReplayResult) => {
  const named = peopleOf(change);
  return (index, { input: source, previousVerdict }) => {
    const stored = parseInput(source);
    if (!stored.ok) return { index, error: { violations: stored.violations } };
    const { context } = stored.input;
    const about = context === undefined ? {} : { context };
    const changed = changedInput(stored.input, change, named);
    if (!changed.ok) return { index, error: { violations: changed.violations }, ...about };
    const before = previousVerdict ?? verdictOf(stored.input).verdict;
    const { verdict: after, reasons } = verdictOf(changed.input);
    return { index, before, after, effect: effectOf(before, after), reasons, ...about };
  };
};

/** Only verdicts are compared: hashing the input and listing coalitions would be most of the work. */
const verdictOf = ({ signed: _, ...input }: QuorumInput): Pick<Decision, 'verdict' | 'reasons'> =>
  decidePrepared(prepare({ ...input, limit: 1 }));

export type ReplayOptions = {
  /** 1 decides in this thread. */
  threads?: number;
  signal?: AbortSignal;
};

const batchSize = 256;

/**
 * Decides stored cases again under changed rules, in order, one result a case. Memory does not grow with the
 * number of cases: at most a few batches for each thread are read ahead of the results that were taken.
 */
export async function* replay(
  cases: AsyncIterable<ReplayCase> | Iterable<ReplayCase>,
  change: Change,
  { threads = 1, signal }: ReplayOptions = {},
): AsyncGenerator<ReplayResult> {
  await using crew = threads > 1 ? openThreads(change, threads) : openInline(change);
  const running: Promise<ReplayResult[]>[] = [];
  for await (const batch of batchesOf(cases, batchSize)) {
    signal?.throwIfAborted();
    const started = crew.run(batch);
    // A failure is met when its turn comes; until then it must not count as unhandled.
    started.catch(() => {});
    running.push(started);
    if (running.length >= 2 * threads) yield* (await running.shift()) ?? [];
  }
  for (const results of running) {
    signal?.throwIfAborted();
    yield* await results;
  }
}

/** Counts results as they pass. */
export const newReplaySummary = (): { summary: ReplaySummary; count: (result: ReplayResult) => void } => {
  const summary: ReplaySummary = { cases: 0, gained: 0, lost: 0, errors: 0, transitions: {} };
  return {
    summary,
    count: (result) => {
      summary.cases += 1;
      if ('error' in result) {
        summary.errors += 1;
        return;
      }
      if (result.effect === 'gained') summary.gained += 1;
      if (result.effect === 'lost') summary.lost += 1;
      const transition = `${result.before} → ${result.after}`;
      summary.transitions[transition] = (summary.transitions[transition] ?? 0) + 1;
    },
  };
};

/** Cases with the number of the first one, counted from 1. */
export type ReplayBatch = { first: number; cases: ReplayCase[] };

async function* batchesOf(
  cases: AsyncIterable<ReplayCase> | Iterable<ReplayCase>,
  size: number,
): AsyncGenerator<ReplayBatch> {
  let batch: ReplayBatch = { first: 1, cases: [] };
  for await (const one of cases) {
    batch.cases.push(one);
    if (batch.cases.length < size) continue;
    yield batch;
    batch = { first: batch.first + size, cases: [] };
  }
  if (batch.cases.length > 0) yield batch;
}

type Crew = { run: (batch: ReplayBatch) => Promise<ReplayResult[]> } & AsyncDisposable;

const openInline = (change: Change): Crew => {
  const replayCase = caseReplayer(change);
  return {
    run: async ({ first, cases }) => {
      // A turn for timers and signals between batches: deciding never waits for anything by itself.
      await setImmediate();
      return cases.map((one, offset) => replayCase(first + offset, one));
    },
    [Symbol.asyncDispose]: async () => {},
  };
};

/** Threads are started as batches come, so that a small portfolio does not pay for all of them. */
const openThreads = (change: Change, threads: number): Crew => {
  const crew: { worker: Worker; waiting: PromiseWithResolvers<ReplayResult[]>[] }[] = [];
  const start = () => {
    const worker = new Worker(new URL('./replay-worker.ts', import.meta.url), {
      workerData: change,
      // The parent's own flags (an inspector, --input-type) are not meant for its threads, and some end them.
      execArgv: [],
    });
    const waiting: PromiseWithResolvers<ReplayResult[]>[] = [];
    const fail = (error: Error): void => {
      for (const one of waiting.splice(0)) one.reject(error);
    };
    worker.on('message', (results: ReplayResult[]) => waiting.shift()?.resolve(results));
    worker.on('error', fail);
    worker.on('exit', (code) =>
      fail(new Error(`a replay thread ended with code ${code} before its work was done`)),
    );
    const member = { worker, waiting };
    crew.push(member);
    return member;
  };
  let next = 0;
  return {
    run: (batch) => {
      const member = crew[next % threads] ?? start();
      next += 1;
      const answer = Promise.withResolvers<ReplayResult[]>();
      member.waiting.push(answer);
      member.worker.postMessage(batch);
      return answer.promise;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(crew.map(({ worker }) => worker.terminate()));
    },
  };
};
