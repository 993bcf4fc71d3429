import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { findTable } from '../lake/tables.ts';
import { type CliContext, UserError, write } from '../platform/cli.ts';
import { plainFailure } from '../platform/plain-failure.ts';
import { type CommandRoom, checkTable, openCommandRoom, type RunOptions } from './command-room.ts';
import { planOnly, stoppedEarly } from './consolidate.ts';
import { defaultLimits, type Limits } from './limits.ts';
import type { Plan } from './plan.ts';
import { openProgress, showBytes } from './progress.ts';
import { listQuarantine, type Quarantined, type QuarantineFilter, showQuarantined } from './quarantine.ts';
import { replayQuarantine } from './replay.ts';
import { rollbackRun } from './rollback.ts';
import { consolidateRound } from './round.ts';
import { listRuns, type Run, type Summary } from './runs.ts';
import { openSource } from './source.ts';
import { parsePartitionBy } from './tables.ts';

const limitsOf = (options: RunOptions): Limits => ({
  ...defaultLimits,
  ...(options.batchMb === undefined ? {} : { batchBytes: options.batchMb * 1e6 }),
  ...(options.maxMemoryMb === undefined ? {} : { memoryBytes: options.maxMemoryMb * 1e6 }),
  ...(options.maxBatchSeconds === undefined ? {} : { batchMs: options.maxBatchSeconds * 1e3 }),
});

/** Runs `work` with what commands need; a lease that is held or a full disk is an answer, not a crash. */
const inRoom = async (
  context: CliContext,
  options: { domains?: string | undefined },
  work: (room: CommandRoom) => Promise<void>,
): Promise<void> => {
  const room = await openCommandRoom(context, options);
  try {
    await work(room);
  } catch (error) {
    throw plainFailure(error, {
      names: ['BatchLimitError', 'DomainError', 'SourceError'],
      stopped: `${stoppedEarly}; the next run takes what is left`,
    });
  } finally {
    await room.close();
  }
};

/** `lastro consolidate` */
export const consolidateCommand = async (
  context: CliContext,
  place: string | undefined,
  options: RunOptions,
): Promise<void> => {
  const { table } = options;
  if (place === undefined || table === undefined) {
    throw new UserError('expected a directory or s3://bucket/prefix and --table namespace.name; see --help');
  }
  checkTable(table);
  const partitionBy = options.partition === undefined ? undefined : parsePartitionBy(options.partition);
  await inRoom(context, options, async (room) => {
    const { signal } = context;
    const request = {
      source: await openSource(place, room.s3),
      table,
      signal,
      ...(partitionBy ? { partitionBy } : {}),
      ...(options.waitMb === undefined
        ? {}
        : { wait: { bytes: options.waitMb * 1e6, forMs: options.waitMinutes * 60_000 } }),
    };
    const limits = limitsOf(options);
    if (options.dryRun) return showPlan(context, await planOnly({ ...room, limits }, request), options);
    for (;;) {
      const progress = openProgress(context.stderr);
      try {
        const { runId, summary } = await consolidateRound({ ...room, limits, report: progress }, request);
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
  });
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

/** `lastro consolidate runs` */
export const runsCommand = async (
  context: CliContext,
  { table, json }: { table?: string; json?: boolean },
): Promise<void> => {
  const runs = await listRuns(await context.postgres(), table === undefined ? {} : { table });
  const text = json ? JSON.stringify(runs) : runs.map(showRun).join('\n') || '(no runs)';
  await write(context.stdout, `${text}\n`);
};

const showRun = ({ runId, state, table, startedAt, counts, error }: Run): string => {
  const outcome = counts
    ? `${counts.rows} rows, ${counts.quarantined} quarantined, ${counts.duplicates} duplicates`
    : (error ?? '');
  return [runId, state.padEnd(11), startedAt.toISOString(), table, outcome].join('  ');
};

/** `lastro consolidate rollback` */
export const rollbackCommand = (
  context: CliContext,
  runId: string,
  { domains, json }: { domains?: string; json?: boolean },
): Promise<void> =>
  inRoom(context, { domains }, async (room) => {
    const undone = await rollbackRun(room, { runId, signal: context.signal });
    await room.deliver?.(context.signal);
    const text = json
      ? JSON.stringify(undone)
      : `${runId} is undone: ${undone.rows} rows of ${undone.table} and ${undone.quarantined} quarantined pieces are gone`;
    await write(context.stdout, `${text}\n`);
  });

/** `lastro consolidate feedback` */
export const feedbackCommand = (context: CliContext, { domains }: { domains?: string }): Promise<void> =>
  inRoom(context, { domains }, async ({ deliver }) => {
    if (!deliver) throw new UserError('expected KAFKA_BROKERS as host:port, found none');
    const delivered = await deliver(context.signal);
    await write(context.stdout, `${JSON.stringify(delivered)}\n`);
    if (delivered.error !== undefined) process.exitCode = 1;
  });

export type QuarantineOptions = {
  table: string;
  id?: string;
  reason?: string;
  key?: string;
  run?: string;
  json?: boolean;
  limit?: number;
  file?: string;
  domains?: string;
};

const toFilter = ({ id, reason, key, run }: QuarantineOptions): QuarantineFilter => ({
  ...(id === undefined ? {} : { id }),
  ...(reason === undefined ? {} : { reason }),
  ...(key === undefined ? {} : { key }),
  ...(run === undefined ? {} : { run }),
});

/** An empty quarantine and a table that is not there are two answers. */
const checkEvents = async ({ lake }: CommandRoom, table: string): Promise<void> => {
  checkTable(table);
  if (await findTable(lake, table)) return;
  throw new UserError(`expected a table of events, found none named ${table}; see lastro tables`, 1);
};

/** `lastro quarantine list` */
export const listCommand = (context: CliContext, options: QuarantineOptions): Promise<void> =>
  inRoom(context, {}, async (room) => {
    await checkEvents(room, options.table);
    const found = await listQuarantine(room, options.table, toFilter(options), options.limit);
    const line = ({ id, reason, faultAt, rawBytes, objectKey, position }: Quarantined): string =>
      `${id}  ${reason.padEnd(13)}  ${rawBytes} bytes  ${objectKey}#${position} at byte ${faultAt}`;
    const text = options.json
      ? JSON.stringify(found)
      : found.map(line).join('\n') || '(the quarantine is empty)';
    await write(context.stdout, `${text}\n`);
  });

/** `lastro quarantine show` */
export const showCommand = (context: CliContext, id: string, { table }: QuarantineOptions): Promise<void> =>
  inRoom(context, {}, async (room) => {
    await checkEvents(room, table);
    const found = await showQuarantined(room, table, id);
    if (!found)
      throw new UserError(`expected a quarantined piece, found none with the id ${JSON.stringify(id)}`, 1);
    const { raw, ...facts } = found;
    await write(context.stderr, `${JSON.stringify(facts, null, 2)}\n`);
    await write(context.stdout, raw);
  });

/** `lastro quarantine replay` */
export const replayCommand = (context: CliContext, options: QuarantineOptions): Promise<void> =>
  inRoom(context, options, async (room) => {
    if (options.file !== undefined && options.id === undefined) {
      throw new UserError('--file mends one piece: name it with --id');
    }
    await checkEvents(room, options.table);
    const mended = options.file === undefined ? undefined : await readFile(options.file);
    const request = { table: options.table, filter: toFilter(options), signal: context.signal };
    const replayed = await replayQuarantine(room, { ...request, ...(mended ? { mended } : {}) });
    await room.deliver?.(context.signal);
    const { pieces, rows, stillBad, runId } = replayed;
    const text = options.json
      ? JSON.stringify(replayed)
      : `${pieces} pieces gave ${rows} rows${runId === null ? '' : ` (${runId})`}; ${stillBad.length} stay in quarantine`;
    await write(context.stdout, `${text}\n`);
    if (stillBad.length > 0) process.exitCode = 1;
  });
