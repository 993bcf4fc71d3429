import { createHash } from 'node:crypto';
import { allRows, type DuckSession, quoteName } from '../lake/duckdb-session.ts';
import { assertFence, type Fence } from '../platform/leases.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import { type StagedChanges, stageChanges } from './cdc/change-table.ts';
import { diffSnapshots, SuspiciousSnapshotError } from './cdc/snapshot-diff.ts';
import { checkSilver, QualityError, qualityNotices, quarantineByChecks, requireQuality } from './checks.ts';
import type { Pipeline } from './declaration.ts';
import { mostGroups } from './gold.ts';
import { followersOf, type GoldNode, goldGraph, requireGold } from './gold-graph.ts';
import { silverHash } from './model-hash.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import { recordQuality, type StagedQuality, stageQuality } from './quality/quality-tables.ts';
import type { QualityReport } from './quality/run-checks.ts';
import { writeQuarantine } from './quarantine.ts';
import { type RunReport, readSilverState, type SilverState } from './runs.ts';
import type { LazySession } from './session.ts';
import { allSets, type CaptureSet, capturesOf, leaveSet, waitingSets } from './sets.ts';
import {
  type MergedSilver,
  mergeLines,
  type Present,
  presentRows,
  readLines,
  type SilverDeps,
  withCurrent,
  writeSilver,
} from './silver.ts';
import { commitNothingNew, commitSilver } from './silver-commit.ts';
import { sameKey } from './silver-sql.ts';
import { silverTable } from './silver-tables.ts';
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
  readonly session: LazySession;
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
 * @throws ExpectationError @throws ContractError @throws BudgetError @throws QualityError the sets are left for a new reading; silver stays
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
      error instanceof ExpectationError ||
      error instanceof ContractError ||
      error instanceof BudgetError ||
      error instanceof SuspiciousSnapshotError ||
      error instanceof QualityError;
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
  const { pipeline } = request;
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
  if (!rebuild && (await saysNothingNew(deps, waiting, state))) {
    await commitNothingNew(deps, request, facts);
    return { state: 'skipped', report: request.report };
  }

  const session = await request.session();
  const tools = { pool: deps.pool, lake: deps.lake, session, files: deps.files };
  const lines = await readLines(tools, pipeline, sets);
  await deps.fault?.('after-typing');
  const checking = { ...tools, clock: deps.clock };
  const rowChecks = await quarantineByChecks(checking, pipeline);
  return withCurrent(tools, pipeline, async (current) => {
    const merged = await mergeLines(tools, pipeline, lines, { sets, rebuild, current });
    const notices = budgetNotices(pipeline, merged);
    const tableChecks = await checkSilver(checking, pipeline, merged);
    const quality = await stageReports(tools, request, [rowChecks, tableChecks]);
    await requireGood(deps, pipeline, [rowChecks, tableChecks], quality);
    const written = await writeSilver(tools, pipeline, merged, current);
    const quarantine = await writeQuarantine(tools, pipeline, written.tables.quarantine, {
      sets,
      codeHash,
      rebuild,
    });
    const graph = await goldGraph(session.connection, deps.pipelines);
    requireGold(graph, pipeline);
    const groups = await changedGroups(session, graph, pipeline, merged);
    const report: RunReport = {
      ...request.report,
      ...merged.counts,
      notices: [
        ...(isLate ? ['answers older than silver: made anew'] : []),
        ...[...lines.typed.notices, ...notices, ...qualityNotices(tableChecks)],
      ],
    };
    const changes = await stageSnapshotChanges(tools, pipeline, merged, current, attemptAt(request, sets));
    await commitSilver(deps, request, {
      ...facts,
      merged,
      written,
      quarantine,
      quality,
      changes,
      groups,
      report,
    });
    return { state: 'done', report };
  });
};

type Report = QualityReport | undefined;

/** The checks' results, as files that no table shows yet. */
const stageReports = async (
  { lake, session }: SilverDeps,
  { pipeline, attemptId }: SettleRequest,
  reports: readonly Report[],
): Promise<StagedQuality[]> => {
  const staged: StagedQuality[] = [];
  for (const [index, report] of reports.entries()) {
    if (!report) continue;
    const run = { runId: `${attemptId}-${index}`, pipeline: pipeline.name };
    staged.push(await stageQuality({ lake, session }, run, report));
  }
  return staged;
};

/** A run that a check stops commits nothing but what the checks found: failing rows are kept, all of them. */
const requireGood = async (
  { pool, lake }: PipelineDeps,
  pipeline: Pipeline,
  reports: readonly Report[],
  staged: readonly StagedQuality[],
): Promise<void> => {
  try {
    for (const report of reports) if (report) requireQuality(pipeline, report);
  } catch (error) {
    await transaction(pool, async (tx) => {
      for (const each of staged) await recordQuality(lake, each, tx);
    });
    throw error;
  }
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

const attemptAt = ({ attemptId }: SettleRequest, sets: readonly CaptureSet[]) => ({
  runId: attemptId,
  at: sets.at(-1)?.completedAt ?? new Date(0),
});

/**
 * What a full snapshot has inserted, updated and deleted, as a table of changes. Made anew, silver tells no changes:
 * they were told when they were first seen.
 */
const stageSnapshotChanges = async (
  tools: SilverDeps,
  pipeline: Pipeline,
  merged: MergedSilver,
  current: Present,
  { runId, at }: { runId: string; at: Date },
): Promise<StagedChanges | undefined> => {
  if (!('full' in pipeline.windows) || !merged.changed || merged.rebuild) return undefined;
  const { key } = pipeline.silver;
  const columns = merged.columns.map(({ name }) => name);
  const list = columns.map(quoteName).join(', ');
  const touched = presentRows(merged, current);
  await diffSnapshots(
    tools.session.connection,
    {
      before:
        touched &&
        `(SELECT ${list} FROM ${touched} c SEMI JOIN chaves_tocadas t ON ${sameKey(key, 'c', 't')})`,
      after: `(SELECT ${list} FROM versoes WHERE NOT apaga AND valido_ate IS NULL)`,
      key,
      columns,
    },
    { minShare: 0, minRows: 0 },
  );
  return stageChanges(tools, { pipeline: pipeline.name, runId, key, at });
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
