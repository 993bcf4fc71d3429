import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { PartitionValue } from '../lake/data-file.ts';
import { writeDataFiles } from '../lake/data-writer.ts';
import { allRows, type DuckSession, quoteName, quoteText } from '../lake/duckdb-session.ts';
import type { LakeEngine } from '../lake/engines/engine.ts';
import type { SchemaChange } from '../lake/evolution.ts';
import type { FileCache } from '../lake/file-cache.ts';
import { currentSchema } from '../lake/metadata.ts';
import { planFiles, scanLocations, scanSql } from '../lake/scan.ts';
import {
  changeSchema,
  createTable,
  findTable,
  type Lake,
  overwriteFiles,
  overwritePartition,
  type Table,
} from '../lake/tables.ts';
import { parseValue } from '../lake/values.ts';
import { UserError } from '../platform/cli.ts';
import {
  assertFence,
  type Fence,
  holderName,
  LeaseHeldError,
  type WithLease,
  withLease,
} from '../platform/leases.ts';
import { type Db, type Tx, transaction } from '../platform/postgres.ts';
import { newId } from '../shared/ids.ts';
import type { Gold, Pipeline } from './declaration.ts';
import type { Fault } from './faults.ts';
import type { GoldNode } from './gold-graph.ts';
import { goldHash } from './model-hash.ts';
import { resultColumns } from './result-columns.ts';
import { finishRun, startRun } from './runs.ts';
import type { ResultColumn } from './silver-tables.ts';

export type GoldDeps = {
  readonly pool: Pool;
  readonly lake: Lake;
  readonly session: DuckSession;
  readonly files: FileCache;
  /** Runs the gold SQL: DuckDB, Trino or Athena. */
  readonly engine: () => Promise<LakeEngine>;
  readonly clock: () => Date;
  readonly fault?: Fault;
};

export const goldTable = (name: string): string => `gold.${name}`;

const leaseTtlMs = 30_000;
/** More groups than this are no longer worth a list. */
export const mostGroups = 200;

/** `waiting`: a table that it reads is not there yet. */
export type GoldOutcome = {
  readonly gold: string;
  readonly state: 'unchanged' | 'done' | 'current' | 'waiting';
  readonly rows: number;
};

type Owed = { readonly changeIds: readonly string[]; readonly groups: readonly string[] | null };

/** What a gold table has yet to follow; undefined: nothing. */
export const readOwed = async (db: Db, { name, gold }: GoldNode): Promise<Owed | undefined> => {
  const built = await db.query<{ code_hash: string }>('SELECT code_hash FROM pipeline_gold WHERE gold = $1', [
    name,
  ]);
  const notes = await db.query<{ change_id: string; groups: string[] | null }>(
    'SELECT change_id, groups FROM pipeline_gold_changes WHERE gold = $1',
    [name],
  );
  const changeIds = notes.rows.map(({ change_id }) => change_id);
  if (built.rows[0]?.code_hash !== goldHash(gold)) return { changeIds, groups: null };
  if (changeIds.length === 0) return undefined;
  const groups = new Set(notes.rows.flatMap((row) => row.groups ?? []));
  const whole = gold.incremental === undefined || notes.rows.some((row) => row.groups === null);
  return { changeIds, groups: whole || groups.size > mostGroups ? null : [...groups].sort() };
};

/** Whether any gold table may have to follow, without reading SQL: a note is there, or one of the pipeline's own changed. */
export const isGoldOwed = async (db: Db, { gold = [] }: Pipeline): Promise<boolean> => {
  const notes = await db.query('SELECT 1 FROM pipeline_gold_changes LIMIT 1');
  if (notes.rowCount) return true;
  const built = await db.query<{ gold: string; code_hash: string }>(
    'SELECT gold, code_hash FROM pipeline_gold WHERE gold = ANY ($1)',
    [gold.map(({ name }) => name)],
  );
  const hashes = new Map(built.rows.map((row) => [row.gold, row.code_hash]));
  return gold.some((table) => hashes.get(table.name) !== goldHash(table));
};

/** Notes that gold tables have to follow a change, in the transaction that makes it. */
export const noteGold = async (
  tx: Tx,
  changeId: string,
  notes: readonly { gold: string; groups: readonly string[] | null }[],
): Promise<void> => {
  for (const { gold, groups } of notes) {
    await tx.query(
      'INSERT INTO pipeline_gold_changes (gold, change_id, groups) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [gold, changeId, groups],
    );
  }
};

const literalOf = (type: string, text: string): string => {
  if (type === 'date') return `DATE ${quoteText(text)}`;
  if (type === 'int' || type === 'long') return String(BigInt(text));
  if (type === 'string') return quoteText(text);
  throw new UserError(`a gold table can be incremental by a date, a number or a text, found ${type}`, 1);
};

/**
 * Brings one gold table up to what it reads: the whole of it, or the groups that changed. One commit with the notes of
 * what it had to follow; the same result changes nothing.
 * @throws UserError its SQL is wrong
 */
export const refreshGold = async (
  deps: GoldDeps,
  node: GoldNode,
  signal: AbortSignal,
): Promise<GoldOutcome> => {
  const { pool, lake } = deps;
  if (!(await readOwed(pool, node))) return { gold: node.name, state: 'current', rows: 0 };
  for (const table of node.reads) {
    if (!(await findTable(lake, table))) return { gold: node.name, state: 'waiting', rows: 0 };
  }
  const lease = { pool, name: `gold/${node.name}`, holder: holderName('gold'), ttlMs: leaseTtlMs, signal };
  return inTurn(lease, async (held) => {
    const owed = await readOwed(pool, node);
    return owed
      ? build(deps, node, owed, held.fence, held.signal)
      : { gold: node.name, state: 'current', rows: 0 };
  });
};

/** Several pipelines may have changed what one gold table reads: who comes second waits, and then looks again. */
const inTurn = async <T>(lease: WithLease, work: Parameters<typeof withLease<T>>[1]): Promise<T> => {
  const patience = performance.now() + 4 * leaseTtlMs;
  for (;;) {
    try {
      return await withLease(lease, work);
    } catch (error) {
      if (!(error instanceof LeaseHeldError) || performance.now() > patience) throw error;
      await sleep(100, undefined, lease.signal ? { signal: lease.signal } : {});
    }
  }
};

const build = async (
  deps: GoldDeps,
  node: GoldNode,
  owed: Owed,
  fence: Fence,
  signal: AbortSignal,
): Promise<GoldOutcome> => {
  const { pool, lake, session } = deps;
  const { gold } = node;
  const begun = performance.now();
  const attemptId = newId('att', deps.clock());
  const found = await findTable(lake, goldTable(node.name));
  const groups = found ? owed.groups : null;
  const file = join(session.folder, `gold-${randomUUID()}.parquet`);
  try {
    const engine = await deps.engine();
    const { rows } = await engine.copyTo(
      selectOf(gold, found, groups),
      { file, format: 'parquet' },
      { signal },
    );
    const result = `read_parquet(${quoteText(file)})`;
    const columns = await resultColumns(session.connection, `SELECT * FROM ${result}`, `gold.${node.name}`);
    await requireKey(session, node, result);
    const table = await ensureGold(lake, node, columns, found);
    const same = found !== null && (await isSame(deps, found, gold, groups, result, columns));
    const add = same ? [] : await writeDataFiles({ lake, session }, table, result);
    const live = same || groups !== null ? [] : (await planFiles(lake, table)).files.map((each) => each.file);
    await transaction(pool, async (tx) => {
      await assertFence(tx, fence);
      const run = {
        attemptId,
        pipeline: node.owner,
        kind: 'gold' as const,
        source: 'gold' as const,
        window: null,
      };
      await startRun(tx, { ...run, fence, codeHash: goldHash(gold), at: deps.clock() });
      const options = { tx, commitId: attemptId, summary: { 'lastro.run': attemptId } };
      const name = goldTable(node.name);
      if (!same && groups !== null) {
        const partitions = groups.map((text) => [partitionValue(table, gold, text)]);
        await overwritePartition(lake, name, { partitions, add, basis: table }, options);
      } else if (!same && (live.length > 0 || add.length > 0)) {
        await overwriteFiles(lake, name, { basis: table, remove: live, add }, options);
      }
      await tx.query('DELETE FROM pipeline_gold_changes WHERE gold = $1 AND change_id = ANY ($2)', [
        node.name,
        owed.changeIds,
      ]);
      await tx.query(
        `INSERT INTO pipeline_gold (gold, pipeline, code_hash, built_at) VALUES ($1, $2, $3, clock_timestamp())
         ON CONFLICT (gold) DO UPDATE SET pipeline = $2, code_hash = $3, built_at = clock_timestamp()`,
        [node.name, node.owner, goldHash(gold)],
      );
      await finishRun(tx, attemptId, {
        state: same ? 'skipped' : 'done',
        runId: null,
        inputHash: null,
        report: { records: rows, seconds: Math.round(performance.now() - begun) / 1000 },
        snapshots: null,
      });
      await deps.fault?.('at-gold-commit');
    });
    await deps.fault?.('after-gold');
    return { gold: node.name, state: same ? 'unchanged' : 'done', rows };
  } finally {
    await rm(file, { force: true });
  }
};

const columnType = (table: Table, column: string): string =>
  String(currentSchema(table.metadata).fields.find(({ name }) => name === column)?.type ?? 'string');

/** The SQL of the groups only: the engine pushes the condition down as far as the SQL lets it. */
const selectOf = (
  { sql, incremental }: Gold,
  found: Table | null,
  groups: readonly string[] | null,
): string => {
  if (groups === null || incremental === undefined || found === null) return sql;
  const type = columnType(found, incremental.column);
  const list = groups.map((text) => literalOf(type, text));
  return `SELECT * FROM (${sql}) AS gold_result WHERE ${quoteName(incremental.column)} IN (${list.join(', ')})`;
};

const partitionValue = (table: Table, { incremental }: Gold, text: string): PartitionValue => {
  const field = currentSchema(table.metadata).fields.find(({ name }) => name === incremental?.column);
  if (!field || typeof field.type !== 'string')
    throw new Error(`no column ${incremental?.column} to part by`);
  return parseValue(field.type, text) as PartitionValue;
};

const requireKey = async (session: DuckSession, { name, gold }: GoldNode, result: string): Promise<void> => {
  const key = gold.key.map(quoteName).join(', ');
  const [twice] = await allRows(
    session.connection,
    `SELECT ${key}, count(*) AS rows FROM ${result} GROUP BY ${key} HAVING count(*) > 1 LIMIT 1`,
  );
  if (twice) throw new UserError(`gold.${name}: its key is not unique: ${JSON.stringify(twice)}`, 1);
};

/** What a gold table would go through for these columns. @throws UserError a column would be of another type */
export const goldChanges = (
  { name }: GoldNode,
  columns: readonly ResultColumn[],
  found: Table,
): SchemaChange[] => {
  const { fields } = currentSchema(found.metadata);
  const changed = columns.find((column) => {
    const field = fields.find((each) => each.name === column.name);
    return field !== undefined && String(field.type).replaceAll(' ', '') !== column.type.replaceAll(' ', '');
  });
  if (changed) {
    throw new UserError(
      `gold.${name}: column ${changed.name} is ${columnType(found, changed.name)} and would become ${changed.type}: cast it, or name it otherwise`,
      1,
    );
  }
  const fresh = columns.filter((column) => !fields.some((field) => field.name === column.name));
  return fresh.map((column) => ({ add: column }));
};

const ensureGold = async (
  lake: Lake,
  node: GoldNode,
  columns: readonly ResultColumn[],
  found: Table | null,
): Promise<Table> => {
  const { name, gold } = node;
  if (!found) {
    const partitionBy =
      gold.incremental === undefined
        ? []
        : [{ column: gold.incremental.column, transform: 'identity' as const }];
    return createTable(lake, goldTable(name), {
      columns,
      partitionBy,
      sortBy: gold.key.map((column) => ({ column })),
    });
  }
  const changes = goldChanges(node, columns, found);
  return changes.length === 0 ? found : changeSchema(lake, goldTable(name), changes);
};

/** Whether the table (or the groups of it) has exactly these rows. */
const isSame = async (
  { lake, session, files }: GoldDeps,
  found: Table,
  gold: Gold,
  groups: readonly string[] | null,
  result: string,
  columns: readonly ResultColumn[],
): Promise<boolean> => {
  const plan = await planFiles(lake, found);
  const names = new Set(plan.schema.fields.map(({ name }) => name));
  if (!columns.every(({ name }) => names.has(name)) || names.size !== columns.length) return false;
  const held = await files.hold(scanLocations(plan));
  try {
    const list = columns.map(({ name }) => quoteName(name)).join(', ');
    const type = gold.incremental ? columnType(found, gold.incremental.column) : 'string';
    const inGroups =
      groups === null || gold.incremental === undefined
        ? 'true'
        : `${quoteName(gold.incremental.column)} IN (${groups.map((text) => literalOf(type, text)).join(', ')})`;
    const before = `SELECT ${list} FROM ${scanSql(plan, held.localPath)} WHERE ${inGroups}`;
    const now = `SELECT ${list} FROM ${result}`;
    const [differs] = await allRows(
      session.connection,
      `SELECT 1 AS hit FROM ((${before}) EXCEPT ALL (${now})) UNION ALL SELECT 1 FROM ((${now}) EXCEPT ALL (${before})) LIMIT 1`,
    );
    return differs === undefined;
  } finally {
    held.release();
  }
};
