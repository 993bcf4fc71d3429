import type { Pool } from 'pg';
import { writeDataFiles } from '../lake/data-writer.ts';
import { allRows, type DuckSession, quoteText } from '../lake/duckdb-session.ts';
import type { FileCache } from '../lake/file-cache.ts';
import { planFiles, scanLocations, scanSql } from '../lake/scan.ts';
import { findTable, type Lake, overwriteFiles } from '../lake/tables.ts';
import { UserError } from '../platform/cli.ts';
import { assertFence, type Fence, holderName, withLease } from '../platform/leases.ts';
import * as ledger from '../platform/ledger.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import type { Domain } from './domain-models.ts';
import { commitDomain, prepareDomain } from './domains.ts';
import { queueFeedback } from './feedback-queue.ts';
import { inSession } from './quarantine.ts';
import { findRun, leaseName, leaseTtlMs, pipeline, type Run } from './runs.ts';
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
  const events = await withoutRun(deps, session, run.table, runId);
  const quarantine = await withoutRun(deps, session, quarantineTable(run.table), runId);
  const days = events ? [run.startedAt.toISOString().slice(0, 10)] : [];
  const domains = days.length > 0 ? (deps.domains ?? []) : [];
  return transaction(deps.pool, async (tx) => {
    await assertFence(tx, fence);
    const options = { tx, commitId: `${runId}-rollback`, summary: { 'lastro.rolled-back': runId } };
    if (events) await overwriteFiles(deps.lake, run.table, events, options);
    if (quarantine) await overwriteFiles(deps.lake, quarantineTable(run.table), quarantine, options);
    for (const domain of domains) {
      const tools = { ...deps, session };
      const prepared = await prepareDomain(tools, run.table, domain, { days, exceptRun: runId });
      await commitDomain(
        tools,
        tx,
        { runId, table: run.table, changeId: `${runId}-rollback` },
        domain,
        prepared,
      );
    }
    await forget(tx, run, fence);
    const rows = events?.gone ?? 0;
    if (deps.feedbackTopic !== undefined) await tell(tx, deps.feedbackTopic, run, rows);
    return {
      runId,
      table: run.table,
      rows,
      quarantined: quarantine?.gone ?? 0,
      domains: domains.map(({ name }) => name),
    };
  });
};

type Rewrite = Parameters<typeof overwriteFiles>[2] & { readonly gone: number };

/** The files that hold rows of the run, and what they hold besides. Undefined: none does. */
const withoutRun = async (
  { lake, files }: RollbackDeps,
  session: DuckSession,
  name: string,
  runId: string,
): Promise<Rewrite | undefined> => {
  const basis = await findTable(lake, name);
  if (!basis) return undefined;
  const plan = await planFiles(lake, basis, { filter: [{ column: 'run_id', op: '=', value: runId }] });
  const held = await files.hold(scanLocations(plan));
  const ofRun = `run_id = ${quoteText(runId)}`;
  try {
    const touched: (typeof plan.files)[number][] = [];
    let gone = 0;
    for (const file of plan.files) {
      const relation = scanSql({ ...plan, files: [file] }, held.localPath);
      const [counted] = await allRows(
        session.connection,
        `SELECT count(*)::INTEGER AS n FROM ${relation} WHERE ${ofRun}`,
      );
      const count = Number(counted?.n);
      if (count > 0) touched.push(file);
      gone += count;
    }
    if (gone === 0) return undefined;
    const rest = `(SELECT * FROM ${scanSql({ ...plan, files: touched }, held.localPath)} WHERE NOT (${ofRun}))`;
    const add = await writeDataFiles({ lake, session }, basis, rest);
    return { basis, remove: touched.map(({ file }) => file), add, gone };
  } finally {
    held.release();
  }
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
  const days = await tx.query<{ id: string }>(
    `SELECT id FROM intervals WHERE pipeline = $1 AND run_id = $2 AND state = 'done'`,
    [pipeline, run.runId],
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
