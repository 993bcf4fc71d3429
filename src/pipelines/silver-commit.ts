import { append, findTable, overwriteFiles } from '../lake/tables.ts';
import { assertFence } from '../platform/leases.ts';
import * as ledger from '../platform/ledger.ts';
import { listIntervals } from '../platform/ledger-views.ts';
import { type Tx, transaction } from '../platform/postgres.ts';
import { recordChanges, type StagedChanges } from './cdc/change-table.ts';
import { noteGold } from './gold.ts';
import { runIdOf } from './model-hash.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import { recordQuality, type StagedQuality } from './quality/quality-tables.ts';
import { noteReplays, type WrittenQuarantine } from './quarantine.ts';
import { finishRun, type RunReport, type SilverState, toLedgerOutput, writeSilverState } from './runs.ts';
import { type CaptureSet, mergeSets } from './sets.ts';
import type { SettleRequest } from './settle.ts';
import type { MergedSilver, WrittenSilver } from './silver.ts';
import { historyTable, quarantineTable, silverTable } from './silver-tables.ts';

/** What a settlement knows before it reads anything. */
export type Facts = {
  readonly waiting: readonly CaptureSet[];
  readonly codeHash: string;
  readonly inputHash: string;
  readonly next: SilverState;
};

/** Closes windows whose answers say nothing new. */
export const commitNothingNew = async (
  deps: PipelineDeps,
  request: SettleRequest,
  facts: Facts,
): Promise<void> => {
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

export type Commit = Facts & {
  readonly merged: MergedSilver;
  readonly written: WrittenSilver;
  readonly quarantine: WrittenQuarantine;
  readonly quality: readonly StagedQuality[];
  /** Of full snapshots: what was inserted, updated and deleted. */
  readonly changes: StagedChanges | undefined;
  readonly groups: readonly { gold: string; groups: readonly string[] | null }[];
  readonly report: RunReport;
};

/**
 * The commit point of silver: the rows, their history, the quarantine, the sets, the windows with their watermark, the
 * run and the notes for gold become visible together, or none of them does.
 */
export const commitSilver = async (
  deps: PipelineDeps,
  request: SettleRequest,
  facts: Commit,
): Promise<void> => {
  const { pool, lake } = deps;
  const { pipeline, fence, attemptId } = request;
  const { merged, written, quarantine, report } = facts;
  const { name } = pipeline;
  await transaction(pool, async (tx) => {
    await assertFence(tx, fence);
    const options = { tx, commitId: attemptId, summary: { 'lastro.run': attemptId } };
    // In the order of their names, as every transaction over several tables.
    if (facts.changes) await recordChanges(lake, facts.changes, tx);
    for (const each of facts.quality) await recordQuality(lake, each, tx);
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
