import { createHash } from 'node:crypto';
import type { DuckSession } from '../lake/duckdb-session.ts';
import { allRows } from '../lake/duckdb-session.ts';
import { append, findTable, overwriteFiles } from '../lake/tables.ts';
import { assertFence, type Fence } from '../platform/leases.ts';
import * as ledger from '../platform/ledger.ts';
import { listIntervals } from '../platform/ledger-views.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import type { Pipeline } from './declaration.ts';
import { mostGroups, noteGold } from './gold.ts';
import { followersOf, type GoldNode } from './gold-graph.ts';
import { runIdOf, silverHash } from './model-hash.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import { noteReplays, type WrittenQuarantine, writeQuarantine } from './quarantine.ts';
import {
  finishRun,
  type RunReport,
  readSilverState,
  type SilverState,
  toLedgerOutput,
  writeSilverState,
} from './runs.ts';
import { allSets, type CaptureSet, capturesOf, leaveSet, mergeSets, waitingSets } from './sets.ts';
import {
  type MergedSilver,
  mergeLines,
  readLines,
  type WrittenSilver,
  withCurrent,
  writeSilver,
} from './silver.ts';
import { historyTable, quarantineTable, silverTable } from './silver-tables.ts';
import { ContractError } from './typing.ts';
import { requestsOf } from './windows.ts';

/** An answer says success, and has less than there must be. */
export class ExpectationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ExpectationError';
  }
}

/** More rows are in quarantine than the run's budget allows. */
export class BudgetError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BudgetError';
  }
}

export type SettleRequest = {
  readonly pipeline: Pipeline;
  readonly session: DuckSession;
  readonly graph: readonly GoldNode[];
  readonly fence: Fence;
  readonly attemptId: string;
  readonly report: RunReport;
  /** Makes silver anew from all of bronze, whether or not its code changed. */
  readonly rebuild?: boolean;
  /** Joins the commit: what follows from it, such as the next job. */
  readonly onCommit?: (tx: Tx) => Promise<void>;
};

export type Settled = { readonly state: 'done' | 'skipped'; readonly report: RunReport };

/**
 * Brings silver up to bronze: every set that waits is merged, in one transaction with the watermark, the ledger's
 * windows, the quarantine and the notes for gold.
 *
 * Where a waiting answer is older than what silver has seen, or the code has changed, silver is made anew from all
 * answers: the result is the same in whatever order they come.
 *
 * @throws ExpectationError @throws ContractError @throws BudgetError the sets are left for a new reading; silver stays
 * as it was
 */
export const settle = async (deps: PipelineDeps, request: SettleRequest): Promise<Settled> => {
  const { pipeline } = request;
  const waiting = await waitingSets(deps.pool, pipeline.name);
  try {
    await requireExpected(deps, pipeline, waiting);
    return await merge(deps, request, waiting);
  } catch (error) {
    const refused =
      error instanceof ExpectationError || error instanceof ContractError || error instanceof BudgetError;
    if (refused) {
      await transaction(deps.pool, async (tx) => {
        await assertFence(tx, request.fence);
        for (const { setId } of waiting) await leaveSet(tx, setId);
      });
    }
    throw error;
  }
};

const requireExpected = async (
  deps: PipelineDeps,
  pipeline: Pipeline,
  sets: readonly CaptureSet[],
): Promise<void> => {
  const { expects } = pipeline.silver;
  if (!expects) return;
  for (const set of sets) {
    const captures = await capturesOf(deps.pool, [set.setId]);
    for (const [index, { slice, from, to }] of requestsOf(pipeline, set.source, set).entries()) {
      const found = captures
        .filter(({ request }) => request === index)
        .reduce((sum, { records }) => sum + records, 0);
      const least = expects({ from, to, slice });
      if (found < least) {
        throw new ExpectationError(
          `${pipeline.name} ${JSON.stringify(slice)} [${from.toISOString()}, ${to.toISOString()}): expected at least ${least} records, ` +
            `found ${found} in an answer that says success; the window stays open`,
        );
      }
    }
  }
};

const merge = async (
  deps: PipelineDeps,
  request: SettleRequest,
  waiting: readonly CaptureSet[],
): Promise<Settled> => {
  const { pipeline, session } = request;
  const tools = { pool: deps.pool, lake: deps.lake, session, files: deps.files };
  const state = await readSilverState(deps.pool, pipeline.name);
  const codeHash = silverHash(pipeline);
  const captures = await capturesOf(
    deps.pool,
    waiting.map(({ setId }) => setId),
  );
  const first = captures[0]?.fetchedAt;
  const isLate = first !== undefined && state?.seenTo != null && first <= state.seenTo;
  const rebuild = request.rebuild === true || isLate || (state !== undefined && state.codeHash !== codeHash);
  const sets = rebuild ? await allSets(deps.pool, pipeline.name) : waiting;
  const inputHash = hashInputs(captures.map(({ bodyHash }) => bodyHash));
  const next: SilverState = {
    codeHash,
    seenTo: newest(state?.seenTo, captures.at(-1)?.fetchedAt),
    changedTo: state?.changedTo ?? null,
  };
  const facts = { waiting, codeHash, inputHash, next };
  if (!rebuild && (await saysNothingNew(deps, waiting, state))) return skip(deps, request, facts);

  const lines = await readLines(tools, pipeline, sets);
  await deps.fault?.('after-typing');
  return withCurrent(tools, pipeline, async (current) => {
    const merged = await mergeLines(tools, pipeline, lines, { sets, rebuild, current });
    const notices = budgetNotices(pipeline, merged);
    const written = await writeSilver(tools, pipeline, merged, current);
    const quarantine = await writeQuarantine(tools, pipeline, written.tables.quarantine, {
      sets,
      codeHash,
      rebuild,
    });
    const groups = await changedGroups(session, request.graph, pipeline, merged);
    const report: RunReport = {
      ...request.report,
      ...merged.counts,
      notices: [
        ...(isLate ? ['answers older than silver: made anew'] : []),
        ...lines.typed.notices,
        ...notices,
      ],
    };
    await commit(deps, request, { ...facts, merged, written, quarantine, groups, report });
    return { state: 'done', report };
  });
};

const newest = (one: Date | null | undefined, other: Date | undefined): Date | null =>
  one && (!other || one > other) ? one : (other ?? null);

const hashInputs = (bodies: readonly string[]): string =>
  createHash('sha256').update(bodies.toSorted().join(' ')).digest('hex').slice(0, 32);

/**
 * Whether every answer only repeats one that is in silver, and silver has not changed since that was last seen: then
 * its rows won then and would win again, and nothing has to be read.
 */
const saysNothingNew = async (
  { pool }: PipelineDeps,
  waiting: readonly CaptureSet[],
  state: SilverState | undefined,
): Promise<boolean> => {
  if (waiting.length === 0) return true;
  if (!state) return false;
  const found = await pool.query(
    `SELECT 1 FROM pipeline_captures c WHERE c.set_id = ANY ($1) AND c.refused IS NULL AND NOT EXISTS (
       SELECT 1 FROM pipeline_captures p JOIN pipeline_sets s USING (set_id)
       WHERE s.state = 'merged' AND p.pipeline = c.pipeline AND p.request_hash = c.request_hash AND p.body_hash = c.body_hash
         AND p.refused IS NULL AND ($2::timestamptz IS NULL OR p.fetched_at >= $2))
     LIMIT 1`,
    [waiting.map(({ setId }) => setId), state.changedTo],
  );
  return found.rowCount === 0;
};

type Facts = {
  readonly waiting: readonly CaptureSet[];
  readonly codeHash: string;
  readonly inputHash: string;
  readonly next: SilverState;
};

const skip = async (deps: PipelineDeps, request: SettleRequest, facts: Facts): Promise<Settled> => {
  const { pipeline, fence, attemptId, report } = request;
  await transaction(deps.pool, async (tx) => {
    await assertFence(tx, fence);
    await closeWindows(tx, request, facts, report);
    if (facts.waiting.length > 0) await writeSilverState(tx, pipeline.name, facts.next);
    await finishRun(tx, attemptId, {
      state: 'skipped',
      runId: runId(request, facts),
      inputHash: facts.inputHash,
      report,
      snapshots: null,
    });
    await request.onCommit?.(tx);
    await deps.fault?.('at-silver-commit');
  });
  return { state: 'skipped', report };
};

const runId = ({ pipeline }: SettleRequest, { waiting, codeHash, inputHash }: Facts): string => {
  const [window] = waiting;
  return runIdOf({
    pipeline: pipeline.name,
    source: window?.source ?? 'silver',
    window: window ? { from: window.from.toISOString(), to: window.to.toISOString() } : null,
    codeHash,
    inputHash,
  });
};

const budgetNotices = ({ name, silver }: Pipeline, { counts }: MergedSilver): string[] => {
  if (counts.quarantined === 0) return [];
  const budget = silver.budget ?? { share: 0.05 };
  const most = 'rows' in budget ? budget.rows : Math.floor(budget.share * counts.records);
  const shown = `${counts.quarantined} of ${counts.records} rows go to quarantine`;
  if (counts.quarantined <= most) return [`${shown}; the budget allows ${most}`];
  throw new BudgetError(
    `${name}: ${shown}, and the budget allows ${most}; nothing was committed to silver. Mend the contract and run again, or allow more`,
  );
};

/** The groups of each incremental gold table that a merge touches; null: all. */
const changedGroups = async (
  session: DuckSession,
  graph: readonly GoldNode[],
  pipeline: Pipeline,
  merged: MergedSilver,
): Promise<{ gold: string; groups: string[] | null }[]> => {
  if (!merged.changed) return [];
  const notes: { gold: string; groups: string[] | null }[] = [];
  for (const { node, direct } of followersOf(graph, silverTable(pipeline.name))) {
    const { incremental } = node.gold;
    if (!direct || incremental === undefined || merged.rebuild || node.owner !== pipeline.name) {
      notes.push({ gold: node.name, groups: null });
      continue;
    }
    const rows = await allRows(
      session.connection,
      `SELECT DISTINCT CAST((${incremental.of}) AS VARCHAR) AS g FROM versoes
       WHERE NOT apaga AND (NOT velho OR valido_ate IS NOT NULL) LIMIT ${mostGroups + 1}`,
    );
    const groups = rows.map(({ g }) => g);
    const all = groups.length > mostGroups || groups.some((group) => group === null);
    notes.push({ gold: node.name, groups: all ? null : groups.map(String) });
  }
  return notes;
};

type Commit = Facts & {
  readonly merged: MergedSilver;
  readonly written: WrittenSilver;
  readonly quarantine: WrittenQuarantine;
  readonly groups: readonly { gold: string; groups: readonly string[] | null }[];
  readonly report: RunReport;
};

/**
 * The commit point of silver: the rows, their history, the quarantine, the sets, the windows with their watermark, the
 * run and the notes for gold become visible together, or none of them does.
 */
const commit = async (deps: PipelineDeps, request: SettleRequest, facts: Commit): Promise<void> => {
  const { pool, lake } = deps;
  const { pipeline, fence, attemptId } = request;
  const { merged, written, quarantine, report } = facts;
  const { name } = pipeline;
  await transaction(pool, async (tx) => {
    await assertFence(tx, fence);
    const options = { tx, commitId: attemptId, summary: { 'lastro.run': attemptId } };
    // In the order of their names, as every transaction over several tables.
    const { current, history, tables } = written;
    if (current.add.length > 0 || current.remove.length > 0) {
      await overwriteFiles(lake, silverTable(name), { basis: tables.current, ...current }, options);
    }
    if (history.remove.length > 0) {
      await overwriteFiles(lake, historyTable(name), { basis: tables.history, ...history }, options);
    } else if (history.add.length > 0) {
      await append(lake, historyTable(name), { add: history.add }, options);
    }
    if (quarantine.add.length > 0)
      await append(lake, quarantineTable(name), { add: quarantine.add }, options);
    await noteReplays(tx, { pipeline: name, attemptId, written: quarantine });
    const changedTo = merged.changed ? facts.next.seenTo : facts.next.changedTo;
    const next = { ...facts.next, changedTo };
    await writeSilverState(tx, name, next);
    await noteGold(tx, attemptId, facts.groups);
    await closeWindows(tx, request, facts, report);
    await finishRun(tx, attemptId, {
      state: 'done',
      runId: runId(request, facts),
      inputHash: facts.inputHash,
      report,
      snapshots: {
        tables: await snapshotsOf(deps, tx, name),
        seenTo: next.seenTo?.toISOString() ?? null,
        changedTo: changedTo?.toISOString() ?? null,
        codeHash: facts.codeHash,
      },
    });
    await request.onCommit?.(tx);
    await deps.fault?.('at-silver-commit');
  });
};

const snapshotsOf = async (
  { lake }: PipelineDeps,
  tx: Tx,
  name: string,
): Promise<Record<string, string | null>> => {
  const names = [silverTable(name), historyTable(name), quarantineTable(name)];
  const snapshots: Record<string, string | null> = {};
  for (const each of names) {
    snapshots[each] = (await findTable(lake, each, tx))?.metadata['current-snapshot-id'] ?? null;
  }
  return snapshots;
};

/** The sets are merged and their windows done. A window whose run died before is done by this one. */
const closeWindows = async (
  tx: Tx,
  { pipeline, fence, attemptId }: SettleRequest,
  { waiting, inputHash }: Facts,
  report: RunReport,
): Promise<void> => {
  await mergeSets(
    tx,
    waiting.map(({ setId }) => setId),
    attemptId,
  );
  for (const { source, from, to, watermark } of waiting) {
    const place = { pipeline: pipeline.name, source, from, to };
    const interval = (await listIntervals(tx, place)).find(
      (each) => each.from.getTime() === from.getTime() && each.to.getTime() === to.getTime(),
    );
    if (!interval) continue;
    // Asked again: the ledger is moved only now, so that a failed repetition leaves the window as it was, done.
    if (interval.state === 'done') {
      await ledger.reopen(tx, { id: interval.id, fence, to: 'planned', reason: `${attemptId} asked again` });
    }
    if (interval.state === 'hole') await ledger.refill(tx, { id: interval.id, reason: attemptId });
    if (interval.runId !== attemptId || interval.state !== 'running') {
      await ledger.start(tx, { id: interval.id, fence, runId: attemptId });
    }
    await ledger.markDone(tx, {
      id: interval.id,
      fence,
      runId: attemptId,
      output: toLedgerOutput({ ...report, inputHash }),
      watermark: watermark ?? to.toISOString(),
    });
  }
};
