import type { Pool } from 'pg';
import type { DataFile, LiveFile } from '../lake/data-file.ts';
import { writeDataFiles } from '../lake/data-writer.ts';
import { allRows, type DuckSession, quoteName } from '../lake/duckdb-session.ts';
import { duckType } from '../lake/duckdb-types.ts';
import type { FileCache } from '../lake/file-cache.ts';
import { currentSchema } from '../lake/metadata.ts';
import type { Predicate } from '../lake/predicate.ts';
import { planFiles, type ScanPlan, scanLocations, scanSql } from '../lake/scan.ts';
import type { PrimitiveType } from '../lake/schema.ts';
import { findTable, type Lake, type Table } from '../lake/tables.ts';
import { bodiesOf } from './bodies.ts';
import { guardSnapshot } from './cdc/snapshot-diff.ts';
import type { Pipeline } from './declaration.ts';
import { findEmptied, stageEmptied } from './emptied.ts';
import { resultColumns } from './result-columns.ts';
import { type CaptureSet, capturesOf } from './sets.ts';
import { absencesSql, eventsSql, linesSql, sameKey, versionsSql } from './silver-sql.ts';
import {
  ensureSilver,
  type ResultColumn,
  type SilverTables,
  silverTable,
  trackColumns,
} from './silver-tables.ts';
import { type Typed, typeRecords } from './typing.ts';
import { rowHashSql } from './typing-sql.ts';

export type SilverDeps = {
  readonly pool: Pool;
  readonly lake: Lake;
  readonly session: DuckSession;
  readonly files: FileCache;
};

/** What a merge came to, in rows. */
export type SilverCounts = {
  /** Records read. */
  readonly records: number;
  /** Rows that are new or have a new version. */
  readonly added: number;
  readonly restated: number;
  readonly removed: number;
  /** Records with the key of another one in the same answer. */
  readonly duplicates: number;
  readonly quarantined: number;
};

/** Silver's rows lie in the session as tables; nothing is written yet. */
export type MergedSilver = {
  readonly typed: Typed;
  readonly columns: readonly ResultColumn[];
  readonly counts: SilverCounts;
  /** Anything to commit in the current table or its history. */
  readonly changed: boolean;
  readonly rebuild: boolean;
};

/** Silver's present rows, as far as a merge may touch them. */
export type Present = { readonly relation: string | undefined; readonly plan: ScanPlan | undefined };

const key = ({ silver }: Pipeline): readonly string[] => silver.key;

const count = async (session: DuckSession, sql: string): Promise<number> =>
  Number((await allRows(session.connection, `SELECT count(*) AS n FROM ${sql}`))[0]?.['n'] ?? 0);

/**
 * Reads the sets' answers from bronze, types them and makes `linhas` of them: the silver SQL's rows, with where they
 * were seen. What breaks the contract is in `violacoes`.
 * @throws ContractError
 */
export const readLines = async (
  deps: SilverDeps,
  pipeline: Pipeline,
  sets: readonly CaptureSet[],
): Promise<{ typed: Typed; columns: ResultColumn[] }> => {
  const { session } = deps;
  const { connection } = session;
  const all = await capturesOf(
    deps.pool,
    sets.map(({ setId }) => setId),
  );
  // An answer without records may have a body all the same: the words of a 404 that means "none here".
  const captures = all.filter(({ records }) => records > 0);
  const typed = await typeRecords(session, pipeline, bodiesOf(deps, pipeline.name, captures));
  const select = pipeline.silver.sql ?? 'SELECT * FROM registros';
  const described = await resultColumns(connection, select, `${pipeline.name}, silver`);
  const given = described.filter(({ name }) => name !== '_registro');
  // Columns that evolved earlier and are not in these answers: present rows have values in them.
  const columns = [...given, ...(await columnsBeside(deps.lake, pipeline, given))];
  const names = columns.map(({ name }) => name);
  const absent = columns.slice(given.length).map(nullColumn);
  const whole = absent.length === 0 ? select : `SELECT *, ${absent.join(', ')} FROM (${select})`;
  await connection.run(`CREATE OR REPLACE TABLE linhas AS ${linesSql(whole, names, rowHashSql(names))}`);
  await connection.run('DROP TABLE registros');
  const anyNull = key(pipeline)
    .map((column) => `${quoteName(column)} IS NULL`)
    .join(' OR ');
  await connection.run(
    `INSERT INTO violacoes SELECT _registro, NULL, 'chave_nula', 'expected ${key(pipeline).join(', ')}, found null', 'linha' FROM linhas WHERE ${anyNull}`,
  );
  await connection.run(`DELETE FROM linhas WHERE ${anyNull}`);
  const emptied = await stageEmptied(session, pipeline);
  if (emptied === 0) return { typed, columns };
  const notice = `the source was emptied ${emptied} times: what it had before is removed`;
  return { typed: { ...typed, notices: [...typed.notices, notice] }, columns };
};

/** Whether a record said that all keys are gone: then any row of silver may be touched. */
const isEmptied = async (session: DuckSession, { silver }: Pipeline): Promise<boolean> =>
  silver.deletes?.all !== undefined && (await count(session, 'esvaziamentos')) > 0;

const nullColumn = ({ name, type }: ResultColumn): string =>
  `CAST(NULL AS ${duckType(type)}) AS ${quoteName(name)}`;

const columnsBeside = async (
  lake: Lake,
  pipeline: Pipeline,
  given: readonly ResultColumn[],
): Promise<ResultColumn[]> => {
  const table = await findTable(lake, silverTable(pipeline.name));
  const known = new Set([...given, ...trackColumns].map(({ name }) => name));
  return (table ? currentSchema(table.metadata).fields : [])
    .filter(({ name }) => !known.has(name))
    .map(({ name, type }) => ({ name, type: type as PrimitiveType }));
};

/** A relation of silver's rows that has all the columns, those that the table has not yet as null. */
const withColumns = (relation: string, plan: ScanPlan, columns: readonly ResultColumn[]): string => {
  const known = new Set(plan.schema.fields.map(({ name }) => name));
  const absent = columns.filter(({ name }) => !known.has(name)).map(nullColumn);
  return absent.length === 0 ? relation : `(SELECT *, ${absent.join(', ')} FROM ${relation})`;
};

/** The relation of silver's present rows that a merge starts from; undefined: it starts from nothing. */
export const presentRows = (
  { columns, rebuild }: { columns: readonly ResultColumn[]; rebuild: boolean },
  { relation, plan }: Present,
): string | undefined =>
  rebuild || relation === undefined || plan === undefined ? undefined : withColumns(relation, plan, columns);

/**
 * Makes `versoes` in the session: of all captures (`rebuild`), or of the new ones over what silver has.
 * To be called after `readLines`, and after the checks have taken their rows out of `linhas`.
 */
export const mergeLines = async (
  deps: SilverDeps,
  pipeline: Pipeline,
  { typed, columns }: { typed: Typed; columns: readonly ResultColumn[] },
  { sets, rebuild, current }: { sets: readonly CaptureSet[]; rebuild: boolean; current: Present },
): Promise<MergedSilver> => {
  const { session } = deps;
  const { connection } = session;
  const names = columns.map(({ name }) => name);
  const isFull = 'full' in pipeline.windows;
  const present = presentRows({ columns, rebuild }, current);
  if (isFull) {
    await findAbsences(session, pipeline, sets, present);
    if (!rebuild) await requireWholeSnapshot(session, pipeline, present);
  }
  const emptied = await isEmptied(session, pipeline);
  if (emptied) await findEmptied(session, pipeline, present);
  const absences = isFull || emptied;
  const own = key(pipeline).map(quoteName).join(', ');
  await connection.run(
    `CREATE OR REPLACE TABLE chaves_tocadas AS SELECT DISTINCT ${own} FROM linhas ${absences ? `UNION SELECT ${own} FROM ausencias` : ''}`,
  );
  const events = eventsSql({
    columns: names,
    key: key(pipeline),
    newest: pipeline.silver.newest ?? [],
    current: present,
    absences,
  });
  await connection.run(`CREATE OR REPLACE TABLE eventos AS ${events}`);
  await connection.run(`CREATE OR REPLACE TABLE versoes AS ${versionsSql(names, key(pipeline))}`);
  const closed = 'versoes WHERE NOT apaga AND valido_ate IS NOT NULL';
  const added = await count(session, 'versoes WHERE NOT apaga AND NOT velho');
  const removed = await count(session, `${closed} AND depois_apaga`);
  const lines = await count(session, 'linhas');
  const kept = await count(session, "eventos WHERE NOT velho AND captura_id <> ''");
  const counts: SilverCounts = {
    records: typed.records,
    added,
    removed,
    restated: (await count(session, closed)) - removed,
    duplicates: lines - kept,
    quarantined: await count(session, "(SELECT DISTINCT _registro FROM violacoes WHERE alcance = 'linha')"),
  };
  // Nothing reads them any more, and memory is short.
  await connection.run('DROP TABLE eventos; DROP TABLE linhas');
  const changed = rebuild || added > 0 || removed > 0 || counts.restated > 0;
  return { typed, columns, counts, changed, rebuild };
};

/**
 * A record in quarantine is not absent: its key counts as present. One whose key can't be read could be any, so no
 * absence is derived from its snapshot at all.
 */
const findAbsences = async (
  session: DuckSession,
  pipeline: Pipeline,
  sets: readonly CaptureSet[],
  current: string | undefined,
): Promise<void> => {
  const { connection } = session;
  const own = key(pipeline).map((column) => quoteName(column));
  const known = Object.keys(pipeline.silver.columns);
  const readable = key(pipeline).every((column) => known.includes(column));
  const nulls = own.map((column) => `${column} IS NULL`).join(' OR ');
  await connection.run(
    `CREATE OR REPLACE TABLE presentes AS SELECT ${own.join(', ')}, conjunto_id FROM linhas WHERE NOT apaga ${
      readable
        ? `UNION SELECT ${own.map((column) => `c.${column}`).join(', ')}, b.conjunto_id FROM chaves c JOIN brutos b USING (_registro)
           WHERE c._registro IN (SELECT _registro FROM violacoes WHERE alcance = 'linha') AND NOT (${nulls})`
        : ''
    }`,
  );
  const unreadable = await allRows(
    connection,
    `SELECT DISTINCT b.conjunto_id AS id FROM violacoes v JOIN brutos b USING (_registro) ${readable ? 'JOIN chaves c USING (_registro)' : ''}
     WHERE v.alcance = 'linha' ${readable ? `AND (${nulls})` : ''}`,
  );
  const excluded = new Set(unreadable.map(({ id }) => String(id)));
  const snapshots = sets
    .filter(({ setId }) => !excluded.has(setId))
    .map(({ setId, completedAt, openedAt }) => ({ setId, at: completedAt ?? openedAt }));
  const keys = own.join(', ');
  await connection.run(
    snapshots.length === 0
      ? `CREATE OR REPLACE TABLE ausencias AS SELECT ${keys}, visto FROM linhas WHERE false`
      : `CREATE OR REPLACE TABLE ausencias AS ${absencesSql(key(pipeline), current, snapshots)}`,
  );
};

/** A success with half of the list would delete the other half. @throws SuspiciousSnapshotError */
const requireWholeSnapshot = async (
  session: DuckSession,
  { windows }: Pipeline,
  current: string | undefined,
): Promise<void> => {
  const before = current === undefined ? 0 : await count(session, current);
  const after = await count(session, 'presentes');
  guardSnapshot({ before, after }, 'full' in windows ? windows.guard : undefined);
};

/** Files that may hold a row with one of the keys: by the range of each column of the key. */
const candidateFilter = async (
  session: DuckSession,
  pipeline: Pipeline,
  table: Table,
): Promise<Predicate> => {
  const columns = key(pipeline).filter((column) => {
    const field = currentSchema(table.metadata).fields.find(({ name }) => name === column);
    return field !== undefined && ['int', 'long', 'date', 'string'].includes(String(field.type));
  });
  if (columns.length === 0) return [];
  const [found] = await allRows(
    session.connection,
    `SELECT ${columns.map((column, at) => `min(${quoteName(column)})::VARCHAR AS lo${at}, max(${quoteName(column)})::VARCHAR AS hi${at}`).join(', ')} FROM linhas`,
  );
  return columns.flatMap((column, at): Predicate => {
    const [lo, hi] = [found?.[`lo${at}`], found?.[`hi${at}`]];
    return typeof lo === 'string' && typeof hi === 'string'
      ? [
          { column, op: '>=', value: lo },
          { column, op: '<=', value: hi },
        ]
      : [];
  });
};

/** Silver's rows that a merge may touch, as a relation of the session, for as long as `work` lasts. */
export const withCurrent = async <T>(
  deps: SilverDeps,
  pipeline: Pipeline,
  work: (current: Present) => Promise<T>,
): Promise<T> => {
  const table = await findTable(deps.lake, silverTable(pipeline.name));
  if (!table) return work({ relation: undefined, plan: undefined });
  const isWhole = 'full' in pipeline.windows || (await isEmptied(deps.session, pipeline));
  const filter = isWhole ? [] : await candidateFilter(deps.session, pipeline, table);
  const plan = await planFiles(deps.lake, table, { filter });
  const held = await deps.files.hold(scanLocations(plan));
  try {
    return await work({ relation: scanSql(plan, held.localPath), plan });
  } finally {
    held.release();
  }
};

/** Data files of a merge, in the store but in no table yet, and those that leave. */
export type WrittenSilver = {
  readonly tables: SilverTables;
  readonly current: { readonly remove: readonly LiveFile[]; readonly add: readonly DataFile[] };
  readonly history: { readonly remove: readonly LiveFile[]; readonly add: readonly DataFile[] };
};

/** A relation with all columns that a silver table has: columns that evolved earlier and are gone since are null. */
const aligned = (table: Table, names: readonly string[]): string =>
  currentSchema(table.metadata)
    .fields.map(({ name }) => name)
    .filter((name) => names.includes(name))
    .map(quoteName)
    .join(', ');

/**
 * Writes the merge's files: the current rows of the files that are touched anew, and the versions that ended. Only
 * files with a touched key are replaced.
 */
export const writeSilver = async (
  deps: SilverDeps,
  pipeline: Pipeline,
  merged: MergedSilver,
  current: Present,
): Promise<WrittenSilver> => {
  const { lake, session } = deps;
  const tables = await ensureSilver(lake, pipeline, merged.columns);
  const nothing = { remove: [], add: [] };
  if (!merged.changed) return { tables, current: nothing, history: nothing };
  const names = merged.columns.map(({ name }) => name);
  const track = ['valido_desde', 'captura_id', 'posicao', 'hash_linha'];
  const own = [...names, ...track].map(quoteName).join(', ');
  const fresh = `SELECT ${own} FROM versoes WHERE NOT apaga AND valido_ate IS NULL`;
  const all = aligned(tables.current, [...names, ...track]);
  const rest =
    merged.rebuild || current.relation === undefined
      ? ''
      : `UNION ALL BY NAME SELECT * FROM ${current.relation} c WHERE NOT EXISTS (SELECT 1 FROM chaves_tocadas t WHERE ${sameKey(key(pipeline), 't', 'c')})`;
  const add = await writeDataFiles(
    { lake, session },
    tables.current,
    `(SELECT ${all} FROM (${fresh}) ${rest})`,
  );
  const ended = `SELECT ${own}, valido_ate, CASE WHEN depois_apaga THEN 'removida' ELSE 'atualizada' END AS motivo
    FROM versoes WHERE NOT apaga AND valido_ate IS NOT NULL`;
  const history = await writeDataFiles({ lake, session }, tables.history, `(${ended})`);
  const liveOf = async (table: Table): Promise<LiveFile[]> =>
    (await planFiles(lake, table)).files.map(({ file }) => file);
  return {
    tables,
    current: {
      remove: merged.rebuild
        ? await liveOf(tables.current)
        : (current.plan?.files.map(({ file }) => file) ?? []),
      add,
    },
    history: { remove: merged.rebuild ? await liveOf(tables.history) : [], add: history },
  };
};
