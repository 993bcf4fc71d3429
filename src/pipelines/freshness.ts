import { allRows, quoteName } from '../lake/duckdb-session.ts';
import { currentSchema } from '../lake/metadata.ts';
import { planFiles, scanLocations, scanSql } from '../lake/scan.ts';
import { findTable, type Table } from '../lake/tables.ts';
import { UserError } from '../platform/cli.ts';
import { type Db, transaction } from '../platform/postgres.ts';
import type { Pipeline, TableFreshness } from './declaration.ts';
import type { PipelineDeps } from './pipeline-deps.ts';
import type { LazySession } from './session.ts';
import { hourMs } from './windows.ts';

/** Most parts of a table that have an age of their own: those that are furthest behind. */
const mostParts = 1_000;

/** How old a table, or a part of it, is. */
export type TableAge = {
  readonly table: string;
  /** A value of the target's `by` column; null: the whole table. */
  readonly part: string | null;
  readonly newest: string | null;
  /** Hours since then; null: there is no row, or no table. */
  readonly age: number | null;
  readonly target: number;
  readonly stale: boolean;
};

const targetsOf = ({ freshness }: Pipeline): readonly TableFreshness[] => freshness?.tables ?? [];

const measureOf = ({ column, by }: TableFreshness): string => JSON.stringify([column, by ?? null]);

/**
 * Measures how far the rows of the pipeline's tables reach, of those that changed since they were measured last. To be
 * called when a run is over: what was measured before is told until then.
 * @throws UserError a target names a column that is not there, or holds no instant
 */
export const measureFreshness = async (
  deps: Pick<PipelineDeps, 'pool' | 'lake' | 'files'>,
  session: LazySession,
  pipeline: Pipeline,
): Promise<void> => {
  for (const target of targetsOf(pipeline)) {
    const table = await findTable(deps.lake, target.table);
    const snapshot = table?.metadata['current-snapshot-id'];
    if (!table || !snapshot) continue;
    const measure = measureOf(target);
    const known = await deps.pool.query(
      'SELECT 1 FROM pipeline_freshness WHERE table_name = $1 AND measure = $2 AND snapshot_id = $3 LIMIT 1',
      [target.table, measure, snapshot],
    );
    if (known.rowCount) continue;
    const parts = await newestOf(deps, session, table, target);
    await transaction(deps.pool, async (tx) => {
      await tx.query('DELETE FROM pipeline_freshness WHERE table_name = $1', [target.table]);
      await tx.query(
        `INSERT INTO pipeline_freshness (table_name, part, newest, measure, snapshot_id)
         SELECT $1, part, newest, $4, $5 FROM unnest($2::text[], $3::timestamptz[]) AS p (part, newest)
         ON CONFLICT (table_name, part) DO UPDATE SET newest = excluded.newest, measure = excluded.measure, snapshot_id = excluded.snapshot_id`,
        [target.table, parts.map(({ part }) => part), parts.map(({ newest }) => newest), measure, snapshot],
      );
    });
  }
};

const newestOf = async (
  { lake, files }: Pick<PipelineDeps, 'lake' | 'files'>,
  session: LazySession,
  table: Table,
  { table: name, column, by }: TableFreshness,
): Promise<{ part: string; newest: string | null }[]> => {
  const { fields } = currentSchema(table.metadata);
  const typeOf = (wanted: string): string => {
    const field = fields.find((each) => each.name === wanted);
    if (!field) throw new UserError(`freshness of ${name}: expected a column ${wanted}, found none`, 1);
    return String(field.type);
  };
  const type = typeOf(column);
  if (!/^(date|timestamp)/.test(type)) {
    throw new UserError(
      `freshness of ${name}: expected ${column} to be a date or a timestamp, found ${type}`,
      1,
    );
  }
  if (by !== undefined) typeOf(by);
  const { connection } = await session();
  const plan = await planFiles(lake, table);
  const held = await files.hold(scanLocations(plan));
  try {
    // A date counts to its end, as in the checks; a timestamp without zone is UTC.
    const end = type === 'date' ? ` + INTERVAL '1' DAY` : '';
    const part = by === undefined ? `''` : `coalesce(CAST(${quoteName(by)} AS VARCHAR), 'null')`;
    const rows = await allRows(
      connection,
      `SELECT ${part} AS part, strftime(CAST(max(${quoteName(column)})${end} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%SZ') AS newest
       FROM ${scanSql(plan, held.localPath)} GROUP BY 1 ORDER BY 2 NULLS FIRST, 1 LIMIT ${mostParts}`,
    );
    const found = rows.map((row) => ({
      part: String(row['part']),
      newest: row['newest'] === null || row['newest'] === undefined ? null : String(row['newest']),
    }));
    return found.length === 0 ? [{ part: '', newest: null }] : found;
  } finally {
    held.release();
  }
};

/** The ages of the tables that have a target, by what was measured last. Reads PostgreSQL only. */
export const tableAges = async (db: Db, pipeline: Pipeline, now: Date): Promise<TableAge[]> => {
  const ages: TableAge[] = [];
  for (const target of targetsOf(pipeline)) {
    const found = await db.query<{ part: string; newest: Date | null }>(
      'SELECT part, newest FROM pipeline_freshness WHERE table_name = $1 AND measure = $2 ORDER BY part',
      [target.table, measureOf(target)],
    );
    const parts = new Map(found.rows.map(({ part, newest }) => [part, newest]));
    // Parts that are named have to be there.
    for (const part of Object.keys(target.except ?? {})) if (!parts.has(part)) parts.set(part, null);
    if (parts.size === 0 || (target.by !== undefined && parts.size > 1)) parts.delete('');
    if (parts.size === 0) parts.set('', null);
    for (const [part, newest] of [...parts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const age = newest === null ? null : Math.max(0, (now.getTime() - newest.getTime()) / hourMs);
      const hours = target.except?.[part] ?? target.hours;
      ages.push({
        table: target.table,
        part: part === '' ? null : part,
        newest: newest?.toISOString() ?? null,
        age: age === null ? null : Math.round(age),
        target: hours,
        stale: age === null || age > hours,
      });
    }
  }
  return ages;
};

/** `gold.selic_mensal 433: 30 h old, the target is 24 h` */
export const shownAge = ({ table, part, age, target }: TableAge): string =>
  `${table}${part === null ? '' : ` ${part}`}: ${age === null ? 'no rows' : `newest row is ${age} h old`}, the target is ${target} h`;
