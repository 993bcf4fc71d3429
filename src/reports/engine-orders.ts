import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { archivedOrdersTable } from '../archive/archive.ts';
import { type DuckSession, quoteName, quoteText } from '../lake/duckdb-session.ts';
import { duckType } from '../lake/duckdb-types.ts';
import { type LakeEngine, QueryError, type Scratch } from '../lake/engines/engine.ts';
import { currentSnapshot } from '../lake/metadata.ts';
import type { Condition, Literal } from '../lake/predicate.ts';
import { columnNamed, type Field, type Schema } from '../lake/schema.ts';
import type { Table } from '../lake/tables.ts';
import type { OrderConditions } from './conditions.ts';
import type { ClientCondition } from './parameters.ts';

/** A condition with the values of its `?`, which never become a part of its text. */
export type Clause = { readonly text: string; readonly parameters: readonly string[] };

/** How long an engine may not know a snapshot that was just committed: Glue is told within a minute. */
const patienceMs = 120_000;
const askAgainMs = 2_000;

export type EngineOrders = {
  /** Stands behind FROM and has the columns of `ordens_arquivadas`; null: no order matches. */
  readonly relation: string | null;
  readonly files: readonly string[];
  readonly snapshotId: string | null;
};

/**
 * Has an engine (Trino, Athena) choose the archived orders, and brings them here as a file of the session. It reads the
 * snapshot that our own catalog names, whatever the engine's knows: an order that left the operational store because
 * of a newer one can't be missed. Rows are held against a count of their own.
 *
 * The chosen orders come as text and are made into rows of the table here, so that nothing depends on how an engine
 * writes a list, an instant or a long number, and all that follows (versions, masks, formats, counts) is one code.
 * @throws QueryError, or what the engine's client fails with; Error where rows are missing
 */
export const stageEngineOrders = async (
  { engine, session, schema }: { engine: LakeEngine; session: DuckSession; schema: Schema },
  {
    table,
    conditions,
    fields,
    scratch,
    signal,
  }: {
    table: Table;
    conditions: OrderConditions;
    /** Names of the columns that are needed; others are null. */
    fields: readonly string[];
    scratch?: Scratch | undefined;
    signal: AbortSignal;
  },
): Promise<EngineOrders> => {
  const snapshotId = currentSnapshot(table.metadata)?.['snapshot-id'] ?? null;
  if (snapshotId === null) return { relation: null, files: [], snapshotId };
  const { text, parameters } = orderClause(schema, conditions);
  const from = `${engineTable} FOR VERSION AS OF ${BigInt(snapshotId)} WHERE ${text}`;
  const options = { parameters, signal, ...(scratch ? { scratch } : {}) };
  const count = (): Promise<number> => countRows(engine, `SELECT count(*) AS n FROM ${from}`, options);
  const expectedRows = await whenKnown(count, snapshotId, signal);
  if (expectedRows === 0) return { relation: null, files: [], snapshotId };
  const chosen = schema.fields.filter((field) => fields.includes(field.name) || isSmall(field));
  const file = join(session.folder, 'engine-orders.parquet');
  const { rows } = await engine.copyTo(
    `SELECT ${chosen.map((field) => `${asText(field)} AS ${quoteName(field.name)}`).join(', ')} FROM ${from}`,
    { file, format: 'parquet' },
    { ...options, expectedRows },
  );
  if (rows !== expectedRows)
    throw new Error(`expected ${expectedRows} archived orders by the engine's own count, found ${rows}`);
  const columns = schema.fields.map((field) => {
    const value = chosen.includes(field) ? fromText(field) : `CAST(NULL AS ${duckType(field.type)})`;
    return `${value} AS ${quoteName(field.name)}`;
  });
  return {
    relation: `(SELECT ${columns.join(', ')} FROM read_parquet(${quoteText(file)}))`,
    files: [file],
    snapshotId,
  };
};

const engineTable = archivedOrdersTable.split('.').map(quoteName).join('.');

const countRows = async (
  engine: LakeEngine,
  sql: string,
  options: { parameters: readonly string[]; signal: AbortSignal; scratch?: Scratch },
): Promise<number> => {
  const rows = (await Array.fromAsync(engine.query(sql, options))).flatMap((batch) => batch.rows);
  const count = rows[0]?.[0];
  if (rows.length !== 1 || typeof count !== 'number')
    throw new Error(`expected one count from the engine, found ${rows.length} rows`);
  return count;
};

/** Both engines say the number of a snapshot that they do not know. */
const whenKnown = async <T>(ask: () => Promise<T>, snapshotId: string, signal: AbortSignal): Promise<T> => {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const isUnknown = error instanceof QueryError && error.message.includes(snapshotId);
      if (!isUnknown || performance.now() > until) throw error;
      await sleep(askAgainMs, undefined, { signal });
    }
  }
};

/** Documents are most of an order's bytes; everything else comes in any case, for conditions and versions. */
const isSmall = ({ name }: Field): boolean => !/^(regras|metadados|notificacoes|logs_eventos)_/.test(name);

const asText = ({ name, type }: Field): string => {
  const column = quoteName(name);
  if (type === 'string') return column;
  if (type === 'timestamptz') return `CAST(${column} AT TIME ZONE 'UTC' AS varchar)`;
  return typeof type === 'string' ? `CAST(${column} AS varchar)` : `json_format(CAST(${column} AS JSON))`;
};

const fromText = ({ name, type }: Field): string => {
  const column = quoteName(name);
  if (type === 'string') return column;
  if (type === 'timestamptz') return `CAST(replace(${column}, ' UTC', '') || '+00' AS TIMESTAMPTZ)`;
  return typeof type === 'string'
    ? `CAST(${column} AS ${duckType(type)})`
    : `from_json(${column}, '["VARCHAR"]')`;
};

/** The conditions in the SQL that Trino and Athena share. The viewer's areas and clients are among them. */
export const orderClause = (
  schema: Schema,
  { predicate, clients }: Pick<OrderConditions, 'predicate' | 'clients'>,
): Clause => {
  const clauses = [
    ...predicate.map((condition) => conditionClause(schema, condition)),
    ...clients.map(clientClause),
  ];
  return {
    text: clauses.length === 0 ? '1 = 1' : clauses.map(({ text }) => `(${text})`).join(' AND '),
    parameters: clauses.flatMap(({ parameters }) => parameters),
  };
};

const conditionClause = (schema: Schema, condition: Condition): Clause => {
  const { name, type } = columnNamed(schema, condition.column);
  const literals: readonly Literal[] =
    'values' in condition ? condition.values : 'value' in condition ? [condition.value] : [];
  if (!literals.every((literal) => typeof literal === 'string'))
    throw new Error(`expected conditions of reports to compare texts, found one on ${name}`);
  const place = type === 'timestamptz' ? 'from_iso8601_timestamp(?)' : '?';
  const column = quoteName(name);
  switch (condition.op) {
    case 'in': {
      const text = literals.length === 0 ? '1 = 0' : `${column} IN (${literals.map(() => place).join(', ')})`;
      return { text, parameters: literals };
    }
    case '=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return { text: `${column} ${condition.op} ${place}`, parameters: literals };
    default:
      throw new Error(`expected a comparison that reports make, found ${condition.op}`);
  }
};

const clientClause = ({ part, ids }: ClientCondition): Clause => {
  // A list with a null in it answers null for what it does not contain.
  const each = ids.map(() =>
    [
      ...(part === 'any' ? ['cliente_requisitante_id = ?'] : []),
      'coalesce(contains(cliente_participante_id, ?), false)',
    ].join(' OR '),
  );
  return {
    text: ids.length === 0 ? '1 = 0' : each.join(' OR '),
    parameters: ids.flatMap((id) => (part === 'any' ? [id, id] : [id])),
  };
};
