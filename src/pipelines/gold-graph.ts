import type { DuckDBConnection } from '@duckdb/node-api';
import { parseStatement } from '../lake/engines/duckdb-statement.ts';
import { UserError } from '../platform/cli.ts';
import type { Gold, Pipeline } from './declaration.ts';

/** A gold table with the tables that it reads, `silver.bcb_sgs`. */
export type GoldNode = {
  readonly name: string;
  readonly owner: string;
  readonly gold: Gold;
  readonly reads: readonly string[];
  /** Why it can't be made: it follows nothing, and keeps nobody else's tables from being made. */
  readonly fault?: string;
};

/**
 * Every gold table of the pipelines, each after those that it reads. SQL that can't be parsed, a name that is there
 * twice or a circle is the fault of the tables that have it: `requireGold` says so to their own pipelines.
 */
export const goldGraph = (
  connection: DuckDBConnection,
  pipelines: readonly Pipeline[],
): Promise<GoldNode[]> => {
  const known = graphs.get(pipelines);
  if (known) return known;
  const graph = readGraph(connection, pipelines);
  graphs.set(pipelines, graph);
  graph.catch(() => graphs.delete(pipelines));
  return graph;
};

/** Parsing all SQL for each of many pipelines would take longer than their runs. */
const graphs = new WeakMap<readonly Pipeline[], Promise<GoldNode[]>>();

/** @throws UserError a gold table of the pipeline can't be made */
export const requireGold = (graph: readonly GoldNode[], { name }: Pipeline): void => {
  const faults = graph.flatMap(({ owner, fault }) => (owner === name && fault !== undefined ? [fault] : []));
  if (faults.length > 0) throw new UserError(faults.join('\n'));
};

const readGraph = async (
  connection: DuckDBConnection,
  pipelines: readonly Pipeline[],
): Promise<GoldNode[]> => {
  const nodes: GoldNode[] = [];
  for (const { name: owner, gold = [] } of pipelines) {
    for (const table of gold) {
      const node = { name: table.name, owner, gold: table, reads: [] };
      const isTwice = nodes.some(({ name }) => name === table.name);
      nodes.push(
        isTwice
          ? { ...node, fault: `gold.${table.name} is declared twice; the second time by ${owner}` }
          : { ...node, ...(await tablesOf(connection, table)) },
      );
    }
  }
  return inOrder(nodes);
};

const tablesOf = async (
  connection: DuckDBConnection,
  { name, sql }: Gold,
): Promise<Pick<GoldNode, 'reads' | 'fault'>> => {
  try {
    const { tables } = await parseStatement(connection, sql);
    return { reads: [...new Set(tables.map(({ namespace, table }) => `${namespace}.${table}`))] };
  } catch (error) {
    return { reads: [], fault: `gold.${name}: ${error instanceof Error ? error.message : String(error)}` };
  }
};

const inOrder = (nodes: readonly GoldNode[]): GoldNode[] => {
  const done = nodes.filter(({ fault }) => fault !== undefined);
  let left = nodes.filter(({ fault }) => fault === undefined);
  while (left.length > 0) {
    const waits = new Set(left.map(({ name }) => `gold.${name}`));
    const ready = left.filter(({ reads }) => !reads.some((table) => waits.has(table)));
    if (ready.length === 0) {
      const fault = `gold tables read one another in a circle: ${left.map(({ name }) => name).join(', ')}`;
      return [...done, ...left.map((node) => ({ ...node, reads: [], fault }))];
    }
    done.push(...ready);
    left = left.filter((node) => !ready.includes(node));
  }
  return done;
};

/** The gold tables that have to follow a table, directly or over others, in order. `direct`: they read it themselves. */
export const followersOf = (
  graph: readonly GoldNode[],
  table: string,
): { node: GoldNode; direct: boolean }[] => {
  const moved = new Set([table]);
  return graph.flatMap((node) => {
    if (!node.reads.some((each) => moved.has(each))) return [];
    moved.add(`gold.${node.name}`);
    return [{ node, direct: node.reads.includes(table) && node.reads.length === 1 }];
  });
};
