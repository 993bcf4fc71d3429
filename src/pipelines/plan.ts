import { type DuckSession, quoteName } from '../lake/duckdb-session.ts';
import { planFiles, scanLocations, scanSql } from '../lake/scan.ts';
import { findTable } from '../lake/tables.ts';
import { quarantineByChecks } from './checks.ts';
import type { Pipeline } from './declaration.ts';
import { type Difference, differenceOf } from './difference.ts';
import { type DueWindow, dueWindows } from './due.ts';
import { goldChanges, goldTable } from './gold.ts';
import { followersOf, type GoldNode, goldGraph, requireGold } from './gold-graph.ts';
import { goldHash, silverHash } from './model-hash.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import { resultColumns } from './result-columns.ts';
import { readSilverState } from './runs.ts';
import { openScratch, type Proposed } from './scratch.ts';
import { withSession } from './session.ts';
import { allSets } from './sets.ts';
import { mergeLines, readLines } from './silver.ts';
import { silverChanges, silverTable } from './silver-tables.ts';
import { type CadenceName, requestsOf } from './windows.ts';

export type PlannedWindow = {
  readonly cadence: CadenceName;
  readonly from: string;
  readonly to: string;
  readonly reason: DueWindow['reason'];
  /** Requests, each with one page at least: what is known before they are made. */
  readonly calls: number;
};

export type TableChange = { readonly table: string; readonly difference: Difference };

export type PipelinePlan = {
  readonly pipeline: string;
  readonly windows: readonly PlannedWindow[];
  readonly calls: number;
  /** By the pages that earlier readings of a request took. */
  readonly expectedPages: number;
  readonly cost: number;
  /** The model of silver changed: these windows are made anew from bronze, without a call. */
  readonly rebuild: readonly { readonly cadence: string; readonly from: string; readonly to: string }[];
  /** Gold tables whose SQL changed. */
  readonly goldChanged: readonly string[];
  /** What a changed model makes of the rows that are there, worked out on scratch branches of the tables. */
  readonly changes: readonly TableChange[];
};

/**
 * What a run would do now, without doing it: windows, calls and cost; where a model changed, the rows that it adds,
 * changes and removes, on scratch branches of the tables that are dropped afterwards.
 * @throws ContractError the changed model does not fit the answers in bronze, or the tables that are there
 * @throws UserError the same of gold
 */
export const planPipeline = (
  deps: PipelineDeps,
  pipeline: Pipeline,
  { cadence, refill }: { cadence?: CadenceName | undefined; refill?: boolean | undefined } = {},
): Promise<PipelinePlan> =>
  withSession(deps, async (session) => {
    const due = await dueWindows(deps.pool, pipeline, { now: deps.clock(), cadence, refill });
    const windows = due.map((window) => ({
      cadence: window.cadence,
      from: window.from.toISOString(),
      to: window.to.toISOString(),
      reason: window.reason,
      calls: requestsOf(pipeline, window.cadence, window).length,
    }));
    const calls = windows.reduce((sum, window) => sum + window.calls, 0);
    const expectedPages = Math.ceil(calls * (await pagesARequest(deps, pipeline)));
    const graph = await goldGraph(session.connection, deps.pipelines);
    requireGold(graph, pipeline);
    const state = await readSilverState(deps.pool, pipeline.name);
    const modelChanged = state !== undefined && state.codeHash !== silverHash(pipeline);
    const goldChanged: string[] = [];
    for (const node of graph.filter(({ owner }) => owner === pipeline.name)) {
      const built = await deps.pool.query<{ code_hash: string }>(
        'SELECT code_hash FROM pipeline_gold WHERE gold = $1',
        [node.name],
      );
      const hash = built.rows[0]?.code_hash;
      if (hash !== undefined && hash !== goldHash(node.gold)) goldChanged.push(node.name);
    }
    const sets = modelChanged ? await allSets(deps.pool, pipeline.name) : [];
    return {
      pipeline: pipeline.name,
      windows,
      calls,
      expectedPages,
      cost: expectedPages * (pipeline.costPerCall ?? 0),
      rebuild: sets.map(({ source, from, to }) => ({
        cadence: source,
        from: from.toISOString(),
        to: to.toISOString(),
      })),
      goldChanged,
      changes: await modelChanges(deps, session, pipeline, graph, { modelChanged, goldChanged }),
    };
  });

const pagesARequest = async ({ pool }: PipelineDeps, { name }: Pipeline): Promise<number> => {
  const found = await pool.query<{ pages: string | null }>(
    `SELECT count(*)::numeric / nullif(count(DISTINCT (set_id, request)), 0) AS pages FROM pipeline_captures
     WHERE pipeline = $1 AND refused IS NULL`,
    [name],
  );
  return Number(found.rows[0]?.pages ?? 1);
};

const track = ['valido_desde', 'captura_id', 'posicao', 'hash_linha'];

/** Row-level differences of silver, and of the gold tables that follow it or whose SQL changed. */
const modelChanges = async (
  deps: PipelineDeps,
  session: DuckSession,
  pipeline: Pipeline,
  graph: readonly GoldNode[],
  { modelChanged, goldChanged }: { modelChanged: boolean; goldChanged: readonly string[] },
): Promise<TableChange[]> => {
  if (!modelChanged && goldChanged.length === 0) return [];
  const changes: TableChange[] = [];
  const scratch = openScratch(deps, session);
  try {
    if (modelChanged) {
      const sides = await scratch.put(await proposedSilver(deps, session, pipeline));
      const { key } = pipeline.silver;
      const difference = await differenceOf(session, { ...sides, key, ignored: track });
      changes.push({ table: silverTable(pipeline.name), difference });
    }
    const followers = modelChanged
      ? followersOf(graph, silverTable(pipeline.name)).map(({ node }) => node)
      : [];
    const touched = graph.filter((node) => followers.includes(node) || goldChanged.includes(node.name));
    for (const node of touched) {
      if (!(await scratch.view(node.reads))) continue;
      const sides = await scratch.put(await proposedGold(session, node));
      const difference = await differenceOf(session, { ...sides, key: node.gold.key });
      changes.push({ table: goldTable(node.name), difference });
    }
    return changes;
  } finally {
    await scratch.close();
  }
};

/** Silver as the changed model makes it of all of bronze. @throws ContractError */
const proposedSilver = async (
  deps: PipelineDeps,
  session: DuckSession,
  pipeline: Pipeline,
): Promise<Proposed> => {
  const tools = { ...deps, session };
  const sets = await allSets(deps.pool, pipeline.name);
  const lines = await readLines(tools, pipeline, sets);
  await quarantineByChecks(tools, pipeline);
  const current = { relation: undefined, plan: undefined };
  const { columns } = await mergeLines(tools, pipeline, lines, { sets, rebuild: true, current });
  const own = [...columns.map(({ name }) => name), ...track].map(quoteName).join(', ');
  return {
    name: silverTable(pipeline.name),
    select: `SELECT ${own} FROM versoes WHERE NOT apaga AND valido_ate IS NULL`,
    schema: (table) => silverChanges(pipeline, table, columns),
  };
};

const proposedGold = async (session: DuckSession, node: GoldNode): Promise<Proposed> => {
  const rows = quoteName(`gold_${node.name}`);
  await session.connection.run(`CREATE OR REPLACE TABLE ${rows} AS ${node.gold.sql}`);
  const select = `SELECT * FROM ${rows}`;
  const columns = await resultColumns(session.connection, select, goldTable(node.name));
  return { name: goldTable(node.name), select, schema: (table) => goldChanges(node, columns, table) };
};

/** How a table differs between two of its snapshots; `to` undefined: the present one. */
export const snapshotDifference = (
  deps: PipelineDeps,
  table: string,
  key: readonly string[],
  { from, to }: { from: string; to: string | undefined },
): Promise<Difference> =>
  withSession(deps, async (session) => {
    const loaded = await findTable(deps.lake, table);
    if (!loaded) throw new Error(`no table ${table}`);
    const plans = await Promise.all([
      planFiles(deps.lake, loaded, { snapshotId: from }),
      planFiles(deps.lake, loaded, to === undefined ? {} : { snapshotId: to }),
    ]);
    const held = await deps.files.hold(plans.flatMap(scanLocations));
    try {
      const [before, after] = plans.map((plan) => scanSql(plan, held.localPath));
      if (after === undefined) throw new Error('expected two snapshots');
      return await differenceOf(session, { before, after, key, ignored: track });
    } finally {
      held.release();
    }
  });
