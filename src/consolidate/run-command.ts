import { setTimeout as sleep } from 'node:timers/promises';
import { type CliContext, write } from '../platform/cli.ts';
import type { RunOptions } from './command-options.ts';
import { type CommandRoom, inRoom } from './command-room.ts';
import { type ConsolidateRequest, planOnly } from './consolidate.ts';
import type { Limits } from './limits.ts';
import type { Plan } from './plan.ts';
import { openProgress, showBytes } from './progress.ts';
import type { Readers } from './read.ts';
import { consolidateRound } from './round.ts';
import type { Summary } from './runs.ts';

type StartedRequest = ConsolidateRequest & { readonly signal: AbortSignal; readonly readers: Readers };

/** Shows the plan with `--dry-run`, else runs. */
export const planOrRun = (
  context: CliContext,
  options: RunOptions,
  limits: Limits,
  request: StartedRequest,
): Promise<void> =>
  inRoom(context, options, async (room) => {
    if (options.dryRun) return showPlan(context, await planOnly({ ...room, limits }, request), options);
    await runRounds(context, { ...room, limits }, request, options);
  });

/** One round, or with `--every` rounds until the command is stopped. The first one uses `readers`. */
const runRounds = async (
  context: CliContext,
  room: CommandRoom,
  { readers, ...request }: StartedRequest,
  options: RunOptions,
): Promise<void> => {
  const { signal } = request;
  for (let first = true; ; first = false) {
    const progress = openProgress(context.stderr);
    try {
      const round = first ? { ...request, readers } : request;
      const { runId, summary } = await consolidateRound({ ...room, report: progress }, round);
      progress.end();
      await showSummary(context, runId, summary, options);
    } catch (error) {
      progress.end();
      // On a schedule the next round mends what it can; the incident is open.
      if (options.every === undefined || signal.aborted) throw error;
      progress.notice(`the run failed: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (options.every === undefined) return;
    // Otherwise done where the room is closed.
    await room.publishChanged();
    await sleep(options.every * 60_000, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
  }
};

const showPlan = async (
  { stdout }: CliContext,
  { batches, files, bytes, skipped, ignored, deferred }: Plan,
  { json }: RunOptions,
): Promise<void> => {
  const shown = batches.map((batch) => ({
    files: batch.files.length,
    bytes: batch.bytes,
    expectedBytesOut: batch.expectedBytesOut,
    ...batch.group,
  }));
  if (json) {
    const plan = { files: files + skipped + deferred, skipped, ignored, deferred, bytes, batches: shown };
    return write(stdout, `${JSON.stringify(plan)}\n`);
  }
  const lines = shown.map(({ topic, kafkaPartition, expectedBytesOut, ...batch }, index) => {
    const group = [topic, kafkaPartition === null ? null : `partition ${kafkaPartition}`]
      .filter(Boolean)
      .join(', ');
    return `  ${index + 1}. ${batch.files} files, ${showBytes(batch.bytes)} → one Parquet file of about ${showBytes(expectedBytesOut)}${group && ` (${group})`}`;
  });
  const head = `${files} files to take, ${showBytes(bytes)}; ${skipped} taken before, ${deferred} left for company, ${ignored} of other kinds`;
  return write(stdout, `${[head, ...lines].join('\n')}\n`);
};

const showSummary = async (
  { stdout }: CliContext,
  runId: string,
  summary: Summary,
  { json }: RunOptions,
): Promise<void> => {
  if (json) return write(stdout, `${JSON.stringify(summary)}\n`);
  const { files, skipped, documents, rows, quarantined, duplicates, gaps } = summary;
  const lines = [
    `${runId}: ${documents} documents of ${files - skipped} files → ${rows} rows, ${quarantined} quarantined, ${duplicates} duplicates`,
    `${skipped} files taken before; ${gaps} gaps in the Kafka offsets`,
    `${showBytes(summary.bytesIn)} → ${showBytes(summary.bytesOut)} in ${summary.dataFiles} data files, ${summary.seconds} s, snapshot ${summary.snapshotId ?? 'none'}`,
  ];
  return write(stdout, `${lines.join('\n')}\n`);
};
