import { mapLimited } from '../lake/lake-files.ts';
import { type CliContext, UserError, write } from '../platform/cli.ts';
import { LeaseHeldError } from '../platform/leases.ts';
import { inRoomOf } from '../platform/plain-failure.ts';
import { type Listed, loadPipelines, pipelineNamed, shownBroken } from './catalogue.ts';
import { type CommandRoom, openCommandRoom } from './command-room.ts';
import type { Pipeline } from './declaration.ts';
import { shownAge } from './freshness.ts';
import { goldGraph } from './gold-graph.ts';
import { tellLineage } from './lineage/tell-lineage.ts';
import { type PipelineRun, runPipeline, type WindowOutcome } from './run.ts';
import { withSession } from './session.ts';
import { isTooMuch, shownHold } from './source-hold.ts';
import { isTroubled, type PipelineStatus, pipelineStatus } from './status.ts';
import { type CadenceName, cadencesOf } from './windows.ts';

/** Runs `work` with what commands need; what a run can fail of by itself is said without a stack trace. */
export const inRoom = (context: CliContext, work: (room: CommandRoom) => Promise<void>): Promise<void> =>
  inRoomOf(() => openCommandRoom(context), work, {
    names: ['ContractError', 'BudgetError', 'CheckError', 'QueryError'],
    stopped: 'stopped; the next run goes on from here',
  });

export const print = (context: CliContext, text: string): Promise<void> => write(context.stdout, `${text}\n`);

/** `lastro pipeline list` */
export const listCommand = async (context: CliContext, { json }: { json?: boolean }): Promise<void> => {
  const { listed, broken } = await loadPipelines(context.config().LASTRO_PIPELINES);
  const rows = listed.map(toRow);
  if (json) return print(context, JSON.stringify([...rows, ...broken]));
  const lines = rows.map(
    ({ name, about, windows, gold }) =>
      `${name.padEnd(22)} ${windows.padEnd(14)} ${about}${gold.length > 0 ? `\n${' '.repeat(38)}gold: ${gold.join(', ')}` : ''}`,
  );
  await print(context, [...lines, ...broken.map(shownBroken)].join('\n'));
};

const toRow = ({ pipeline, file, own }: Listed) => ({
  name: pipeline.name,
  about: pipeline.about,
  windows: cadencesOf(pipeline)
    .map(({ name }) => name)
    .join(', '),
  gold: (pipeline.gold ?? []).map(({ name }) => name),
  own,
  file,
});

export type RunCommandOptions = {
  all?: boolean;
  cadence?: string;
  refill?: boolean;
  rebuild?: boolean;
  layer?: string;
  limit?: number;
  parallel: number;
  json?: boolean;
};

export const cadenceOption = (text: string | undefined): CadenceName | undefined => {
  if (text === undefined || text === 'hourly' || text === 'daily' || text === 'full') return text;
  throw new UserError(`--cadence: expected hourly, daily or full, found ${JSON.stringify(text)}`);
};

const layerOption = (text: string | undefined): 'silver' | 'gold' | undefined => {
  if (text === undefined || text === 'silver' || text === 'gold') return text;
  throw new UserError(`--layer: expected silver or gold, found ${JSON.stringify(text)}`);
};

export const chosen = (room: CommandRoom, names: readonly string[], all: boolean): Pipeline[] => {
  if (all === names.length > 0) throw new UserError('expected the names of pipelines, or --all; see --help');
  return all ? [...room.pipelines] : names.map((name) => pipelineNamed(room.catalogue, name));
};

/** `lastro pipeline run` */
export const runCommand = (context: CliContext, names: string[], options: RunCommandOptions): Promise<void> =>
  inRoom(context, async (room) => {
    const pipelines = chosen(room, names, options.all === true);
    const cadence = cadenceOption(options.cadence);
    const { refill, rebuild, limit } = options;
    const layer = layerOption(options.layer);
    const results = await mapLimited(pipelines, options.parallel, async (pipeline) => {
      try {
        return await runPipeline(room, pipeline, {
          cadence,
          refill,
          rebuild,
          layer,
          limit,
          signal: context.signal,
        });
      } catch (error) {
        // One that is held or broken must not keep the others from running.
        if (pipelines.length === 1 && !(error instanceof LeaseHeldError)) throw error;
        return { pipeline: pipeline.name, windows: [], gold: [], error: String((error as Error).message) };
      }
    });
    for (const lost of await tellLineage(room, context.config(), results)) {
      await write(context.stderr, `${lost}\n`);
    }
    const failed = results.some(
      (result) => 'error' in result || result.windows.some(({ state }) => state === 'failed'),
    );
    if (options.json) await print(context, JSON.stringify(results));
    else await print(context, results.map(showRun).join('\n'));
    // All were meant: a file that was skipped is work that was not done.
    if (failed || (options.all && room.catalogue.broken.length > 0)) process.exitCode = 1;
  });

const day = (at: Date | null): string =>
  at?.toISOString().replace('T00:00:00.000Z', '').replace(':00.000Z', 'Z') ?? '';

const showWindow = ({ cadence, from, to, state, report, error }: WindowOutcome): string => {
  const place = from === null ? 'silver from bronze' : `${cadence} [${day(from)}, ${day(to)})`;
  if (state === 'failed') return `  ${place}: failed: ${error}`;
  const { calls = 0, records = 0, added = 0, restated = 0, removed = 0, quarantined = 0 } = report;
  const asked = calls > 0 ? `${calls} calls, ` : '';
  if (state === 'skipped') return `  ${place}: ${asked}nothing new`;
  const notices = (report.notices ?? []).map((notice) => `\n    ${notice}`).join('');
  return `  ${place}: ${asked}${records} records → ${added} new, ${restated} restated, ${removed} removed, ${quarantined} quarantined${notices}`;
};

export const showRun = (run: PipelineRun & { error?: string }): string => {
  const gold = run.gold
    .filter(({ state }) => state !== 'current')
    .map(
      ({ gold: name, state, rows }) =>
        `  gold.${name}: ${state === 'waiting' ? 'waits for what it reads' : `${rows} rows, ${state}`}`,
    );
  const windows = run.windows.map(showWindow);
  const lines = [...windows, ...gold, ...(run.error === undefined ? [] : [`  failed: ${run.error}`])];
  return [`${run.pipeline}${lines.length === 0 ? ': nothing is due' : ''}`, ...lines].join('\n');
};

/** `lastro pipeline status` */
export const statusCommand = (
  context: CliContext,
  names: string[],
  { check, json }: { check?: boolean; json?: boolean },
): Promise<void> =>
  inRoom(context, async (room) => {
    const pipelines = chosen(room, names, names.length === 0);
    const graph = await withSession(room, ({ connection }) => goldGraph(connection, room.pipelines));
    const found: PipelineStatus[] = [];
    for (const pipeline of pipelines) found.push(await pipelineStatus(room, pipeline, graph));
    await print(context, json ? JSON.stringify(found) : found.map(showStatus).join('\n'));
    const troubled = found.filter(isTroubled).map(({ pipeline }) => pipeline);
    if (names.length === 0) troubled.push(...room.catalogue.broken.map(({ file }) => file));
    if (check && troubled.length > 0) throw new UserError(`look at ${troubled.join(', ')}`, 1);
  });

const staleShown = 20;

/** Tables with a target: those that are stale by their parts, the others in a line. */
const showTables = ({ tables, hold, holdError }: PipelineStatus): string[] => {
  const stale = tables.filter((each) => each.stale);
  const fresh = tables.length - stale.length;
  return [
    ...stale.slice(0, staleShown).map((each) => `  STALE: ${shownAge(each)}`),
    ...(stale.length > staleShown ? [`  … and ${stale.length - staleShown} more`] : []),
    ...(fresh > 0 ? [`  ${fresh} tables or parts of tables are as fresh as their targets`] : []),
    ...(hold === null ? [] : [`  ${isTooMuch(hold) ? 'TOO MUCH: ' : ''}${shownHold(hold)}`]),
    ...(holdError === null ? [] : [`  what its source keeps could not be read: ${holdError}`]),
  ];
};

const showStatus = (status: PipelineStatus): string => {
  const { pipeline, cadences, age, freshness, stale, modelChanged, quarantined, goldOwed, lastRuns } = status;
  const lines = cadences.flatMap(({ cadence, doneTo, due, failed, holes }) => [
    `  ${cadence}: done to ${doneTo ?? 'nothing'}, ${due} due, ${failed} failed, ${holes.length} holes`,
    ...holes.map(({ from, to, reason }) => `    hole [${from}, ${to}): ${reason}`),
  ]);
  if (age !== null) {
    const target =
      freshness === null ? '' : stale ? `, STALE: the target is ${freshness} h` : `, target ${freshness} h`;
    lines.push(`  newest window ended ${age} h ago${target}`);
  } else if (stale) lines.push(`  STALE: nothing is done yet, the target is ${freshness} h`);
  lines.push(...showTables(status));
  if (modelChanged) lines.push('  its model changed: the next run makes silver anew (see plan)');
  if (quarantined > 0) lines.push(`  ${quarantined} in quarantine`);
  if (goldOwed.length > 0) lines.push(`  gold that has to follow: ${goldOwed.join(', ')}`);
  const [last] = lastRuns;
  if (last)
    lines.push(`  last run ${last.attemptId}: ${last.state}${last.error === null ? '' : `, ${last.error}`}`);
  return [pipeline, ...lines].join('\n');
};
