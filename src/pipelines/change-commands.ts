import { findTable } from '../lake/tables.ts';
import { type CliContext, UserError } from '../platform/cli.ts';
import { pipelineNamed } from './catalogue.ts';
import { cadenceOption, chosen, inRoom, print, showRun } from './commands.ts';
import type { Difference } from './difference.ts';
import { backfillWindows } from './due.ts';
import { goldTable } from './gold.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import { type PipelinePlan, planPipeline, snapshotDifference } from './plan.ts';
import { rollbackPipeline } from './rollback.ts';
import { runPipeline } from './run.ts';
import { listRuns } from './runs.ts';
import { silverTable } from './silver-tables.ts';
import { cadencesOf } from './windows.ts';

/** `lastro pipeline plan` */
export const planCommand = (
  context: CliContext,
  names: string[],
  options: { all?: boolean; cadence?: string; refill?: boolean; json?: boolean },
): Promise<void> =>
  inRoom(context, async (room) => {
    const plans: (PipelinePlan | FailedPlan)[] = [];
    const cadence = cadenceOption(options.cadence);
    const pipelines = chosen(room, names, options.all === true || names.length === 0);
    for (const pipeline of pipelines) {
      try {
        plans.push(await planPipeline(room, pipeline, { cadence, refill: options.refill }));
      } catch (error) {
        // A model that does not fit must not hide the plans of the others.
        if (pipelines.length === 1) throw error;
        plans.push({
          pipeline: pipeline.name,
          error: error instanceof Error ? error.message : String(error),
        });
      }
    }
    const shown = plans.map((plan) =>
      'error' in plan ? `${plan.pipeline}\n  a run would fail: ${plan.error}` : showPlan(plan),
    );
    await print(context, options.json ? JSON.stringify(plans) : shown.join('\n'));
    if (plans.some((plan) => 'error' in plan)) process.exitCode = 1;
  });

type FailedPlan = { readonly pipeline: string; readonly error: string };

const shownWindows = 20;

const showPlan = (plan: PipelinePlan): string => {
  const { pipeline, windows, calls, expectedPages, cost, rebuild, goldChanged, changes } = plan;
  const lines = windows
    .slice(0, shownWindows)
    .map(({ cadence, from, to, reason, calls: n }) => `  ${cadence} [${from}, ${to}): ${reason}, ${n} calls`);
  if (windows.length > shownWindows) lines.push(`  … and ${windows.length - shownWindows} more windows`);
  if (windows.length > 0) {
    lines.push(
      `  ${calls} calls, about ${expectedPages} with further pages${cost > 0 ? `, cost ${cost}` : ''}`,
    );
  }
  if (rebuild.length > 0) {
    const [first] = rebuild;
    lines.push(
      `  silver's model changed: ${rebuild.length} windows are made anew from bronze, from ${first?.from} on, without a call`,
    );
  }
  if (goldChanged.length > 0) lines.push(`  gold's SQL changed: ${goldChanged.join(', ')}`);
  for (const { table, difference } of changes) lines.push(`  ${table}: ${showDifference(difference)}`);
  return [`${pipeline}${lines.length === 0 ? ': nothing to do' : ''}`, ...lines].join('\n');
};

const showDifference = ({ added, changed, removed, same, examples }: Difference): string => {
  const rows = (sign: string, list: readonly unknown[]): string =>
    list.map((row) => `\n    ${sign} ${JSON.stringify(row)}`).join('');
  return (
    `${added} added, ${changed} changed, ${removed} removed, ${same} the same` +
    rows('+', examples.added) +
    rows('~', examples.changed) +
    rows('-', examples.removed)
  );
};

const dateOption = (name: string, text: string): Date => {
  const at = new Date(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
  if (Number.isNaN(at.getTime()))
    throw new UserError(`${name}: expected a date such as 2024-01-31, found ${text}`);
  return at;
};

export type BackfillOptions = {
  from: string;
  to: string;
  cadence?: string;
  dryRun?: boolean;
  json?: boolean;
};

/** `lastro pipeline backfill` */
export const backfillCommand = (context: CliContext, name: string, options: BackfillOptions): Promise<void> =>
  inRoom(context, async (room) => {
    const pipeline = pipelineNamed(room.catalogue, name);
    const [first] = cadencesOf(pipeline);
    const cadence = cadenceOption(options.cadence) ?? first?.name ?? 'daily';
    if (cadence === 'full' || !cadencesOf(pipeline).some((each) => each.name === cadence)) {
      throw new UserError(
        `${name} has no ${cadence} windows to take again; \`lastro pipeline run\` takes a new snapshot`,
      );
    }
    const range = { cadence, from: dateOption('--from', options.from), to: dateOption('--to', options.to) };
    if (range.from >= range.to) throw new UserError('--from: expected it before --to (which is exclusive)');
    const windows = await backfillWindows(room.pool, pipeline, range);
    if (options.dryRun) {
      const shown = windows.map(({ from, to, reason }) => ({ cadence, from, to, reason }));
      const lines = windows.map(
        ({ from, to, reason }) => `  [${from.toISOString()}, ${to.toISOString()}): ${reason}`,
      );
      return print(context, options.json ? JSON.stringify(shown) : [name, ...lines].join('\n'));
    }
    const result = await runPipeline(room, pipeline, { windows, signal: context.signal });
    await print(context, options.json ? JSON.stringify(result) : showRun(result));
    if (result.windows.some(({ state }) => state === 'failed')) process.exitCode = 1;
  });

export type DiffOptions = { from?: string; to?: string; gold?: string; json?: boolean };

/** `lastro pipeline diff` */
export const diffCommand = (context: CliContext, name: string, options: DiffOptions): Promise<void> =>
  inRoom(context, async (room) => {
    const pipeline = pipelineNamed(room.catalogue, name);
    const gold = pipeline.gold?.find((each) => each.name === options.gold);
    if (options.gold !== undefined && !gold) throw new UserError(`${name} has no gold table ${options.gold}`);
    const table = gold ? goldTable(gold.name) : silverTable(name);
    const snapshotOf = async (run: string | undefined): Promise<string | undefined> => {
      if (run === undefined || /^\d+$/.test(run)) return run;
      const found = (await listRuns(room.pool, { pipeline: name, limit: 10_000 })).find(
        ({ attemptId, runId, snapshots }) => (attemptId === run || runId === run) && snapshots !== null,
      );
      const snapshot = found?.snapshots?.tables[table];
      if (!snapshot)
        throw new UserError(`expected a snapshot, or a run of ${name} that changed ${table}, found ${run}`);
      return snapshot;
    };
    const from = (await snapshotOf(options.from)) ?? (await previousSnapshot(room, table));
    const difference = await snapshotDifference(room, table, gold?.key ?? pipeline.silver.key, {
      from,
      to: await snapshotOf(options.to),
    });
    await print(
      context,
      options.json ? JSON.stringify({ table, from, difference }) : `${table}: ${showDifference(difference)}`,
    );
  });

const previousSnapshot = async (room: PipelineDeps, table: string): Promise<string> => {
  const found = await findTable(room.lake, table);
  const current = found?.metadata.snapshots.find(
    (each) => each['snapshot-id'] === found.metadata['current-snapshot-id'],
  );
  const parent = current?.['parent-snapshot-id'];
  if (!parent) throw new UserError(`${table} has no snapshot before the present one`, 1);
  return parent;
};

/** `lastro pipeline rollback` */
export const rollbackCommand = (
  context: CliContext,
  name: string,
  { to, before, json }: { to?: string; before?: string; json?: boolean },
): Promise<void> =>
  inRoom(context, async (room) => {
    const pipeline = pipelineNamed(room.catalogue, name);
    const run = to ?? before;
    if (run === undefined || (to !== undefined && before !== undefined)) {
      throw new UserError('expected --to RUN or --before RUN; `lastro pipeline status` shows the runs');
    }
    const done = await rollbackPipeline(room, pipeline, {
      run,
      before: before !== undefined,
      signal: context.signal,
    });
    const holes = done.windows.map(({ cadence, from, to: end }) => `\n  hole: ${cadence} [${from}, ${end})`);
    const text = `${name} stands ${done.to === null ? 'before its first run' : `as after ${done.to}`}: ${done.undone.length} runs undone${holes.join('')}`;
    await print(context, json ? JSON.stringify(done) : text);
  });
