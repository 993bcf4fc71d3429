import { readFile } from 'node:fs/promises';
import { findTable } from '../lake/tables.ts';
import { type CliContext, UserError, write } from '../platform/cli.ts';
import { checkTable } from './command-options.ts';
import { type CommandRoom, inRoom } from './command-room.ts';
import { listQuarantine, type Quarantined, type QuarantineFilter, showQuarantined } from './quarantine.ts';
import { replayQuarantine } from './replay.ts';
import { rollbackRun } from './rollback.ts';
import { listRuns, type Run } from './runs.ts';

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
