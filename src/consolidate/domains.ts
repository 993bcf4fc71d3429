import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import type { DataFile } from '../lake/data-file.ts';
import { writeDataFiles } from '../lake/data-writer.ts';
import { allRows, type DuckSession, quoteName, quoteText, type RowObject } from '../lake/duckdb-session.ts';
import { icebergType } from '../lake/duckdb-types.ts';
import type { FileCache } from '../lake/file-cache.ts';
import { currentSchema } from '../lake/metadata.ts';
import type { Predicate } from '../lake/predicate.ts';
import { planFiles, scanLocations, scanSql } from '../lake/scan.ts';
import type { PrimitiveType } from '../lake/schema.ts';
import {
  changeSchema,
  createTable,
  findTable,
  type Lake,
  overwritePartition,
  type Table,
} from '../lake/tables.ts';
import { assertFence } from '../platform/leases.ts';
import { type Db, type Tx, transaction } from '../platform/postgres.ts';
import type { Domain } from './domain-models.ts';
import { type Feedback, queueFeedback } from './feedback-queue.ts';
import type { NewRun } from './runs.ts';

export type DomainDeps = {
  readonly pool: Pool;
  readonly lake: Lake;
  readonly session: DuckSession;
  readonly files: FileCache;
  readonly feedbackTopic?: string;
};

/** A model that failed, or a result that breaks its key or a test. Its table stays as it was. */
export class DomainError extends Error {
  readonly domain: string;

  constructor(domain: string, message: string) {
    super(`domain ${domain}: ${message}`);
    this.name = 'DomainError';
    this.domain = domain;
  }
}

/** `kconnect.events` and the domain `pull_requests` make `kconnect.pull_requests`. */
export const domainTable = (eventsTable: string, domain: string): string =>
  `${eventsTable.slice(0, eventsTable.lastIndexOf('.'))}.${domain}`;

/**
 * Brings every domain's table up to the events, only for the days that changed; a domain whose model changed is
 * built anew. Each domain is one commit, with the note of what it still had to process: a run that dies in
 * between leaves the note, and the next one goes on.
 * @throws DomainError after the other domains have been refreshed
 */
export const refreshDomains = async (
  deps: DomainDeps,
  { run, domains, signal }: { run: NewRun; domains: readonly Domain[]; signal?: AbortSignal },
): Promise<void> => {
  const failures: unknown[] = [];
  for (const domain of domains) {
    signal?.throwIfAborted();
    try {
      await refreshDomain(deps, run, domain);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
};

const refreshDomain = async (deps: DomainDeps, run: NewRun, domain: Domain): Promise<void> => {
  const news = await readNews(deps.pool, run.table, domain);
  if (news.rebuild || news.days.length > 0) {
    const prepared = await prepareDomain(deps, run.table, domain, { days: news.rebuild ? 'all' : news.days });
    await transaction(deps.pool, async (tx) => {
      await assertFence(tx, run.fence);
      await commitDomain(deps, tx, run, domain, prepared);
      await tx.query(
        `DELETE FROM consolidate_domain_changes WHERE table_name = $1 AND domain = $2
           AND (day, run_id) IN (SELECT * FROM unnest($3::date[], $4::text[]))`,
        [run.table, domain.name, news.notes.map(({ day }) => day), news.notes.map(({ runId }) => runId)],
      );
    });
  }
};

type News = {
  readonly rebuild: boolean;
  readonly days: readonly string[];
  /** What to strike off when it is done: notes that come meanwhile stay. */
  readonly notes: readonly { day: string; runId: string }[];
};

const readNews = async (db: Db, table: string, domain: Domain): Promise<News> => {
  const built = await db.query<{ model_hash: string }>(
    'SELECT model_hash FROM consolidate_domains WHERE table_name = $1 AND domain = $2',
    [table, domain.name],
  );
  const found = await db.query<{ day: string; run_id: string }>(
    'SELECT day::text, run_id FROM consolidate_domain_changes WHERE table_name = $1 AND domain = $2 ORDER BY day',
    [table, domain.name],
  );
  return {
    rebuild: built.rows[0]?.model_hash !== domain.hash,
    days: [...new Set(found.rows.map(({ day }) => day))],
    notes: found.rows.map(({ day, run_id }) => ({ day, runId: run_id })),
  };
};

export type PreparedDomain = {
  readonly name: string;
  readonly days: readonly string[];
  /** The result's files, in the store but in no table yet. */
  readonly add: readonly DataFile[];
  /** Changed records as JSON text, where the domain sends them. */
  readonly changes: readonly { key: string; record: string }[];
};

type ResultColumn = { readonly name: string; readonly type: PrimitiveType };

const columnType = (domain: string, name: string, type: string): PrimitiveType => {
  const known = icebergType(type);
  if (known) return known;
  throw new DomainError(
    domain,
    `column ${name} is of type ${type}; cast it to a plain type, or to JSON to keep it whole`,
  );
};

const dayFilter = (days: readonly string[]): Predicate => {
  const [first, last] = [days[0], days.at(-1)];
  if (first === undefined || last === undefined) return [];
  return [
    { column: 'ingested_at', op: '>=', value: `${first}T00:00:00Z` },
    { column: 'ingested_at', op: '<=', value: `${last}T23:59:59.999999Z` },
  ];
};

/**
 * Runs the model over the events of the days (without those of `exceptRun`), checks its key and tests, and writes
 * the result's files. No table shows them yet.
 * @throws DomainError
 */
export const prepareDomain = async (
  { lake, session, files }: DomainDeps,
  eventsTable: string,
  domain: Domain,
  { days, exceptRun }: { days: readonly string[] | 'all'; exceptRun?: string },
): Promise<PreparedDomain> => {
  const { connection } = session;
  const events = await findTable(lake, eventsTable);
  if (!events) throw new DomainError(domain.name, `its events' table ${eventsTable} is not there`);
  const wanted = days === 'all' ? [] : days;
  const scan = await planFiles(lake, events, { filter: dayFilter(wanted) });
  const name = domainTable(eventsTable, domain.name);
  const found = await findTable(lake, name);
  const previous = found && (await planFiles(lake, found));
  const held = await files.hold([...scanLocations(scan), ...(previous ? scanLocations(previous) : [])]);
  const inDays =
    wanted.length === 0 ? 'true' : `day IN (${wanted.map((each) => `DATE ${quoteText(each)}`).join(', ')})`;
  const notRun = exceptRun === undefined ? 'true' : `run_id <> ${quoteText(exceptRun)}`;
  try {
    await connection.run(
      `CREATE OR REPLACE TEMP VIEW events AS SELECT * FROM (
         SELECT *, (ingested_at AT TIME ZONE 'UTC')::DATE AS day, TRY_CAST(document AS JSON) AS payload
         FROM ${scanSql(scan, held.localPath)} WHERE ${notRun}) WHERE ${inDays}`,
    );
    await runModel(connection, domain);
    const columns = await resultColumns(connection, domain);
    await checkResult(connection, domain);
    const before = previous
      ? `SELECT * FROM ${scanSql(previous, held.localPath)} WHERE ${inDays}`
      : undefined;
    const resultDays = await allRows(
      connection,
      `SELECT DISTINCT day::VARCHAR AS day FROM (SELECT day FROM result ${before ? `UNION ALL SELECT day FROM (${before})` : ''}) ORDER BY day`,
    );
    const changed = days === 'all' ? resultDays.map((row) => String(row.day)) : [...days];
    const changes = domain.feedback ? await changedRecords(connection, domain, columns, before) : [];
    const table = await ensureDomainTable(lake, domain, name, columns, found);
    const add = await writeDataFiles({ lake, session }, table, 'result');
    await connection.run('DROP TABLE result');
    return { name, days: changed, add, changes };
  } finally {
    held.release();
  }
};

type Connection = DuckSession['connection'];

const runModel = async (connection: Connection, domain: Domain): Promise<void> => {
  try {
    // Not a temporary table: the lake writes it over a connection of its own.
    await connection.run(`CREATE OR REPLACE TABLE result AS ${domain.sql}`);
  } catch (error) {
    throw new DomainError(
      domain.name,
      `its model failed: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
};

const resultColumns = async (connection: Connection, domain: Domain): Promise<readonly ResultColumn[]> => {
  const described = await allRows(connection, 'DESCRIBE result');
  const columns = described.map((row) => {
    const name = String(row.column_name);
    return { name, type: columnType(domain.name, name, String(row.column_type)) };
  });
  if (columns.find(({ name }) => name === 'day')?.type !== 'date') {
    throw new DomainError(
      domain.name,
      'expected the column `day` (a date) in its result: select it from events',
    );
  }
  const missing = domain.key.filter((key) => !columns.some(({ name }) => name === key));
  if (missing.length > 0)
    throw new DomainError(domain.name, `its key ${missing.join(', ')} is not in its result`);
  return columns;
};

const checkResult = async (connection: Connection, domain: Domain): Promise<void> => {
  const key = domain.key.map(quoteName).join(', ');
  const anyNull = domain.key.map((column) => `${quoteName(column)} IS NULL`).join(' OR ');
  const first = async (sql: string): Promise<RowObject | undefined> => (await allRows(connection, sql))[0];
  const shown = (row: RowObject): string => JSON.stringify(row).slice(0, 400);
  const empty = await first(`SELECT ${key} FROM result WHERE ${anyNull} LIMIT 1`);
  if (empty) throw new DomainError(domain.name, `its key is null in a row: ${shown(empty)}`);
  const twice = await first(
    `SELECT ${key}, count(*)::INTEGER AS rows FROM result GROUP BY ALL HAVING count(*) > 1 LIMIT 1`,
  );
  if (twice) throw new DomainError(domain.name, `its key is not unique: ${shown(twice)}`);
  for (const test of domain.tests) {
    let row: RowObject | undefined;
    try {
      row = await first(`SELECT * FROM (${test.sql}) LIMIT 1`);
    } catch (error) {
      throw new DomainError(
        domain.name,
        `test "${test.name}" failed to run: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    if (row) throw new DomainError(domain.name, `test "${test.name}" found a row: ${shown(row)}`);
  }
};

/** Rows that the table does not have yet, as they are. A day that is built again tells only what differs. */
const changedRecords = async (
  connection: Connection,
  domain: Domain,
  columns: readonly ResultColumn[],
  before: string | undefined,
): Promise<PreparedDomain['changes']> => {
  const list = columns.map(({ name }) => quoteName(name)).join(', ');
  const key = domain.key.map((column) => `${quoteName(column)}::VARCHAR`).join(`, '/', `);
  const except = before ? `EXCEPT SELECT ${list} FROM (${before})` : '';
  const rows = await allRows(
    connection,
    `SELECT concat(${key}) AS key, to_json(r)::VARCHAR AS record
     FROM (SELECT ${list} FROM result ${except}) r ORDER BY key`,
  );
  return rows.map((row) => ({ key: String(row.key), record: String(row.record) }));
};

/**
 * Replaces the days of a domain by the prepared result, within the caller's transaction. `changeId` (the run's, unless
 * given) makes the ids of the commit and of its messages.
 */
export const commitDomain = async (
  deps: DomainDeps,
  tx: Tx,
  run: Pick<NewRun, 'runId' | 'table'> & { readonly changeId?: string },
  domain: Domain,
  { name, days, add, changes }: PreparedDomain,
): Promise<void> => {
  const { lake, feedbackTopic } = deps;
  const { changeId = run.runId } = run;
  const partitions = days.map((each) => [Math.floor(Date.parse(`${each}T00:00:00Z`) / 86_400_000)]);
  if (partitions.length > 0) {
    await overwritePartition(
      lake,
      name,
      { partitions, add },
      { tx, commitId: `${changeId}-${domain.name}`, summary: { 'lastro.run': run.runId } },
    );
  }
  await tx.query(
    `INSERT INTO consolidate_domains (table_name, domain, model_hash, built_at) VALUES ($1, $2, $3, clock_timestamp())
     ON CONFLICT (table_name, domain) DO UPDATE SET model_hash = $3, built_at = clock_timestamp()`,
    [run.table, domain.name, domain.hash],
  );
  if (feedbackTopic === undefined || changes.length === 0) return;
  const messages = changes.map(({ key, record }): Feedback => {
    const id = `${changeId}-${domain.name}-${createHash('sha256').update(key).digest('hex').slice(0, 24)}`;
    const about = {
      type: 'consolidate.domain_changed',
      id,
      runId: run.runId,
      domain: domain.name,
      table: name,
      key,
    };
    // The record is put in as text: parsed, numbers above 2^53 would lose digits.
    const body = `${JSON.stringify(about).slice(0, -1)},"record":${record}}`;
    return {
      id,
      runId: run.runId,
      topic: `${feedbackTopic}.${domain.name}`,
      key,
      schema: `domain:${domain.name}`,
      body,
    };
  });
  for (let at = 0; at < messages.length; at += 1_000)
    await queueFeedback(tx, ...messages.slice(at, at + 1_000));
};

/**
 * The domain's table, made where it is missing. A model may bring new columns, which old rows do not have; another type
 * or meaning needs another table.
 */
const ensureDomainTable = async (
  lake: Lake,
  domain: Domain,
  name: string,
  columns: readonly ResultColumn[],
  found: Table | null,
): Promise<Table> => {
  // Made by itself, not with the result: a table that is made in a transaction which fails leaves its folder behind.
  if (!found) {
    return createTable(lake, name, { columns, partitionBy: [{ column: 'day', transform: 'identity' }] });
  }
  const { fields } = currentSchema(found.metadata);
  const fresh = columns.filter((column) => !fields.some((field) => field.name === column.name));
  const changed = columns.find((column) =>
    fields.some((field) => field.name === column.name && field.type !== column.type),
  );
  if (changed) {
    const old = fields.find((field) => field.name === changed.name)?.type;
    throw new DomainError(
      domain.name,
      `its column ${changed.name} is ${changed.type} now, but ${JSON.stringify(old)} in ${name}; cast it, widen the table's column, or name it otherwise`,
    );
  }
  if (fresh.length === 0) return found;
  return changeSchema(
    lake,
    name,
    fresh.map((column) => ({ add: column })),
  );
};
