import type { Pool } from 'pg';
import type { DuckSession } from '../lake/duckdb-session.ts';
import type { FileCache } from '../lake/file-cache.ts';
import type { Predicate } from '../lake/predicate.ts';
import { deleteRows } from '../lake/rewrite.ts';
import { type Lake, requireTransactions } from '../lake/tables.ts';
import { UserError } from '../platform/cli.ts';
import { assertFence, type Fence, holderName, withLease } from '../platform/leases.ts';
import * as ledger from '../platform/ledger.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import type { Domain } from './domain-models.ts';
import { commitDomain, type PreparedDomain, prepareDomain } from './domains.ts';
import { queueFeedback } from './feedback-queue.ts';
import { inSession } from './quarantine.ts';
import { findRun, leaseName, leaseTtlMs, ledgerSource, pipeline, type Run } from './runs.ts';
import { quarantineTable } from './tables.ts';

export type RollbackDeps = {
  readonly pool: Pool;
  readonly lake: Lake;
  readonly files: FileCache;
  readonly domains?: readonly Domain[];
  readonly feedbackTopic?: string;
};

export type RolledBack = {
  readonly runId: string;
  readonly table: string;
  /** Events that are gone. */
  readonly rows: number;
  readonly quarantined: number;
  readonly domains: readonly string[];
};

/**
 * Undoes a run in one commit: its events, its quarantine, what the domains made of its day, the index of what it
 * took, its offsets and replays, and its day in the ledger. The next run takes its objects again. Its feedback
 * says `rolled_back`.
 *
 * Works on rows, not on snapshots, so that a table that was compacted since, or whose snapshots expired, is no matter.
 * @throws UserError there is no such run, or nothing of it to undo
 * @throws LeaseHeldError a run holds the table
 */
export const rollbackRun = async (
  deps: RollbackDeps,
  { runId, signal }: { runId: string; signal?: AbortSignal },
): Promise<RolledBack> => {
  requireTransactions(deps.lake, 'a rollback');
  const run = await findRun(deps.pool, runId);
  if (!run)
    throw new UserError(
      `expected a run, found none with the id ${JSON.stringify(runId)}; see lastro consolidate runs`,
    );
  const lease = {
    pool: deps.pool,
    name: leaseName(run.table),
    holder: holderName('rollback'),
    ttlMs: leaseTtlMs,
  };
  return withLease({ ...lease, ...(signal ? { signal } : {}) }, ({ fence }) =>
    inSession((session) => undo(deps, session, runId, fence)),
  );
};

const undo = async (
  deps: RollbackDeps,
  session: DuckSession,
  runId: string,
  fence: Fence,
): Promise<RolledBack> => {
  // Read again under the lease: another rollback may have come first.
  const run = await findRun(deps.pool, runId);
  if (!run || run.state === 'rolled_back') throw new UserError(`run ${runId} is rolled back already`, 1);
  const days = [run.startedAt.toISOString().slice(0, 10)];
  const tools = { ...deps, session };
  const domains: { domain: Domain; prepared: PreparedDomain }[] = [];
  for (const domain of deps.domains ?? []) {
    domains.push({
      domain,
      prepared: await prepareDomain(tools, run.table, domain, { days, exceptRun: runId }),
    });
  }
  return transaction(deps.pool, async (tx) => {
    await assertFence(tx, fence);
    const options = { tx, commitId: `${runId}-rollback`, summary: { 'lastro.rolled-back': runId } };
    const ofRun: Predicate = [{ column: 'run_id', op: '=', value: runId }];
    const events = await deleteRows(tools, run.table, ofRun, options);
    const quarantine = await deleteRows(tools, quarantineTable(run.table), ofRun, options);
    for (const { domain, prepared } of domains) {
      await commitDomain(
        tools,
        tx,
        { runId, table: run.table, changeId: `${runId}-rollback` },
        domain,
        prepared,
      );
    }
    await forget(tx, run, fence);
    if (deps.feedbackTopic !== undefined) await tell(tx, deps.feedbackTopic, run, events.rows);
    return {
      runId,
      table: run.table,
      rows: events.rows,
      quarantined: quarantine.rows,
      domains: domains.map(({ domain }) => domain.name),
    };
  });
};

/** The run's objects are no longer taken, its offsets unknown, what it replayed in quarantine again. */
const forget = async (tx: Tx, run: Run, fence: Fence): Promise<void> => {
  for (const table of [
    'consolidate_objects',
    'consolidate_offsets',
    'consolidate_replays',
    'consolidate_domain_changes',
  ]) {
    await tx.query(`DELETE FROM ${table} WHERE run_id = $1`, [run.runId]);
  }
  await tx.query(`UPDATE consolidate_runs SET state = 'rolled_back' WHERE run_id = $1`, [run.runId]);
  // Whichever run marked the day last: it is not whole any more.
  const days = await tx.query<{ id: string }>(
    `SELECT id FROM intervals WHERE pipeline = $1 AND source = $2 AND state = 'done' AND window_from <= $3 AND window_to > $3`,
    [pipeline, ledgerSource(run), run.startedAt],
  );
  for (const { id } of days.rows) {
    await ledger.reopen(tx, { id, fence, to: 'hole', reason: `run ${run.runId} was rolled back` });
  }
};

const tell = async (tx: Tx, topic: string, run: Run, rows: number): Promise<void> => {
  const batches = await tx.query<{ commit_id: string }>(
    'SELECT commit_id FROM consolidate_batches WHERE run_id = $1 ORDER BY batch',
    [run.runId],
  );
  const id = `${run.runId}-rolled-back`;
  const body = {
    type: 'consolidate.rolled_back',
    id,
    runId: run.runId,
    table: run.table,
    status: 'rolled_back',
    batches: batches.rows.map(({ commit_id }) => commit_id),
    rows,
  };
  await queueFeedback(tx, {
    id,
    runId: run.runId,
    topic,
    key: run.table,
    schema: 'rolled_back',
    body: JSON.stringify(body),
  });
};
